"""What an answer of the upstream proves (contract §5, T4, T5), whatever it looks like."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import Code, explain
from gateway.domain.order import Evidence, Silence, Source, Status
from gateway.protocol.text import Line, relayed_answer
from gateway.protocol.upstream import (
    MAX_BODY_BYTES,
    Reply,
    lookup_path,
    order_path,
    read_lookup_reply,
    read_order_reply,
    read_user_reply,
    user_path,
)
from tests.protocol.wire import T0, envelope, json, order, text

# T4, by hand: these nine are said before the upstream buys.
DEFINITE = [
    "API_KEY_NOT_FOUND",
    "IP_NOT_WHITELISTED",
    "INSUFFICIENT_BALANCE",
    "INVALID_USER_ID",
    "NICKNAME_NOT_FOUND",
    "PRODUCT_NOT_FOUND",
    "PRODUCT_INACTIVE",
    "INVALID_CALLBACK_URL",
    "PAYMENT_METHOD_NOT_ALLOWED",
]
UNCERTAIN = ["INVOICE_NOT_FOUND", "DUPLICATE_TRX_ID", "SERVER_ERROR"]
FOREIGN = ["UPSTREAM_UNREACHABLE", "EXPIRED", "BUSY", "RATE_LIMITED", "SOMETHING_NEW", "Not Found"]
FAILED_LINE = "R#toko-123424324 S1_1187.123456789|1234, status FAILED. {} . Sisa saldo 12345"


def proof(reply: Reply) -> Status | Silence:
    return read_order_reply(reply, order())[0].verdict


# the twelve codes, in each form


@pytest.mark.parametrize("code", DEFINITE)
@pytest.mark.parametrize("http", [200, 400, 401, 403, 404, 409, 422, 500, 503])
def test_an_envelope_with_a_definite_code_refuses_with_any_http_code(code: str, http: int) -> None:
    for said_status in (http, 404):
        evidence, line = read_order_reply(envelope(code, http, said_status), order())
        assert evidence.verdict is Status.FAILED
        assert evidence.source is Source.REPLY
        assert evidence.note == explain(Code(code))
        assert line is None


@pytest.mark.parametrize("code", [*UNCERTAIN, *FOREIGN])
@pytest.mark.parametrize("http", [200, 404, 409, 500])
def test_an_envelope_with_another_code_proves_nothing(code: str, http: int) -> None:
    assert proof(envelope(code, http)) is Silence.NO_ANSWER


@pytest.mark.parametrize("http", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("code", ["INSUFFICIENT_BALANCE", "INVOICE_NOT_FOUND"])
def test_a_redirect_proves_nothing_whatever_it_holds(http: int, code: str) -> None:
    assert proof(envelope(code, http)) is Silence.NO_ANSWER
    assert proof(text(code, http)) is Silence.NO_ANSWER
    assert read_lookup_reply(envelope(code, http), "toko-1", T0).verdict is Silence.NO_ANSWER


@pytest.mark.parametrize("code", DEFINITE)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_bare_definite_code_refuses(code: str, end: str) -> None:
    evidence, line = read_order_reply(text(code + end), order())
    assert (evidence.verdict, evidence.note) == (Status.FAILED, explain(Code(code)))
    assert line is None


@pytest.mark.parametrize("code", [*UNCERTAIN, *FOREIGN, "", "insufficient_balance"])
def test_another_bare_word_proves_nothing(code: str) -> None:
    assert proof(text(code)) is Silence.NO_ANSWER


@pytest.mark.parametrize("http", [400, 404, 500, 502])
def test_a_bare_code_with_another_http_code_proves_nothing(http: int) -> None:
    assert proof(text("INSUFFICIENT_BALANCE", http)) is Silence.NO_ANSWER


@pytest.mark.parametrize("code", DEFINITE)
def test_a_failed_line_with_a_definite_code_refuses_and_is_relayed(code: str) -> None:
    for note in (code, f"{code} - {explain(Code(code))}", f"Gagal: {code}"):
        evidence, line = read_order_reply(text(FAILED_LINE.format(note)), order())
        assert (evidence.verdict, evidence.note, evidence.saldo) == (Status.FAILED, note, 12345)
        assert line is not None


@pytest.mark.parametrize("code", [*UNCERTAIN, "SOMETHING_NEW", "UPSTREAM_UNREACHABLE"])
def test_a_failed_line_with_another_code_proves_nothing_but_the_balance(code: str) -> None:
    for note in (code, f"{code} - x", f"INSUFFICIENT_BALANCE {code}"):
        evidence, line = read_order_reply(text(FAILED_LINE.format(note)), order())
        assert (evidence.verdict, evidence.saldo) == (Silence.NO_ANSWER, 12345)
        assert line is None


@pytest.mark.parametrize("code", UNCERTAIN)
def test_an_uncertain_code_in_a_failed_line_proves_nothing_in_any_case_of_letters(
    code: str,
) -> None:
    for note in (code.lower(), f"Error: {code.title()}", f"x{code}x", f"INVALID_USER_ID {code}"):
        assert proof(text(FAILED_LINE.format(note))) is Silence.NO_ANSWER


@pytest.mark.parametrize("code", UNCERTAIN)
def test_a_doubtful_code_that_was_cut_off_proves_nothing(code: str) -> None:
    whole = FAILED_LINE.format(f"{code} - Server mengalami error")
    for end in range(len(whole.partition(code)[0]) - 1, len(whole)):
        assert proof(text(whole[:end])) is Silence.NO_ANSWER, whole[:end]


@pytest.mark.parametrize("code", DEFINITE)
def test_a_definite_code_refuses_without_the_balance_too(code: str) -> None:
    assert proof(text(f"R#toko-123424324 S1_1187.1, status FAILED. {code}")) is Status.FAILED


@pytest.mark.parametrize(
    "note", ["Produk gangguan", "RefId: ML_1680405885_1234", "Id salah", "x - y", ""]
)
def test_a_failed_line_in_other_words_refuses(note: str) -> None:
    evidence, line = read_order_reply(text(FAILED_LINE.format(note)), order())
    assert (evidence.verdict, evidence.note) == (Status.FAILED, note)
    assert line is not None


@pytest.mark.parametrize("status", Status)
def test_each_of_the_six_words_in_a_line_is_read(status: Status) -> None:
    line = f"R#toko-123424324 S1_1187.1|2, status {status}. RefId : X . Sisa saldo 5"
    evidence, relayed = read_order_reply(text(line), order())
    assert evidence.verdict is status
    assert isinstance(relayed, Line)
    assert relayed_answer(relayed, order()) == line.replace("toko-", "")


# what is of no other order, of the right type, whole, and readable

GOOD = "R#toko-123424324 S1_1187.1|2, status {}. RefId : X . Sisa saldo 5"


@pytest.mark.parametrize(
    "trx_id",
    ["123424324", "toko-123424325", "toko2-123424324", "toko-123424324x", "TOKO-123424324"],
)
@pytest.mark.parametrize("status", ["SUCCESS", "FAILED", "PENDING"])
def test_the_line_of_another_order_proves_nothing(trx_id: str, status: str) -> None:
    line = GOOD.format(status).replace("toko-123424324", trx_id)
    evidence, relayed = read_order_reply(text(line), order())
    assert evidence.verdict is Silence.NO_ANSWER
    assert evidence.saldo is None
    assert relayed is None


@pytest.mark.parametrize("status", ["ERROR", "DONE", "success", "SUKSES", "PROCESSING"])
def test_a_word_that_is_none_of_the_six_proves_nothing(status: str) -> None:
    assert proof(text(GOOD.format(status))) is Silence.NO_ANSWER


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED"])
@pytest.mark.parametrize("http", [201, 202, 204, 301, 400, 404, 500, 502, 503, 504])
def test_a_line_with_another_http_code_proves_nothing(status: str, http: int) -> None:
    assert proof(text(GOOD.format(status), http)) is Silence.NO_ANSWER


@pytest.mark.parametrize(
    "content_type", ["text/html", "application/json", "application/octet-stream", "", "text/plai"]
)
@pytest.mark.parametrize("status", ["SUCCESS", "FAILED"])
def test_a_line_of_another_type_proves_nothing(content_type: str, status: str) -> None:
    assert proof(text(GOOD.format(status), content_type=content_type)) is Silence.NO_ANSWER


@pytest.mark.parametrize("content_type", ["text/html", "application/xml", ""])
def test_an_envelope_of_another_type_proves_nothing(content_type: str) -> None:
    body = envelope("INSUFFICIENT_BALANCE").body
    assert body is not None
    assert proof(text(body, 404, content_type)) is Silence.NO_ANSWER
    missing = envelope("INVOICE_NOT_FOUND").body
    assert missing is not None
    found = read_lookup_reply(text(missing, 404, content_type), "toko-1", T0)
    assert found.verdict is Silence.NO_ANSWER


@pytest.mark.parametrize("http", [200, 404, 500])
@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_a_body_that_was_too_large_proves_nothing(http: int, content_type: str) -> None:
    reply = Reply(status=http, content_type=content_type, body=None)
    evidence, line = read_order_reply(reply, order())
    assert (evidence.verdict, line) == (Silence.NO_ANSWER, None)
    assert evidence.reason == f"HTTP {http}, a body over 65536 bytes"
    assert read_lookup_reply(reply, "toko-1", T0).verdict is Silence.NO_ANSWER
    assert read_user_reply(reply) is Code.SERVER_ERROR


HTML = b"<!DOCTYPE html><html><title>502 Bad Gateway</title>SUCCESS</html>"
JUNK = [
    HTML,
    b"",
    b"\xff\xfe\x00",
    b"\x00" * 100,
    GOOD.format("SUCCESS").encode() + b"\xff",
    b"\xef\xbb\xbf" + GOOD.format("SUCCESS").encode(),
    b" " + GOOD.format("SUCCESS").encode(),
    b"<html>" + GOOD.format("FAILED").encode() + b"</html>",
    GOOD.format("SUCCESS").encode() + b"\n" + GOOD.format("FAILED").encode(),
    GOOD.format("PENDING").encode() + b"\r" + GOOD.format("SUCCESS").encode(),
    b"\n" + GOOD.format("SUCCESS").encode(),
    b"{",
    b"[]",
    b"null",
    b'"INSUFFICIENT_BALANCE"',
    b'{"message": "INSUFFICIENT_BALANCE"}',
    b'{"statusCode": "404", "message": "INSUFFICIENT_BALANCE", "error": "x"}',
    b'{"statusCode": 404, "message": ["INSUFFICIENT_BALANCE"], "error": "x"}',
    b'{"statusCode": 404, "message": "INSUFFICIENT_BALANCE\xff", "error": "x"}',
    b'{"statusCode": 404, "message": "\\ud800", "error": "x"}',
    b'{"a": ' + b"[" * (MAX_BODY_BYTES - 100),
    b'{"data": ' + b'{"product": ' * 5000,
]


@pytest.mark.parametrize("body", JUNK, ids=range(len(JUNK)))
@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "text/html"])
@pytest.mark.parametrize("http", [200, 404, 500])
def test_junk_proves_nothing(body: bytes, content_type: str, http: int) -> None:
    reply = text(body, http, content_type)
    evidence, line = read_order_reply(reply, order())
    assert (evidence.verdict, line) == (Silence.NO_ANSWER, None)
    assert read_lookup_reply(reply, "toko-123424324", T0).verdict is Silence.NO_ANSWER
    assert isinstance(read_user_reply(reply), Code)


def _behind_a_line(tail: str) -> bytes:
    return (GOOD.format("SUCCESS") + tail).encode("utf-8", "replace")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda s: s.encode("utf-8", "surrogatepass")),
        st.text(max_size=80).map(
            lambda s: (GOOD.format("SUCCESS") + s).encode("utf-8", "replace")
        ),
    ),
    st.sampled_from([200, 201, 302, 404, 500]),
    st.sampled_from(["text/plain", "application/json", "text/html", ""]),
)
def test_no_answer_whatever_breaks_a_reader(body: bytes, http: int, content_type: str) -> None:
    reply = text(body, http, content_type)
    evidence, line = read_order_reply(reply, order())
    assert (line is None) or evidence.verdict is Status.SUCCESS
    assert evidence.note.isprintable() or not evidence.note.isascii()
    assert "\n" not in evidence.note + evidence.reason
    read_lookup_reply(reply, "toko-123424324", T0)
    read_user_reply(reply)


def test_a_large_answer_is_read_in_no_time() -> None:
    bodies = [
        "R#a " + "x, status A. " * 5000 + "\nx",
        "R#toko-123424324 " + ", status FAILED. " * 3800,
        ". plan . balance " * 3800,
        ". " * 32000,
        "R#" + "a" * 65000,
        "R#a b " + " . Sisa saldo 1" * 4000,
    ]
    began = time.perf_counter()
    for body in bodies:
        read_order_reply(text(body), order())
        read_user_reply(text(body))
    assert time.perf_counter() - began < 3


# the look-up


def found(http: int = 200, **fields: object) -> Reply:
    data: dict[str, object] = {"trx_id": "toko-1", "status": "SUCCESS", **fields}
    return json(msgspec.json.encode({"data": data}), http)


@pytest.mark.parametrize("trx_id", [None, 1, "", "toko-2", "TOKO-1", "toko-1 ", "1"])
def test_a_look_up_of_another_order_proves_nothing(trx_id: object) -> None:
    evidence = read_lookup_reply(found(trx_id=trx_id), "toko-1", T0)
    assert evidence.verdict is Silence.NO_ANSWER


@pytest.mark.parametrize("http", [201, 301, 400, 404, 500, 503])
def test_a_look_up_with_another_http_code_proves_nothing(http: int) -> None:
    assert read_lookup_reply(found(http), "toko-1", T0).verdict is Silence.NO_ANSWER


@pytest.mark.parametrize("status", ["success", "DONE", "", "OPEN", "NOT_FOUND"])
def test_a_look_up_with_another_word_proves_nothing(status: str) -> None:
    evidence = read_lookup_reply(found(status=status), "toko-1", T0)
    assert evidence.verdict is Silence.NO_ANSWER


@pytest.mark.parametrize("code", [*DEFINITE, "DUPLICATE_TRX_ID", "SERVER_ERROR", "EXPIRED"])
def test_a_look_up_that_is_refused_proves_nothing(code: str) -> None:
    assert read_lookup_reply(envelope(code), "toko-1", T0).verdict is Silence.NO_ANSWER


@pytest.mark.parametrize("http", [500, 502, 503, 504])
def test_not_found_behind_a_server_error_allows_no_resend(http: int) -> None:
    evidence = read_lookup_reply(envelope("INVOICE_NOT_FOUND", http), "toko-1", T0)
    assert evidence.verdict is Silence.NO_ANSWER


def test_a_bare_not_found_allows_no_resend() -> None:
    evidence = read_lookup_reply(text("INVOICE_NOT_FOUND"), "toko-1", T0)
    assert evidence.verdict is Silence.NO_ANSWER


@pytest.mark.parametrize(
    ("price", "known"),
    [
        (0, 0),
        (1511, 1511),
        (1511.0, 1511),
        (10**15 - 1, 10**15 - 1),
        (-1, None),
        (10**15, None),
        (10**30, None),
        (1e300, None),
        (None, None),
    ],
)
def test_only_a_price_that_can_be_one_is_known(price: float | None, known: int | None) -> None:
    evidence = read_lookup_reply(found(product={"price": price}), "toko-1", T0)
    assert (evidence.verdict, evidence.product_price) == (Status.SUCCESS, known)


def test_what_a_look_up_leaves_out_is_not_known() -> None:
    evidence = read_lookup_reply(found(), "toko-1", T0)
    assert evidence == Evidence(
        source=Source.LOOKUP, verdict=Status.SUCCESS, invoice=evidence.invoice, asked_at=T0
    )
    told = read_lookup_reply(
        found(
            user_input={"user_id": 123, "server_id": None}, product=None, response_note="a\u2028b"
        ),
        "toko-1",
        T0,
    )
    assert (told.user_id, told.server_id, told.note) == ("123", None, "a b")


# what is kept of a line


def test_a_destination_without_a_bar_tells_no_parts() -> None:
    line = "R#toko-123424324 S1_1187.085.11.2, status PENDING. x"
    evidence, _ = read_order_reply(text(line), order())
    assert (evidence.said_dest, evidence.user_id, evidence.server_id) == ("085.11.2", None, None)
    assert evidence.saldo is None


def test_the_target_of_another_form_is_no_destination() -> None:
    line = "R#toko-123424324 INV_1 S1_1187.1(2), status SUCCESS. SN1"
    evidence, _ = read_order_reply(text(line), order())
    assert (evidence.verdict, evidence.note) == (Status.SUCCESS, "SN1")
    assert (evidence.said_dest, evidence.user_id) == (None, None)


def test_an_answer_is_described_in_one_short_line_without_secrets() -> None:
    reply = Reply(
        status=500,
        content_type="text/html",
        body=b"<p>\nkey=tg_geheim\x00\x1b[31m" + b"x" * 500,
        secrets=("tg_geheim",),
    )
    described = reply.describe()
    assert described.startswith("HTTP 500 text/html: <p> key=***[31mxxx")
    assert len(described) < 250
    assert "tg_geheim" not in repr(reply.secrets and reply.describe())


# what we ask


def test_an_order_is_asked_for_as_the_contract_says() -> None:
    asked = order_path(
        order(dest="12 3&x=#é", trx_id="A.1_b-2"), "k/ey+", "https://me.test/callback/t0"
    )
    assert asked == (
        "/v3/otomax/order?apikey=k%2Fey%2B&product_code=S1_1187"
        "&user_id=12%203%26x%3D%23%C3%A9&trx_id=toko-A.1_b-2"
        "&callback_url=https%3A%2F%2Fme.test%2Fcallback%2Ft0"
    )


def test_look_up_and_user_are_asked_for_as_the_contract_says() -> None:
    assert lookup_path("toko-A.1_b-2") == "/v1/status/trx-id/toko-A.1_b-2"
    assert user_path("k&y") == "/v1/otomax/user?apikey=k%26y"


def test_a_refused_user_call_says_why() -> None:
    assert read_user_reply(envelope("IP_NOT_WHITELISTED", 403)) is Code.IP_NOT_WHITELISTED
    assert read_user_reply(text("API_KEY_NOT_FOUND")) is Code.API_KEY_NOT_FOUND
    assert read_user_reply(envelope("SOMETHING_NEW")) is Code.SERVER_ERROR
    assert read_user_reply(text("A. a@a.id. plan P. balance 5", 500)) is Code.SERVER_ERROR

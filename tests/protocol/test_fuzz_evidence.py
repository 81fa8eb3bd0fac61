"""Any answer of the upstream: what is no proof, by hand from the contract, never becomes one.

The judges here read bytes with other tools than the gateway does: `json` of the standard library,
and plain `in` and `startswith`.
"""

import json as other_json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.evidence import Silence, Source, Status
from gateway.protocol.text import Line
from gateway.protocol.upstream import (
    MAX_BODY_BYTES,
    Envelope,
    Reply,
    read_envelope,
    read_lookup_reply,
    read_order_reply,
    read_user_reply,
)
from tests.domain.cases import Life
from tests.protocol.fuzz import ANY_TEXT, FUZZ, NICKNAMES, SALDO, broken_rules
from tests.protocol.wire import T0, order

OURS = "toko-123424324"
# T4, by hand.
DEFINITE = (
    *("API_KEY_NOT_FOUND", "IP_NOT_WHITELISTED", "INSUFFICIENT_BALANCE", "INVALID_USER_ID"),
    *("NICKNAME_NOT_FOUND", "PRODUCT_NOT_FOUND", "PRODUCT_INACTIVE", "INVALID_CALLBACK_URL"),
    "PAYMENT_METHOD_NOT_ALLOWED",
)
DOUBTFUL = ("SERVER_ERROR", "DUPLICATE_TRX_ID", "INVOICE_NOT_FOUND", "SOMETHING_NEW")
OTHERS = st.one_of(
    st.sampled_from(
        [
            "123424324",
            "toko-1234243240",
            "toko-12342432",
            "toko--123424324",
            "Toko-123424324",
            "toko-\u0661\u062323424324",
            "toko2-123424324",
            "toko-123424324\u200b",
            "toko-123424324.",
            "-",
            "",
        ]
    ),
    st.from_regex(r"[a-z0-9]{1,12}-[A-Za-z0-9._-]{1,20}", fullmatch=True),
).filter(lambda name: name != OURS)
HTTP = st.sampled_from([200, 200, 200, 201, 204, 301, 302, 400, 401, 404, 409, 429, 500, 502, 503])
TYPES = st.sampled_from(["text/plain", "application/json", "text/html", ""])
NOTES = st.one_of(
    NICKNAMES,
    st.sampled_from([*DEFINITE, *DOUBTFUL]),
    st.tuples(NICKNAMES, st.sampled_from([*DEFINITE, *DOUBTFUL]), NICKNAMES).map(" ".join),
)


def _line(trx_id: str, status: str, note: str, saldo: int | None) -> str:
    end = "" if saldo is None else f" . Sisa saldo {saldo}"
    return f"R#{trx_id} S1_1187.1|2, status {status}. {note}{end}"


LINES = st.builds(
    _line,
    st.one_of(st.just(OURS), OTHERS),
    st.sampled_from([*Status.__members__, "ERROR", "DONE", "success"]),
    NOTES,
    SALDO,
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), NICKNAMES, st.just(OURS)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
INVOICES = st.fixed_dictionaries(
    {
        "trx_id": st.one_of(st.just(OURS), st.just(OURS), OTHERS, LEAVES),
        "status": st.one_of(st.sampled_from([*Status.__members__, "DONE", "success"]), LEAVES),
    },
    optional={
        "invoice_number": st.one_of(NICKNAMES, LEAVES),
        "response_note": st.one_of(NICKNAMES, LEAVES),
        "product": st.one_of(st.fixed_dictionaries({"price": LEAVES}), JSON),
        "user_input": st.one_of(
            st.fixed_dictionaries({"user_id": LEAVES, "server_id": LEAVES}), JSON
        ),
        "extra": JSON,
    },
)
ENVELOPES = st.fixed_dictionaries(
    {
        "statusCode": st.one_of(st.just(404), LEAVES),
        "message": st.one_of(st.sampled_from([*DEFINITE, *DOUBTFUL]), LEAVES),
        "error": st.one_of(st.just("Not Found"), LEAVES),
    }
)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _json(value: object) -> bytes:
    return other_json.dumps(value).encode()


@st.composite
def _spoiled(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A good body, cut, doubled, wrapped, or with a byte changed."""
    body = draw(whole)
    at = draw(st.integers(0, len(body)))
    return draw(
        st.sampled_from(
            [
                body,
                body[:at],
                body[at:],
                body[:at] + draw(st.binary(max_size=3)) + body[at:],
                body + b"\n" + body,
                b"<html>" + body + b"</html>",
                body + b"\r\n",
            ]
        )
    )


WHOLE = st.one_of(
    LINES.map(_bytes),
    st.sampled_from([*DEFINITE, *DOUBTFUL]).map(_bytes),
    ENVELOPES.map(_json),
    INVOICES.map(lambda invoice: _json({"data": invoice})),
    JSON.map(_json),
    ANY_TEXT.map(_bytes),
    st.binary(max_size=80),
)
BODIES = st.one_of(WHOLE, _spoiled(WHOLE), st.none())
REPLIES = st.builds(
    lambda http, kind, body: Reply(status=http, content_type=kind, body=body), HTTP, TYPES, BODIES
)


def _may_prove(reply: Reply, status: Status) -> bool:
    """What the contract allows an order's reply to prove, by other means."""
    body = (reply.body or b"").decode("utf-8", "replace").rstrip("\r\n")
    ours = reply.status == 200 and reply.content_type == "text/plain"
    is_line = ours and body.startswith(f"R#{OURS} ") and f", status {status}. " in body
    if is_line or status is not Status.FAILED:
        return is_line
    if ours and body in DEFINITE:
        return True
    return not 300 <= reply.status < 400 and _json_of(reply).get("message") in DEFINITE


def _json_of(reply: Reply) -> dict[str, Any]:
    try:
        value = other_json.loads(reply.body or b"")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


@FUZZ
@given(REPLIES)
@example(Reply(status=200, content_type="text/plain", body=_bytes(_line("A", "FAILED", "x", 5))))
def test_a_reply_proves_no_more_than_the_contract_lets_it(reply: Reply) -> None:
    evidence, line = read_order_reply(reply, order())
    assert evidence.source is Source.REPLY
    assert not [
        rule for rule in broken_rules(evidence.note + evidence.reason, "") if rule[:2] == "U+"
    ]
    if isinstance(evidence.verdict, Status):
        assert _may_prove(reply, evidence.verdict)
    else:
        assert evidence.verdict is Silence.NO_ANSWER
        assert line is None
    if line is not None:
        assert isinstance(line, Line)
        assert line.trx_id == OURS


@FUZZ
@given(OTHERS, st.sampled_from(list(Status)), NOTES, SALDO)
def test_the_text_of_another_order_is_never_evidence(
    other: str, status: Status, note: str, saldo: int | None
) -> None:
    body = _bytes(_line(other, status, note, saldo))
    reply = Reply(status=200, content_type="text/plain", body=body)
    evidence, line = read_order_reply(reply, order())
    assert (evidence.verdict, line, evidence.saldo) == (Silence.NO_ANSWER, None, None)
    asked = _json({"data": {"trx_id": other, "status": status.value, "response_note": note}})
    found = Reply(status=200, content_type="application/json", body=asked)
    assert read_lookup_reply(found, OURS, T0).verdict is Silence.NO_ANSWER


@FUZZ
@given(
    st.one_of(
        NICKNAMES.filter(lambda text: text.rstrip("\r\n") not in DEFINITE).map(_bytes),
        st.sampled_from(DOUBTFUL).map(_bytes),
        st.tuples(st.just(OURS), st.just("FAILED"), st.sampled_from(DOUBTFUL), SALDO).map(
            lambda parts: _bytes(_line(*parts))
        ),
    ),
    HTTP,
    TYPES,
)
def test_an_unknown_text_decides_nothing(body: bytes, http: int, kind: str) -> None:
    reply = Reply(status=http, content_type=kind, body=body)
    for evidence in (read_order_reply(reply, order())[0], read_lookup_reply(reply, OURS, T0)):
        assert evidence.verdict is Silence.NO_ANSWER
        change = Life(order(), T0 + 1).hears(evidence.source, evidence.verdict)
        assert change.order.status is Status.PENDING
        assert change.order.is_open
        assert not change.tell


@FUZZ
@given(
    st.sampled_from([*DOUBTFUL, "ERROR_DUPLICATE_TRX_ID"]),
    st.integers(0, 200),
    st.sampled_from(["", "\n", "\r\n", " ", "\t "]),
)
def test_a_doubtful_refusal_decides_nothing_wherever_it_is_cut_off(
    note: str, at: int, end: str
) -> None:
    whole = _line(OURS, "FAILED", note, None)
    body = _bytes(whole[: at % (len(whole) + 1)] + end)
    reply = Reply(status=200, content_type="text/plain", body=body)
    assert read_order_reply(reply, order())[0].verdict is Silence.NO_ANSWER


@FUZZ
@given(st.sampled_from(list(Status)).filter(lambda s: s is not Status.FAILED), NICKNAMES, SALDO)
def test_a_good_line_is_heard_whoever_played(
    status: Status, nickname: str, saldo: int | None
) -> None:
    """The other way round: the reader is not so careful that it hears nothing."""
    nickname = " ".join(nickname.encode("utf-8", "ignore").decode().split("\n")).replace("\r", "")
    reply = Reply(
        status=200,
        content_type="text/plain",
        body=_bytes(_line(OURS, status, f"{nickname} . RefId: X", saldo)),
    )
    evidence, line = read_order_reply(reply, order())
    spoils = (
        f", status {status}. "  # only a nickname that looks like a line's own middle may differ
    )
    assert evidence.verdict is status
    assert line is not None
    assert evidence.saldo == saldo or spoils in nickname


@FUZZ
@given(
    st.one_of(
        REPLIES,
        INVOICES.map(
            lambda i: Reply(status=200, content_type="application/json", body=_json({"data": i}))
        ),
    )
)
def test_a_look_up_proves_no_more_than_the_contract_lets_it(reply: Reply) -> None:
    evidence = read_lookup_reply(reply, OURS, T0)
    assert evidence.source is Source.LOOKUP
    said = _json_of(reply)
    if isinstance(evidence.verdict, Status):
        assert (reply.status, reply.content_type) == (200, "application/json")
        assert said["data"]["trx_id"] == OURS
        assert said["data"]["status"] == evidence.verdict.value
        assert evidence.asked_at == T0
        price = evidence.product_price
        assert price is None or 0 <= price <= 10**15
    elif evidence.verdict is Silence.NOT_FOUND:
        assert said["message"] == "INVOICE_NOT_FOUND"
        assert not 300 <= reply.status < 400
        assert reply.status < 500
    else:
        assert evidence.verdict is Silence.NO_ANSWER
    shown = f"{evidence.note}{evidence.invoice_number}{evidence.user_id}{evidence.server_id}"
    assert not [rule for rule in broken_rules(shown, "") if rule.startswith("U+")]


@FUZZ
@given(st.sampled_from(list(Status)), st.sampled_from(["I1", None]), st.integers(0, 10**14))
def test_a_good_look_up_is_heard(status: Status, invoice: str | None, price: int) -> None:
    data = {"trx_id": OURS, "status": status.value, "product": {"price": price}, "x": [1, {}]}
    body = _json({"data": {**data, "invoice_number": invoice}})
    reply = Reply(status=200, content_type="application/json", body=body)
    evidence = read_lookup_reply(reply, OURS, T0)
    assert (evidence.verdict, evidence.product_price) == (status, price)
    assert evidence.invoice_number == invoice


@FUZZ
@given(REPLIES, st.text("abcdef0123456789", min_size=8, max_size=12))
def test_an_answer_is_described_on_one_line_without_its_secrets(reply: Reply, key: str) -> None:
    body = None if reply.body is None else reply.body + key.encode() * 3
    told = Reply(
        status=reply.status, content_type=reply.content_type, body=body, secrets=(key,)
    ).describe()
    assert len(told.splitlines()) == 1
    assert len(told) < 300
    assert key not in told
    assert key not in repr(Reply(status=1, content_type="", body=None, secrets=(key,)))


@FUZZ
@given(REPLIES)
def test_no_answer_breaks_the_other_readers(reply: Reply) -> None:
    told = read_envelope(reply)
    assert told is None or isinstance(told, Envelope)
    account = read_user_reply(reply)
    if isinstance(account, tuple):
        line, saldo = account
        assert (reply.status, reply.content_type) == (200, "text/plain")
        assert line.endswith(f"balance {saldo}")
        assert len(line.splitlines()) == 1
    assert len(reply.body or b"") <= MAX_BODY_BYTES

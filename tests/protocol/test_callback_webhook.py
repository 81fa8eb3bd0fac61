"""Signed JSON callbacks: what they say, and who signed them (contract §7)."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.order import Evidence, Source, Status
from gateway.protocol.upstream import Reply, read_lookup_reply
from gateway.protocol.webhook import SignedBody, parse_webhook
from gateway.protocol.words import plain
from tests.protocol.fuzz import ANY_TEXT, FUZZ

# The document's own sample ("Callback API"), with a trx_id.
SAMPLE: dict[str, object] = {
    "invoice_number": "APIKUY_XX_1679528285_4321",
    "trx_id": "toko-T1",
    "response_note": "Nickname - 123456789(1234) . RefId: XX_1679528285_1234",
    "category": {"title": "Mobile Legends", "subtitle": None, "type": "game"},
    "product": {"name": "5 (5+0) Diamonds", "code": "S1_1187", "price": 1511},
    "user_input": {"user_id": "123456789", "server_id": "1234", "nickname": "Nickname"},
    "balance": 12345678,
    "amount": 1511,
    "status": "SUCCESS",
    "voucher": None,
    "created_at": "2023-03-22T23:38:05.000Z",
}


def body(**changes: object) -> bytes:
    return json.dumps({**SAMPLE, **changes}).encode()


def heard(**changes: object) -> Evidence:
    evidence = parse_webhook(body(**changes)).evidence
    assert evidence is not None
    return evidence


def test_the_documents_sample_is_read() -> None:
    callback = parse_webhook(body())
    assert callback.trx_id == "toko-T1"
    assert callback.evidence == Evidence(
        source=Source.CALLBACK,
        verdict=Status.SUCCESS,
        note="Nickname - 123456789(1234) . RefId: XX_1679528285_1234",
        invoice_number="APIKUY_XX_1679528285_4321",
        product_price=1511,
        saldo=12345678,
        user_id="123456789",
        server_id="1234",
        invoice=body().decode(),
    )


@pytest.mark.parametrize("status", Status)
def test_each_of_the_six_words_is_heard(status: Status) -> None:
    assert heard(status=status.value).verdict is status


def test_what_a_look_up_says_of_the_same_invoice_is_read_the_same() -> None:
    answer = json.dumps({"statusCode": 200, "message": "success", "data": SAMPLE}).encode()
    looked_up = read_lookup_reply(
        Reply(status=200, content_type="application/json", body=answer), "toko-T1", 0
    )
    ours = heard()
    for name in ("verdict", "note", "invoice_number", "product_price", "user_id", "server_id"):
        assert getattr(ours, name) == getattr(looked_up, name)


@pytest.mark.parametrize(
    "changes",
    [
        *({"status": word} for word in ("", "success", "SUCCESS ", "DONE", "ERROR")),
        *({"status": word} for word in (None, 1, True, ["SUCCESS"], {"SUCCESS": 1})),
        {"invoice_number": 5},
        {"response_note": 5},
        {"response_note": ["x"]},
        {"product": 5},
        {"product": {"price": "1511"}},
        {"product": {"price": True}},
        {"amount": "1511"},
        {"balance": "12345678"},
        {"balance": {}},
        {"user_input": "123"},
        {"user_input": {"user_id": 1.5}},
    ],
    ids=repr,
)
def test_what_is_of_another_kind_is_no_evidence_and_still_names_its_order(
    changes: dict[str, object],
) -> None:
    callback = parse_webhook(body(**changes))
    assert (callback.trx_id, callback.evidence) == ("toko-T1", None)


@pytest.mark.parametrize(
    "trx_id",
    [
        *(None, 5, True, ["toko-T1"], {}, "", "toko", "-T1", "toko-", "Toko-T1", "toko-T 1"),
        *("toko-T1\n", "toko-T1\x00", "toko-\ud800", "toko-٣", "x" * 13 + "-T1"),
        "toko-" + "x" * 65,
    ],
    ids=ascii,
)
def test_what_is_no_upstream_trx_id_names_nobody(trx_id: object) -> None:
    assert parse_webhook(body(trx_id=trx_id)).trx_id is None


def test_a_missing_status_is_no_evidence() -> None:
    callback = parse_webhook(b'{"trx_id":"toko-T1"}')
    assert (callback.trx_id, callback.evidence) == ("toko-T1", None)


def test_what_is_not_said_is_not_known() -> None:
    said = b'{"trx_id":"toko-T1","status":"PAID"}'
    evidence = parse_webhook(said).evidence
    assert evidence == Evidence(source=Source.CALLBACK, verdict=Status.PAID, invoice=said.decode())
    assert evidence.callback_names == ""


def test_nulls_and_unknown_names_are_passed_over() -> None:
    names = ("invoice_number", "response_note", "product", "user_input", "balance", "amount")
    evidence = heard(**dict.fromkeys(names), tomorrow={"x": [None, 1e5]})
    assert evidence == Evidence(
        source=Source.CALLBACK, verdict=Status.SUCCESS, invoice=evidence.invoice
    )


WHOLE = body().decode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"SUCCESS"',
        b"5",
        WHOLE.encode()[:-1],
        WHOLE.encode() + b"x",
        WHOLE.encode() * 2,
        WHOLE.replace('"status"', '"status":"FAILED","status"').encode(),
        WHOLE.replace('"trx_id"', '"trx_id":"toko-T1","trx_id"').encode(),
        WHOLE.replace('"price"', '"price":1,"price"').encode(),
        WHOLE.replace("12345678", "NaN").encode(),
        WHOLE.replace("12345678", "-Infinity").encode(),
        WHOLE.replace("12345678", "9" * 5000).encode(),
        WHOLE.replace("Nickname - ", "Nick\x00").encode(),
        WHOLE.replace("Nickname - ", "Nick\n").encode(),
        WHOLE.replace("null", "undefined").encode(),
        WHOLE.encode("utf-16"),
        WHOLE.encode("utf-32"),
        WHOLE.encode("utf-8-sig"),
        WHOLE.encode().replace(b"Nickname - ", b"Nick\xff"),
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b"trx_id=toko-T1&status=SUCCESS",
    ],
    ids=lambda raw: ascii(raw[:24]),
)
def test_what_is_no_json_or_says_a_thing_twice_says_nothing(raw: bytes) -> None:
    callback = parse_webhook(raw)
    assert (callback.trx_id, callback.evidence) == (None, None)


@pytest.mark.parametrize(
    ("number", "known"),
    [
        ("0", 0),
        ("1511", 1511),
        ("1511.0", 1511),
        ("1511.4", 1511),
        ("1e3", 1000),
        ("999999999999999", 999999999999999),
        ("1000000000000000", None),
        ("1e999", None),
        ("-1", None),
        ("null", None),
    ],
)
def test_an_amount_is_whole_rupiah(number: str, known: int | None) -> None:
    raw = WHOLE.replace("1511", number).replace("12345678,", f"{number},")
    # The product's code holds the same digits as its price.
    evidence = parse_webhook(raw.encode()).evidence
    assert evidence is not None
    assert (evidence.product_price, evidence.saldo) == (known, known)


@pytest.mark.parametrize(
    ("product", "amount", "known"),
    [
        ({"price": 1511}, 1400, 1511),  # as in a look-up's answer
        ({"price": None}, 1400, 1400),
        ({}, 1400, 1400),
        (None, 1400, 1400),
        ({"price": 0}, 1400, 0),
        (None, None, None),
    ],
)
def test_the_price_is_the_products_or_else_the_amount(
    product: object, amount: object, known: int | None
) -> None:
    assert heard(product=product, amount=amount).product_price == known


def test_texts_are_made_plain() -> None:
    evidence = heard(
        response_note="a\nb\x00\u202ec\ud800",
        invoice_number="I\n1",
        user_input={"user_id": 123, "server_id": "\u200b"},
    )
    assert (evidence.note, evidence.invoice_number) == ("a bc", "I 1")
    assert (evidence.user_id, evidence.server_id) == ("123", None)


# signatures

KEY = "upstream-key"


def signed(raw: bytes, signature: str | None = None) -> SignedBody:
    right = hmac.new(KEY.encode(), raw, hashlib.sha256).hexdigest()
    return SignedBody(raw, right if signature is None else signature)


def test_a_signature_made_elsewhere_is_known() -> None:
    """From `openssl dgst -sha256 -hmac apikey` over these five bytes."""
    made = "a308ef09b7050dd8c860962720f809a2861776bbea9f11d913756617b2a0eb7a"
    assert SignedBody(b'{"a"}', made).is_signed_with("apikey")


@pytest.mark.parametrize("raw", [b"", body(), b"\xff\x00", b"x" * 65_536], ids=len)
def test_a_right_signature_is_right_in_either_case_of_letters(raw: bytes) -> None:
    right = signed(raw).signature
    for signature in (right, right.upper()):
        assert SignedBody(raw, signature).is_well_signed
        assert SignedBody(raw, signature).is_signed_with(KEY)
        assert not SignedBody(raw, signature).is_signed_with("another-key")
        assert not SignedBody(raw, signature).is_signed_with("")
        assert not SignedBody(raw, signature).is_signed_with(None)
        assert not SignedBody(raw + b" ", signature).is_signed_with(KEY)


RIGHT = signed(body()).signature


@pytest.mark.parametrize(
    "signature",
    [
        *("", " ", "0", "0" * 64, RIGHT[:-1], f"{RIGHT}0", f"sha256={RIGHT}", f" {RIGHT}"),
        *(f"{RIGHT}\n", RIGHT[::-1], "é" * 64, "\udcff" * 64, "٣" * 64, f"{RIGHT[:-1]}\uff10"),
        "\u212a" * 64,
    ],
    ids=ascii,
)
def test_any_other_signature_is_wrong(signature: str) -> None:
    assert not signed(body(), signature).is_signed_with(KEY)


@pytest.mark.parametrize(
    "signature", ["", "0" * 63, "0" * 65, "g" * 64, "٣" * 64, "0" * 64 + "\n"]
)
def test_what_can_be_no_signature_is_seen_without_a_key(signature: str) -> None:
    assert not signed(b"", signature).is_well_signed


def test_every_changed_bit_of_a_signature_makes_it_wrong() -> None:
    for place in range(len(RIGHT)):
        other = "0" if RIGHT[place] != "0" else "1"
        changed = RIGHT[:place] + other + RIGHT[place + 1 :]
        assert not signed(body(), changed).is_signed_with(KEY)


def test_a_signature_is_not_shown() -> None:
    assert RIGHT not in repr(signed(body()))


@pytest.mark.parametrize("note", ["x", "王\n é", "\u2028 \U0001f600"])
def test_what_is_written_down_comes_back_byte_for_byte(note: str) -> None:
    for raw in (body(response_note=note), json.dumps({"n": note}, ensure_ascii=False).encode()):
        came = signed(raw, signed(raw).signature.upper())
        again = SignedBody.from_text(came.to_text())
        assert again.raw == raw
        assert again.is_signed_with(KEY)


@FUZZ
@given(st.one_of(st.binary(max_size=80), ANY_TEXT.map(lambda t: t.encode("utf-8", "replace"))))
def test_no_body_breaks_the_reader(raw: bytes) -> None:
    callback = parse_webhook(raw)
    assert callback.trx_id is None or callback.trx_id in raw.decode()


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*SAMPLE]), inner, max_size=3)
    ),
    max_leaves=6,
)


@FUZZ
@given(st.dictionaries(st.sampled_from([*SAMPLE, "price", "x"]), JSON))
def test_no_value_breaks_the_reader(changes: dict[str, object]) -> None:
    raw = json.dumps({**SAMPLE, **changes}).encode()
    evidence = parse_webhook(raw).evidence
    if evidence is not None:
        assert isinstance(evidence.verdict, Status)
        assert {**SAMPLE, **changes}["status"] == evidence.verdict
        assert plain(evidence.note) == evidence.note
        for amount in (evidence.saldo, evidence.product_price):
            assert amount is None or 0 <= amount < 10**15


@FUZZ
@given(ANY_TEXT, st.binary(max_size=20), ANY_TEXT)
def test_no_signature_breaks_the_check(signature: str, raw: bytes, key: str) -> None:
    key = key.encode("utf-8", "ignore").decode()
    assert not SignedBody(raw, signature).is_signed_with(key)

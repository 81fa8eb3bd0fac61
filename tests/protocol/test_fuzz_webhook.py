"""Any signed body and any hint: only the genuine signature passes, and nothing is guessed.

The judges are the standard library's: `hmac.new` over hashlib for signatures, `json` for bodies.
"""

import hashlib
import hmac
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.evidence import Source, Status
from gateway.protocol.callback import is_upstream_trx_id, parse_hint
from gateway.protocol.webhook import SignedBody, parse_webhook
from tests.protocol.fuzz import ANY_TEXT, FUZZ, IDENTIFIERS, NICKNAMES, broken_rules
from tests.protocol.test_fuzz_callback import RAW

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
NAMES = st.one_of(
    st.tuples(st.sampled_from(["toko", "a1", "0"]), IDENTIFIERS).map("-".join),
    st.sampled_from(
        ["toko-1", "toko", "Toko-1", "toko-1 ", "toko-\u0661", "-1", "toko-", "a-b-c"]
    ),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**14, 10**16),
    st.floats(allow_nan=False, allow_infinity=False),
    NICKNAMES,
    NAMES,
)
BODIES = st.fixed_dictionaries(
    {
        "trx_id": st.one_of(NAMES, LEAVES),
        "status": st.one_of(st.sampled_from([*Status.__members__, "success", "DONE"]), LEAVES),
    },
    optional={
        "invoice_number": LEAVES,
        "response_note": LEAVES,
        "amount": LEAVES,
        "balance": LEAVES,
        "product": st.one_of(LEAVES, st.fixed_dictionaries({"price": LEAVES})),
        "user_input": st.one_of(
            LEAVES, st.fixed_dictionaries({"user_id": LEAVES, "server_id": LEAVES})
        ),
        "x": LEAVES,
    },
)
RAW_BODIES = st.one_of(
    BODIES.map(lambda body: json.dumps(body).encode()),
    BODIES.map(lambda body: json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")),
    BODIES.map(lambda body: json.dumps(body).encode("utf-16")),
    BODIES.map(lambda body: json.dumps(body)[:-1].encode() + b', "status": "SUCCESS"}'),
    BODIES.map(lambda body: json.dumps([body]).encode()),
    st.binary(max_size=60),
    ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")),
)


def _signed(raw: bytes, key: str) -> str:
    return hmac.new(key.encode("ascii"), raw, hashlib.sha256).hexdigest()


@FUZZ
@given(RAW_BODIES)
@example(b'{"trx_id": "toko-1", "status": "FAILED", "status": "SUCCESS"}')
@example(b'{"trx_id": "toko-1", "status": "SUCCESS", "amount": NaN}')
@example(b"[" * 60_000)
@example(b'{"trx_id": "toko-1", "status": "SUCCESS", "amount": 1e999}')
@example(b'{"trx_id": "toko-1", "amount": ' + b"9" * 5000 + b"}")
def test_a_body_says_no_more_than_it_holds(raw: bytes) -> None:
    callback = parse_webhook(raw)
    if callback.trx_id is None and callback.evidence is None:
        return
    said = _object(raw)
    if callback.trx_id is not None:
        assert callback.trx_id == said["trx_id"]
        assert is_upstream_trx_id(callback.trx_id)
    evidence = callback.evidence
    if evidence is None:
        return
    assert evidence.source is Source.CALLBACK
    assert isinstance(evidence.verdict, Status)
    assert evidence.verdict.value == said["status"]
    for amount in (evidence.product_price, evidence.saldo):
        assert amount is None or 0 <= amount <= 10**15
    texts = (evidence.note, evidence.invoice_number, evidence.user_id, evidence.server_id)
    shown = "".join(text or "" for text in texts)
    assert not [rule for rule in broken_rules(shown, "") if rule.startswith("U+")]


def _object(raw: bytes) -> dict[str, Any]:
    """Read an object of which something was believed: each name stands in it once."""
    names: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        names.extend(name for name, _ in pairs)
        return dict(pairs)

    value = json.loads(raw.decode("utf-8"), object_pairs_hook=note)
    assert isinstance(value, dict)
    assert names
    return value


@FUZZ
@given(RAW_BODIES, KEYS, KEYS, st.integers(0, 63), ANY_TEXT)
@example(b"", "k", "k2", 0, "\u00e9" * 64)
def test_only_the_genuine_signature_passes(
    raw: bytes, key: str, other: str, at: int, text: str
) -> None:
    genuine = _signed(raw, key)
    for written in (genuine, genuine.upper()):
        body = SignedBody(raw, written)
        assert body.is_signed_with(key)
        assert body.is_well_signed
        assert body.is_signed_with(other) == (key == other)
        assert not body.is_signed_with(None)
    changed = genuine[:at] + ("1" if genuine[at] == "0" else "0") + genuine[at + 1 :]
    for forged in (changed, text, genuine[:-1], f"{genuine} ", f"sha256={genuine}", ""):
        assert not SignedBody(raw, forged).is_signed_with(key)
    assert not SignedBody(raw + b" ", genuine).is_signed_with(key)
    assert genuine not in repr(SignedBody(raw, genuine))


@FUZZ
@given(ANY_TEXT)
def test_what_is_no_signature_is_seen_without_a_key(text: str) -> None:
    hexadecimal = len(text) == 64 and set(text) <= set("0123456789abcdefABCDEF")
    assert SignedBody(b"", text).is_well_signed == hexadecimal


@FUZZ
@given(ANY_TEXT.map(lambda text: text.encode("utf-8", "replace")), KEYS)
def test_what_is_kept_comes_back_and_is_still_genuine(raw: bytes, key: str) -> None:
    kept = SignedBody(raw, _signed(raw, key).upper()).to_text()
    again = SignedBody.from_text(kept)
    assert again.raw == raw
    assert again.is_signed_with(key)


@FUZZ
@given(st.one_of(RAW, NAMES.map("trx_id={}&status=SUCCESS&sn=x".format)))
def test_a_hint_holds_a_name_and_one_word_and_never_evidence(raw: str) -> None:
    hint = parse_hint(raw)
    assert hint.trx_id is None or is_upstream_trx_id(hint.trx_id)
    assert hint.word.isascii()
    assert hint.word.isprintable()
    assert len(hint.word) <= 20
    rules = broken_rules(hint.invoice_number or "", "")
    assert not [rule for rule in rules if rule.startswith("U+")]
    assert not hasattr(hint, "evidence")

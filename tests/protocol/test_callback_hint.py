"""Callbacks without token or signature: what they may name, and how little they may say."""

import pytest
from hypothesis import given

from gateway.domain.order import Status
from gateway.protocol.callback import Hint, is_upstream_trx_id, parse_hint
from gateway.protocol.words import plain
from tests.protocol.fuzz import ANY_TEXT, FUZZ


@pytest.mark.parametrize("status", Status)
def test_a_hint_names_an_order_and_a_word(status: Status) -> None:
    hint = parse_hint(f"invoice_number=I_1&trx_id=toko-T1&status={status}&sn=x&msg=R")
    assert hint == Hint(trx_id="toko-T1", invoice_number="I_1", word=status.value)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("", Hint(trx_id=None, invoice_number=None, word="?")),
        ("trx_id=&invoice_number=", Hint(trx_id=None, invoice_number=None, word="?")),
        ("trx_id=T1&status=PAID", Hint(trx_id=None, invoice_number=None, word="PAID")),
        ("trx_id=a-1&trx_id=a-1", Hint(trx_id=None, invoice_number=None, word="?")),
        ("trx_id=a-1&status=FAILED&status=X", Hint(trx_id="a-1", invoice_number=None, word="?")),
        ("trx_id=a-1&status=success", Hint(trx_id="a-1", invoice_number=None, word="?")),
        ("trx_id=a-%FF&invoice_number=I", Hint(trx_id=None, invoice_number="I", word="?")),
        ("trx_id=null&invoice_number=I%0A", Hint(trx_id=None, invoice_number="I ", word="?")),
        ("invoice_number=I&invoice_number=J", Hint(trx_id=None, invoice_number=None, word="?")),
        ("invoice_number=%00", Hint(trx_id=None, invoice_number=None, word="?")),
    ],
)
def test_what_can_not_be_read_is_left_out(query: str, hint: Hint) -> None:
    assert parse_hint(query) == hint


@pytest.mark.parametrize("text", ["a-1", "toko-A.b_c-9", "0123456789ab-" + "x" * 64])
def test_an_upstream_trx_id_is_known(text: str) -> None:
    assert is_upstream_trx_id(text)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "-", "a", "a-", "-1", "A-1", "a_b-1", "a-1\n", "a-é", "a-1 ", "٣-1", "a-٣"),
        *("a-1%", "0123456789abc-1", "a-" + "x" * 65),
    ],
)
def test_what_can_be_none_is_none(text: str | None) -> None:
    assert not is_upstream_trx_id(text)


@FUZZ
@given(ANY_TEXT)
def test_a_hint_says_one_of_seven_things(text: str) -> None:
    for query in (text, f"trx_id={text}&status={text}&invoice_number={text}"):
        hint = parse_hint(query)
        assert hint.word in {*Status.__members__, "?"}
        assert hint.trx_id is None or is_upstream_trx_id(hint.trx_id)
        assert hint.invoice_number is None or plain(hint.invoice_number) == hint.invoice_number

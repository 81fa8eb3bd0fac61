"""Any player and any line: one line out, rule 6 kept, and what is rendered is what is read."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.errors import Code
from gateway.domain.evidence import Status
from gateway.domain.order import Order
from gateway.protocol.text import (
    Line,
    error_status_answer,
    error_user_answer,
    order_answer,
    parse_order,
    parse_status,
    parse_user,
    relayed_answer,
    render,
    status_answer,
)
from gateway.protocol.words import plain, tame
from tests.protocol.fuzz import (
    ANY_TEXT,
    FUZZ,
    IDENTIFIERS,
    NICKNAMES,
    ORDERS,
    SALDO,
    STATUS_WORDS,
    broken_rules,
)
from tests.protocol.wire import order

OWN = st.sampled_from([*Status.__members__, "ERROR"])
# How panels look for a status: anywhere in the line, in any case of letters.
PANELS_WORD = re.compile("|".join((*STATUS_WORDS, "saldo")), re.IGNORECASE)
SAFE = st.text(st.sampled_from("abc 123|()-_.,:#'%"), max_size=20)


@FUZZ
@given(NICKNAMES, OWN)
@example("FA\u0131LED", "SUCCESS")
@example("\u017fUCCE\u1e9e", "FAILED")
def test_tamed_text_breaks_no_rule_and_stays_tame(hostile: str, own: str) -> None:
    shown = tame(hostile, own)
    assert broken_rules(shown, own) == []
    assert tame(shown, own) == shown
    assert [c for c in plain(hostile) if c != "-"] == [c for c in shown if c != "-"]


@FUZZ
@given(ANY_TEXT)
def test_plain_text_is_plain_and_stays_plain(text: str) -> None:
    shown = plain(text)
    assert not [rule for rule in broken_rules(shown, "") if rule.startswith("U+")]
    assert plain(shown) == shown
    assert len(shown) <= len(text)
    shown.encode("utf-8")


@FUZZ
@given(ORDERS, SALDO)
def test_a_panel_finds_one_status_and_one_saldo_whoever_played(
    told: Order, saldo: int | None
) -> None:
    for line, head in (
        (order_answer(told, saldo), "R#123424324 S1_1187."),
        (status_answer(told, saldo), "R#123424324 INV_1 S1_1187."),
    ):
        assert line.startswith(head)
        assert len(line.splitlines()) == 1
        own = re.compile(re.escape(told.status.value), re.IGNORECASE)
        tail = "" if saldo is None else f" . Sisa saldo {saldo}"
        assert line.endswith(tail)
        between = own.sub(" ", line[len(head) : len(line) - len(tail)])
        assert PANELS_WORD.search(between) is None


@FUZZ
@given(ORDERS, SALDO)
def test_the_line_of_a_journaled_order_is_read_back(told: Order, saldo: int | None) -> None:
    for line, parse in (
        (order_answer(told, saldo), parse_order),
        (status_answer(told, saldo), parse_status),
    ):
        read = parse(line)
        assert read is not None
        assert (read.trx_id, read.status, read.saldo) == ("123424324", told.status.value, saldo)
        assert render(read) == line


@FUZZ
@given(
    st.builds(
        Line,
        trx_id=IDENTIFIERS,
        target=st.tuples(IDENTIFIERS, SAFE).map(".".join),
        status=OWN,
        note=SAFE,
        invoice_number=st.one_of(st.none(), IDENTIFIERS),
        saldo=SALDO,
    )
)
def test_rendered_and_read_are_inverse(line: Line) -> None:
    read = parse_order if line.invoice_number is None else parse_status
    assert read(render(line)) == line


@FUZZ
@given(
    st.one_of(
        ANY_TEXT,
        st.tuples(
            st.sampled_from(["R#a-1 ", "R# ", "r#a-1 ", "R#a-1 I1 ", "R#\u0661 ", "R#a-1, "]),
            NICKNAMES,
            st.sampled_from([", status SUCCESS. ", ", status GAGAL. ", " status FAILED. ", ""]),
            NICKNAMES,
            st.sampled_from(["", " . Sisa saldo 5", " . Sisa saldo 05", " . Sisa saldo \u0665"]),
        ).map("".join),
    )
)
def test_what_is_read_is_rendered_back_byte_for_byte(text: str) -> None:
    for parse in (parse_order, parse_status):
        read = parse(text)
        if read is not None:
            assert render(read) == text
            assert "\n" not in text
            assert text.startswith(f"R#{read.trx_id} ")
            assert f", status {read.status}. " in text


@FUZZ
@given(
    NICKNAMES,
    NICKNAMES,
    st.sampled_from(["SUCCESS", "FAILED", "PENDING", "REFUNDED", "PAID"]),
    SALDO,
)
def test_a_relayed_line_breaks_no_rule(
    dest: str, note: str, status: str, saldo: int | None
) -> None:
    line = Line(
        trx_id="toko-123424324",
        target=f"S1_1187.{dest}",
        status=status,
        note=note,
        saldo=saldo,
    )
    told = relayed_answer(line, order())
    head, tail = "R#123424324 S1_1187.", "" if saldo is None else f" . Sisa saldo {saldo}"
    assert told.startswith(head)
    assert told.endswith(tail)
    assert broken_rules(told[len(head) : len(told) - len(tail)], status) == []
    assert "toko-" not in told[: len(head)]


@FUZZ
@given(ANY_TEXT, NICKNAMES)
def test_an_error_is_one_line_and_echoes_nothing_unsafe(asked: str, note: str) -> None:
    line = error_status_answer(asked, note)
    assert line.startswith((f"R#{asked} - -.-(-), status ERROR. ", "R#- - -.-("))
    read = parse_status(line)
    assert read is not None
    assert read.status == "ERROR"
    assert len(line.splitlines()) == 1
    assert len(error_user_answer(f"{Code.BUSY} - {note}").splitlines()) == 1


@FUZZ
@given(st.one_of(ANY_TEXT, st.tuples(NICKNAMES, NICKNAMES, SAFE).map(". ".join)))
def test_no_text_breaks_the_reader_of_a_balance(text: str) -> None:
    for line in (text, f"{text}. balance 5", f"{text}. plan P. balance 0"):
        saldo = parse_user(line)
        assert saldo is None or line.endswith(f". balance {saldo}")

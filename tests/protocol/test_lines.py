"""Rules 1, 2, 4 and 6 of the text dialect (contract §4): what stands in a line, and what never."""

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.errors import Code, explain
from gateway.domain.order import Order, Status
from gateway.protocol.callback import toss_message
from gateway.protocol.query import parse_query
from gateway.protocol.text import (
    Line,
    OrderRequest,
    error_answer,
    error_status_answer,
    error_user_answer,
    order_answer,
    parse_order,
    parse_order_request,
    parse_status,
    relayed_answer,
    render,
    status_answer,
)
from gateway.protocol.upstream import read_order_reply
from gateway.protocol.words import plain, tame
from tests.protocol.wire import SN, order, sold, text

# By hand from the contract: what no dest, note, sn or msg may hold, unless it is the line's own.
STATUS_WORDS = ("success", "failed", "pending", "refunded", "sukses", "gagal")
OWN = ["PENDING", "PAID", "SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED", "ERROR"]


def broken_rules(shown: str, own: str) -> list[str]:
    """What a dest or note holds that it must not."""
    folded = shown.casefold()
    found = [w for w in (*STATUS_WORDS, "saldo") if w in folded and w != own.casefold()]
    return found + [
        f"U+{ord(c):04X}"
        for c in shown
        if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    ]


HOSTILE = {
    "SUCCESS": "S-UCCESS",
    "Success": "S-uccess",
    "sUkSeS": "s-UkSeS",
    "xxgagalxx": "xxg-agalxx",
    "unFAILEDness": "unF-AILEDness",
    "PENDINGPENDING": "P-ENDINGP-ENDING",
    "succe\u017f\u017f": "s-ucce\u017f\u017f",  # the long s
    "\u017fUCCESS": "\u017f-UCCESS",
    "SUCCE\u00df": "S-UCCE\u00df",  # the sharp s, two in one
    "SUCCE\u1e9e": "S-UCCE\u1e9e",
    "SU\u212aSES": "S-U\u212aSES",  # the Kelvin sign
    "SUC\u200bCESS": "S-UCCESS",  # split by what nobody sees
    "GA\u00adGAL": "G-AGAL",
    "GA\u2060GA\ufeffL": "G-AGAL",
    "FAI\x00LED": "F-AILED",
    "FA\x1bILED": "F-AILED",
    "REFUN\u202eDED": "R-EFUNDED",
    "\u2067GAGAL\u2069": "G-AGAL",
    "GA\ud800GAL": "G-AGAL",
    "GA\ue000GAL": "G-AGAL",
    "SUCCESSUCCESS": "S-UCCESS-UCCESS",  # two that share a letter
    "SUCCESSUKSES": "S-UCCESS-UKSES",
    "SUKSESUCCESS": "S-UKSES-UCCESS",
    "Saldo": "S-aldo",
    "x . Sisa saldo 999": "x . Sisa s-aldo 999",
    "x, status SUCCESS. y": "x, status S-UCCESS. y",
    "a\nb": "a b",
    "a\r\nb": "a b",
    "a\u2028b\u2029c\u0085d\x0be\x0cf\tg": "a b c d e f g",
    "GAGAL\nSUKSES": "G-AGAL S-UKSES",
    "GA\nGAL": "GA GAL",
    "Böse 王 😀": "Böse 王 😀",
    "": "",
}


@pytest.mark.parametrize(("hostile", "shown"), HOSTILE.items(), ids=map(ascii, HOSTILE))
def test_hostile_text_is_shown_broken_up(hostile: str, shown: str) -> None:
    assert tame(hostile, "ERROR") == shown
    assert broken_rules(shown, "ERROR") == []


@pytest.mark.parametrize("own", ["SUCCESS", "FAILED", "PENDING", "REFUNDED"])
def test_the_lines_own_word_may_stand(own: str) -> None:
    assert tame(f"x{own}y{own.lower()}", own) == f"x{own}y{own.lower()}"
    others = [w for w in ("SUCCESS", "FAILED", "PENDING", "REFUNDED", "SUKSES") if w != own]
    for other in others:
        assert tame(other, own) == f"{other[0]}-{other[1:]}"


def test_the_own_word_hides_no_other_that_shares_its_letter() -> None:
    assert tame("SUCCESSUKSES", "SUCCESS") == "SUCCESS-UKSES"
    assert tame("SUKSESUCCESS", "SUCCESS") == "S-UKSESUCCESS"


@pytest.mark.parametrize("own", ["PARTIAL_SUCCESS", "PAID", "ERROR"])
def test_a_word_of_another_line_is_broken_up_although_it_is_part_of_the_own(own: str) -> None:
    assert tame("SUCCESS", own) == "S-UCCESS"


# pieces that strangers put together
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [*STATUS_WORDS, "saldo", "Saldo", " . Sisa saldo 999", ", status SUCCESS. ", "R#1 "]
        ),
        st.sampled_from([w.upper() for w in STATUS_WORDS] + ["SUCCE\u00df", "\u017f", "\u212a"]),
        st.sampled_from(["\u200b", "\u2028", "\n", "\r", "\x00", "\u202e", "\u00ad", "-", " "]),
        st.text(max_size=6),
    ),
    max_size=6,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(PIECES, st.sampled_from(OWN))
@example("SUCCESSUCCESS", "FAILED")
def test_nothing_that_a_stranger_writes_breaks_rule_6(hostile: str, own: str) -> None:
    shown = tame(hostile, own)
    assert broken_rules(shown, own) == []
    assert tame(shown, own) == shown


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_plain_text_stays_and_other_text_becomes_plain(words: str) -> None:
    assert broken_rules(plain(words), "") == [
        w for w in (*STATUS_WORDS, "saldo") if w in plain(words).casefold()
    ]
    assert plain(plain(words)) == plain(words)
    if words.isprintable():
        assert plain(words) == words


def pieces_of(line: str, target_of: str) -> tuple[str, str, str]:
    """What a panel sees: the dest, the status word and the note, found from the left."""
    match = re.fullmatch(
        rf"R#\S+ {re.escape(target_of)}\.(.*?), status ([A-Z_]+)\. (.*?)"
        r"(?: \. Sisa saldo -?[0-9]+)?",
        line,
    )
    assert match is not None, line
    return match[1], match[2], match[3]


ORDERS = st.builds(
    lambda status, note, dest, said, server: order(
        status=status,
        note=plain(note),
        user_id=dest,
        dest=dest,
        said_dest=plain(said) or None,
        server_id=server,
        invoice_number="INV_1",
        named=True,
    ),
    st.sampled_from(Status),
    PIECES,
    PIECES.map(lambda s: plain(s).replace(",", "") or "-"),
    PIECES.map(lambda s: s.replace(",", "")),
    st.one_of(st.none(), PIECES.map(lambda s: plain(s).replace(",", "") or "-")),
)


@settings(max_examples=500, deadline=None)
@given(ORDERS, st.one_of(st.none(), st.integers(0, 10**14)))
def test_no_line_of_a_journaled_order_breaks_rule_6(told: Order, saldo: int | None) -> None:
    for line, head in (
        (order_answer(told, saldo), "S1_1187"),
        (status_answer(told, saldo), "INV_1 S1_1187"),
    ):
        dest, status, note = pieces_of(line, head)
        assert status == told.status
        assert broken_rules(dest, status) == []
        assert broken_rules(note, status) == []
        assert line.casefold().count("saldo") == (saldo is not None)
        read = parse_order(line) if head == "S1_1187" else parse_status(line)
        assert read is not None
        assert (read.trx_id, read.status, read.saldo) == (told.trx_id, told.status, saldo)
        assert render(read) == line


@settings(max_examples=300, deadline=None)
@given(ORDERS, st.one_of(st.none(), st.integers(0, 10**14)))
def test_no_delivery_breaks_rule_6(told: Order, saldo: int | None) -> None:
    message = toss_message(told, saldo)
    assert message is not None
    assert message.url.isascii()
    assert message.url.isprintable()
    sent = parse_query(message.url.partition("?")[2])
    assert not sent.repeated
    assert sent.values["status"] == told.status
    assert sent.values["msg"] == status_answer(told, saldo)
    assert broken_rules(sent.values["sn"], told.status) == []
    assert broken_rules(pieces_of(sent.values["msg"], "INV_1 S1_1187")[2], told.status) == []


@settings(max_examples=300, deadline=None)
@given(PIECES, st.sampled_from(["SUCCESS", "FAILED", "PENDING", "REFUNDED", "PARTIAL_SUCCESS"]))
def test_no_relayed_line_breaks_rule_6(note: str, status: str) -> None:
    upstreams = f"R#toko-123424324 S1_1187.1|2, status {status}. {note} . Sisa saldo 5"
    evidence, line = read_order_reply(text(upstreams.encode("utf-8", "replace")), order())
    if not isinstance(line, Line):
        return
    told = relayed_answer(line, order())
    assert told.startswith(f"R#123424324 S1_1187.1|2, status {status}. ")
    assert told.endswith(" . Sisa saldo 5")
    assert told.casefold().count("saldo") == 1
    assert broken_rules(pieces_of(told, "S1_1187")[2], status) == []
    assert evidence.verdict == status


def test_a_hostile_player_in_a_relayed_line_is_broken_up_and_nothing_else_changed() -> None:
    upstreams = (
        "R#toko-123424324 S1_1187.GAGAL|1, status SUCCESS."
        " Saldo\u2028FAILED - 1(2) . RefId: XX_1 . Sisa saldo 999 . Sisa saldo 12345"
    )
    _, line = read_order_reply(text(upstreams), order())
    assert isinstance(line, Line)
    assert relayed_answer(line, order()) == (
        "R#123424324 S1_1187.G-AGAL|1, status SUCCESS."
        " S-aldo F-AILED - 1(2) . RefId: XX_1 . Sisa s-aldo 999 . Sisa saldo 12345"
    )


@pytest.mark.parametrize(
    "rest",
    [
        "S1_1187.123456789|1234, status PENDING. RefId : ML_1 . Sisa saldo 12345",
        "S1_1187.085.11, status SUCCESS. Budi  x - 1(2) . RefId: X",
        "S1_1187., status FAILED.  . Sisa saldo 0",
        "S9.1|2, status REFUNDED. Böse 王 😀 . Sisa saldo -1",
        "S1_1187.a, b, status PAID. x . Sisa saldo 1.000",
    ],
)
def test_a_harmless_line_is_relayed_byte_for_byte(rest: str) -> None:
    _, line = read_order_reply(text(f"R#toko-123424324 {rest}"), order())
    assert isinstance(line, Line)
    expected = rest.replace("Sisa saldo 1.000", "Sisa s-aldo 1.000")  # no balance that can be read
    assert relayed_answer(line, order()) == f"R#123424324 {expected}"


LINES = st.builds(
    Line,
    trx_id=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    target=st.from_regex(r"[A-Za-z0-9._-]{1,20}\.[0-9()| ]{1,20}", fullmatch=True),
    status=st.sampled_from(OWN),
    note=PIECES.map(lambda note: tame(note, "ERROR")),
    invoice_number=st.one_of(st.none(), st.from_regex(r"[A-Z0-9_]{1,30}", fullmatch=True)),
    saldo=st.one_of(st.none(), st.integers(-(10**14), 10**15 - 1)),
)


@settings(max_examples=400, deadline=None)
@given(LINES)
def test_what_is_rendered_is_read_back(line: Line) -> None:
    read = parse_order if line.invoice_number is None else parse_status
    assert read(render(line)) == line


@settings(max_examples=300, deadline=None)
@given(
    st.from_regex(
        r"R#[a-z0-9-]{1,9} [^\r\n]{0,30}, status [A-Z]{1,9}\. [^\r\n]{0,30}( \. Sisa saldo 12)?",
        fullmatch=True,
    )
)
def test_what_is_read_is_rendered_back(line: str) -> None:
    for parse in (parse_order, parse_status):
        read = parse(line)
        assert read is None or render(read) == line
    assert parse_order(line) is not None


# rule 2: the balance


def test_no_balance_was_ever_seen() -> None:
    assert order_answer(order(note="x"), None).endswith(", status PENDING. x")
    assert status_answer(sold(), None).endswith(f", status SUCCESS. {SN}")


def test_a_balance_of_nothing_is_a_balance() -> None:
    assert order_answer(order(note="x"), 0).endswith(". x . Sisa saldo 0")


# rule 3, and dest and note as last written


def test_an_open_order_of_which_nothing_is_known_is_pending_with_our_own_words() -> None:
    assert order_answer(order(), 5) == (
        "R#123424324 S1_1187.1234567891234, status PENDING. Sedang diproses . Sisa saldo 5"
    )
    assert status_answer(order(), 5) == (
        "R#123424324 - S1_1187.1234567891234(), status PENDING. Sedang diproses . Sisa saldo 5"
    )


def test_a_final_order_without_a_note_says_none() -> None:
    assert order_answer(sold(note="", said_dest="1|2"), None) == (
        "R#1234243244 S1_1187.1|2, status SUCCESS. "
    )


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({"said_dest": "1|2", "user_id": "3", "server_id": "4", "named": True}, "1|2"),
        ({"user_id": "3", "server_id": "4", "named": True}, "3|4"),
        ({"user_id": "3", "server_id": "4", "named": False}, "1234567891234"),
        ({"user_id": "3", "server_id": None, "named": True}, "1234567891234"),
    ],
)
def test_the_destination_is_told_as_the_upstream_last_wrote_it(
    known: dict[str, object], shown: str
) -> None:
    assert order_answer(order(**known), None).startswith(f"R#123424324 S1_1187.{shown}, status")


# rule 4: ERROR


def request(**fields: str) -> OrderRequest:
    return parse_order_request("&".join(f"{name}={value}" for name, value in fields.items()))


def test_an_error_names_what_is_safe() -> None:
    asked = request(trx_id="A1", product_code="S1", user_id="12|34")
    note = explain(Code.DUPLICATE_TRX_ID)
    assert error_answer(asked, note, 7) == (
        "R#A1 S1.1234, status ERROR. DUPLICATE_TRX_ID - trx_id telah digunakan sebelumnya."
        " . Sisa saldo 7"
    )


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "R#- -.-"),
        ({"trx_id": "A1"}, "R#A1 -.-"),
        ({"trx_id": "A%0A1", "product_code": "S 1", "user_id": "1%2C2"}, "R#- -.-"),
        ({"trx_id": "A1", "product_code": "S1", "user_id": "%00"}, "R#A1 S1.-"),
        ({"trx_id": "A1", "product_code": "S1", "user_id": "%FF"}, "R#A1 S1.-"),
        ({"trx_id": "A1", "product_code": "S1", "user_id": "sukses"}, "R#A1 S1.s-ukses"),
        ({"trx_id": "A1", "product_code": "S1", "user_id": "Saldo 5"}, "R#A1 S1.S-aldo 5"),
    ],
)
def test_what_is_missing_or_unsafe_is_never_echoed(fields: dict[str, str], shown: str) -> None:
    line = error_answer(request(**fields), explain(Code.INVALID_PARAMETER))
    expected = "INVALID_PARAMETER - Parameter tidak lengkap atau tidak sah."
    assert line == f"{shown}, status ERROR. {expected}"
    assert parse_order(line) is not None


@pytest.mark.parametrize("code", Code)
def test_every_code_can_be_said_in_every_error(code: Code) -> None:
    note = explain(code)
    sentence = rf"{code} - [A-Zt][^\n]*\."
    ordered = error_answer(request(), note, 5)
    status = error_status_answer("A1", note, 5)
    assert re.fullmatch(rf"R#- -\.-, status ERROR\. {sentence} \. Sisa saldo 5", ordered)
    assert re.fullmatch(rf"R#A1 - -\.-\(-\), status ERROR\. {sentence} \. Sisa saldo 5", status)
    assert re.fullmatch(rf"status ERROR\. {sentence}", error_user_answer(note))
    assert broken_rules(note, "ERROR") == []
    assert parse_status(status) is not None


@pytest.mark.parametrize("asked", [None, "", "a b", "a,b", "a\nb", "١٢", "x" * 65, "%0A"])
def test_an_id_that_is_none_is_not_echoed(asked: str | None) -> None:
    line = error_status_answer(asked, explain(Code.INVOICE_NOT_FOUND))
    assert line.startswith("R#- - -.-(-), status ERROR. INVOICE_NOT_FOUND - ")


def test_a_line_with_a_break_is_no_line() -> None:
    whole = render(replace(parse_order("R#1 P.1, status PAID. x") or Line.__new__(Line), note="y"))
    assert parse_order(whole) is not None
    for broken in (f"{whole}\n", f"\n{whole}", f"{whole}\r", whole.replace("y", "y\nz")):
        assert parse_order(broken) is None
        assert parse_status(broken) is None

"""Any bytes to OtomaX's own dialect: never an exception, never a guess, one line, read back."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.errors import Code, explain
from gateway.domain.order import Order
from gateway.protocol.fields import is_destination, is_identifier
from gateway.protocol.otomax import (
    Credentials,
    Line,
    Word,
    are_genuine,
    error_answer,
    order_answer,
    parse_balance,
    parse_balance_request,
    parse_line,
    parse_trx_request,
    render,
    render_balance,
    sign_of,
    sn_of,
)
from tests.protocol.fuzz import (
    ANY_TEXT,
    DESTINATIONS,
    FUZZ,
    IDENTIFIERS,
    NICKNAMES,
    ORDERS,
    SALDO,
    STATUS_WORDS,
    broken_rules,
)
from tests.protocol.wire import order

NAMES = ["memberID", "product", "dest", "refID", "qty", "check", "pin", "password", "sign", "x"]
VALUES = st.one_of(NICKNAMES, st.sampled_from(["%FF", "%", "%4", "%00", "A1", "1", "0", "123|45"]))
FORMS = st.lists(st.tuples(st.sampled_from([*NAMES, "MEMBERID", "Check"]), VALUES), max_size=8)
RAW = st.one_of(
    ANY_TEXT,
    st.binary(max_size=60).map(lambda raw: raw.decode("ascii", "surrogateescape")),
    FORMS.map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)
OWN = {Word.SUCCESS: "SUKSES", Word.PARTIAL: "SUKSES", Word.FAILED: "GAGAL"}
# How panels look for what a line says: anywhere in it, in any case of letters.
PANELS_WORD = re.compile("|".join((*STATUS_WORDS, "saldo", "akan diproses")), re.IGNORECASE)
SAFE = st.text(st.sampled_from("abc 123|()-_.,:#'%"), max_size=20)


@FUZZ
@given(RAW, st.one_of(st.binary(max_size=60), RAW.map(lambda r: r.encode("utf-8", "replace"))))
def test_no_request_breaks_the_reader(raw: str, body: bytes) -> None:
    asked = parse_trx_request(raw, body)
    assert asked.trx_id is None or is_identifier(asked.trx_id)
    assert asked.product_code is None or is_identifier(asked.product_code)
    assert asked.user_id is None or is_destination(asked.user_id)
    assert asked.fault is not None or (asked.product_code is not None and asked.dest is not None)
    assert not are_genuine(asked.credentials, "a pin", "a password", allow_pin=True)
    assert parse_balance_request(raw, body).credentials.about == ("", "", "")
    line = error_answer(asked, explain(Code.INVALID_PARAMETER))
    read = parse_line(line)
    assert read is not None
    assert read.word is Word.ERROR
    assert read.note == explain(Code.INVALID_PARAMETER)
    assert broken_rules(read.target.partition(".")[2], "") == [] or asked.dest is None
    assert len(line.splitlines()) == 1


@FUZZ
@given(RAW, st.sampled_from(NAMES[:-1]), VALUES, VALUES)
def test_no_second_value_is_ever_chosen(raw: str, name: str, first: str, second: str) -> None:
    first, second = first.replace("&", ""), second.replace("&", "")
    for query, form in (
        (f"{name}={first}&{raw}&{name.upper()}={second}", ""),
        (f"{raw}&{name.lower()}={first}", f"{name}={second}"),
    ):
        asked = parse_trx_request(query, form.encode("utf-8", "surrogatepass"))
        assert asked.malformed is not None


FIELDS = st.tuples(NICKNAMES, NICKNAMES, NICKNAMES).map(
    lambda about: tuple(text.encode("utf-8", "replace").decode() for text in about)
)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@FUZZ
@given(st.text("tokTOK1", min_size=1, max_size=6), FIELDS, SECRETS, SECRETS, SECRETS)
def test_only_who_knows_pin_and_password_signs(
    member: str, about: tuple[str, str, str], pin: str, password: str, other: str
) -> None:
    sign = sign_of(member, about, pin, password)
    assert re.fullmatch(r"[A-Za-z0-9_-]{27}", sign)

    def passes(shown_sign: str, of: tuple[str, str, str] = about, as_member: str = member) -> bool:
        shown = Credentials(member_id=as_member, about=of, sign=shown_sign, pin="", password="")
        return are_genuine(shown, pin, password, allow_pin=True)

    assert passes(sign)
    assert passes(sign.replace("-", "+").replace("_", "/") + "=")
    assert not passes(sign, as_member=f"{member}x")
    assert not passes(sign, (about[0], f"{about[1]}1", about[2]))
    for spoiled in (sign[1:], f"{sign}A", sign_of(member, about, f"{pin}x", password)):
        assert not passes(spoiled)
    assert passes(sign_of(member, about, other, password)) == (other == pin)


@FUZZ
@given(ORDERS, DESTINATIONS, SALDO)
@example(order(note="x. Saldo 9"), "1 SUKSES. SN: 2. Saldo 3", 5)
def test_a_panel_finds_one_word_and_one_saldo_whoever_played(
    told: Order, dest: str, saldo: int | None
) -> None:
    told = order(dest=dest, status=told.status, note=told.note)
    text = order_answer(told, saldo)
    assert len(text.splitlines()) == 1
    line = parse_line(text)
    assert line is not None
    assert (line.trx_id, line.saldo) == ("123424324", saldo)
    assert render(line) == text
    own = OWN.get(line.word, "")
    assert broken_rules(line.target, "") == []
    assert broken_rules(line.note, own) == []
    around = f"{line.target} {line.note}".casefold().replace(own.casefold() or "\0", " ")
    assert PANELS_WORD.search(around) is None
    assert line.target.replace("-", "") == f"S1_1187.{dest}".replace("-", "")
    if line.word in (Word.SUCCESS, Word.PARTIAL):
        assert line.note == (sn_of(told) or "-")
    else:
        assert sn_of(told) == ""


@FUZZ
@given(
    st.builds(
        Line,
        trx_id=IDENTIFIERS,
        target=st.tuples(IDENTIFIERS, SAFE).map(".".join),
        word=st.sampled_from([word for word in Word if word is not Word.PROCESSING]),
        note=SAFE,
        saldo=SALDO,
    )
)
def test_rendered_and_read_are_inverse(line: Line) -> None:
    assert parse_line(render(line)) == line


@FUZZ
@given(
    st.one_of(
        ANY_TEXT,
        st.tuples(
            st.sampled_from(["R#a-1 ", "R# ", "r#a-1 ", "R#\u0661 ", "R#a-1, "]),
            NICKNAMES,
            st.sampled_from([" SUKSES. SN: ", " GAGAL. ", " akan diproses", " SUKSES. ", ""]),
            NICKNAMES,
            st.sampled_from(["", ". Saldo 5", ". Saldo 05", ". Saldo \u0665", "Saldo 5"]),
        ).map("".join),
    )
)
def test_what_is_read_is_rendered_back_byte_for_byte(text: str) -> None:
    line = parse_line(text)
    if line is not None:
        assert render(line) == text
    saldo = parse_balance(text)
    assert saldo is None or render_balance(saldo) == text

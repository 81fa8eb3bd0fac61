"""OtomaX's own dialect: the sign, the two requests, and every line byte for byte (contract §9)."""

import base64
import hashlib
from typing import Any

import pytest

from gateway.domain.errors import Code, explain
from gateway.domain.order import Status
from gateway.protocol.otomax import (
    REFUNDED,
    REFUSED,
    Credentials,
    Line,
    TrxRequest,
    Word,
    are_genuine,
    error_answer,
    error_balance_answer,
    order_answer,
    parse_balance,
    parse_balance_request,
    parse_line,
    parse_trx_request,
    render,
    render_balance,
    sign_of,
)
from tests.protocol.wire import SN, order, sold

# The contract's test vector.
MEMBER, ABOUT, PIN, PASSWORD = "YUSUF", ("X10", "08123456789", "2140669"), "1144", "abcd"
SIGN = "Cp9NLVuKWBt5Sey_uMlYsvnKvJI"

GOOD = {
    "memberID": "TOKO",
    "product": "S1_1187",
    "dest": "123456789",
    "refID": "A1",
    "qty": "1",
    "check": "0",
    "pin": "1144",
    "password": "abcd",
    "sign": "s1gn",
    "max_price": "1500",
}


def shown(**changes: Any) -> Credentials:
    fields = {"member_id": MEMBER, "about": ABOUT, "sign": "", "pin": "", "password": ""}
    return Credentials(**{**fields, **changes})


def genuine(*, allow_pin: bool = False, **changes: Any) -> bool:
    return are_genuine(shown(**changes), PIN, PASSWORD, allow_pin=allow_pin)


# -- who asks


def test_the_sign_is_the_contracts() -> None:
    assert sign_of(MEMBER, ABOUT, PIN, PASSWORD) == SIGN
    assert genuine(sign=SIGN)


def test_another_writer_of_the_sign_agrees() -> None:
    text = "OtomaX|yusuf|X-1|王 1|é|p|w".encode()
    written = base64.b64encode(hashlib.sha1(text).digest(), altchars=b"-_").decode().strip("=")
    assert sign_of("yusuf", ("X-1", "王 1", "é"), "p", "w") == written


@pytest.mark.parametrize("sign", [SIGN, f"{SIGN}=", SIGN.replace("_", "/") + "="])
def test_a_sign_may_be_written_in_either_alphabet_and_padded(sign: str) -> None:
    assert genuine(sign=sign)


def test_a_plus_that_was_not_encoded_came_as_a_space() -> None:
    about = next(
        ("P", "1", str(n))
        for n in range(99)
        if "-" in sign_of(MEMBER, ("P", "1", str(n)), "1", "2")
    )
    sign = sign_of(MEMBER, about, "1", "2")
    for written in (sign.replace("-", "+"), sign.replace("-", " ")):
        assert are_genuine(shown(about=about, sign=written), "1", "2", allow_pin=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"sign": ""},
        {"sign": "="},
        {"sign": SIGN[:-1]},
        {"sign": f"{SIGN}A"},
        {"sign": SIGN.swapcase()},
        {"sign": f"{SIGN}\n"},
        {"sign": "\u0661" * 27},
        {"sign": hashlib.sha1(b"x").hexdigest()},
        {"member_id": "yusuf", "sign": SIGN},  # it is made over the memberID as it was sent
        {"about": ("X10", "08123456789", "2140660"), "sign": SIGN},
        {"about": ("X1", "008123456789", "2140669"), "sign": SIGN},
        {"about": ("X10", "08123456780", "2140669"), "sign": SIGN},
        {"about": ("", "", ""), "sign": SIGN},
        {"sign": sign_of(MEMBER, ("", "", ""), PIN, PASSWORD)},  # that of `/balance` buys nothing
        {"pin": PIN, "password": PASSWORD},  # not allowed
        {"sign": f"{PIN}{PASSWORD}"},
    ],
    ids=ascii,
)
def test_nothing_else_is_a_sign(changes: dict[str, Any]) -> None:
    assert not genuine(**changes)


def test_pin_and_password_count_where_they_are_allowed_and_both_right() -> None:
    assert genuine(pin=PIN, password=PASSWORD, allow_pin=True)
    assert genuine(pin=PIN, password=PASSWORD, sign="wrong", allow_pin=True)
    assert genuine(pin="wrong", password="wrong", sign=SIGN, allow_pin=True)
    assert not genuine(pin=PIN, password=PASSWORD, sign="wrong")
    for pin, password in (("", ""), (PIN, ""), ("", PASSWORD), (PIN, "abce"), ("1145", PASSWORD)):
        assert not genuine(pin=pin, password=password, allow_pin=True)
    assert not genuine(pin=PASSWORD, password=PIN, allow_pin=True)
    assert not genuine(pin="é\u0661", password="é", allow_pin=True)


def test_a_member_is_a_code_in_any_case_and_nothing_that_only_looks_like_it() -> None:
    assert [shown(member_id=m).code for m in ("TOKO", "ToKo1", "toko")] == [
        "toko",
        "toko1",
        "toko",
    ]
    for other in ("TO\u212aO", "\u017ftoko", "", "tök"):
        assert shown(member_id=other).code == ""


def test_no_secret_is_part_of_what_is_shown_of_a_request() -> None:
    request = parse_trx_request("pin=PINPIN&password=WORDWORD&sign=SIGNSIGN")
    held = request.credentials
    assert (held.pin, held.password, held.sign) == ("PINPIN", "WORDWORD", "SIGNSIGN")
    for secret in ("PINPIN", "WORDWORD", "SIGNSIGN"):
        assert secret not in repr(request)


# -- what is asked


def ask(without: str | None = None, extra: str = "", **changes: str) -> TrxRequest:
    """A good request with some raw values changed."""
    fields = {**GOOD, **changes}
    if without is not None:
        del fields[without]
    return parse_trx_request("&".join(f"{n}={v}" for n, v in fields.items()) + extra)


READ = TrxRequest(
    credentials=Credentials(
        member_id="TOKO",
        about=("S1_1187", "123456789", "A1"),
        sign="s1gn",
        pin="1144",
        password="abcd",
    ),
    trx_id="A1",
    product_code="S1_1187",
    user_id="123456789",
    is_check=False,
    max_price=1500,
    malformed=None,
    fault=None,
)


def test_a_good_request_is_read_from_the_query_the_form_or_both() -> None:
    pairs = [f"{name}={value}" for name, value in GOOD.items()]
    assert ask() == READ
    assert parse_trx_request("", "&".join(pairs).encode()) == READ
    for cut in range(len(pairs)):
        both = parse_trx_request("&".join(pairs[:cut]), "&".join(pairs[cut:]).encode())
        assert both == READ


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.swapcase, str.title])
def test_names_are_written_in_any_case_of_letters(spell: Any) -> None:
    assert parse_trx_request("&".join(f"{spell(n)}={v}" for n, v in GOOD.items())) == READ


def test_a_name_that_only_looks_like_one_is_unknown() -> None:
    assert ask(without="check", extra="&chec\u212a=1&%E2%84%AA=1") == READ
    assert ask(without="sign", extra="&\u017fign=x").credentials.sign == ""


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("second", ["x", "", "%FF", "1"])
def test_a_parameter_given_twice_is_refused_in_any_spelling_and_place(
    name: str, second: str
) -> None:
    said = f"Parameter {name} tertulis dua kali."
    for again in (name, name.upper(), name.lower(), "".join(f"%{ord(c):02X}" for c in name)):
        assert ask(extra=f"&{again}={second}").malformed == said
        query = "&".join(f"{n}={v}" for n, v in GOOD.items())
        assert parse_trx_request(query, f"{again}={second}".encode()).malformed == said
        balance = parse_balance_request(query, f"{again}={second}".encode())
        assert balance.malformed == said


def test_unknown_parameters_are_ignored_twice_too() -> None:
    assert ask(extra="&x=1&X=2&=&&apikey=1&apikey=2&%FF=%FE") == READ


@pytest.mark.parametrize("name", ["qty", "max_price"])
def test_what_is_optional_may_be_missing_or_empty(name: str) -> None:
    for asked in (ask(without=name), ask(**{name: ""})):
        assert (asked.malformed, asked.fault, asked.is_check) == (None, None, False)
    assert ask(max_price="").max_price is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"product": ""}, "product kosong atau tidak sah"),
        ({"product": "a%20b"}, "product kosong atau tidak sah"),
        ({"product": "a" * 65}, "product kosong atau tidak sah"),
        ({"product": "%FF"}, "product kosong atau tidak sah"),
        ({"dest": ""}, "dest kosong atau tidak sah"),
        ({"dest": "%20"}, "dest kosong atau tidak sah"),
        ({"dest": "1%2C2"}, "dest kosong atau tidak sah"),
        ({"dest": "1%0A2"}, "dest kosong atau tidak sah"),
        ({"dest": "%FF"}, "dest kosong atau tidak sah"),
        ({"dest": "1" * 129}, "dest kosong atau tidak sah"),
        ({"qty": "2"}, "qty hanya boleh 1"),
        ({"qty": "0"}, "qty hanya boleh 1"),
        ({"qty": "01"}, "qty hanya boleh 1"),
        ({"qty": "-1"}, "qty hanya boleh 1"),
        ({"qty": "%D9%A1"}, "qty hanya boleh 1"),
        ({"qty": "%FF"}, "qty hanya boleh 1"),
        ({"max_price": "x"}, "max_price tidak sah"),
        ({"max_price": "-1"}, "max_price tidak sah"),
        ({"max_price": "1.500"}, "max_price tidak sah"),
        ({"max_price": "1" * 16}, "max_price tidak sah"),
        ({"max_price": "%D9%A1"}, "max_price tidak sah"),
        ({"max_price": "%FF"}, "max_price tidak sah"),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_order_itself(changes: dict[str, str], said: str) -> None:
    asked = ask(**changes)
    assert asked.fault == f"INVALID_PARAMETER - Parameter {said}."
    assert asked.malformed is None
    if "max_price" in changes:
        assert asked.max_price is None


@pytest.mark.parametrize("check", ["2", "true", "yes", "01", " 1", "%FF", "1%00", "%D9%A1"])
def test_where_it_is_not_clear_whether_it_may_buy_nothing_is_decided(check: str) -> None:
    assert ask(check=check).malformed == "Parameter check hanya boleh 1."


def test_a_check_is_one_and_only_that() -> None:
    assert ask(check="1").is_check
    assert not ask(check="0").is_check


@pytest.mark.parametrize("ref_id", ["", "a%20b", "%FF", "%C3%A9", "a" * 65, "1%0A", "a,b"])
def test_an_unsafe_ref_id_is_none(ref_id: str) -> None:
    assert ask(refID=ref_id).trx_id is None


def test_what_is_signed_is_what_was_sent_also_where_it_is_unsafe() -> None:
    asked = ask(product="a%20b", dest="1%2C2", refID="%C3%A9", memberID="To%20Ko")
    assert asked.credentials.about == ("a b", "1,2", "é")
    assert asked.credentials.member_id == "To Ko"
    assert ask(dest="%FF").credentials.about == ("S1_1187", "", "A1")


def test_a_destination_in_two_parts_is_glued_as_in_every_dialect() -> None:
    asked = ask(dest="123|45")
    assert (asked.user_id, asked.dest) == ("123|45", "12345")
    assert asked.credentials.about[1] == "123|45"
    assert ask(dest="").dest is None


def test_of_a_balance_nothing_is_signed_but_who_asks() -> None:
    asked = parse_balance_request("memberID=TOKO&product=x&dest=y&refID=z&SIGN=s", b"PIN=1")
    assert asked.credentials == Credentials(
        member_id="TOKO", about=("", "", ""), sign="s", pin="1", password=""
    )
    assert asked.malformed is None


# -- what is answered

HEAD = "R#123424324 S1_1187.1234567891234"
FAILURE = "INVALID_USER_ID - User ID tidak ditemukan, coba cek kembali inputan Anda."


@pytest.mark.parametrize(
    ("status", "note", "said"),
    [
        (Status.PENDING, "RefId : ML_1", "akan diproses"),
        (Status.PENDING, "", "akan diproses"),
        (Status.PAID, "RefId : ML_1", "akan diproses"),
        (Status.SUCCESS, SN, f"SUKSES. SN: {SN}"),
        (Status.SUCCESS, "", "SUKSES. SN: -"),
        (Status.PARTIAL_SUCCESS, SN, f"SUKSES SEBAGIAN. SN: {SN}"),
        (Status.PARTIAL_SUCCESS, "", "SUKSES SEBAGIAN. SN: -"),
        (Status.FAILED, FAILURE, f"GAGAL. {FAILURE}"),
        (Status.FAILED, "Stok habis", "GAGAL. Stok habis"),
        (Status.FAILED, "", f"GAGAL. {REFUSED}"),
        (Status.REFUNDED, "", f"GAGAL. {REFUNDED}"),
        (Status.REFUNDED, "Stok habis", f"GAGAL. {REFUNDED} - Stok habis"),
    ],
)
def test_a_line_for_every_status(status: Status, note: str, said: str) -> None:
    told = order(status=status, note=note)
    assert order_answer(told, None) == f"{HEAD} {said}"
    assert order_answer(told, 0) == f"{HEAD} {said}. Saldo 0"
    assert order_answer(told, 12345) == f"{HEAD} {said}. Saldo 12345"
    assert order_answer(told, -50) == f"{HEAD} {said}. Saldo -50"


def test_the_destination_is_the_orders_own_whatever_the_upstream_made_of_it() -> None:
    told = sold(said_dest="123456789|1234")
    assert order_answer(told, None) == f"R#1234243244 S1_1187.1234567891234 SUKSES. SN: {SN}"


@pytest.mark.parametrize(
    ("written", "status", "read"),
    [
        ("GAGAL", Status.SUCCESS, "G-AGAL"),
        ("GAGAL", Status.FAILED, "GAGAL"),
        ("sukses", Status.SUCCESS, "sukses"),
        ("sukses", Status.PARTIAL_SUCCESS, "sukses"),
        ("sukses", Status.FAILED, "s-ukses"),
        ("SUCCESS", Status.SUCCESS, "S-UCCESS"),
        ("FAILED", Status.FAILED, "F-AILED"),
        ("x. Saldo 999", Status.SUCCESS, "x. S-aldo 999"),
        ("a\r\nb\x1b", Status.FAILED, "a b"),
        ("tidak akan diproses", Status.FAILED, "tidak a-kan diproses"),
        ("AKAN  Diproses", Status.SUCCESS, "A-KAN  Diproses"),
        ("x error. BUSY", Status.SUCCESS, "x e-rror. BUSY"),
        ("SERVER_ERROR - x", Status.FAILED, "SERVER_ERROR - x"),
    ],
)
def test_a_strangers_note_is_not_read_as_a_line(written: str, status: Status, read: str) -> None:
    line = order_answer(order(status=status, note=written), 5)
    said = {"SUCCESS": "SUKSES. SN: ", "FAILED": "GAGAL. "}.get(status, "SUKSES SEBAGIAN. SN: ")
    assert line == f"{HEAD} {said}{read}. Saldo 5"


@pytest.mark.parametrize(
    ("dest", "read"),
    [
        ("1 SUKSES. SN: 777", "1 S-UKSES. SN: 777"),
        ("1 GAGAL. x", "1 G-AGAL. x"),
        ("1 akan diproses. Saldo 9", "1 a-kan diproses. S-aldo 9"),
        ("1 ERROR. BUSY - x", "1 E-RROR. BUSY - x"),
    ],
)
@pytest.mark.parametrize("status", Status)
def test_a_destination_never_ends_its_line_early_not_by_the_lines_own_word_either(
    dest: str, read: str, status: Status
) -> None:
    line = parse_line(order_answer(order(dest=dest, status=status, note="x"), 5))
    assert line is not None
    assert (line.target, line.saldo) == (f"S1_1187.{read}", 5)
    error = error_answer(ask(dest=dest.replace(" ", "%20")), explain(Code.BUSY))
    assert error == f"R#A1 S1_1187.{read} ERROR. BUSY - Server sedang sibuk, coba lagi sebentar."


def test_an_error_echoes_nothing_that_is_missing_or_unsafe() -> None:
    note = explain(Code.BUSY)
    assert error_answer(ask(), note) == f"R#A1 S1_1187.123456789 ERROR. {note}"
    bad = ask(product="a%20b", dest="1%2C2", refID="%C3%A9")
    assert error_answer(bad, note) == f"R#- -.- ERROR. {note}"
    assert error_answer(parse_trx_request(""), note) == f"R#- -.- ERROR. {note}"
    assert error_answer(ask(dest="123|45"), note).startswith("R#A1 S1_1187.12345 ERROR. ")
    assert error_balance_answer(note) == f"ERROR. {note}"


@pytest.mark.parametrize("code", Code)
def test_every_code_can_be_said_and_is_read_as_an_error(code: Code) -> None:
    line = parse_line(error_answer(ask(), explain(code)))
    assert line == Line(
        trx_id="A1", target="S1_1187.123456789", word=Word.ERROR, note=explain(code)
    )


GOLDEN = {
    "R#1 A.2 akan diproses": Line(trx_id="1", target="A.2", word=Word.PROCESSING),
    "R#1 A.2 akan diproses. Saldo 5": Line(
        trx_id="1", target="A.2", word=Word.PROCESSING, saldo=5
    ),
    "R#1 A.2 3 SUKSES. SN: 4. Saldo -5": Line(
        trx_id="1", target="A.2 3", word=Word.SUCCESS, note="4", saldo=-5
    ),
    "R#1 A.2 SUKSES. SN: ": Line(trx_id="1", target="A.2", word=Word.SUCCESS),
    "R#1 A.2 SUKSES SEBAGIAN. SN: 3. dari. 5.. Saldo 0": Line(
        trx_id="1", target="A.2", word=Word.PARTIAL, note="3. dari. 5.", saldo=0
    ),
    "R#1 A.2 GAGAL. Stok habis": Line(
        trx_id="1", target="A.2", word=Word.FAILED, note="Stok habis"
    ),
    "R#- -.- ERROR. BUSY - Sibuk.": Line(
        trx_id="-", target="-.-", word=Word.ERROR, note="BUSY - Sibuk."
    ),
}


@pytest.mark.parametrize(("text", "line"), GOLDEN.items())
def test_a_line_is_read_as_it_is_written(text: str, line: Line) -> None:
    assert parse_line(text) == line
    assert render(line) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "R#1 A.2",
        "R#1 A.2, status SUCCESS. x . Sisa saldo 5",
        "R# A.2 akan diproses",
        "R#1 akan diproses",
        "R#1  SUKSES",
        "R#1 A.2 SUKSES. 4",
        "R#1 A.2 sukses. SN: 4",
        "R#1 A.2 akan diproses x",
        "R#1 A.2 akan diproses. Saldo 05",
        "R#1 A.2 akan diproses\n",
        "R#1 A.2 SUKSES. SN: 4\n",
        "r#1 A.2 akan diproses",
        "Saldo 5",
    ],
)
def test_anything_else_is_no_line(text: str) -> None:
    assert parse_line(text) is None


@pytest.mark.parametrize("saldo", [0, 5, -50, 999_999_999_999_999])
def test_a_balance_is_read_as_it_is_written(saldo: int) -> None:
    assert render_balance(saldo) == f"Saldo {saldo}"
    assert parse_balance(render_balance(saldo)) == saldo


@pytest.mark.parametrize(
    "text", ["", "Saldo", "Saldo ", "Saldo 05", "saldo 5", "Saldo 5 ", "Saldo \u0665"]
)
def test_anything_else_is_no_balance(text: str) -> None:
    assert parse_balance(text) is None

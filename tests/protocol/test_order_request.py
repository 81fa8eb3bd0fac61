"""How an order is asked for (contract §4): every rule of every parameter, with hostile bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.fields import glue, is_destination, is_identifier
from gateway.protocol.query import parse_query
from gateway.protocol.text import OrderRequest, parse_order_request

GOOD = {
    "apikey": "k",
    "product_code": "S1_1187",
    "user_id": "123456789",
    "server_id": "1234",
    "trx_id": "A1",
    "callback_url": "http://p.test/cb",
}
BAD_PRODUCT = "INVALID_PARAMETER - Parameter product_code kosong atau tidak sah."
BAD_USER = "INVALID_PARAMETER - Parameter user_id kosong atau tidak sah."
BAD_SERVER = "INVALID_PARAMETER - Parameter server_id kosong atau tidak sah."
BAD_URL = "INVALID_CALLBACK_URL - Callback url tidak valid."


def ask(without: str | None = None, extra: str = "", **changes: str) -> OrderRequest:
    """A good request with some raw values changed."""
    fields = {**GOOD, **changes}
    if without is not None:
        del fields[without]
    return parse_order_request("&".join(f"{n}={v}" for n, v in fields.items()) + extra)


def test_a_good_request_is_read() -> None:
    assert ask() == OrderRequest(**GOOD, malformed=None, fault=None, max_price=None)
    assert ask().dest == "1234567891234"


def test_what_is_optional_may_be_missing_or_empty() -> None:
    for name in ("server_id", "callback_url"):
        for asked in (ask(without=name), ask(**{name: ""})):
            assert (asked.malformed, asked.fault) == (None, None)
            assert getattr(asked, name) is None
    assert ask(without="server_id").dest == "123456789"


def test_what_it_may_cost_is_whole_rupiah_or_the_order_is_refused() -> None:
    asked = ask(extra="&max_price=20000")
    assert (asked.max_price, asked.fault) == (20_000, None)
    assert ask(extra="&max_price=").fault is None
    for wrong in ("-1", "1.5", "1e5", "%FF", "20.000", "9" * 30):
        asked = ask(extra=f"&max_price={wrong}")
        wanted = "INVALID_PARAMETER - Parameter max_price tidak sah."
        assert (asked.max_price, asked.fault) == (None, wanted)


@pytest.mark.parametrize("name", GOOD)
def test_a_parameter_given_twice_is_refused_whatever_it_holds(name: str) -> None:
    for second in ("x", "", "%FF", GOOD[name]):
        asked = ask(extra=f"&{name}={second}")
        assert asked.malformed == f"Parameter {name} tertulis dua kali."
        assert getattr(asked, name) is None
    spelled = "".join(f"%{ord(c):02X}" for c in name)
    assert ask(extra=f"&{spelled}=x").malformed == f"Parameter {name} tertulis dua kali."
    assert ask(extra=f"&{name}").malformed == f"Parameter {name} tertulis dua kali."
    assert ask(**{name: "%FF"}, extra=f"&{name}=x").malformed is not None


@pytest.mark.parametrize(
    "extra",
    ["&x=1", "&x=1&x=2", "&x=%FF&x=%FE", "&%FF=1&%FF=1", "&&&", "&=", "&=1&=2", "&TRX_ID=B"],
)
def test_unknown_parameters_are_ignored(extra: str) -> None:
    assert ask(extra=extra) == ask()


IDENTIFIERS = {
    "A1": True,
    "a.b_c-D": True,
    "00123": True,
    "-": True,
    "...": True,
    "x" * 64: True,
    "x" * 65: False,
    "": False,
    "a b": False,
    "a+b": False,
    "a,b": False,
    "a/b": False,
    "a#b": False,
    "a%00": False,
    "%00": False,
    "a%0A": False,
    "%0Aa": False,
    "a%0D": False,
    "%FF": False,
    "a%FF": False,
    "%D9%A1%D9%A2": False,  # Arabic digits
    "\u0661\u0662": False,  # the same, unencoded
    "%EF%BC%91": False,  # a wide 1
    "%C5%BF": False,  # the long s
    "a%E2%80%8B": False,
    "%41": True,
    "\udcff": False,  # a raw byte that is no ASCII
}


@pytest.mark.parametrize(("raw", "ok"), IDENTIFIERS.items(), ids=map(ascii, IDENTIFIERS))
def test_a_trx_id_and_a_product_code_are_plain_ascii(raw: str, *, ok: bool) -> None:
    asked = ask(trx_id=raw)
    assert (asked.trx_id is not None) == ok
    assert asked.fault is None
    asked = ask(product_code=raw)
    assert (asked.product_code is not None) == ok
    assert asked.fault == (None if ok else BAD_PRODUCT)


def test_a_trx_id_is_compared_by_bytes() -> None:
    assert ask(trx_id="00123").trx_id == "00123"
    assert ask(trx_id="%30%30123").trx_id == "00123"
    assert ask(trx_id="aA").trx_id == "aA"


DESTINATIONS = {
    "1": "1",
    "x" * 128: "x" * 128,
    "x" * 129: None,
    "%C3%A9" * 128: "é" * 128,  # characters are counted, not bytes
    "%C3%A9" * 129: None,
    "a%20b": "a b",
    "a+b": "a b",
    "a%2Bb": "a+b",
    "a#b": "a#b",
    "a?b": "a?b",
    "a=b": "a=b",
    "a%26b": "a&b",
    "player%2Fx": "player/x",
    "%E7%8E%8B": "王",
    "\udce7\udc8e\udc8b": "王",  # sent raw
    "%F0%9F%98%80": "😀",
    "%zz": "%zz",
    "100%": "100%",
    "": None,
    "%20": None,
    "+++": None,
    ",": None,
    "1%2C2": None,
    "1,2": None,
    "%00": None,
    "1%00": None,
    "1%0A": None,
    "1%0D%0AX": None,
    "1%09": None,
    "1%7F": None,
    "1%C2%85": None,
    "1%E2%80%A8": None,
    "1%E2%80%8B": None,
    "1%E2%80%AE": None,
    "1%C2%A0": None,
    "%FF": None,
    "%FE": None,
    "1%C0%AF": None,
    "%ED%A0%80": None,
    "\udcff": None,
    "x\ud800": None,
}


@pytest.mark.parametrize(("raw", "value"), DESTINATIONS.items(), ids=map(ascii, DESTINATIONS))
def test_a_destination_is_printable_without_a_comma(raw: str, value: str | None) -> None:
    asked = ask(user_id=raw, without="server_id")
    assert asked.user_id == value
    assert asked.fault == (None if value is not None else BAD_USER)
    asked = ask(server_id=raw)
    assert asked.server_id == value
    assert asked.fault == (None if value is not None or raw == "" else BAD_SERVER)


@pytest.mark.parametrize("name", ["product_code", "user_id"])
def test_what_an_order_needs_is_a_fault_of_it_when_missing(name: str) -> None:
    fault = {"product_code": BAD_PRODUCT, "user_id": BAD_USER}[name]
    for asked in (ask(without=name), ask(**{name: ""})):
        assert (asked.fault, asked.malformed) == (fault, None)
        assert asked.trx_id == "A1"


def test_without_a_user_id_there_is_no_destination() -> None:
    assert ask(without="user_id").dest is None


def test_a_callback_url_that_is_no_text_is_a_fault() -> None:
    assert ask(callback_url="http://p.test/%FF").fault == BAD_URL
    assert ask(callback_url="http%3A%2F%2Fp.test%2F%3Fa%3D1%26b").callback_url == (
        "http://p.test/?a=1&b"
    )


def test_the_first_fault_is_named() -> None:
    asked = ask(product_code="", user_id="", server_id="%00", callback_url="%FF")
    assert asked.fault == BAD_PRODUCT


@pytest.mark.parametrize("raw", ["", "&", "=", "?", "#", "%", "apikey", "x" * 9000])
def test_a_query_of_nothing_is_a_request_for_nothing(raw: str) -> None:
    asked = parse_order_request(raw)
    assert (asked.apikey, asked.trx_id, asked.dest) == (None, None, None)
    assert asked.fault == BAD_PRODUCT


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=120), st.binary(max_size=60))
def test_no_query_breaks_the_reader(words: str, raw: bytes) -> None:
    for query in (
        words,
        raw.decode("ascii", "surrogateescape"),
        f"trx_id={words}&user_id=%{words}",
    ):
        asked = parse_order_request(query)
        assert asked.trx_id is None or is_identifier(asked.trx_id)
        assert asked.user_id is None or is_destination(asked.user_id)
        asked.dest  # noqa: B018  may not raise either


def test_unreadable_and_repeated_names_are_told_apart() -> None:
    query = parse_query("a=1&b=%FF&c=1&c=%FF&d=&e")
    assert query.values == {"a": "1", "c": "1", "d": "", "e": ""}
    assert query.unreadable == {"b"}
    assert query.repeated == {"c"}
    assert [query.get(n) for n in "abcdex"] == ["1", None, None, None, None, None]


GLUED = {
    "123|45": "12345",
    "123/45": "12345",
    "123(45)": "12345",
    "123 45": "12345",
    "0|0": "00",
    "12345": "12345",
    "12a|45": "12a|45",
    "123|4b": "123|4b",
    "123||45": "123||45",
    "123|": "123|",
    "|45": "|45",
    "123(45": "123(45",
    "123 (45)": "123 (45)",
    "123|45|6": "123|45|6",
    "123-45": "123-45",
    "123.45": "123.45",
    "123  45": "123  45",
    "123|45\n": "123|45\n",
    "١٢٣|٤٥": "١٢٣|٤٥",
    "\u0661\u0662|45": "\u0661\u0662|45",
    "12|\u0664\u0665": "12|\u0664\u0665",
    "12(\u0664)": "12(\u0664)",
    "budi/1": "budi/1",
}


@pytest.mark.parametrize(("written", "sent"), GLUED.items(), ids=map(ascii, GLUED))
def test_two_numbers_in_one_field_are_glued(written: str, sent: str) -> None:
    assert glue(written, None) == sent


def test_both_parts_are_glued_as_they_are() -> None:
    assert glue("123", "45") == "12345"
    assert glue("budi", " x") == "budi x"
    assert glue("123|4", "5") == "123|45"

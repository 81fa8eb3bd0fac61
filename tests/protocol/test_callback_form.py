"""Callbacks as they come, and deliveries as they go out, byte for byte (contract §7, §10)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.order import Source, Status
from gateway.protocol.callback import host_of, parse_callback, toss_message
from tests.protocol.wire import SN, order, sample, sold

NAMES = "invoice_number,trx_id,status,sn,msg"
QUERY = (
    "invoice_number=APIKUY_XX_1679528285_4321&trx_id=1234243244&status=SUCCESS"
    "&sn=Nickname%20-%20123456789(1234)%20.%20RefId:%20XX_1679528285_4321"
    "&msg=R%231234243244%20APIKUY_XX_1679528285_4321%20S1_1187.123456789(1234),"
    "%20status%20SUCCESS.%20Nickname%20-%20123456789(1234)%20.%20RefId:%20XX_1679528285_4321"
    "%20.%20Sisa%20saldo%2012343"
)


def url_of(saldo: int | None = 12343, **changes: object) -> str:
    message = toss_message(sold(**changes), saldo)
    assert message is not None
    return message.url


def names_of(url: str) -> list[str]:
    return [pair.partition("=")[0] for pair in url.partition("?")[2].split("&")]


def test_a_delivery_is_the_documents_sample_but_for_the_encoded_hash() -> None:
    assert url_of(callback_names=NAMES) == f"https://your-website.com/callback?{QUERY}"
    assert url_of(callback_names=NAMES) == (
        sample("otomax_callback_url.txt").replace("msg=R#", "msg=R%23")
    )


def test_a_delivery_is_a_get_to_the_orders_host() -> None:
    message = toss_message(sold(), 5)
    assert message is not None
    assert (message.method, message.status) == ("GET", "SUCCESS")
    assert message.host == "your-website.com:443"


def test_an_order_without_an_address_tells_nobody() -> None:
    assert toss_message(sold(callback_url=None), 5) is None


@pytest.mark.parametrize(
    "names",
    [
        "status,trx_id,sn,msg,invoice_number",
        "invoice_number,trx_id,status,product_price,sn,msg",
        "product_price,msg,sn,status,trx_id,invoice_number",
    ],
)
def test_the_names_stand_in_the_order_of_the_upstreams_callback(names: str) -> None:
    assert names_of(url_of(callback_names=names, product_price=1000)) == names.split(",")


def test_without_a_callback_the_price_stands_last() -> None:
    assert names_of(url_of(product_price=1000)) == [*NAMES.split(","), "product_price"]
    assert url_of(product_price=1000) == (
        f"https://your-website.com/callback?{QUERY}&product_price=1000"
    )


def test_a_price_that_the_callback_left_out_is_left_out() -> None:
    assert names_of(url_of(callback_names=NAMES, product_price=1000)) == NAMES.split(",")


@pytest.mark.parametrize("names", ["", f"{NAMES},product_price", f"product_price,{NAMES}"])
def test_an_unknown_price_is_left_out(names: str) -> None:
    assert names_of(url_of(callback_names=names)) == NAMES.split(",")


def test_a_price_of_nothing_is_known() -> None:
    assert url_of(product_price=0).endswith("&product_price=0")


def test_what_a_panel_needs_is_added_where_the_callback_left_it_out() -> None:
    assert names_of(url_of(callback_names="trx_id,status")) == [
        "trx_id",
        "status",
        "invoice_number",
        "sn",
        "msg",
    ]


def test_an_unknown_invoice_is_empty() -> None:
    url = url_of(invoice_number=None)
    assert "?invoice_number=&trx_id=1234243244&" in url
    assert "msg=R%231234243244%20-%20S1_1187." in url


def test_without_a_balance_the_msg_has_none() -> None:
    assert url_of(saldo=None).endswith("RefId:%20XX_1679528285_4321")


def test_a_failure_is_told_with_its_reason() -> None:
    url = url_of(status=Status.FAILED, note="INVALID_USER_ID - Salah", invoice_number=None)
    assert "&status=FAILED&sn=INVALID_USER_ID%20-%20Salah&msg=R%231234243244%20-%20" in url
    assert "status%20FAILED.%20INVALID_USER_ID%20-%20Salah" in url


LEFT_ALONE = "(),:.-_~!*'/@"


def test_the_encoding_is_the_samples() -> None:
    note = LEFT_ALONE + 'azAZ09 #&+%=?é王"<>[]{}|\\^`;$'
    url = url_of(note=note, callback_names="sn", callback_url="http://p.test/")
    encoded = (
        LEFT_ALONE + "azAZ09%20%23%26%2B%25%3D%3F%C3%A9%E7%8E%8B%22%3C%3E%5B%5D%7B%7D%7C%5C%5E%60"
        "%3B%24"
    )
    assert url.startswith(f"http://p.test/?sn={encoded}&")


ADDRESSES = {
    "http://p.test": "http://p.test/?",
    "http://p.test/": "http://p.test/?",
    "http://p.test/cb": "http://p.test/cb?",
    "http://p.test:8080/cb/": "http://p.test:8080/cb/?",
    "http://p.test/cb?": "http://p.test/cb?",
    "http://p.test/cb?x=1&y=a%20b": "http://p.test/cb?x=1&y=a%20b&",
    "http://p.test?x": "http://p.test/?x&",
    "http://p.test/cb#frag": "http://p.test/cb?",
    "http://p.test/cb?x=1#frag?y": "http://p.test/cb?x=1&",
    "http://p.test/a b/é?q=王 x": "http://p.test/a%20b/%C3%A9?q=%E7%8E%8B%20x&",
    "http://p.test/%C3%A9/a+b;c=d": "http://p.test/%C3%A9/a+b;c=d?",
    "HTTPS://P.test/CB": "https://P.test/CB?",
    "http://[2001:db8::9]:81/": "http://[2001:db8::9]:81/?",
    "http://p.test/?status=FAILED": "http://p.test/?status=FAILED&",
}


@pytest.mark.parametrize(("address", "start"), ADDRESSES.items(), ids=map(ascii, ADDRESSES))
def test_the_resellers_own_address_stays_as_it_is(address: str, start: str) -> None:
    url = url_of(callback_url=address, callback_names=NAMES)
    assert url == start + QUERY


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://p.test/x", "p.test:80"),
        ("https://P.test", "p.test:443"),
        ("https://p.test.:8443/", "p.test:8443"),
        ("http://[2001:DB8::9]/", "2001:db8::9:80"),
        ("", ""),
    ],
)
def test_a_host_is_told_apart_by_name_and_port(address: str, host: str) -> None:
    assert host_of(address) == host


# callbacks


@pytest.mark.parametrize("status", Status)
def test_each_of_the_six_words_is_heard(status: Status) -> None:
    callback = parse_callback(f"trx_id=toko-1&status={status}&sn=x")
    assert callback.trx_id == "toko-1"
    assert callback.evidence is not None
    assert (callback.evidence.verdict, callback.evidence.source) == (status, Source.CALLBACK)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "trx_id=toko-1",
        "trx_id=toko-1&status=",
        "trx_id=toko-1&status=success",
        "trx_id=toko-1&status=ERROR",
        "trx_id=toko-1&status=%FF",
        "trx_id=toko-1&status=SUCCESS%00",
        "trx_id=toko-1&status=SUCCESS&status=SUCCESS",
        "trx_id=toko-1&status=SUCCESS&sn=a&sn=b",
        "trx_id=toko-1&status=SUCCESS&sn=%FF",
        "trx_id=toko-1&trx_id=toko-1&status=SUCCESS",
        "trx_id=toko-1&status=SUCCESS&product_price=1&product_price=1",
        "trx_id=toko-1&status=SUCCESS&invoice_number=%FF",
        "trx_id=%FF&status=SUCCESS",
    ],
)
def test_what_is_not_wholly_readable_is_only_a_reason_to_look_up(query: str) -> None:
    assert parse_callback(query).evidence is None


@pytest.mark.parametrize("query", ["status=SUCCESS", "trx_id=&status=SUCCESS"])
def test_a_callback_that_names_nobody_names_nobody(query: str) -> None:
    assert parse_callback(query).trx_id is None


def test_unknown_parameters_of_a_callback_are_ignored() -> None:
    callback = parse_callback("x=1&trx_id=toko-1&x=%FF&status=PAID&y")
    assert callback.evidence is not None
    assert callback.evidence.callback_names == "trx_id,status"


@pytest.mark.parametrize(
    ("price", "known"),
    [
        ("1000", 1000),
        ("0", 0),
        ("999999999999999", 999999999999999),
        ("1000000000000000", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("%2B1", None),
        ("%D9%A1", None),
        ("%C2%B2", None),
    ],
)
def test_a_price_is_whole_rupiah(price: str, known: int | None) -> None:
    callback = parse_callback(f"trx_id=toko-1&status=SUCCESS&product_price={price}")
    assert callback.evidence is not None
    assert callback.evidence.product_price == known


def test_the_sn_of_a_callback_is_made_plain() -> None:
    callback = parse_callback(
        "trx_id=t-1&status=SUCCESS&sn=a%0Ab%00%E2%80%AEc&invoice_number=I%0A"
    )
    assert callback.evidence is not None
    assert (callback.evidence.note, callback.evidence.invoice_number) == ("a bc", "I ")


@pytest.mark.parametrize("msg", ["R", "R#1%20x,%20status%20FAILED.%20y", ""])
def test_the_msg_of_a_callback_is_never_evidence(msg: str) -> None:
    callback = parse_callback(f"trx_id=toko-1&status=SUCCESS&sn=x&msg={msg}")
    assert callback.evidence is not None
    assert (callback.evidence.verdict, callback.evidence.note) == (Status.SUCCESS, "x")
    assert callback.evidence.saldo is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=150), st.binary(max_size=60))
def test_no_callback_breaks_the_reader(words: str, raw: bytes) -> None:
    for query in (words, raw.decode("ascii", "surrogateescape"), f"status=PAID&sn={words}"):
        callback = parse_callback(query)
        if callback.evidence is not None:
            assert set(callback.evidence.callback_names.split(",")) <= {
                *NAMES.split(","),
                "product_price",
            }
            callback.evidence.note.encode()


def test_what_is_delivered_can_be_read_as_a_callback() -> None:
    """A panel that is built like we are reads what we say."""
    heard = parse_callback(url_of(product_price=5).partition("?")[2])
    assert heard.trx_id == "1234243244"
    assert heard.evidence is not None
    assert (heard.evidence.note, heard.evidence.product_price) == (SN, 5)
    assert order().callback_url is not None


@pytest.mark.parametrize("msg", ["msg=%FF", "msg=R&msg=R"])
def test_what_its_msg_holds_takes_nothing_from_a_callback(msg: str) -> None:
    query = f"invoice_number=I1&trx_id=toko-T1&status=SUCCESS&sn=Budi&{msg}"
    evidence = parse_callback(query).evidence
    assert evidence is not None
    assert (evidence.verdict, evidence.note) == (Status.SUCCESS, "Budi")

"""What is told in the profiles `otomax` and `report`, byte for byte (contract §10)."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given

from gateway.domain.delivery import Message
from gateway.domain.order import Dialect, Order, Status
from gateway.domain.reseller import PROFILES, Profile
from gateway.protocol.deliveries import message_for
from gateway.protocol.otomax import order_answer, parse_line, sn_of
from tests.protocol.fuzz import FUZZ, ORDERS, SALDO, broken_rules
from tests.protocol.wire import sold

AT = "https://your-website.com/callback"
LINE = "R%231234243244%20S1_1187.1234567891234"
ENCODED_SN = "Nickname%20-%20123456789(1234)%20.%20RefId:%20XX_1679528285_4321"


def told(profile: Profile, saldo: int | None = 12343, **changes: Any) -> Message:
    message = message_for(sold(id=17, **changes), profile, saldo)
    assert message is not None
    return message


def test_success() -> None:
    line = f"{LINE}%20SUKSES.%20SN:%20{ENCODED_SN}.%20Saldo%2012343"
    assert told("otomax", product_price=1511).url == (
        f"{AT}?t=17&refid=1234243244&status=20&price=1511&message={line}"
    )
    assert told("report").url == (
        f"{AT}?serverid=17&clientid=1234243244&statuscode=1&kp=S1_1187&msisdn=1234567891234"
        f"&sn={ENCODED_SN}&msg={line}"
    )


def test_partial_success() -> None:
    partial: dict[str, Any] = {"status": Status.PARTIAL_SUCCESS, "note": "3 dari 5"}
    line = f"{LINE}%20SUKSES%20SEBAGIAN.%20SN:%203%20dari%205.%20Saldo%2012343"
    assert told("otomax", **partial).url == (
        f"{AT}?t=17&refid=1234243244&status=20&price=0&message={line}"
    )
    assert told("report", **partial).url == (
        f"{AT}?serverid=17&clientid=1234243244&statuscode=1&kp=S1_1187&msisdn=1234567891234"
        f"&sn=3%20dari%205&msg={line}"
    )


def test_failed() -> None:
    failed: dict[str, Any] = {"status": Status.FAILED, "note": "Stok habis & kosong"}
    line = f"{LINE}%20GAGAL.%20Stok%20habis%20%26%20kosong"
    assert told("otomax", None, **failed).url == (
        f"{AT}?t=17&refid=1234243244&status=40&price=0&message={line}"
    )
    assert told("report", None, **failed).url == (
        f"{AT}?serverid=17&clientid=1234243244&statuscode=2&kp=S1_1187&msisdn=1234567891234"
        f"&sn=&msg={line}"
    )


def test_refunded_after_success() -> None:
    refunded: dict[str, Any] = {"status": Status.REFUNDED, "product_price": 1511}
    line = f"{LINE}%20GAGAL.%20Dana%20sudah%20dikembalikan%20-%20{ENCODED_SN}.%20Saldo%2012343"
    assert told("otomax", **refunded).url == (
        f"{AT}?t=17&refid=1234243244&status=40&price=1511&message={line}"
    )
    assert told("report", **refunded).url == (
        f"{AT}?serverid=17&clientid=1234243244&statuscode=2&kp=S1_1187&msisdn=1234567891234"
        f"&sn=&msg={line}"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_every_form_is_a_get_to_the_orders_host(profile: Profile) -> None:
    message = told(profile)
    assert (message.method, message.status, message.body) == ("GET", "SUCCESS", None)
    assert message.host == "your-website.com:443"
    assert message_for(sold(callback_url=None), profile, 5) is None


@pytest.mark.parametrize("profile", PROFILES)
def test_an_order_in_json_is_told_in_json_whatever_its_reseller_reads(profile: Profile) -> None:
    message = told(profile, dialect=Dialect.JSON)
    assert (message.method, message.url) == ("POST", AT)
    assert message.body is not None


@pytest.mark.parametrize("dialect", [Dialect.TEXT, Dialect.OTOMAX])
@pytest.mark.parametrize("profile", PROFILES)
def test_the_profile_decides_and_not_how_it_was_ordered(
    dialect: Dialect, profile: Profile
) -> None:
    assert told(profile, dialect=dialect) == told(profile)


@pytest.mark.parametrize(
    ("address", "start"),
    [
        ("http://p.test", "http://p.test/?"),
        ("http://p.test/cb?", "http://p.test/cb?"),
        ("http://p.test/cb?x=1&t=9", "http://p.test/cb?x=1&t=9&"),
        ("http://p.test/a b?q=王#frag", "http://p.test/a%20b?q=%E7%8E%8B&"),
    ],
)
def test_the_resellers_own_address_stays_as_it_is(address: str, start: str) -> None:
    assert told("otomax", callback_url=address).url.startswith(f"{start}t=17&refid=")
    assert told("report", callback_url=address).url.startswith(f"{start}serverid=17&clientid=")


def test_what_an_address_could_be_ended_by_is_encoded() -> None:
    for profile in PROFILES:
        url = told(profile, None, note="a#b&c+d%e=f?g (h),:!*'/@").url
        assert "a%23b%26c%2Bd%25e%3Df%3Fg%20(h),:!*'/@" in url


@FUZZ
@given(ORDERS, SALDO)
def test_a_delivery_is_read_by_others_as_it_was_meant(order: Order, saldo: int | None) -> None:
    names: dict[Profile, list[str]] = {
        "otomax": ["t", "refid", "status", "price", "message"],
        "report": ["serverid", "clientid", "statuscode", "kp", "msisdn", "sn", "msg"],
    }
    for profile, wanted in names.items():
        message = message_for(order, profile, saldo)
        assert message is not None
        assert message.url.isascii()
        assert message.url.isprintable()
        query = urlsplit(message.url).query
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
        assert [name for name, _ in pairs] == wanted
        said = dict(pairs)
        is_sold = order.status in (Status.SUCCESS, Status.PARTIAL_SUCCESS)
        text = said["message" if profile == "otomax" else "msg"]
        assert text == order_answer(order, saldo)
        assert parse_line(text) is not None
        if profile == "otomax":
            assert said["status"] == ("20" if is_sold else "40")
        else:
            assert said["statuscode"] == ("1" if is_sold else "2")
            assert said["sn"] == sn_of(order)
            assert broken_rules(said["sn"], "SUKSES") == []
            assert broken_rules(said["msisdn"], "") == []

"""Which callback_url is taken (contract §4), as far as its text tells."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.fields import CODE, is_callback_url
from tests.protocol.wire import SAMPLES

OWN = {("gw.test", 443), ("gw.test", 8080), ("203.0.113.7", 80), ("2001:db8::7", 80)}

TAKEN = [
    "http://p.test",
    "http://p.test/",
    "https://p.test/cb?x=1&y=2#z",
    "HTTP://P.Test/CB",
    "hTTps://p.test:8443/",
    "http://p.test:/",
    "http://203.0.113.9:8099/otomax",
    "http://[2001:db8::9]/",
    "http://[2001:db8::9]:8080/",
    "http://p_1.test/",
    "http://p.test./",
    "http://xn--bcher-kva.test/",
    "http://p.test/bücher?q=é",
    "http://p.test/%20%00",
    "http://p.test/@x",
    "http://p.test?a@b",
    "http://gw.test/",  # the port of another service on our host
    "http://gw.test.evil.test/",
    "https://203.0.113.7/",
    "http://0x7f.1/",  # who that is, the guard sees when it connects
]
REFUSED = [
    "",
    "p.test/cb",
    "//p.test/cb",
    "/cb",
    "ftp://p.test/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "gopher://p.test/",
    "httpx://p.test/",
    "http:p.test/",
    "http:/p.test/",
    "http://",
    "http:///cb",
    "http://?x",
    "http://#x",
    "http://:80/",
    "http://./",
    "http://../",
    "http://user@p.test/",
    "http://user:pass@p.test/",
    "http://@p.test/",
    "http://:@p.test/",
    "http://p.test@gw.test/",
    "http://p.test\\@gw.test/",
    "http:\\\\p.test\\",
    "http://p.test/a\\b",
    "http://p.test:65536/",
    "http://p.test:-1/",
    "http://p.test:x/",
    "http://p.test:80:80/",
    "http://p.test:\u0668\u0660/",
    "http://p.test:\uff18\uff10/",
    "http://p test/",
    "http://p.test/a b",
    " http://p.test/",
    "http://p.test/ ",
    "http://p.test/\n",
    "http://p.test/\x00",
    "ht\ntp://p.test/",
    "http://p.test/\u200b",
    "http://p.test/\u2028",
    "http://p.test/\x7f",
    "http://bücher.test/",
    "http://ⓔxample.test/",
    "http://p%2etest/",
    "http://gw%2Etest:8080/",
    "http://p.test%00/",
    "http://p;test/",
    "http://p,test/",
    'http://p"test/',
    "http://[2001:db8::9/",
    "http://2001:db8::9]/",
    "http://2001:db8::9/",
    "http://[2001:db8::9%25eth0]/",
    "http://[p.test]/",
    "http://[v1.x]/",
    "http://p.test[2001:db8::9]/",
    "http://[2001:db8::9]p.test/",
    "http://[]/",
    # ourselves
    "https://gw.test/",
    "https://gw.test:443/x",
    "https://GW.Test/",
    "https://gw.test./",
    "http://gw.test:8080/callback/t",
    "http://203.0.113.7/",
    "http://203.0.113.7:80/",
    "http://[2001:db8::7]/",
]


@pytest.mark.parametrize("url", TAKEN)
def test_what_may_be_called_is_taken(url: str) -> None:
    assert is_callback_url(url, own=OWN)


@pytest.mark.parametrize("url", REFUSED, ids=map(ascii, REFUSED))
def test_what_may_not_be_called_is_refused(url: str) -> None:
    assert not is_callback_url(url, own=OWN)


def test_the_documents_address_is_taken() -> None:
    url = (SAMPLES / "otomax_callback_url.txt").read_text().partition("?")[0]
    assert is_callback_url(url, own=OWN)


@pytest.mark.parametrize(("length", "ok"), [(1999, True), (2000, True), (2001, False)])
def test_an_address_has_at_most_two_thousand_characters(length: int, *, ok: bool) -> None:
    base = "http://p.test/"
    assert is_callback_url(base + "x" * (length - len(base)), own=OWN) == ok
    assert is_callback_url(base + "é" * (length - len(base)), own=OWN) == ok


@pytest.mark.parametrize(
    ("url", "ok"),
    [
        ("http://p.test/", True),
        ("http://P.TEST:8080/x", True),
        ("http://p.test./", True),
        ("http://203.0.113.9/", True),
        ("http://a.p.test/", False),
        ("http://p.test.evil.test/", False),
        ("http://evilp.test/", False),
        ("http://p.test:80@evil.test/", False),
        ("http://evil.test/?http://p.test/", False),
        ("http://evil.test#p.test", False),
        ("http://gw.test:8080/", False),
    ],
)
def test_where_a_list_of_hosts_is_set_only_those_are_taken(url: str, *, ok: bool) -> None:
    hosts = ("p.test", "203.0.113.9", "gw.test")
    assert is_callback_url(url, own=OWN, hosts=hosts) == ok


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text(max_size=40).map("http://{}/".format)))
def test_no_address_breaks_the_check(url: str) -> None:
    is_callback_url(url, own=OWN, hosts=("p.test",))


@pytest.mark.parametrize("code", ["a", "toko1", "0", "a" * 12])
def test_a_code_is_short_lower_case_ascii(code: str) -> None:
    assert CODE.fullmatch(code)


@pytest.mark.parametrize("code", ["", "a" * 13, "Toko", "to-ko", "to ko", "tok\n", "\u0661", "é"])
def test_anything_else_is_no_code(code: str) -> None:
    assert not CODE.fullmatch(code)

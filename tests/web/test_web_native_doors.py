"""Who may speak OtomaX's own dialect, and what hostile bytes come to (contract §9, §4 rule 5)."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import FakeUpstream, House, OpenHouse, chunks_of, eventually, raw_exchange
from tests.web.native import NATIVE, PASSWORD, PIN, balance, encoded, native, posted, sign, trx

HEAD = "R#T1 S1_1187.123456789"
NOBODY = "ERROR. API_KEY_NOT_FOUND - Apikey tidak valid atau tidak ditemukan."
NOT_READ = "ERROR. INVALID_PARAMETER - Isi permintaan tidak dapat dibaca."
ABOUT = ("S1_1187", "123456789", "T1")
BALANCE_SIGN = sign("TOKO", ("", "", ""))


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    house = await open_house(upstream.url, reseller=NATIVE, recheck={"schedule_s": [3600]})
    house.secrets |= set(NATIVE.values())
    return house


async def nothing_happened(house: House, upstream: FakeUpstream) -> None:
    assert await house.orders() == []
    assert upstream.asked == []


# -- who asks


@pytest.mark.parametrize("member", ["TOKO", "toko", "Toko", "tOkO"])
async def test_a_member_id_is_the_code_in_any_case_and_signed_as_it_was_sent(
    house: House, upstream: FakeUpstream, member: str
) -> None:
    assert (await native(house, member=member)).startswith(f"{HEAD} akan diproses")
    (asked,) = upstream.orders
    assert asked.trx_id == "toko-T1"


@pytest.mark.parametrize(
    "shown",
    [
        {"sign": None},
        {"sign": ""},
        {"sign": sign("toko", ABOUT)},  # of the memberID in another case
        {"sign": sign("TOKO", ABOUT, pin="483921")},
        {"sign": sign("TOKO", ABOUT, password="kata-sandi-lain")},
        {"sign": sign("TOKO", ("S1_1187", "123456780", "T1"))},
        {"sign": BALANCE_SIGN},
        {"sign": sign("KIOS", ABOUT)},
        {"sign": sign("KIOS", ABOUT, "111111", "kata-sandi-kios")},
        {"memberID": None},
        {"memberID": ""},
        {"memberID": "NOBODY", "sign": sign("NOBODY", ABOUT)},
        {"memberID": "NOBODY", "sign": sign("NOBODY", ABOUT, "000000", "nobody's password")},
        {"memberID": "TO\u212aO", "sign": sign("TO\u212aO", ABOUT)},
        {"memberID": "toko ", "sign": sign("toko ", ABOUT)},
        {"memberID": "WARUNG", "sign": sign("WARUNG", ABOUT, "", "")},
        {"memberID": "WARUNG", "sign": sign("WARUNG", ABOUT, "000000", "nobody's password")},
        {"sign": None, "pin": PIN, "password": PASSWORD},  # not allowed
        {"sign": None, "apikey": "key-of-toko"},
    ],
    ids=str,
)
async def test_who_proves_nothing_is_nobody_and_decides_nothing(
    house: House, upstream: FakeUpstream, shown: dict[str, Any]
) -> None:
    await house.add("kios", pin="111111", password="kata-sandi-kios")
    await house.add("warung")  # has no pin and password, and so not this dialect
    for check in (None, "1"):
        for post in (False, True):
            assert await native(house, check=check, post=post, **shown) == f"{HEAD} {NOBODY}"
    if shown != {"sign": BALANCE_SIGN}:
        fields = {"sign": sign("TOKO", ("x", "", "")), **shown}
        answer = await house.get(f"/balance?{balance(**fields)}")
        assert (answer.status, answer.text) == (200, NOBODY)
    await nothing_happened(house, upstream)


@pytest.mark.parametrize("post", [False, True])
async def test_pin_and_password_are_taken_where_the_reseller_is_allowed_to(
    house: House,
    upstream: FakeUpstream,
    post: bool,  # noqa: FBT001
) -> None:
    open_ways: dict[str, Any] = {"sign": None, "pin": PIN, "password": PASSWORD, "post": post}
    change = house.gateway.desk.resellers.change
    assert await native(house, **open_ways) == f"{HEAD} {NOBODY}"
    await change("toko", allow_pin=True)
    for wrong in ({"pin": "483921"}, {"password": "x"}, {"pin": None}, {"password": ""}):
        assert await native(house, **{**open_ways, **wrong}) == f"{HEAD} {NOBODY}"
    await nothing_happened(house, upstream)
    assert (await native(house, **open_ways)).startswith(f"{HEAD} akan diproses")
    assert (await native(house, "T2")).startswith("R#T2 S1_1187.123456789 akan diproses")
    await change("toko", allow_pin=False)
    assert await native(house, **open_ways) == f"{HEAD} {NOBODY}"


async def test_a_pin_that_was_changed_or_removed_ends_at_once(
    house: House, upstream: FakeUpstream
) -> None:
    change = house.gateway.desk.resellers.change
    await change("toko", pin="999999")
    assert await native(house) == f"{HEAD} {NOBODY}"
    made = sign("TOKO", ABOUT, "999999", PASSWORD)
    assert (await native(house, sign=made)).startswith(f"{HEAD} akan diproses")
    await change("toko", pin="", password="")
    assert await native(house, sign=made) == f"{HEAD} {NOBODY}"
    assert await native(house, sign=sign("TOKO", ABOUT, "", "")) == f"{HEAD} {NOBODY}"


async def test_the_address_and_a_suspension_are_looked_at_after_the_sign(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, reseller={**NATIVE, "allow_ips": ["203.0.113.9"]})
    assert await native(house, sign="wrong") == f"{HEAD} {NOBODY}"
    seen = "ERROR. IP_NOT_WHITELISTED - IP Address Anda (127.0.0.1) tidak masuk"
    assert (await native(house)).startswith(f"{HEAD} {seen}")
    assert (await house.get(f"/balance?{balance()}")).text.startswith(seen)
    await house.gateway.desk.resellers.change("toko", allow_ips=[], suspended=True)
    assert (await native(house)).startswith(f"{HEAD} ERROR. RESELLER_SUSPENDED - ")
    assert (await native(house, check="1")).startswith(f"{HEAD} ERROR. RESELLER_SUSPENDED - ")
    await nothing_happened(house, upstream)


@pytest.mark.parametrize("padded", [False, True])
async def test_a_sign_in_the_other_alphabet_is_the_same_sign(
    house: House,
    upstream: FakeUpstream,
    padded: bool,  # noqa: FBT001
) -> None:
    ref = next(
        f"T{n}" for n in range(99) if {"-", "_"} <= set(sign("TOKO", (*ABOUT[:2], f"T{n}")))
    )
    made = sign("TOKO", (*ABOUT[:2], ref)).replace("-", "+").replace("_", "/")
    query = trx(ref, sign=None)
    for written in (quote(made, safe=""), made):  # a raw + too, as panels write it
        answer = await house.get(f"/trx?{query}&sign={written}{'=' * padded}")
        assert answer.text.startswith(f"R#{ref} S1_1187.123456789 akan diproses")
    assert len(upstream.orders) == 1


# -- what is refused without a decision


@pytest.mark.parametrize("ref", [None, "", "a" * 65, "a b", "é", "1\n", "a,b", "a\x00"])
async def test_without_a_valid_ref_id_nothing_is_decided_and_it_is_never_echoed(
    house: House, upstream: FakeUpstream, ref: str | None
) -> None:
    for check in (None, "1"):
        assert await native(house, ref, check=check) == (
            "R#- S1_1187.123456789 ERROR. INVALID_PARAMETER - "
            "Parameter refID kosong atau tidak sah."
        )
    await nothing_happened(house, upstream)


@pytest.mark.parametrize("check", ["2", "true", "01", " 1"])
async def test_an_unclear_check_neither_buys_nor_asks(
    house: House, upstream: FakeUpstream, check: str
) -> None:
    said = f"{HEAD} ERROR. INVALID_PARAMETER - Parameter check hanya boleh 1."
    assert await native(house, check=check) == said
    await nothing_happened(house, upstream)


NAMES = ["memberID", "product", "dest", "refID", "qty", "check", "pin", "password", "sign"]


@pytest.mark.parametrize("name", [*NAMES, "max_price"])
async def test_a_parameter_given_twice_decides_nothing_in_any_spelling_or_place(
    house: House, upstream: FakeUpstream, name: str
) -> None:
    whole = {"qty": "1", "check": "0", "pin": PIN, "password": PASSWORD, "max_price": "5"}
    query = trx(**whole)
    said = f"ERROR. INVALID_PARAMETER - Parameter {name} tertulis dua kali."
    for again in (f"{name}=x", name.upper(), f"{name.lower()}=", f"%{ord(name[0]):x}{name[1:]}=1"):
        for answer in (
            await house.get(f"/trx?{query}&{again}"),
            await posted(house, f"{query}&{again}"),
            await posted(house, again, f"/trx?{query}"),
            await posted(house, query, f"/trx?{again}"),
        ):
            assert answer.status == 200
            assert answer.text.endswith(f" {said}")
            assert answer.text.startswith("R#T1 " if name != "refID" else "R#- ")
    answer = await house.get(f"/balance?{balance()}&{name}=x&{name.upper()}=y")
    assert answer.text == said
    await nothing_happened(house, upstream)


async def test_what_is_split_over_query_and_form_is_one_request(
    house: House, upstream: FakeUpstream
) -> None:
    pairs = trx().split("&")
    answer = await posted(house, "&".join(pairs[2:]), f"/trx?{'&'.join(pairs[:2])}")
    assert answer.text.startswith(f"{HEAD} akan diproses")
    answer = await house.post(f"/trx?{trx('T2')}", b"", {})  # a POST with all in its query
    assert answer.text.startswith("R#T2 S1_1187.123456789 akan diproses")
    shouted = trx("T3").replace("memberID", "MEMBERID").replace("refID", "RefId")
    assert (await house.get(f"/trx?{shouted}")).text.startswith("R#T3 ")
    assert len(upstream.orders) == 3


async def test_the_form_of_a_get_is_not_looked_at(house: House, upstream: FakeUpstream) -> None:
    body = b"refID=T9&check=1"
    head = (
        f"GET /trx?{trx()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    ((status, answer),) = chunks_of(await raw_exchange(house.port, head.encode() + body))
    assert (status, answer.startswith(f"{HEAD} akan diproses".encode())) == (200, True)


# -- hostile bytes


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/trx", "/balance"])
async def test_nothing_but_get_and_post(
    house: House, upstream: FakeUpstream, method: str, path: str
) -> None:
    query = trx() if path == "/trx" else balance()
    answer = await house.get(f"{path}?{query}", method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET,POST"
    await nothing_happened(house, upstream)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"memberID": "TOKO"}', {"Content-Type": "application/json"}),
        (b"memberID=TOKO", {"Content-Type": "text/plain"}),
        (b"memberID=TOKO", {"Content-Type": ""}),
        (b"memberID=TOKO", {"Content-Encoding": "gzip"}),
        (b"x=" + b"y" * 70_000, {}),
    ],
    ids=["json", "text", "untyped", "packed", "long"],
)
async def test_a_body_that_is_not_read_decides_nothing_whatever_the_query_says(
    house: House, upstream: FakeUpstream, body: bytes, headers: dict[str, str]
) -> None:
    typed = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    answer = await house.post(f"/trx?{trx()}", body, typed)
    assert (answer.status, answer.text) == (200, f"{HEAD} {NOT_READ}")
    answer = await house.post(f"/balance?{balance()}", body, typed)
    assert (answer.status, answer.text) == (200, NOT_READ)
    await nothing_happened(house, upstream)
    assert (await native(house, post=True)).startswith(f"{HEAD} akan diproses")


async def test_a_form_that_is_cut_off_buys_nothing(house: House, upstream: FakeUpstream) -> None:
    form = trx()
    head = (
        "POST /trx HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(form) + 1}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(f"{head}{form}".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: house.log.events("order.answered"))
    await nothing_happened(house, upstream)


HOSTILE = [
    *("%FF", "%FE%FF", "%ED%A0%80", "%C0%AF", "%", "%4", "%00", "%0D%0AX-Y:%20z", "%1B[2J"),
    *("%E2%80%A8", "%E2%80%AE", "%C2%85", "%2C", "%26", "%23", "%7C%7C%7C", "+", "x" * 5000),
    *("%F0%9F%98%80", "SUKSES.%20SN:%201", "GAGAL.%20x", "akan%20diproses", ".%20Saldo%209"),
]


@pytest.mark.parametrize("name", NAMES)
async def test_any_bytes_in_any_parameter_are_one_line_that_claims_nothing(
    house: House, upstream: FakeUpstream, name: str
) -> None:
    """Signed over what is sent, where that can be read; a GET and a POST read the same."""
    house.answer_wrong_keys_at_once()
    for number, value in enumerate(HOSTILE):
        fields = {"memberID": "TOKO", "product": "S1_1187", "dest": "123456789"}
        fields |= {"refID": f"N{number}", "sign": ""}
        fields.pop(name, None)
        raw = f"{encoded(fields)}&{name}={value}".replace("&sign=&", "&")
        lines = []
        for answer in (await house.get(f"/trx?{raw}"), await posted(house, raw)):
            assert answer.status == 200
            assert len(answer.text.splitlines()) == 1
            assert answer.text.isprintable()
            assert " ERROR. " in answer.text
            for claim in ("SUKSES. SN", "GAGAL. x", "akan diproses", "Saldo 9"):
                assert claim not in answer.text
            lines.append(answer.text)
        assert lines[0] == lines[1]
    await nothing_happened(house, upstream)


async def test_any_destination_of_a_member_is_one_line_and_bought_whole_or_not(
    house: House, upstream: FakeUpstream
) -> None:
    await house.gateway.desk.resellers.change("toko", allow_pin=True)
    for number, value in enumerate(HOSTILE):
        fields = {"memberID": "TOKO", "product": "S1_1187", "pin": PIN, "password": PASSWORD}
        raw = f"{encoded({**fields, 'refID': f'N{number}'})}&dest={value}"
        said = (await house.get(f"/trx?{raw}")).text
        await house.replies_journaled()
        assert len(said.splitlines()) == 1
        assert said.isprintable()
        shown = await house.shown(f"toko-N{number}")
        if shown["status"] == "FAILED":
            assert said.startswith(f"R#N{number} S1_1187.- GAGAL. INVALID_PARAMETER - ")
            assert shown["sends"] == 0
        else:
            assert " akan diproses" in said
            assert "GAGAL" not in said
            assert "SUKSES" not in said
            assert upstream.orders[-1].query["user_id"] == shown["dest"]
            assert upstream.orders[-1].trx_id == f"toko-N{number}"

"""Status by invoice and by trx_id, and the account's line (contract §4)."""

import asyncio

import pytest

from tests.support import (
    Answerer,
    FakeUpstream,
    House,
    OpenHouse,
    after,
    drops,
    eventually,
    invoice,
    refuses,
    responds,
    says,
)

NOT_FOUND = (
    "INVOICE_NOT_FOUND - Nomor invoice tidak ditemukan, Anda hanya bisa melihat invoice yang di "
    "generate dengan apikey Anda."
)
SUCCESS = "R#{trx_id} S1_1187.123456789|1234, status SUCCESS. Budi . Sisa saldo 12343"
# The document's sample, its trx_id and invoice_number replaced by those of the test.
SAMPLE = (
    "R#T1 APIKUY_XX_1679528285_4321 S1_1187.123456789(1234), status SUCCESS. "
    "Nickname - 123456789(1234) . RefId: XX_1679528285_4321 . Sisa saldo 12343"
)


@pytest.fixture
async def calm(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    """A gateway whose workers ask nothing by themselves."""
    return await open_house(upstream.url, recheck={"schedule_s": [3600]})


async def test_the_answer_has_the_documents_bytes_by_either_name(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.order = says(
        "R#{trx_id} S1_1187.123456789|1234, status PENDING. RefId : XX_1679528285_4321 . "
        "Sisa saldo 12343"
    )
    upstream.look_up = invoice(
        "SUCCESS",
        "Nickname - 123456789(1234) . RefId: XX_1679528285_4321",
        invoice_number="APIKUY_XX_1679528285_4321",
    )
    await calm.order(dest="1234567891234")
    assert await calm.status("T1") == SAMPLE
    assert await calm.status("APIKUY_XX_1679528285_4321") == SAMPLE
    target = f"/v1/otomax/status/T1?apikey={calm.keys['toko']}"
    assert (await calm.get(target)).headers["Content-Type"] == "text/plain; charset=utf-8"
    assert len(upstream.look_ups) == 1, "a final order asks nobody"


async def test_without_an_invoice_number_there_is_a_hyphen(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.order = says("R#{trx_id} S1_1187.{user_id}, status SUCCESS. Budi . Sisa saldo 1")
    await calm.order()
    assert await calm.status() == "R#T1 - S1_1187.123456789(), status SUCCESS. Budi . Sisa saldo 1"


async def test_an_order_without_a_server_has_empty_brackets(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("SUCCESS", "B", user_input={"user_id": "77", "server_id": None})
    await calm.order()
    assert await calm.status() == (
        "R#T1 APIKUY_ML_1_0001 S1_1187.77(), status SUCCESS. B . Sisa saldo 12345"
    )


@pytest.mark.parametrize(
    "asked_id",
    [
        "T2",
        "APIKUY_ML_9",
        "..",
        "a" * 65,
        "%FF",
        "%00",
        "1%0A",
        "a%20b",
        "%D9%A1",
        "T1%2F1",
        "%27",
    ],
)
async def test_what_is_not_ones_own_is_not_found(
    calm: House, upstream: FakeUpstream, asked_id: str
) -> None:
    await calm.order()
    answer = await calm.get(f"/v1/otomax/status/{asked_id}?apikey={calm.keys['toko']}")
    shown = asked_id if asked_id in ("T2", "APIKUY_ML_9", "..") else "-"
    assert answer.text == f"R#{shown} - -.-(-), status ERROR. {NOT_FOUND} . Sisa saldo 12345"
    assert upstream.look_ups == []


async def test_nobody_sees_another_ones_order(calm: House, upstream: FakeUpstream) -> None:
    upstream.order = says(SUCCESS)
    await calm.add("kios")
    await calm.order()
    await calm.call_back("SUCCESS")
    assert ", status SUCCESS. " in await calm.status("APIKUY_ML_1_0001")
    for asked_id in ("T1", "toko-T1", "APIKUY_ML_1_0001"):
        assert f", status ERROR. {NOT_FOUND}" in await calm.status(asked_id, "kios")


@pytest.mark.parametrize("key", ["", "?apikey=", "?apikey=x", "?apikey=%FF", "?key=x"])
@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("/v1/otomax/status/T1", "R#T1 - -.-(-), status ERROR. "),
        ("/v1/otomax/user", "status ERROR. "),
    ],
)
async def test_a_wrong_key_is_told_nothing(calm: House, path: str, head: str, key: str) -> None:
    await calm.order()
    answer = await calm.get(f"{path}{key}")
    assert answer.text == f"{head}API_KEY_NOT_FOUND - Apikey tidak valid atau tidak ditemukan."
    assert answer.status == 200


@pytest.mark.parametrize("path", ["/v1/otomax/status/T1", "/v1/otomax/user"])
async def test_a_key_given_twice_is_refused(
    calm: House, upstream: FakeUpstream, path: str
) -> None:
    key = calm.keys["toko"]
    answer = await calm.get(f"{path}?apikey={key}&apikey={key}")
    assert answer.text.endswith(
        "status ERROR. INVALID_PARAMETER - Parameter apikey tertulis dua kali."
    )
    assert upstream.asked == []


async def test_equal_look_ups_share_one_call_and_one_order_is_asked_once_in_2_s(
    calm: House, upstream: FakeUpstream
) -> None:
    upstream.look_up = invoice("PENDING", "RefId : ML_2")
    await calm.order()
    answers = await asyncio.gather(
        *(calm.status() for _ in range(20)), *(calm.order() for _ in range(20))
    )
    assert len(set(answers)) == 2
    assert len(upstream.look_ups) == 1
    await calm.status()
    await calm.order()
    assert len(upstream.look_ups) == 1
    calm.clock.skip(1.5)
    await calm.status()
    assert len(upstream.look_ups) == 1
    calm.clock.skip(0.6)
    await asyncio.gather(*(calm.status() for _ in range(20)))
    assert len(upstream.look_ups) == 2
    await calm.order("T2")
    await calm.status("T2")
    assert [asked.trx_id for asked in upstream.look_ups] == ["toko-T1", "toko-T1", "toko-T2"]


@pytest.mark.parametrize(
    "look_up",
    [
        drops,
        refuses("SERVER_ERROR", 500),
        refuses("API_KEY_NOT_FOUND"),
        responds("<html>", 200, "text/html"),
        responds("", 302, Location="/"),
        responds(b"x" * 70_000, 200, "application/json"),
        responds('{"data": {"trx_id": "toko-T1", "status": "SUCCESS"}}', 200, "text/html"),
        responds('{"data": {"trx_id": "toko-T1", "status": "SUCCESS"}}', 500, "application/json"),
        invoice("SUCCESS", trx_id="toko-T2"),
        invoice("SUCCESS", trx_id="T1"),
        invoice("SUCCESS", trx_id=None),
        invoice("DONE"),
        invoice("success"),
    ],
)
async def test_a_look_up_that_proves_nothing_leaves_the_order_open(
    calm: House, upstream: FakeUpstream, look_up: Answerer
) -> None:
    upstream.look_up = look_up
    await calm.order()
    assert await calm.status() == (
        "R#T1 - S1_1187.123456789(), status PENDING. RefId : ML_1 . Sisa saldo 12345"
    )
    assert len(upstream.look_ups) == 1
    assert (await calm.shown())["final_at"] is None


async def test_a_slow_look_up_is_answered_from_the_journal_in_time(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(
        upstream.url, recheck={"schedule_s": [3600]}, server={"reply_timeout_s": 0.4}
    )
    await house.order()
    held = asyncio.Event()
    upstream.look_up = after(held, invoice("SUCCESS", "B"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(house.status(), house.order())
    assert loop.time() - began < 5
    assert all(", status PENDING. RefId : ML_1" in answer for answer in answers)
    held.set()
    await house.becomes("SUCCESS")
    assert len(upstream.look_ups) == 1


# -- user


async def test_the_users_line_is_the_upstreams_own(calm: House, upstream: FakeUpstream) -> None:
    line = "TopupKuy. topupkuy@topupkuy.id. plan Platinum Member. balance 1234344"
    upstream.user = responds(line)
    answer = await calm.get(f"/v1/otomax/user?apikey={calm.keys['toko']}")
    assert (answer.status, answer.text) == (200, line)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    (asked,) = upstream.users
    assert asked.query == {"apikey": "upstream-key-of-toko"}


async def test_equal_users_share_one_call_and_others_do_not(
    calm: House, upstream: FakeUpstream
) -> None:
    await calm.add("kios")
    held = asyncio.Event()
    upstream.user = after(held, says("{buyer}. x@y.id. plan Gold. balance 7"))
    asyncio.get_running_loop().call_later(0.1, held.set)
    lines = await asyncio.gather(*(calm.user() for _ in range(10)))
    assert set(lines) == {"toko. x@y.id. plan Gold. balance 7"}
    assert len(upstream.users) == 1
    assert (await calm.user("kios")).startswith("kios. ")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refuses("API_KEY_NOT_FOUND"), "API_KEY_NOT_FOUND"),
        (refuses("IP_NOT_WHITELISTED", 403), "IP_NOT_WHITELISTED"),
        (refuses("SERVER_ERROR", 500), "SERVER_ERROR"),
        (refuses("SOMETHING_NEW", 418), "SERVER_ERROR"),
        (responds("hello"), "SERVER_ERROR"),
        (responds("a. b. plan c. balance 1,5"), "SERVER_ERROR"),
        (responds("a. b. plan c. balance \u0661"), "SERVER_ERROR"),
        (responds("a. b. plan c. balance 15\nmore"), "SERVER_ERROR"),
        (responds("<p>a. b. plan c. balance 15", content_type="text/html"), "SERVER_ERROR"),
        (responds("a. b. plan c. balance 15", 302, Location="/"), "SERVER_ERROR"),
        (responds("a. b. plan c. balance 15", 500), "SERVER_ERROR"),
        (drops, "UPSTREAM_UNREACHABLE"),
    ],
)
async def test_no_user_is_an_error_line_and_no_saldo(
    calm: House, upstream: FakeUpstream, reply: Answerer, code: str
) -> None:
    upstream.user = reply
    answer = await calm.user()
    assert answer.startswith(f"status ERROR. {code} - ")
    assert len(answer.splitlines()) == 1
    assert (await calm.gateway.desk.resellers.show("toko"))["saldo"] is None


async def test_a_slow_user_is_an_error_in_time_and_its_saldo_is_still_seen(
    open_house: OpenHouse, upstream: FakeUpstream
) -> None:
    house = await open_house(upstream.url, server={"reply_timeout_s": 0.3})
    held = asyncio.Event()
    upstream.user = after(held, responds("a. b. plan c. balance 15"))
    assert (await house.user()).startswith("status ERROR. UPSTREAM_UNREACHABLE - ")
    held.set()

    async def is_seen() -> bool:
        return bool((await house.gateway.desk.resellers.show("toko"))["saldo"] == 15)

    await eventually(is_seen)

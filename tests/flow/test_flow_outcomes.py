"""Every outcome of the upstream as a panel sees it: the sandbox decides, the panel only reads."""

import asyncio
import re

import pytest

from gateway.sandbox import Sandbox
from gateway.sandbox.refusals import REFUSALS
from tests.support import MANY_AT_ONCE, House, OpenHouse, Panel, eventually, stays

LINE = re.compile(
    r"R#(?P<trx_id>\S+) S1_1187\.(?P<dest>\S+), status (?P<status>[A-Z_]+)\. (?P<note>.*?)"
    r"(?: \. Sisa saldo (?P<saldo>\d+))?"
)
DEFINITE = {"DUPLICATE_TRX_ID", "INVOICE_NOT_FOUND", "SERVER_ERROR"}


@pytest.fixture
async def shop(open_house: OpenHouse, sandbox: Sandbox, panel: Panel) -> House:
    """A gateway between a panel and the sandbox."""
    return await open_house(
        sandbox.url,
        reseller={"callback_url": panel.url},
        server={"reply_timeout_s": 0.8},
        upstream=MANY_AT_ONCE,
    )


def bought(sandbox: Sandbox, trx_id: str = "toko-T1") -> int:
    return len(sandbox.ledger.purchases_of(trx_id))


async def order(house: House, suffix: str) -> dict[str, str]:
    match = LINE.fullmatch(await house.order(dest=f"0812345{suffix}"))
    assert match is not None
    assert (match["trx_id"], match["dest"]) == ("T1", f"0812345{suffix}")
    return match.groupdict()


@pytest.mark.parametrize(
    ("suffix", "first", "told"),
    [
        ("001", "SUCCESS", ["SUCCESS"]),
        ("002", "PENDING", ["SUCCESS"]),
        ("777", "PENDING", ["SUCCESS"]),
        ("003", "PENDING", ["FAILED"]),
        ("004", "SUCCESS", ["SUCCESS", "REFUNDED"]),
        ("005", "PENDING", ["PARTIAL_SUCCESS"]),
        ("006", "PENDING", ["SUCCESS"]),
        ("007", "PENDING", ["SUCCESS"]),
        ("008", "PENDING", ["SUCCESS"]),
        ("009", "PENDING", ["SUCCESS"]),
        ("011", "PENDING", ["SUCCESS"]),
    ],
)
async def test_a_bought_order_tells_the_panel_its_whole_life(
    shop: House, sandbox: Sandbox, panel: Panel, suffix: str, first: str, told: list[str]
) -> None:
    assert (await order(shop, suffix))["status"] == first
    await eventually(lambda: panel.statuses == told)
    assert bought(sandbox) == 1
    assert sandbox.ledger.order_requests("toko-T1") == 1, "one request on the wire"
    (purchase,) = sandbox.ledger.purchases_of("toko-T1")
    last = panel.told[-1]
    assert (last["trx_id"], last["sn"]) == ("T1", purchase.note)
    invoice, price = purchase.invoice_number, str(purchase.price_rp)
    if suffix == "001":  # told from the reply, which names neither
        assert (last["invoice_number"], last.get("product_price")) == ("", None)
        await eventually(lambda: purchase.callbacks_acknowledged)
    else:
        assert (last["invoice_number"], last["product_price"]) == (invoice, price)
    # Whoever asks now hears the same as it does.
    line = f"S1_1187.0812345{suffix}(), status {told[-1]}. {purchase.note}"
    assert last["msg"].startswith(f"R#T1 {last['invoice_number'] or '-'} {line}")
    assert f", status {told[-1]}. {purchase.note}" in await shop.order(dest=f"0812345{suffix}")
    for asked_id in ("T1", invoice):
        assert (await shop.status(asked_id)).startswith(f"R#T1 {invoice} {line}")
    await stays(lambda: panel.statuses, told, 0.3)
    assert sandbox.ledger.order_requests("toko-T1") == 1


async def test_the_saldo_is_the_upstreams(shop: House, sandbox: Sandbox) -> None:
    line = await order(shop, "001")
    assert line["saldo"] == str(sandbox.ledger.balance("upstream-key-of-toko"))
    assert (await shop.user()).endswith(f". balance {line['saldo']}")


async def test_pending_for_ever_stays_pending(shop: House, sandbox: Sandbox, panel: Panel) -> None:
    line = await order(shop, "012")
    assert line["status"] == "PENDING"
    await stays(lambda: panel.statuses, [], 0.8)
    assert ", status PENDING. " in await shop.order(dest="0812345012")
    assert sandbox.ledger.order_requests("toko-T1") == 1


async def test_what_was_not_bought_is_sent_again_until_it_is_given_up(
    shop: House, sandbox: Sandbox, panel: Panel
) -> None:
    line = await order(shop, "010")
    assert (line["status"], line["note"]) == ("PENDING", "Sedang diproses")
    shown = await shop.becomes("FAILED")
    assert shown["note"].startswith("EXPIRED - ")
    assert sandbox.ledger.order_requests("toko-T1") == 3
    assert bought(sandbox) == 0
    await eventually(lambda: panel.statuses == ["FAILED"])


@pytest.mark.parametrize(
    ("suffix", "code"), [(str(n), refusal.code) for n, refusal in enumerate(REFUSALS, 101)]
)
async def test_a_refusal_is_failed_where_it_is_definite(
    shop: House, sandbox: Sandbox, panel: Panel, suffix: str, code: str
) -> None:
    line = await order(shop, suffix)
    assert bought(sandbox) == 0
    if code in DEFINITE:
        assert (line["status"], line["note"]) == ("PENDING", "Sedang diproses")
        return
    assert line["status"] == "FAILED"
    assert line["note"].startswith(f"{code} - ")
    await eventually(lambda: panel.statuses == ["FAILED"])
    assert panel.told[0]["sn"] == line["note"]
    assert panel.told[0]["invoice_number"] == ""
    assert "product_price" not in panel.told[0]
    assert sandbox.ledger.order_requests("toko-T1") == 1


async def test_many_orders_of_every_kind_at_once_each_arrive_once(
    shop: House, sandbox: Sandbox, panel: Panel
) -> None:
    kinds = ["001", "002", "003", "004", "005", "007", "008", "009", "011", "102"]
    orders = {f"M{n}": f"08{n:04d}{kinds[n % 10]}" for n in range(100)}
    lines = await asyncio.gather(*(shop.order(t, dest) for t, dest in orders.items()))
    assert all(LINE.fullmatch(line) for line in lines)
    last = {
        "003": "FAILED", "004": "REFUNDED", "005": "PARTIAL_SUCCESS", "102": "FAILED"
    }  # fmt: skip
    expected = {t: last.get(dest[-3:], "SUCCESS") for t, dest in orders.items()}

    def heard() -> bool:
        return {told["trx_id"]: told["status"] for told in panel.told} == expected

    await eventually(heard, 20)
    assert all(sandbox.ledger.order_requests(f"toko-{t}") == 1 for t in orders)
    assert len(sandbox.ledger.purchases) == 90
    spent = sum(p.price_rp - p.returned_rp for p in sandbox.ledger.purchases)
    assert sandbox.ledger.balance("upstream-key-of-toko") == 10_000_000 - spent

"""Signed callbacks by the upstream simulator, which signs and sends them by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.sandbox import Sandbox, SandboxOptions
from gateway.sandbox.server import Sandbox as Server
from tests.support import House, OpenHouse, Panel, eventually, reserved_port

KEY = "upstream-key-of-toko"
FORMS = pytest.mark.parametrize("form", ["token", "webhook"])


@asynccontextmanager
async def opened(
    open_house: OpenHouse, panel: Panel, form: str
) -> AsyncIterator[tuple[House, Sandbox]]:
    """A gateway that asks only when there is a reason, and is called back in this form alone."""
    with reserved_port() as port, reserved_port() as dead:
        by_token = form == "token"
        options = SandboxOptions(
            delay_s=0.15,
            callbacks="json",
            webhook=None if by_token else f"http://127.0.0.1:{port}/callback",
            callback_repeats_s=(0.1, 0.2, 0.5, 1.0, 2.0),  # long enough for a busy machine
            accounts={KEY: 50_000_000, "upstream-key-of-kios": 50_000_000},
        )
        async with Server.start(options=options) as sandbox:
            house = await open_house(
                sandbox.url,
                reseller={"callback_url": panel.url},
                server={
                    "listen": f"127.0.0.1:{port}",
                    # Where nobody listens, no callback to an order's own URL arrives.
                    "public_url": f"http://127.0.0.1:{port if by_token else dead}",
                    "reply_timeout_s": 3,
                },
                recheck={"schedule_s": [3600], "settle_s": 0.3, "expire_s": 600},
            )
            yield house, sandbox
            await house.stop()


@FORMS
@pytest.mark.parametrize(
    ("dest", "told", "asks"),
    [
        ("123456002", ["SUCCESS"], False),
        ("123456003", ["FAILED"], True),
        ("123456004", ["SUCCESS", "REFUNDED"], True),
        ("123456005", ["PARTIAL_SUCCESS"], False),
    ],
)
async def test_what_the_simulator_signs_is_heard(
    open_house: OpenHouse, panel: Panel, form: str, dest: str, told: list[str], *, asks: bool
) -> None:
    async with opened(open_house, panel, form) as (house, sandbox):
        await house.order(dest=dest)
        await eventually(lambda: panel.statuses == told)
        (purchase,) = sandbox.ledger.purchases_of("toko-T1")
        shown = await house.becomes(purchase.status.value)
        assert shown["note"] == purchase.note
        assert shown["invoice_number"] == purchase.invoice_number
        assert shown["product_price"] == purchase.price_rp
        assert ("looked_up" in await house.kinds()) == asks
        await eventually(lambda: purchase.callbacks_acknowledged > 0)


async def test_the_webhook_of_two_accounts_serves_both(
    open_house: OpenHouse, panel: Panel
) -> None:
    async with opened(open_house, panel, "webhook") as (house, sandbox):
        await house.add("kios")
        await house.order(dest="123456002")
        await house.order(dest="123456005", reseller="kios")
        await house.becomes("SUCCESS", "toko-T1")
        await house.becomes("PARTIAL_SUCCESS", "kios-T1")
        assert sandbox.ledger.order_requests("toko-T1") == 1

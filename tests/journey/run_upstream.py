"""The sandbox upstream as a process of its own that also opens its books.

`run_upstream.py DELAY_S SLOW_S` prints one line of JSON: where it listens as the upstream, and
where `GET /ledger` tells what was asked for and what was bought. Only that may live here: what it
sells and how it calls back is the sandbox's own.
"""

import asyncio
import json
import sys
from collections import Counter

from aiohttp import web

from gateway.sandbox import Purchase, Sandbox, SandboxOptions, start_sandbox

# Short, so that a gateway that comes back is called soon; long enough in all for a slow machine.
_REPEATS_S = (0.3, 0.5, *[1.0] * 60)


def _told(purchase: Purchase) -> dict[str, object]:
    return {
        "invoice_number": purchase.invoice_number,
        "history": [status.value for _, status in purchase.history],
        "callback_url": str(purchase.order.callback_url),
        "callbacks_acknowledged": purchase.callbacks_acknowledged,
    }


def _ledger(sandbox: Sandbox) -> dict[str, object]:
    """Return for each trx_id how many order requests came, and what was bought under it."""
    ledger = sandbox.ledger
    bought: dict[str, list[dict[str, object]]] = {}
    for purchase in ledger.purchases:
        bought.setdefault(str(purchase.trx_id), []).append(_told(purchase))
    requests: Counter[str] = ledger._order_requests
    return {
        trx_id: {"requests": count, "purchases": bought.get(trx_id, [])}
        for trx_id, count in requests.items()
    }


async def _main(delay_s: float, slow_s: float) -> None:
    options = SandboxOptions(delay_s=delay_s, slow_s=slow_s, callback_repeats_s=_REPEATS_S)
    sandbox = await start_sandbox(options=options)

    async def show(_: web.Request) -> web.Response:
        return web.json_response(_ledger(sandbox))

    app = web.Application()
    app.router.add_get("/ledger", show, allow_head=False)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    books = f"http://127.0.0.1:{port}/ledger"
    sys.stdout.write(json.dumps({"url": sandbox.url, "ledger": books}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), float(sys.argv[2])))

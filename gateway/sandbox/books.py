"""The books, open to whoever judges from another process: one JSON object.

Pure. It tells what was asked for and what was bought, and never an apikey.
"""

from hashlib import sha256

from gateway.sandbox.ledger import Ledger
from gateway.sandbox.purchases import Account, Purchase

BOOKS_PATH = "/sandbox/ledger"
"""No route of the upstream begins like that: its own all begin with a version."""


def books(ledger: Ledger) -> dict[str, object]:
    """`{"orders": {trx_id: …}, "unnamed": […], "accounts": […], "requests": {route: count}}`.

    An order that was asked for and not bought has no purchases; `unnamed` are the purchases
    without a trx_id. A route is `METHOD /path`, with the document's names in the path. An account
    is known by its number and the SHA-256 of its apikey.
    """
    return {
        "orders": {
            trx_id: {
                "requests": ledger.order_requests(trx_id),
                "most_at_once": ledger.traffic.most_at_once(trx_id),
                "purchases": [_purchase(bought) for bought in ledger.purchases_of(trx_id)],
            }
            for trx_id in ledger.trx_ids()
        },
        "unnamed": [_purchase(bought) for bought in ledger.purchases if bought.trx_id is None],
        "accounts": [_account(ledger, account) for account in ledger.accounts()],
        "requests": dict(ledger.requests),
    }


def _purchase(bought: Purchase) -> dict[str, object]:
    return {
        "invoice_number": bought.invoice_number,
        "account": bought.account.name,
        "product_code": bought.product_code,
        "user_id": bought.user_id,
        "server_id": bought.server_id,
        "created_at": bought.created_at,
        "status": bought.status.value,
        "history": [{"at": at, "status": status.value} for at, status in bought.history],
        "sn": bought.note,
        "price_rp": bought.price_rp,
        "returned_rp": bought.returned_rp,
        "callback_url": bought.order.callback_url,
        "callbacks": [
            {"at": told.at, "status": told.status.value, "true": told.true, "own": told.own}
            for told in bought.callbacks
        ],
        "callback_attempts": bought.callback_attempts,
        "callbacks_acknowledged": bought.callbacks_acknowledged,
    }


def _account(ledger: Ledger, account: Account) -> dict[str, object]:
    money = ledger.money(account.apikey)
    return {
        "account": account.name,
        "apikey_sha256": sha256(account.apikey.encode()).hexdigest(),
        "opening_rp": money.opening_rp,
        "prices_rp": money.prices_rp,
        "returned_rp": money.returned_rp,
        "balance_rp": money.balance_rp,
        "adds_up": money.adds_up,
    }

"""The upstream's JSON object of an order, as a reseller of its JSON routes reads it (contract §8).

Its form is that of the upstream's document ("Get invoice detail", "Callback API"). Where the
upstream has written the object itself, that is what is told on, with the trx_id turned back; where
it has not, or has changed its mind since, the journal's order is the truth, and what is not known
is null.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.domain.backoff import MS_PER_S
from gateway.domain.order import Order

_BALANCE = "balance"  # in callbacks alone


def invoice_of(order: Order, said: str | None = None) -> dict[str, Any]:
    """Return an order's object for the answer to a status request or to an order.

    Args:
        order: as the journal holds it.
        said: the upstream's object as it was said just now, where the journal does not hold it
            yet; else the journal's is taken.
    """
    invoice = _told(order, said or order.invoice) or _known(order)
    invoice.pop(_BALANCE, None)
    return invoice


def called_back(order: Order, saldo: int | None) -> dict[str, Any]:
    """Return an order's object for a delivery: with `balance`, where one is known.

    Args:
        order: as it is now.
        saldo: the balance last seen, Rupiah, for where the upstream's object has none.
    """
    invoice = _told(order, order.invoice) or _known(order)
    if _BALANCE in invoice or saldo is None:
        return invoice
    rest = {name: invoice.pop(name) for name in _AFTER_BALANCE if name in invoice}
    return invoice | {_BALANCE: saldo} | rest


_AFTER_BALANCE = ("amount", "status", "voucher", "created_at")  # in the document's order


def _told(order: Order, text: str | None) -> dict[str, Any] | None:
    """Return the upstream's own object with the reseller's trx_id and the journal's word."""
    if text is None:
        return None
    invoice: dict[str, Any] = msgspec.json.decode(text)
    invoice["trx_id"] = order.told_trx_id
    # None of the document's names; it would be our own address, with its token.
    invoice.pop("callback_url", None)
    if invoice.get("status") != order.status.value:
        invoice |= {"response_note": order.note or None, "status": order.status.value}
        if order.invoice_number is not None:
            invoice["invoice_number"] = order.invoice_number
    return invoice


def _known(order: Order) -> dict[str, Any]:
    """Return what the journal knows of an order, in the document's shape."""
    return {
        "invoice_number": order.invoice_number,
        "trx_id": order.told_trx_id,
        "response_note": order.note or None,
        "category": {"title": None, "subtitle": None, "type": None},
        "product": {"name": None, "code": order.product_code, "price": order.product_price},
        "user_input": {
            "user_id": order.user_id,
            "server_id": order.server_id,
            "nickname": None,
        },
        "amount": order.product_price,
        "status": order.status.value,
        "voucher": None,
        "created_at": _moment(order.placed_at),
    }


def _moment(at: int) -> str:
    """Return a time as the document writes it: `2023-03-22T23:38:05.000Z`."""
    moment = datetime.fromtimestamp(at / MS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % MS_PER_S:03d}Z"

"""What a reseller is told of an order, in the form that it reads (contract §10).

An order of the JSON dialect is told in the upstream's JSON, every other in its reseller's profile:
`toss` is the upstream's own form (`protocol.callback`), `otomax` and `report` are two that panels
read from other servers.
Each form is a pure function of the order and the saldo; when and to whom is decided elsewhere, and
what is made here is frozen: a repeat is byte for byte the same.
"""

import hmac

import msgspec

from gateway.domain.delivery import Message
from gateway.domain.order import Dialect, Order, Status
from gateway.domain.reseller import Profile
from gateway.protocol.callback import host_of, query_message, toss_message, with_query
from gateway.protocol.invoice import called_back
from gateway.protocol.otomax import dest_of, order_answer, sn_of

_SOLD = (Status.SUCCESS, Status.PARTIAL_SUCCESS)


def message_for(order: Order, profile: Profile, saldo: int | None) -> Message | None:
    """Return the delivery that tells an order's status.

    Args:
        order: as it is now; its callback_url is where it goes.
        profile: the form that its reseller reads.
        saldo: the last balance seen, Rupiah.

    Returns:
        The frozen request, or None where the order has no callback_url.
    """
    if order.callback_url is None:
        return None
    if order.dialect is Dialect.JSON:
        return _json_message(order, order.callback_url, saldo)
    if profile == "otomax":
        return _otomax_message(order, order.callback_url, saldo)
    if profile == "report":
        return _report_message(order, order.callback_url, saldo)
    return toss_message(order, saldo)


def _otomax_message(order: Order, url: str, saldo: int | None) -> Message:
    values = {
        "t": str(order.id),
        "refid": order.trx_id,
        "status": "20" if order.status in _SOLD else "40",
        "price": str(order.product_price or 0),
        "message": order_answer(order, saldo),
    }
    return query_message(order, url, values)


def _report_message(order: Order, url: str, saldo: int | None) -> Message:
    values = {
        "serverid": str(order.id),
        "clientid": order.trx_id,
        "statuscode": "1" if order.status in _SOLD else "2",
        "kp": order.product_code,
        "msisdn": dest_of(order),
        "sn": sn_of(order),
        "msg": order_answer(order, saldo),
    }
    return query_message(order, url, values)


def _json_message(order: Order, url: str, saldo: int | None) -> Message:
    """Return the upstream's "Callback API": a POST of the order's object."""
    return Message(
        status=order.status.value,
        method="POST",
        url=with_query(url),
        host=host_of(url),
        body=msgspec.json.encode(called_back(order, saldo)).decode(),
    )


def signature(body: bytes, key: str) -> str:
    """Return the `x-signature` of a body: hex HMAC-SHA256 under the reseller's key."""
    return hmac.digest(key.encode(), body, "sha256").hex()

"""What a reseller is told of an order, in the form that it reads (contract §10).

An order of the JSON dialect is told in the upstream's JSON, every other in its reseller's profile.
Each form is a pure function of the order and the saldo; when and to whom is decided elsewhere, and
what is made here is frozen: a repeat is byte for byte the same.
"""

import hmac

import msgspec

from gateway.domain.delivery import Message
from gateway.domain.order import Dialect, Order
from gateway.domain.reseller import Profile
from gateway.protocol.callback import host_of, toss_message
from gateway.protocol.invoice import called_back


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
    del profile
    return toss_message(order, saldo)


def _json_message(order: Order, url: str, saldo: int | None) -> Message:
    """Return the upstream's "Callback API": a POST of the order's object."""
    return Message(
        status=order.status.value,
        method="POST",
        url=url.partition("#")[0],
        host=host_of(url),
        body=msgspec.json.encode(called_back(order, saldo)).decode(),
    )


def signature(body: bytes, key: str) -> str:
    """Return the `x-signature` of a body: hex HMAC-SHA256 under the reseller's key."""
    return hmac.digest(key.encode(), body, "sha256").hex()

"""Callbacks as the upstream sends them, and deliveries as panels expect them (contract §7, §10).

The forms are the upstream's, from its document: "Callback Otomax", a query, and "Callback API", a
signed JSON body, which is read in `protocol.webhook`. A panel that was called by the upstream is
called by us with the same names in the same order and the same encoding, so that it notices
nothing. When and to whom is decided elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from gateway.domain.delivery import Message
from gateway.domain.order import Evidence, Order, Source, Status
from gateway.protocol.fields import CODE, host_and_port, is_identifier
from gateway.protocol.query import parse_query
from gateway.protocol.text import status_answer
from gateway.protocol.words import plain, tame

# Where there was no callback to copy the order of names from; product_price follows when known.
NAMES = ("invoice_number", "trx_id", "status", "sn", "msg")
_KNOWN = frozenset({*NAMES, "product_price"})
_EVIDENCE = _KNOWN - {"msg"}  # msg may be cut at a raw `#`, and is never read

# Left alone in the upstream's sample (contract §10); `quote` never encodes letters, digits,
# `_.-~`.
_LEFT_ALONE = "(),:!*'/@"
# In the path and query that a reseller wrote, everything that RFC 3986 allows stays.
_URL_CHARACTERS = "%/:=&?~+!$,;'@()*[]"
_MAX_PRICE_DIGITS = 15
UNKNOWN_WORD = "?"  # in a hint, for a status that is none of the six words


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a callback says.

    Attributes:
        trx_id: the upstream_trx_id that it names, or None.
        evidence: what it says of the order; None where it is only a reason to look up.
    """

    trx_id: str | None
    evidence: Evidence | None


def parse_callback(raw_query: str) -> Callback:
    """Read the query of an Otomax callback. Its msg is never read: it may be cut at a raw `#`."""
    query = parse_query(raw_query)
    status = query.get("status")
    evidence = None
    if (
        status is not None
        and status in Status.__members__
        and not (_EVIDENCE & (query.repeated | query.unreadable))
    ):
        evidence = Evidence(
            source=Source.CALLBACK,
            verdict=Status(status),
            note=plain(query.get("sn") or ""),
            invoice_number=plain(query.get("invoice_number") or "") or None,
            product_price=_price(query.get("product_price")),
            callback_names=",".join(name for name in query.values if name in _KNOWN),
        )
    return Callback(trx_id=query.get("trx_id"), evidence=evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What somebody says who proved nothing: a reason to look up, and no more.

    Attributes:
        trx_id: the upstream_trx_id that it names, or None where it names none of ours.
        invoice_number: the upstream's id of the order, or None.
        word: one of the six words, or `?`; so one order can be hinted at in seven ways only.
    """

    trx_id: str | None
    invoice_number: str | None
    word: str


def parse_hint(raw_query: str) -> Hint:
    """Read the query of a callback that came without a token."""
    query = parse_query(raw_query)
    trx_id, status = query.get("trx_id"), query.get("status")
    return Hint(
        trx_id=trx_id if is_upstream_trx_id(trx_id) else None,
        invoice_number=plain(query.get("invoice_number") or "") or None,
        word=status if status is not None and status in Status.__members__ else UNKNOWN_WORD,
    )


def is_upstream_trx_id(text: str | None) -> bool:
    """Whether this may be an upstream_trx_id: `<reseller code>-<trx_id>` (contract §1)."""
    code, _, trx_id = (text or "").partition("-")
    return CODE.fullmatch(code) is not None and is_identifier(trx_id)


def _price(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _MAX_PRICE_DIGITS:
        return None
    return int(text)


def toss_message(order: Order, saldo: int | None) -> Message | None:
    """Return the delivery that tells an order's status in the upstream's own form.

    Args:
        order: as it is now; its callback_url is where it goes.
        saldo: the last balance seen, Rupiah.

    Returns:
        The frozen request, or None where the order has no callback_url.
    """
    if order.callback_url is None:
        return None
    values = {
        "invoice_number": order.invoice_number or "",
        "trx_id": order.trx_id,
        "status": order.status.value,
        "sn": tame(order.note, order.status),
        "msg": status_answer(order, saldo),
    }
    if order.product_price is not None:
        values["product_price"] = str(order.product_price)
    # What a panel can not do without is added where the upstream's callback left it out.
    called = order.callback_names.split(",") if order.callback_names else ()
    wanted = dict.fromkeys((*called, *NAMES) if called else (*NAMES, "product_price"))
    told = {name: values[name] for name in wanted if name in values}
    return query_message(order, order.callback_url, told)


def query_message(order: Order, url: str, values: Mapping[str, str]) -> Message:
    """Return a delivery that is a GET.

    Args:
        order: whose status it tells.
        url: its callback_url, checked before.
        values: what is told, in the order in which it stands in the query.
    """
    query = "&".join(f"{name}={quote(value, safe=_LEFT_ALONE)}" for name, value in values.items())
    return Message(
        status=order.status.value,
        method="GET",
        url=with_query(url, query),
        host=host_of(url),
    )


def with_query(url: str, query: str = "") -> str:
    """Return an address as it goes out: encoded, without a fragment, a query behind its own."""
    parts = urlsplit(url)
    before = quote(parts.query, safe=_URL_CHARACTERS)
    path = quote(parts.path, safe=_URL_CHARACTERS) or "/"
    together = "&".join(filter(None, (before, query)))
    return f"{parts.scheme}://{parts.netloc}{path}{together and f'?{together}'}"


def host_of(url: str) -> str:
    """Return `host:port` of an address that was checked before."""
    where = host_and_port(urlsplit(url))
    return "" if where is None else f"{where[0]}:{where[1]}"

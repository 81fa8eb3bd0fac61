"""Our books against the upstream's, an order at a time: what differs, in words for the operator.

Pure comparison; who asks, and what is done about a difference, is decided in `flow.reconciling`.
"""

from datetime import UTC, date, datetime, timedelta, timezone

from gateway.domain.backoff import MS_PER_S
from gateway.domain.evidence import Evidence, Silence, Status
from gateway.domain.order import Order

# Indonesia's western time, in which the operator and the upstream count their days.
WIB = timezone(timedelta(hours=7), "WIB")
_SOLD = frozenset({Status.SUCCESS, Status.PARTIAL_SUCCESS})


def day_of(now: int) -> date:
    """Return the day before a time, Unix milliseconds, in WIB."""
    return (datetime.fromtimestamp(now / MS_PER_S, UTC).astimezone(WIB) - timedelta(days=1)).date()


def bounds_of(day: date) -> tuple[int, int]:
    """Return when a day in WIB begins and ends, Unix milliseconds; the end is the next one's."""
    begins = datetime(day.year, day.month, day.day, tzinfo=WIB)
    ends = begins + timedelta(days=1)
    return round(begins.timestamp() * MS_PER_S), round(ends.timestamp() * MS_PER_S)


def was_sent(order: Order) -> bool:
    """Whether the upstream can know anything of an order."""
    return order.first_sent_at is not None


def amount_of(order: Order) -> int | None:
    """Return what an order took from the saldo, Rupiah; None where that is not known."""
    return order.product_price if order.status in _SOLD else 0


def differences(order: Order, evidence: Evidence) -> list[str]:
    """Return what the upstream's answer to a look-up says otherwise than the journal.

    Args:
        order: as the journal holds it.
        evidence: an answer, be it that there is no such order.
    """
    if evidence.verdict is Silence.NOT_FOUND:
        # What failed need not be there: it was refused, or never arrived.
        if order.status is Status.FAILED and not order.named:
            return []
        return [f"the journal says {order.status}, the upstream knows no such order"]
    if evidence.verdict is not order.status:
        if order.is_open and evidence.verdict in {Status.PENDING, Status.PAID}:
            return []
        return [f"the journal says {order.status}, the upstream {_word(evidence)}"]
    return [
        f"{name}: the journal says {ours}, the upstream {theirs}"
        for name, ours, theirs in (
            ("price", order.product_price, evidence.product_price),
            ("invoice", order.invoice_number, evidence.invoice_number),
            ("SN", _sn(order.status, order.note), _sn(order.status, evidence.note)),
        )
        if ours and theirs and ours != theirs
    ]


def _word(evidence: Evidence) -> str:
    return str(evidence.verdict)


def _sn(status: Status, note: str) -> str:
    """Return the note where it is an SN; elsewhere it is words that may change."""
    return note.strip() if status in _SOLD else ""

"""What an operator must know, and take note of. A value alone: who sees it raises it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What an operator must know.

    Attributes:
        id: its number.
        order: the order's upstream_trx_id, or None where it is about none.
        text: what is the matter.
        raised_at: Unix milliseconds.
        acked_at: when an operator took note of it, or None.
    """

    id: int
    order: str | None
    text: str
    raised_at: int
    acked_at: int | None = None

"""What an operator must know, and take note of. A value alone: who sees it raises it."""

import msgspec


class Alert(msgspec.Struct, frozen=True, kw_only=True):
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

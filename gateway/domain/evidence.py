"""What may be heard about an order: the upstream's six words, its silences, and from whom.

Values alone; what evidence does to an order is decided in `domain.truth`.
"""

from enum import Enum, StrEnum, auto

import msgspec


class Status(StrEnum):
    """The upstream's six words for an order (its document, "Get invoice detail")."""

    PENDING = "PENDING"
    PAID = "PAID"
    SUCCESS = "SUCCESS"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"

    @property
    def is_final(self) -> bool:
        """Whether the upstream has decided, as far as it says."""
        return self not in OPEN_STATUSES


OPEN_STATUSES = frozenset({Status.PENDING, Status.PAID})


class Silence(Enum):
    """What is not one of the six words, and still tells something."""

    NOT_FOUND = auto()  # the look-up: INVOICE_NOT_FOUND
    NO_ANSWER = auto()  # time-out, reset, 5xx, garbage, text of another order: evidence of nothing
    HINT = auto()  # somebody who proved nothing says that something changed
    UNSENT = auto()  # the send provably never left this machine


class Source(StrEnum):
    """Where evidence comes from."""

    REPLY = "reply"
    CALLBACK = "callback"
    LOOKUP = "lookup"


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that was heard about an order.

    Attributes:
        source: from whom.
        verdict: one of the six words, or what its absence means.
        note: the text after `status X. ` as the upstream wrote it: RefId, SN, or reason.
        invoice_number: the upstream's id, where it was said.
        product_price: what it costs, Rupiah, where it was said.
        saldo: the balance after it, Rupiah, where it was said.
        said_dest: the destination as an order line writes it.
        user_id: the destination's first part as a status answer writes it.
        server_id: its second part.
        callback_names: the parameters of a callback in their order, joined by commas.
        invoice: the upstream's JSON object of the order as it wrote it, or None.
        asked_at: when a look-up began; what was asked too early proves little.
        send: of a reply: to which of the order's sends, as `Order.begun` counts them.
        reason: for NO_ANSWER and UNSENT: what happened, one short line for the operator.
    """

    source: Source
    verdict: Status | Silence
    note: str = ""
    invoice_number: str | None = None
    product_price: int | None = None
    saldo: int | None = None
    said_dest: str | None = None
    user_id: str | None = None
    server_id: str | None = None
    callback_names: str = ""
    invoice: str | None = None
    asked_at: int = 0
    send: int = 0
    reason: str = ""

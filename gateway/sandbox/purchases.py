"""What is bought and who buys it: orders, purchases with their statuses, accounts.

Data with a few words made of it. Which purchases there are and what they do to balances stands in
`ledger`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.sandbox.goods import Product


class Status(StrEnum):
    """The upstream's words for an order, without PAID, which the sandbox never says."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


NEXT_STATUSES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset(Status) - {Status.PENDING},
    Status.SUCCESS: frozenset({Status.REFUNDED}),
    Status.PARTIAL_SUCCESS: frozenset({Status.REFUNDED}),
    Status.FAILED: frozenset(),
    Status.REFUNDED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, as the upstream understood it; no server is an empty `server_id`."""

    trx_id: str | None
    product: Product
    user_id: str
    server_id: str = ""
    callback_url: str | None = None
    as_json: bool = False
    """Whether it came as JSON, and is called back so."""


@dataclass(frozen=True, slots=True)
class Told:
    """One callback that was begun, repeats of the same one not counted.

    Attributes:
        at: seconds of the ledger's clock.
        status: the word that it says.
        true: whether the books said the same then.
        own: whether it names this purchase, and not a stranger's.
    """

    at: float
    status: Status
    true: bool
    own: bool = True


@dataclass(slots=True)
class Purchase:
    """One thing bought. Money in whole Rupiah, times in seconds of the ledger's clock."""

    account: "Account"
    invoice_number: str
    order: Order
    created_at: float
    status: Status
    history: list[tuple[float, Status]]
    returned_rp: int = 0
    callbacks: list[Told] = field(default_factory=list)
    callback_attempts: int = 0
    callbacks_acknowledged: int = 0

    @property
    def trx_id(self) -> str | None:
        """The buyer's id of the order, if one was given."""
        return self.order.trx_id

    @property
    def lot(self) -> str:
        """The name under which it draws lots for faults: a number where it has no trx_id."""
        return self.trx_id or f"#{self.invoice_number.rpartition('_')[2]}"

    @property
    def product_code(self) -> str:
        """The code of what was bought."""
        return self.order.product.code

    @property
    def user_id(self) -> str:
        """The player."""
        return self.order.user_id

    @property
    def server_id(self) -> str:
        """The player's server, or an empty string."""
        return self.order.server_id

    @property
    def price_rp(self) -> int:
        """What was taken from the balance when it was bought, in whole Rupiah."""
        return self.order.product.price_rp

    @property
    def ref_id(self) -> str:
        """The invoice number without its first word, as in `RefId: XX_1679528285_4321`."""
        return self.invoice_number.partition("_")[2]

    @property
    def updated_at(self) -> float:
        """When the status last changed."""
        return self.history[-1][0]

    @property
    def note(self) -> str:
        """The text between `status X. ` and ` . Sisa saldo`.

        PENDING and SUCCESS are the document's (`RefId : ML_…` and `Nickname - 123456789(1234) .
        RefId: XX_…`); it shows no reason of a failure or a refund, so those two sentences are
        ours.
        """
        if self.status is Status.PENDING:
            return f"RefId : {self.ref_id}"
        if self.status is Status.FAILED:
            return "Transaksi ditolak oleh penyedia"
        if self.status is Status.REFUNDED:
            return "Transaksi dibatalkan oleh penyedia, dana dikembalikan"
        return f"Nickname - {self.user_id}({self.server_id}) . RefId: {self.ref_id}"


@dataclass(slots=True)
class Account:
    """One apikey: who it is and what it has, in whole Rupiah; the key is never shown."""

    apikey: str = field(repr=False)
    name: str
    email: str
    plan: str
    balance_rp: int
    opened_at: float
    opening_rp: int = 0
    by_trx_id: dict[str, Purchase] = field(default_factory=dict, repr=False)
    by_invoice: dict[str, Purchase] = field(default_factory=dict, repr=False)

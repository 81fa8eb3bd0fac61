"""The journal: what survives a power cut. Intents with names, not tables, are what others see.

`Store` says what can be asked of a journal; a backend is private to this package. A change is a
plain function of what stands in the journal at that instant, run inside the transaction: it can
not await, so no network call can ever sit inside one. Every write is durable when its call
returns.

Every method raises `JournalUnavailable` where the journal can not be read or written at the
moment.
"""

from gateway.store.hosts import FoundDeliveries, HostRow, Hosts, PausedHost
from gateway.store.intents import Archive, Store
from gateway.store.links import LinkRow, Links
from gateway.store.nodes import Beat, Changes, Claimed, ClaimLost, Nodes, Outrun, Peer
from gateway.store.notices import (
    LateDeliveries,
    LongOpen,
    Notice,
    NoticeOutcome,
    Notices,
    Pulse,
    Standing,
)
from gateway.store.office import AdminRow, AuditRow, Office, SessionRow
from gateway.store.products import (
    ProductChange,
    ProductRow,
    Products,
    SoldPart,
    SoldProduct,
)
from gateway.store.records import (
    AccountRow,
    Busy,
    DeliveryFilter,
    DeliveryRecord,
    Entry,
    Form,
    JournalInUse,
    JournalSize,
    JournalUnusable,
    KeyRow,
    OldOrder,
    OldPart,
    OrderFilter,
    Place,
    Record,
    ResellerRow,
    Resent,
    Sealed,
    Telling,
    WaitingCallback,
    as_step,
)
from gateway.store.search import FoundOrders, OrderSearch, Search, TalliedOrders, Tally

__all__ = [
    "AccountRow",
    "AdminRow",
    "Archive",
    "AuditRow",
    "Beat",
    "Busy",
    "Changes",
    "ClaimLost",
    "Claimed",
    "DeliveryFilter",
    "DeliveryRecord",
    "Entry",
    "Form",
    "FoundDeliveries",
    "FoundOrders",
    "HostRow",
    "Hosts",
    "JournalInUse",
    "JournalSize",
    "JournalUnusable",
    "KeyRow",
    "LateDeliveries",
    "LinkRow",
    "Links",
    "LongOpen",
    "Nodes",
    "Notice",
    "NoticeOutcome",
    "Notices",
    "Office",
    "OldOrder",
    "OldPart",
    "OrderFilter",
    "OrderSearch",
    "Outrun",
    "PausedHost",
    "Peer",
    "Place",
    "ProductChange",
    "ProductRow",
    "Products",
    "Pulse",
    "Record",
    "ResellerRow",
    "Resent",
    "Sealed",
    "Search",
    "SessionRow",
    "SoldPart",
    "SoldProduct",
    "Standing",
    "Store",
    "TalliedOrders",
    "Tally",
    "Telling",
    "WaitingCallback",
    "as_step",
]

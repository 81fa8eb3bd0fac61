"""The journal: what survives a power cut. Intents with names, not tables, are what others see.

`Store` says what can be asked of a journal; a backend is private to this package. A change is a
plain function of what stands in the journal at that instant, run inside the transaction: it can
not await, so no network call can ever sit inside one. Every write is durable when its call
returns.

Every method raises `JournalUnavailable` where the journal can not be read or written at the
moment.
"""

from gateway.store.intents import Archive, Store
from gateway.store.notices import (
    LateDeliveries,
    LongOpen,
    Notice,
    NoticeOutcome,
    Notices,
    Pulse,
    Standing,
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

__all__ = [
    "AccountRow",
    "Archive",
    "Busy",
    "DeliveryFilter",
    "DeliveryRecord",
    "Entry",
    "Form",
    "JournalInUse",
    "JournalSize",
    "JournalUnusable",
    "KeyRow",
    "LateDeliveries",
    "LongOpen",
    "Notice",
    "NoticeOutcome",
    "Notices",
    "OldOrder",
    "OldPart",
    "OrderFilter",
    "Place",
    "Pulse",
    "Record",
    "ResellerRow",
    "Resent",
    "Sealed",
    "Standing",
    "Store",
    "Telling",
    "WaitingCallback",
    "as_step",
]

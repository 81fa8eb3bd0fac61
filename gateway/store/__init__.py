"""The journal: what survives a power cut. Intents with names, not tables, are what others see.

`Store` says what can be asked of a journal; a backend is private to this package. A change is a
plain function of what stands in the journal at that instant, run inside the transaction: it can
not await, so no network call can ever sit inside one. Every write is durable when its call
returns.

Every method raises `JournalUnavailable` where the journal can not be read or written at the
moment.
"""

from gateway.store.intents import Archive, Store
from gateway.store.nodes import Beat, Changes, ClaimLost, Kind, Nodes, Outrun, Peer
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
)

__all__ = [
    "AccountRow",
    "Archive",
    "Beat",
    "Busy",
    "Changes",
    "ClaimLost",
    "DeliveryFilter",
    "DeliveryRecord",
    "Entry",
    "Form",
    "JournalInUse",
    "JournalSize",
    "JournalUnusable",
    "KeyRow",
    "Kind",
    "Nodes",
    "OldOrder",
    "OldPart",
    "OrderFilter",
    "Outrun",
    "Peer",
    "Place",
    "Record",
    "ResellerRow",
    "Resent",
    "Sealed",
    "Store",
    "Telling",
    "WaitingCallback",
]

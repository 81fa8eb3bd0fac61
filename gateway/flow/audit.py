"""Who did what: a row of the audit log for each command that changes something.

The row is written before the command is done, and told afterwards what came of it: whatever ends
the process in between, nothing is done that is not written down. What of a command's values is
kept is said here by name, so that a value that nobody thought of is not kept.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.clock import Clock
from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.redaction import redact
from gateway.store import AuditRow, Store

CLI = "cli"
BEGUN, DONE = "begun", "done"

READS = frozenset(
    {
        *("reseller.list", "reseller.show", "order.list", "order.show", "alert.list"),
        *("delivery.list", "delivery.hosts", "link.list", "admin.list", "admin.sessions"),
        *("backup.state", "backup.last", "reconcile.last"),
        # Parts of what was begun, some a second; what they find stands in the order's timeline.
        *("reconcile.some", "reconcile.keep"),
    }
)
"""The commands that change nothing, or go on with one that is written down."""

_RESELLER = (
    *("code", "name", "callback_url", "callback_hosts", "allow_ips", "delivery"),
    *("allow_pin", "max_price", "suspended"),
)
# By command: what may be kept. The first of these that is given is what the command is about.
KEPT: dict[str, tuple[str, ...]] = {
    "reseller.add": _RESELLER,
    "reseller.set": _RESELLER,
    "reseller.rotate_key": ("code", "grace_s"),
    "reseller.apply": (),
    "order.recheck": ("name",),
    "order.settle": ("name", "status", "reason", "note"),
    "alert.ack": ("ids",),
    "alert.test": (),
    "delivery.resend": ("delivery_id",),
    "delivery.resend_all": ("host", "reseller", "state", "since", "until"),
    "delivery.pause": ("host", "reason"),
    "delivery.resume": ("host",),
    "backup.begin": ("to", "keep"),
    "backup.note": (),
    "reconcile.begin": ("day",),
    "link.make": ("code", "days"),
    "link.revoke": ("link_id",),
    "archive.some": ("older_than_days",),
    "admin.add": ("name", "role"),
    "admin.passwd": ("name",),
    "admin.remove": ("name",),
    "admin.revoke": ("name", "session_id"),
    "secrets.rotate": (),
    "secrets.reseal": (),
    "secrets.drop_old": (),
}
_MAX_CHARACTERS = 2000  # of the details: a row is read by people

T = TypeVar("T")


class Audit:
    """Keeps the audit log.

    Args:
        store: the journal.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def kept(
        self,
        who: str,
        command: str,
        values: dict[str, Any],
        work: Callable[[], Awaitable[T]],
    ) -> T:
        """Do a command, and keep who did it.

        Args:
            who: an admin's name, or `cli`.
            command: its name.
            values: what it is given.
            work: does it.

        Raises:
            JournalUnavailable: it can not be written down, so nothing was done.
        """
        if _changes_nothing(command, values):
            return await work()
        row = self._row(who, command, values)
        number = await self._store.add_audit(row)
        outcome = "broke off"
        try:
            result = await work()
            outcome = DONE
        except (NotDone, JournalUnavailable) as error:
            outcome = f"not done: {redact(str(error))}"
            raise
        finally:
            await self._end(number, outcome)
        return result

    def _row(self, who: str, command: str, values: dict[str, Any]) -> AuditRow:
        names = KEPT.get(command, ())
        kept = {name: values[name] for name in names if values.get(name) is not None}
        about = redact(_plain(next(iter(kept.values()), "")))
        details = {name: redact(_plain(value)) for name, value in kept.items()}
        text = json.dumps(details, ensure_ascii=False)
        if len(text) > _MAX_CHARACTERS:
            text = json.dumps(
                {name: f"{len(value)} characters" for name, value in details.items()}
            )
        return AuditRow(
            at=self._clock(), who=who, command=command, about=about, details=text, outcome=BEGUN
        )

    async def _end(self, number: int, outcome: str) -> None:
        try:
            await self._store.end_audit(number, outcome)
        except JournalUnavailable:
            return  # what was done is done; that it was begun is written down


def _changes_nothing(command: str, values: dict[str, Any]) -> bool:
    """Whether a command reads alone, counts alone, or goes on with what is written down."""
    goes_on = command == "archive.some" and values.get("place") is not None
    return command in READS or bool(values.get("dry_run")) or goes_on


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

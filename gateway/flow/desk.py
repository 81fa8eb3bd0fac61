"""What the operator may do: resellers, orders and deliveries, one method a command.

The same desk serves the commands of a running gateway, over a socket of its own, and those of one
that is not running, in the command's own process: so there is never a second writer. All that goes
in and out is plain data, ready for JSON. A key is shown once, when it is made.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from gateway.clock import Clock
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.order import Order
from gateway.domain.reseller import PROFILES, parse_networks
from gateway.flow.directory import Directory
from gateway.protocol.fields import CODE, is_callback_url
from gateway.store import Entry, KeyRow, OrderFilter, ResellerRow, Store
from gateway.vault import Vault, key_hint, new_reseller_key

MS_PER_S = 1000
MAX_KEY_CHARACTERS = 256


class NotDone(Exception):  # noqa: N818  the name says what is the matter
    """A command could not be done; the text says why and what to do, without secrets."""


class Desk:
    """The operator's desk.

    Args:
        store: the journal.
        vault: seals and hashes keys.
        directory: is loaded again when a reseller changed.
        clock: Unix milliseconds.
        on_delivery: called when a delivery became due.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        directory: Directory,
        clock: Clock,
        on_delivery: Callable[[], None],
    ) -> None:
        self._store = store
        self._vault = vault
        self._directory = directory
        self._clock = clock
        self._on_delivery = on_delivery
        self._commands: dict[str, Callable[..., Any]] = {
            "reseller.add": self.reseller_add,
            "reseller.list": self.reseller_list,
            "reseller.show": self.reseller_show,
            "reseller.set": self.reseller_set,
            "reseller.rotate_key": self.reseller_rotate_key,
            "reseller.apply": self.reseller_apply,
            "order.list": self.order_list,
            "order.show": self.order_show,
            "delivery.list": self.delivery_list,
            "delivery.resend": self.delivery_resend,
        }

    async def do(self, command: str, values: dict[str, Any]) -> Any:  # noqa: ANN401  plain data
        """Do one command by its name.

        Raises:
            NotDone: it could not be done; says why.
            JournalUnavailable: the journal can not be used at the moment.
        """
        if command not in self._commands:
            raise NotDone(f"this gateway knows no command {command!r}: is it of the same version?")
        return await self._commands[command](**values)

    # -- resellers

    async def reseller_add(self, code: str, **values: Any) -> dict[str, str]:  # noqa: ANN401
        """Add a reseller; returns its code and key."""
        if await self._row(code) is not None:
            raise NotDone(f"reseller {code} exists already; `reseller set {code}` changes it")
        row, key = self._with_new_key(self._new_row(code), values.pop("key", None))
        await self._put([self._changed(row, values)])
        return {"code": code, "key": key}

    def _new_row(self, code: str) -> ResellerRow:
        if not CODE.fullmatch(code):
            raise NotDone(f"a reseller's code is [a-z0-9], 1 to 12 characters, got {code!r}")
        return ResellerRow(code=code, created_at=self._clock())

    def _with_new_key(
        self, row: ResellerRow, key: str | None, *, old_ends_at: int | None = None
    ) -> tuple[ResellerRow, str]:
        """Give a row a key; keys that it has end at `old_ends_at`, or now where that is None."""
        now = self._clock()
        key = new_reseller_key(row.code) if key is None else key
        if not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()):
            raise NotDone(f"a key is 1 to {MAX_KEY_CHARACTERS} printable ASCII characters")
        fresh = KeyRow(
            hash=self._vault.hash_key(key),
            sealed=self._vault.seal(key),
            hint=key_hint(key),
            created_at=now,
        )
        old = (
            replace(held, ends_at=min(held.ends_at or old_ends_at, old_ends_at))
            for held in row.keys
            if old_ends_at is not None
        )
        living = tuple(held for held in old if held.ends_at is not None and held.ends_at > now)
        held_elsewhere = tuple(held for held in living if held.hash != fresh.hash)
        return replace(row, keys=(*held_elsewhere, fresh)), key

    def _changed(self, row: ResellerRow, values: dict[str, Any]) -> ResellerRow:
        """Return the row with these values, each of them checked. `upstream_key` is sealed."""
        values = {name: value for name, value in values.items() if value is not None}
        upstream_key = values.pop("upstream_key", None)
        if upstream_key is not None:
            if not (
                upstream_key.isascii() and upstream_key.isprintable() and upstream_key.strip()
            ):
                raise NotDone("an upstream key is printable ASCII")
            values["sealed_upstream_key"] = self._vault.seal(upstream_key)
        for name in ("callback_hosts", "allow_ips"):
            if name in values:
                values[name] = tuple(values[name])
        if "callback_url" in values:
            values["callback_url"] = values["callback_url"] or None
        changed = replace(row, **values)
        _check(changed)
        return changed

    async def _row(self, code: str) -> ResellerRow | None:
        return next((row for row in await self._store.resellers() if row.code == code), None)

    async def _known(self, code: str) -> ResellerRow:
        row = await self._row(code)
        if row is None:
            raise NotDone(f"there is no reseller {code}; `reseller list` shows them")
        return row

    async def _put(self, rows: list[ResellerRow]) -> None:
        """Write resellers, after a look that no two of them share a key."""
        kept = {row.code: row for row in await self._store.resellers()}
        after = {**kept, **{row.code: row for row in rows}}
        holders: dict[bytes, str] = {}
        for row in after.values():
            for key in row.keys:
                if holders.setdefault(key.hash, row.code) != row.code:
                    raise NotDone(f"{row.code} and {holders[key.hash]} would share one key")
        for row in rows:
            before = kept.get(row.code)
            if before is not None and self._upstream_key(before) != self._upstream_key(row):
                await self._store.see_saldo(row.code, None)  # it was that of another account
        await self._store.put_resellers(rows)
        await self._directory.load()

    def _upstream_key(self, row: ResellerRow) -> str | None:
        sealed = row.sealed_upstream_key
        return None if sealed is None else self._vault.unseal(sealed)

    async def reseller_list(self) -> list[dict[str, Any]]:
        """List every reseller."""
        return [self._shown(row) for row in await self._store.resellers()]

    async def reseller_show(self, code: str) -> dict[str, Any]:
        """Show one reseller."""
        return self._shown(await self._known(code))

    def _shown(self, row: ResellerRow) -> dict[str, Any]:
        upstream_key = self._upstream_key(row)
        return {
            "code": row.code,
            "name": row.name,
            "suspended": row.suspended,
            "keys": [
                {
                    "hint": key.hint,
                    "created_at": when(key.created_at),
                    "ends_at": when(key.ends_at),
                }
                for key in row.keys
                if key.ends_at is None or key.ends_at > self._clock()
            ],
            "upstream_key": None if upstream_key is None else key_hint(upstream_key),
            "callback_url": row.callback_url,
            "callback_hosts": list(row.callback_hosts),
            "allow_ips": list(row.allow_ips),
            "delivery": row.delivery,
            "saldo": row.saldo,
            "created_at": when(row.created_at),
        }

    async def reseller_set(self, code: str, **values: Any) -> dict[str, Any]:  # noqa: ANN401
        """Change a reseller; what is not given stays."""
        row = self._changed(await self._known(code), values)
        await self._put([row])
        return self._shown(row)

    async def reseller_rotate_key(
        self, code: str, key: str | None = None, grace_s: float = 0
    ) -> dict[str, str]:
        """Give a reseller a new key; the old ones end after `grace_s` seconds."""
        ends_at = self._clock() + round(grace_s * MS_PER_S)
        row, key = self._with_new_key(await self._known(code), key, old_ends_at=ends_at)
        await self._put([row])
        return {"code": code, "key": key}

    async def reseller_apply(
        self, wanted: list[dict[str, Any]], *, dry_run: bool
    ) -> dict[str, Any]:
        """Make the resellers equal to a list; those that are not in it are suspended.

        Returns:
            `changes`, a line for each difference, and `keys`, those that were made, by code.
        """
        rows = {row.code: row for row in await self._store.resellers()}
        result: list[ResellerRow] = []
        changes: list[str] = []
        keys: dict[str, str] = {}
        for values in wanted:
            row, key = self._applied(rows.pop(values["code"], None), dict(values), changes)
            result.append(row)
            if key is not None:
                keys[row.code] = key
        for row in rows.values():
            if not row.suspended:
                changes.append(f"~ {row.code}: suspended, because it is not in the file")
                result.append(replace(row, suspended=True))
        if dry_run:
            return {"changes": changes, "keys": {}}
        await self._put(result)
        return {"changes": changes, "keys": keys}

    def _applied(
        self, before: ResellerRow | None, values: dict[str, Any], changes: list[str]
    ) -> tuple[ResellerRow, str | None]:
        """Return one reseller as a file wants it, and the key that was made for it."""
        code, key = values.pop("code"), values.pop("key", None)
        made = None
        base = self._new_row(code) if before is None else before
        if before is None or (key is not None and not self._holds(before, key)):
            base, shown = self._with_new_key(base, key)
            made = shown if key is None else None
        row = self._changed(replace(base, suspended=False, **_UNSET), values)
        if "upstream_key" not in values:
            row = replace(row, sealed_upstream_key=base.sealed_upstream_key)
        elif before is not None and self._upstream_key(before) == values["upstream_key"]:
            row = replace(row, sealed_upstream_key=before.sealed_upstream_key)
        changes.extend(_differences(before, row))
        return row, made

    def _holds(self, row: ResellerRow, key: str) -> bool:
        wanted = self._vault.hash_key(key)
        return any(held.hash == wanted and held.ends_at is None for held in row.keys)

    # -- orders

    async def order_list(self, **wanted: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """List orders, newest first."""
        return [shown_order(order) for order in await self._store.orders(OrderFilter(**wanted))]

    async def order_show(self, name: str) -> dict[str, Any]:
        """Show one order with its whole timeline. It is named by upstream_trx_id or invoice."""
        order = await self._order(name)
        deliveries = await self._store.deliveries(order_id=order.id)
        return {
            **shown_order(order),
            "timeline": [
                {"at": when(entry.at), "kind": entry.kind, "text": entry.text}
                for entry in await self._store.timeline(order.id)
            ],
            "deliveries": [shown_delivery(delivery) for delivery in reversed(deliveries)],
        }

    async def _order(self, name: str) -> Order:
        reseller, _, trx_id = name.partition("-")
        order = await self._store.order_by_trx_id(reseller, trx_id)
        order = order or await self._store.order_by_invoice(name, None)
        if order is None:
            raise NotDone(f"there is no order {name}: wanted CODE-TRX_ID or an invoice_number")
        return order

    # -- deliveries

    async def delivery_list(
        self, state: str | None = None, order: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """List deliveries, newest first."""
        found = await self._store.deliveries(
            order_id=None if order is None else (await self._order(order)).id,
            state=None if state is None else DeliveryState(state),
            limit=limit,
        )
        return [shown_delivery(delivery) for delivery in found]

    async def delivery_resend(self, delivery_id: int) -> dict[str, Any]:
        """Make a delivery due now, with its whole schedule before it. Its bytes stay the same."""
        delivery = await self._store.delivery(delivery_id)
        if delivery is None:
            raise NotDone(f"there is no delivery {delivery_id}; `delivery list` shows them")
        newest = (await self._store.deliveries(order_id=delivery.order_id, limit=1))[0]
        if newest.id != delivery.id:
            raise NotDone(
                f"delivery {delivery_id} is older than {newest.id} of the same order: a panel "
                "must not read an older status after a newer one"
            )
        now = self._clock()

        def again(current: Delivery) -> Delivery:
            return replace(current, state=DeliveryState.DUE, attempts=0, next_at=now, done_at=None)

        entry = Entry(now, "resent", f"delivery {delivery_id} is sent again by the operator")
        after = await self._store.change_delivery(delivery_id, again, entry)
        self._on_delivery()
        return shown_delivery(after)


# What `reseller apply` sets back where the file says nothing.
_UNSET: dict[str, Any] = {
    "name": "",
    "callback_url": None,
    "callback_hosts": (),
    "allow_ips": (),
    "delivery": "toss",
}


def _check(row: ResellerRow) -> None:
    """Raise NotDone where a reseller's values can not be."""
    if row.callback_url is not None and not is_callback_url(row.callback_url, own=()):
        raise NotDone(f"{row.code}: callback_url: wanted an http or https address")
    if row.delivery not in PROFILES:
        raise NotDone(f"{row.code}: delivery: wanted one of {', '.join(PROFILES)}")
    try:
        parse_networks(row.allow_ips)
    except ValueError as error:
        raise NotDone(f"{row.code}: allow_ip: {error}") from None


def _differences(before: ResellerRow | None, after: ResellerRow) -> list[str]:
    if before is None:
        return [f"+ {after.code}: new"]
    lines = []
    names = (*_UNSET, "suspended")
    for name in names:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            lines.append(f"~ {after.code}: {name}: {old!r} becomes {new!r}")
    if before.sealed_upstream_key != after.sealed_upstream_key:
        lines.append(f"~ {after.code}: upstream_key changes")
    if before.keys != after.keys:
        lines.append(f"~ {after.code}: key changes")
    return lines


def when(at: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, or None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / MS_PER_S, UTC).isoformat(timespec="milliseconds")


def shown_order(order: Order) -> dict[str, Any]:
    """Return an order as plain data."""
    shown = asdict(order)
    shown["status"] = order.status.value
    for name in _TIMES & shown.keys():
        shown[name] = when(shown[name])
    return {"upstream_trx_id": order.upstream_trx_id, **shown}


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as plain data."""
    shown = asdict(delivery)
    shown.update(shown.pop("message"))
    shown["state"] = delivery.state.value
    for name in _TIMES & shown.keys():
        shown[name] = when(shown[name])
    return shown


_TIMES = frozenset(
    {
        "first_sent_at",
        "send_ended_at",
        "looked_up_at",
        "due_at",
        "placed_at",
        "final_at",
        "next_at",
        "created_at",
        "done_at",
    }
)

"""What the operator may do with resellers: add, change, rotate keys, make them equal to a file.

All that goes in and out is plain data, ready for JSON. A key is shown once, when it is made. A
change reads, decides and writes: the desk lets one command in at a time.
"""

from typing import Any

from msgspec.structs import replace

from gateway.clock import Clock
from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import NotDone
from gateway.domain.reseller import PROFILES, parse_networks
from gateway.flow.directory import RESELLER, Directory
from gateway.protocol.fields import CODE, HOST, is_callback_url
from gateway.protocol.shown import when
from gateway.store import AccountRow, KeyRow, ResellerRow, Store
from gateway.vault import Vault, key_hint, new_reseller_key

MAX_KEY_CHARACTERS = 256
MAX_PIN_CHARACTERS = 64  # of a pin or a password: it is part of each request
_PIN_AND_PASSWORD = ("pin", "password")

# What `apply` sets back where the file says nothing.
_UNSET: dict[str, Any] = {
    "name": "",
    "callback_url": None,
    "callback_hosts": (),
    "allow_ips": (),
    "delivery": "toss",
    "allow_pin": False,
    "max_price": None,
}
_MAX_PRICE = 10**15  # Rupiah; beyond it is no price, as in the dialects


class Resellers:
    """The operator's work on resellers.

    Args:
        store: the journal.
        vault: seals and hashes keys.
        directory: is loaded again when a reseller changed.
        clock: Unix milliseconds.
    """

    def __init__(self, store: Store, vault: Vault, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._directory = directory
        self._clock = clock
        self._seen: int | None = None

    async def begin(self) -> None:
        """Begin a command: what others change from now on is not overwritten.

        Raises:
            JournalUnavailable: the journal can not be read.
        """
        self._seen = (await self._store.nodes.changes()).resellers

    async def add(self, code: str, **values: Any) -> dict[str, str]:
        """Add a reseller; returns its code and key."""
        if await self._row(code) is not None:
            raise NotDone(f"reseller {code} exists already; `reseller set {code}` changes it")
        row, key = self._with_new_key(self._new_row(code), values.pop("key", None))
        await self._change(row, values)
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
        ends_at = now if old_ends_at is None else old_ends_at
        old = (replace(held, ends_at=min(held.ends_at or ends_at, ends_at)) for held in row.keys)
        living = (held for held in old if (held.ends_at or 0) > now and held.hash != fresh.hash)
        return replace(row, keys=(*living, fresh)), key

    async def _change(self, row: ResellerRow, values: dict[str, Any]) -> ResellerRow:
        """Write a row with these values."""
        accounts: list[AccountRow] = []
        changed = self._changed(row, values, accounts)
        await self._put([changed], accounts)
        return changed

    def _changed(
        self, row: ResellerRow, values: dict[str, Any], accounts: list[AccountRow]
    ) -> ResellerRow:
        """Return the row with these values, checked; adds the account that it buys under."""
        values = {name: value for name, value in values.items() if value is not None}
        upstream_key = values.pop("upstream_key", None)
        if upstream_key is not None:
            accounts.append(self._account(upstream_key))
            values["account"] = accounts[-1].id
        if "callback_hosts" in values:
            hosts = (host.lower().rstrip(".") for host in values["callback_hosts"])
            values["callback_hosts"] = tuple(hosts)
        if "allow_ips" in values:
            values["allow_ips"] = tuple(values["allow_ips"])
        if "callback_url" in values:
            values["callback_url"] = values["callback_url"] or None
        for name in _PIN_AND_PASSWORD:
            if name in values:
                values[name] = self._sealed(getattr(row, name), values[name])
        if "max_price" in values:
            values["max_price"] = values["max_price"] or None  # 0 takes the ceiling away
        changed = replace(row, **values)
        _check(changed)
        return changed

    def _sealed(self, held: bytes | None, secret: str) -> bytes | None:
        """Return a pin or password as it is kept: what is held where it is that, None for ""."""
        if held is not None and self._vault.unseal(held) == secret:
            return held
        if not (len(secret) <= MAX_PIN_CHARACTERS and secret.isascii() and secret.isprintable()):
            raise NotDone(
                f"a pin or password is 1 to {MAX_PIN_CHARACTERS} printable ASCII characters"
            )
        return self._vault.seal(secret) if secret else None

    def _account(self, upstream_key: str) -> AccountRow:
        if not (upstream_key.isascii() and upstream_key.isprintable() and upstream_key.strip()):
            raise NotDone("an upstream key is printable ASCII, and not empty")
        return AccountRow(
            id=self._vault.account_id(upstream_key), sealed=self._vault.seal(upstream_key)
        )

    async def _row(self, code: str) -> ResellerRow | None:
        return next((row for row in await self._store.resellers() if row.code == code), None)

    async def _known(self, code: str) -> ResellerRow:
        row = await self._row(code)
        if row is None:
            raise NotDone(f"there is no reseller {code}; `reseller list` shows them")
        return row

    async def _put(self, rows: list[ResellerRow], accounts: list[AccountRow]) -> None:
        """Write resellers, after a look that no two of them share a key."""
        after = {row.code: row for row in await self._store.resellers()}
        after |= {row.code: row for row in rows}
        holders: dict[bytes, str] = {}
        for row in after.values():
            for key in row.keys:
                if holders.setdefault(key.hash, row.code) != row.code:
                    raise NotDone(
                        f"{holders[key.hash]} has this key already: {row.code} needs another"
                    )
        await self._store.put_resellers(rows, accounts, seen=self._seen)
        self._seen = None
        self._store.nodes.tell(RESELLER, 0)
        await self._directory.load()

    async def show_all(self) -> list[dict[str, Any]]:
        """List every reseller."""
        accounts = await self._accounts()
        return [self._shown(row, accounts) for row in await self._store.resellers()]

    async def show(self, code: str) -> dict[str, Any]:
        """Show one reseller."""
        return self._shown(await self._known(code), await self._accounts())

    async def _accounts(self) -> dict[str, AccountRow]:
        return {account.id: account for account in await self._store.accounts()}

    def _shown(self, row: ResellerRow, accounts: dict[str, AccountRow]) -> dict[str, Any]:
        account = accounts.get(row.account or "")
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
            "upstream_key": None if account is None else self._hint(account),
            "callback_url": row.callback_url,
            "callback_hosts": list(row.callback_hosts),
            "allow_ips": list(row.allow_ips),
            "delivery": row.delivery,
            "native": row.pin is not None,
            "allow_pin": row.allow_pin,
            "max_price": row.max_price,
            "saldo": None if account is None else account.saldo,
            "created_at": when(row.created_at),
        }

    def _hint(self, account: AccountRow) -> str:
        return key_hint(self._vault.unseal(account.sealed))

    async def change(self, code: str, **values: Any) -> dict[str, Any]:
        """Change a reseller; what is not given stays."""
        row = await self._change(await self._known(code), values)
        return self._shown(row, await self._accounts())

    async def rotate_key(
        self, code: str, key: str | None = None, grace_s: float = 0
    ) -> dict[str, str]:
        """Give a reseller a new key; the old ones end after `grace_s` seconds."""
        ends_at = self._clock() + round(grace_s * MS_PER_S)
        row, key = self._with_new_key(await self._known(code), key, old_ends_at=ends_at)
        await self._put([row], [])
        return {"code": code, "key": key}

    async def apply(self, wanted: list[dict[str, Any]], *, dry_run: bool) -> dict[str, Any]:
        """Make the resellers equal to a list; those that are not in it are suspended.

        Returns:
            `changes`, a line for each difference, and `keys`, those that were made, by code.
        """
        rows = {row.code: row for row in await self._store.resellers()}
        accounts: list[AccountRow] = []
        result: list[ResellerRow] = []
        changes: list[str] = []
        keys: dict[str, str] = {}
        for values in wanted:
            before = rows.pop(values["code"], None)
            row, key = self._applied(before, dict(values), accounts)
            result.append(row)
            changes.extend(_differences(before, row))
            if key is not None:
                keys[row.code] = key
        for row in rows.values():
            if not row.suspended:
                changes.append(f"~ {row.code}: suspended, because it is not in the file")
                result.append(replace(row, suspended=True))
        if not dry_run:
            await self._put(result, accounts)
        return {"changes": changes, "keys": {} if dry_run else keys}

    def _applied(
        self, before: ResellerRow | None, values: dict[str, Any], accounts: list[AccountRow]
    ) -> tuple[ResellerRow, str | None]:
        """Return one reseller as a file wants it, and the key that was made for it."""
        code, key = values.pop("code"), values.pop("key", None)
        made = None
        base = self._new_row(code) if before is None else before
        if before is None or (key is not None and not self._holds(before, key)):
            base, shown = self._with_new_key(base, key)
            made = shown if key is None else None
        row = self._changed(replace(base, suspended=False, **_UNSET), values, accounts)
        return row, made

    def _holds(self, row: ResellerRow, key: str) -> bool:
        wanted = self._vault.hash_key(key)
        return any(held.hash == wanted and held.ends_at is None for held in row.keys)


def _check(row: ResellerRow) -> None:
    """Raise NotDone where a reseller's values can not be."""
    if row.callback_url is not None and not is_callback_url(row.callback_url, own=()):
        raise NotDone(
            f"{row.code}: callback_url: wanted an http or https address, got {row.callback_url!r}"
        )
    for host in row.callback_hosts:
        if not HOST.fullmatch(host):
            raise NotDone(f"{row.code}: callback_host: wanted a bare host name, got {host!r}")
    if row.delivery not in PROFILES:
        raise NotDone(f"{row.code}: delivery: wanted one of {', '.join(PROFILES)}")
    if (row.pin is None) != (row.password is None):
        raise NotDone(f"{row.code}: pin and password go together: give both, or remove both")
    if row.max_price is not None and not 0 < row.max_price < _MAX_PRICE:
        raise NotDone(
            f"{row.code}: max_price: wanted whole Rupiah from 1 to {_MAX_PRICE - 1}, or 0 for no "
            f"ceiling, got {row.max_price}"
        )
    try:
        parse_networks(row.allow_ips)
    except ValueError:
        raise NotDone(
            f"{row.code}: allow_ip: wanted addresses or networks such as 203.0.113.7 or "
            f"10.0.0.0/8, got {', '.join(row.allow_ips)}"
        ) from None


def _differences(before: ResellerRow | None, after: ResellerRow) -> list[str]:
    if before is None:
        return [f"+ {after.code}: new"]
    lines = []
    for name in (*_UNSET, "suspended"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            lines.append(f"~ {after.code}: {name}: {_plain(old)} becomes {_plain(new)}")
    if before.account != after.account:
        lines.append(f"~ {after.code}: upstream_key changes")
    if (before.pin, before.password) != (after.pin, after.password):
        lines.append(f"~ {after.code}: pin or password changes")
    if before.keys != after.keys:
        lines.append(f"~ {after.code}: key changes")
    return lines


def _plain(value: object) -> str:
    """Return a value as an operator reads it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "(any)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value or "(none)")

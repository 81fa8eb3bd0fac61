"""Who may order, and under which key at the upstream: in memory, with the saldo last seen.

The journal is the truth; this is its reading side. Whoever changes resellers loads it again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.clock import Clock
from gateway.domain.errors import KEY_REFUSALS, Code
from gateway.domain.reseller import PROFILES, Reseller
from gateway.protocol.deliveries import signature
from gateway.store import AccountRow, KeyRow, ResellerRow, Store
from gateway.vault import Vault, VaultError, key_hint

RESELLER = "reseller"  # what all gateways on a journal are told when one was changed
_KEY_CHARACTERS = 16  # a shorter key is warned of when it is given; most ids are shorter


class Account(NamedTuple):
    """A key at the upstream under which somebody buys now.

    Attributes:
        id: the account.
        hint: what its owner knows the key again by, and nobody can use.
        codes: the resellers who buy under it.
        saldo: the balance last seen, Rupiah.
        is_taken: the upstream took the key since the start, and did not refuse it after that.
        refused: why the upstream refused the key, if that was the last that it said.
    """

    id: str
    hint: str
    codes: tuple[str, ...]
    saldo: int | None
    is_taken: bool
    refused: Code | None


class Directory:
    """Resellers by key and by code, accounts at the upstream by their id."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._by_code: dict[str, Reseller] = {}
        self._by_hash: dict[bytes, tuple[str, int | None]] = {}
        self._upstream_keys: dict[str, str] = {}
        self._saldo: dict[str, int | None] = {}
        self._taken: set[str] = set()  # accounts whose key the upstream took since the start
        self._refused: dict[str, Code] = {}
        self._seen_here: set[str] = set()  # accounts whose saldo was seen since `follow_saldi`
        self._signing: dict[str, str] = {}
        self._native: dict[str, tuple[str, str]] = {}

    async def load(self) -> None:
        """Read every reseller and account from the journal.

        Raises:
            VaultError: a sealed key does not open with this key file.
            JournalUnavailable: the journal can not be read.
        """
        rows, accounts = await self._store.resellers(), await self._store.accounts()
        # First what needs no seal: a key that was revoked is so whatever the key file holds.
        self._by_code = {row.code: _reseller(row) for row in rows}
        self._by_hash = {key.hash: (row.code, key.ends_at) for row in rows for key in row.keys}
        try:
            self._open(rows, accounts)
        except VaultError:  # another gateway seals under a key that came into the file since
            self._vault.read_again()
            self._open(rows, accounts)
        # What was seen since it was last written down is newer than what stands there.
        self._saldo = {row.id: row.saldo for row in accounts} | self._saldo

    def _open(self, rows: Sequence[ResellerRow], accounts: Sequence[AccountRow]) -> None:
        """Take over what is sealed."""
        self._upstream_keys = {row.id: self._vault.unseal(row.sealed) for row in accounts}
        self._signing = {
            row.code: self._vault.unseal(_newest(row.keys).sealed) for row in rows if row.keys
        }
        self._native = {
            row.code: (self._vault.unseal(row.pin), self._vault.unseal(row.password))
            for row in rows
            if row.pin is not None and row.password is not None
        }

    def by_key(self, apikey: str | None) -> Reseller | None:
        """Return the reseller whose key this is. The same work is done for every key."""
        found = self._by_hash.get(self._vault.hash_key(apikey or ""))
        if found is None:
            return None
        code, ends_at = found
        return None if ends_at is not None and ends_at <= self._clock() else self._by_code[code]

    def is_key(self, text: str | None) -> bool:
        """Whether this is somebody's key, in a place where none belongs: it is not to be shown."""
        if text is None or len(text) < _KEY_CHARACTERS:
            return False
        return self._vault.hash_key(text) in self._by_hash

    def accounts_by_code(self) -> dict[str, str]:
        """Return under which account each reseller buys who is not suspended, by code."""
        rows = sorted(self._by_code.items())
        return {code: row.account for code, row in rows if row.account and not row.suspended}

    def by_code(self, code: str) -> Reseller | None:
        """Return the reseller with this code."""
        return self._by_code.get(code)

    def upstream_key(self, account: str | None) -> str | None:
        """Return the key at the upstream that an account stands for."""
        return None if account is None else self._upstream_keys.get(account)

    def sign(self, code: str, body: bytes) -> str | None:
        """Return the signature of a JSON delivery under the newest of a reseller's own keys."""
        key = self._signing.get(code)
        return None if key is None else signature(body, key)

    def pin_and_password(self, code: str) -> tuple[str, str] | None:
        """Return what a reseller's requests in OtomaX's own dialect are checked with, or None."""
        return self._native.get(code)

    def saldo(self, code: str) -> int | None:
        """Return the balance last seen under the reseller's present upstream key, Rupiah."""
        reseller = self._by_code.get(code)
        return None if reseller is None else self._saldo.get(reseller.account or "")

    def saldo_of(self, account: str | None) -> int | None:
        """Return the balance last seen under an upstream key, Rupiah."""
        return None if account is None else self._saldo.get(account)

    def accounts(self) -> list[Account]:
        """List the upstream keys under which somebody who is not suspended buys, with hints."""
        codes: dict[str, list[str]] = {}
        for reseller in self._by_code.values():
            if reseller.account in self._upstream_keys and not reseller.suspended:
                codes.setdefault(reseller.account or "", []).append(reseller.code)
        return [
            Account(
                id=account,
                hint=key_hint(self._upstream_keys[account]),
                codes=tuple(used_by),
                saldo=self._saldo.get(account),
                is_taken=account in self._taken,
                refused=self._refused.get(account),
            )
            for account, used_by in sorted(codes.items())
        ]

    def saw_refusal(self, account: str | None, code: Code) -> None:
        """Remember that the upstream refused a key itself, and not what was asked under it."""
        if account is not None and code in KEY_REFUSALS:
            self._refused[account] = code
            self._taken.discard(account)

    def saw_saldo(self, account: str | None, saldo: int | None) -> None:
        """Remember a balance that was just seen, Rupiah; writing it down is the caller's part."""
        if account is not None and saldo is not None:
            self._saldo[account] = saldo
            self._seen_here.add(account)
            self._taken.add(account)
            if self._refused:
                self._refused.pop(account, None)

    async def follow_saldi(self) -> None:
        """Take over the balances that other gateways have seen, but where one was seen here.

        That one is in the journal at the next call, if nobody has seen a newer one.

        Raises:
            JournalUnavailable: the journal can not be read.
        """
        seen_here, self._seen_here = self._seen_here, set()
        for row in await self._store.accounts():
            if row.id not in seen_here | self._seen_here:
                self._saldo[row.id] = row.saldo


def _newest(keys: Sequence[KeyRow]) -> KeyRow:
    """Return the key that was made last; those before it end some day."""
    return max(keys, key=lambda key: (key.ends_at is None, key.created_at))


def _reseller(row: ResellerRow) -> Reseller:
    return Reseller(
        code=row.code,
        name=row.name,
        account=row.account,
        callback_url=row.callback_url,
        callback_hosts=row.callback_hosts,
        allow_ips=row.allow_ips,
        delivery=next(profile for profile in PROFILES if profile == row.delivery),
        suspended=row.suspended,
        allow_pin=row.allow_pin,
        max_price=row.max_price,
    )

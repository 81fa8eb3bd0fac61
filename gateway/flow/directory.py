"""Who may order, and under which key at the upstream: in memory, with the saldo last seen.

The journal is the truth; this is its reading side. Whoever changes resellers loads it again.
"""

from collections.abc import Sequence

from gateway.clock import Clock
from gateway.domain.reseller import PROFILES, Reseller
from gateway.protocol.deliveries import signature
from gateway.store import AccountRow, KeyRow, ResellerRow, Store
from gateway.vault import Vault, VaultError

RESELLER = "reseller"  # what all gateways on a journal are told when one was changed
_KEY_CHARACTERS = 16  # a shorter key is warned of when it is given; most ids are shorter


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

    def saw_saldo(self, account: str | None, saldo: int | None) -> None:
        """Remember a balance that was just seen, Rupiah; writing it down is the caller's part."""
        if account is not None and saldo is not None:
            self._saldo[account] = saldo
            self._seen_here.add(account)

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

"""Who may order: every reseller in memory, found by the hash of a key, with the saldo last seen.

The journal is the truth; this is its reading side. Whoever changes resellers loads it again.
"""

from gateway.clock import Clock
from gateway.domain.reseller import PROFILES, Reseller
from gateway.store import ResellerRow, Store
from gateway.vault import Vault


class Directory:
    """Resellers by key and by code."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._by_code: dict[str, Reseller] = {}
        self._by_hash: dict[bytes, tuple[str, int | None]] = {}
        self._saldo: dict[str, int | None] = {}

    async def load(self) -> None:
        """Read every reseller from the journal.

        Raises:
            VaultError: a sealed key does not open with this key file.
            JournalUnavailable: the journal can not be read.
        """
        rows = await self._store.resellers()
        self._by_code = {row.code: self._reseller(row) for row in rows}
        self._by_hash = {key.hash: (row.code, key.ends_at) for row in rows for key in row.keys}
        self._saldo = {row.code: row.saldo for row in rows}

    def _reseller(self, row: ResellerRow) -> Reseller:
        sealed = row.sealed_upstream_key
        return Reseller(
            code=row.code,
            name=row.name,
            upstream_key=None if sealed is None else self._vault.unseal(sealed),
            callback_url=row.callback_url,
            callback_hosts=row.callback_hosts,
            allow_ips=row.allow_ips,
            delivery=next(profile for profile in PROFILES if profile == row.delivery),
            suspended=row.suspended,
        )

    def by_key(self, apikey: str | None) -> Reseller | None:
        """Return the reseller whose key this is. The same work is done for every key."""
        found = self._by_hash.get(self._vault.hash_key(apikey or ""))
        if found is None:
            return None
        code, ends_at = found
        return None if ends_at is not None and ends_at <= self._clock() else self._by_code[code]

    def by_code(self, code: str) -> Reseller | None:
        """Return the reseller with this code."""
        return self._by_code.get(code)

    def saldo(self, code: str) -> int | None:
        """Return the balance last seen under the reseller's upstream key, Rupiah."""
        return self._saldo.get(code)

    def saw_saldo(self, code: str, saldo: int | None) -> None:
        """Remember a balance that was just seen, Rupiah; writing it down is the caller's part."""
        if saldo is not None:
            self._saldo[code] = saldo

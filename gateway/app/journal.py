"""Opens the journal that a configuration names, with the vault whose keys open its seals."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.config import Settings
from gateway.store import JournalInUse, Store
from gateway.store.open import open_store, running_gateway
from gateway.vault import ROOT, Vault

_LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal with what opens its seals."""

    store: Store
    vault: Vault


async def open_journal(settings: Settings, *, wait_s: float = 0) -> Journal:
    """Open the journal and the vault that belongs to it.

    Args:
        settings: where they are.
        wait_s: how long to wait for a command that has the journal open; never for a gateway.

    Raises:
        JournalInUse: another process holds the journal.
        JournalUnusable: it can not be opened.
        JournalUnavailable: not at the moment: the disk is full or fails, or the database is away.
        VaultError: the key file does not open what is sealed in it.
    """
    store = await _open_when_free(settings, wait_s)
    try:
        root = await store.meta(ROOT)
        vault = Vault.open(settings.key_path(), sealed_exists=root is not None)
        if root is None:
            root = vault.new_root()
            await store.put_meta(ROOT, root)
        vault.use_root(root)
    except BaseException:
        await store.close()
        raise
    return Journal(store, vault)


async def _open_when_free(settings: Settings, wait_s: float) -> Store:
    where = settings.journal()
    give_up_at = time.monotonic() + wait_s
    while True:
        try:
            return await open_store(where, connections=settings.storage.pool)
        except JournalInUse:
            if "control" in running_gateway(where) or time.monotonic() >= give_up_at:
                raise
        await asyncio.sleep(_LOOK_AGAIN_S)


@contextlib.asynccontextmanager
async def closed_on_error(journal: Journal) -> AsyncIterator[None]:
    """Close a journal that nobody else will close, and so its threads, where building fails."""
    try:
        yield
    except BaseException:
        await journal.store.close()
        raise

"""Bring back the journal that a configuration names, with the key file that belongs to it."""

from pathlib import Path

from gateway.app.journal import open_journal
from gateway.clock import now_ms
from gateway.config import Settings
from gateway.domain.errors import NotDone
from gateway.protocol.shown import when
from gateway.store.keeping import BroughtBack, Progress, Seals, Wanted
from gateway.store.open import restore_journal
from gateway.vault import Vault, VaultError


def bring_back(
    settings: Settings, source: Path, *, force: bool, progress: Progress
) -> BroughtBack:
    """Put a backup in the place of the SQLite journal.

    Args:
        settings: where journal and key file are.
        source: the backup.
        force: a journal that is there may be replaced.
        progress: told how far it is.

    Raises:
        NotDone: nothing was replaced; says why.
        JournalInUse: a gateway runs on the journal.
    """
    path = settings.sqlite_path()
    if path is None:
        raise NotDone("storage.url is no SQLite file")

    def check_seals(root: bytes | None, seals: Seals) -> None:
        _check_seals(settings.key_path(), root, seals)

    return restore_journal(path, Wanted(source, now_ms(), force), check_seals, progress)


def _check_seals(key_file: Path, root: bytes | None, seals: Seals) -> None:
    """Look whether a key file opens every seal.

    Raises:
        NotDone: it does not; says which.
    """
    if root is None:
        return  # nothing was ever sealed in it
    try:
        vault = Vault.open(key_file, sealed_exists=True)
        vault.use_root(root)
    except VaultError as error:
        raise NotDone(f"nothing was restored: {error}") from None
    for name, sealed in seals.items():
        try:
            vault.unseal(sealed)
        except VaultError:
            raise NotDone(
                f"nothing was restored: no key in {key_file} opens {name}; put back the key file "
                "of the time of the backup, or add its keys below those that are there"
            ) from None


async def mark(settings: Settings) -> str:
    """Say in a journal that it was brought back by other means; returns when, for people.

    Raises:
        JournalInUse: a gateway runs on it.
        JournalUnusable, JournalUnavailable, VaultError: it can not be opened.
    """
    journal = await open_journal(settings)
    try:
        at = now_ms()
        await journal.store.mark_restored(at)
    finally:
        await journal.store.close()
    return when(at) or ""

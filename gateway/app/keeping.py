"""Back up the journal that a configuration names, and bring it back with its key file."""

from pathlib import Path

from gateway.app.journal import open_journal
from gateway.clock import now_ms
from gateway.config import Settings
from gateway.domain.errors import NotDone
from gateway.protocol.shown import when
from gateway.store.keeping import BroughtBack, Kept, Progress, Seals, Target, Wanted
from gateway.store.open import back_up_journal, restore_journal
from gateway.vault import Vault, VaultError


def back_up(
    settings: Settings, to: Path, keep: int | None, progress: Progress
) -> tuple[int, Kept]:
    """Make a backup of the SQLite journal by reading it alone; returns when, and what it is.

    Args:
        settings: where the journal is.
        to: a folder or a file.
        keep: so many of the newest of a folder stay; None keeps all.
        progress: told how far it is.

    Raises:
        NotDone: there is none; says why.
    """
    path = settings.sqlite_path()
    if path is None or not path.exists():
        raise NotDone(f"there is no journal {path} yet")
    at = now_ms()
    return at, back_up_journal(path, Target(to=to, at=at, keep=keep), progress)


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
        JournalUnavailable: a gateway that was killed is still writing it.
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

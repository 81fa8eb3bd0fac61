"""Opens the journal in a PostgreSQL database.

What an operator reads where that fails names the database, and never shows its URL: it may carry a
password, and asyncpg's own words about it as well.
"""

from typing import Final

import asyncpg

from gateway.domain.errors import JournalUnavailable
from gateway.store import JournalUnusable
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_form import prepare
from gateway.store.postgres_news import News
from gateway.store.postgres_nodes import PostgresNodes
from gateway.store.postgres_pool import (
    ANSWER_S,
    CONNECT_S,
    IDLE_MS,
    LOCK_MS,
    STATEMENT_MS,
    Database,
    Session,
    first_line,
)

_MIGRATION_S: Final = 600.0
_SETTINGS: Final = {
    "application_name": "otomax-gateway",
    "default_transaction_isolation": "read committed",  # a fence is compared with what is there
    "idle_in_transaction_session_timeout": str(IDLE_MS),
    "jit": "off",  # every statement of ours takes less time than it takes to be compiled
    "lock_timeout": str(LOCK_MS),
    "statement_timeout": str(STATEMENT_MS),
}
# The configuration is wrong, and will be at the next start: who, where, which database.
_WRONG: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
    ValueError,
)


async def open_postgres(url: str, name: str, *, connections: int) -> PostgresStore:
    """Open a journal, make it where the database is empty, and bring it to this gateway's form.

    Args:
        url: postgresql://…, with a password.
        name: what of it may be shown.
        connections: how many are held at most.

    Raises:
        JournalUnusable: it can not be opened; says why.
        JournalUnavailable: not at the moment.
    """
    try:
        await _prepare(url)
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=connections,
            max_cached_statement_lifetime=0,  # our statements are few, and the same for ever
            command_timeout=ANSWER_S,
            timeout=CONNECT_S,
            reset=_leave,
            server_settings=_SETTINGS,
        )
    except (JournalUnusable, OSError, asyncpg.PostgresError, *_WRONG) as error:
        raise _not_opened(name, error) from None
    except asyncpg.InterfaceError as error:
        raise _not_opened(name, error) from None
    database = Database(pool)
    return PostgresStore(database, PostgresNodes(database, News(database, url, _SETTINGS)))


async def _prepare(url: str) -> None:
    """Look at the database on a connection of its own, which may take the time of a migration."""
    connection = await asyncpg.connect(
        url, timeout=CONNECT_S, command_timeout=_MIGRATION_S, server_settings=_SETTINGS
    )
    try:
        await prepare(Session(connection))
    finally:
        await connection.close(timeout=CONNECT_S)


async def _leave(_: object) -> None:
    """Do nothing to a connection that goes back to the pool: ours leave nothing behind in it."""


def _not_opened(where: str, error: Exception) -> Exception:
    """Say why a journal can not be opened: for now, or as it is."""
    if isinstance(error, JournalUnusable):
        return JournalUnusable(f"{where}: {error}")
    if isinstance(error, ValueError | asyncpg.ClientConfigurationError):
        return JournalUnusable(f"{where}: the URL is not understood")
    if isinstance(error, _WRONG):
        return JournalUnusable(f"{where}: {first_line(error)}")
    return JournalUnavailable(f"{where}: {first_line(error)}")

"""Whether a database is a PostgreSQL journal that this gateway may work on, and its migrations.

The journal's form stands in the table `otomax_gateway`, by which a journal is known from any other
database, as by SQLite's `application_id`.
"""

from typing import Final

from gateway.store import JournalUnusable
from gateway.store.migrate import APPLICATION_ID, check_form, migrations
from gateway.store.postgres_pool import Session

_OLDEST_SERVER: Final = 14  # what is asked of it is there since; older ones are out of support
# What else waits for it does so at most this long: a migration of a large journal takes minutes.
_WAIT_MS: Final = 600_000

# Tables in the schema in which ours would be made, but those that belong to an extension; and ours
# among them. At one moment, for another may be making them.
_TABLES: Final = """
SELECT count(*) AS tables, count(*) FILTER (WHERE c.relname = 'otomax_gateway') AS ours
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""


async def prepare(session: Session) -> None:
    """Look whether this may be a journal, and bring it to this gateway's form.

    Raises:
        JournalUnusable: it is some other database, or of a newer gateway, or it would not keep
            what it has promised to keep.
    """
    await _check_server(session)
    if await _form(session) < max(migrations("postgres")):
        await migrate(session)


async def _check_server(session: Session) -> None:
    version = session.connection.get_server_version().major
    if version < _OLDEST_SERVER:
        raise JournalUnusable(f"PostgreSQL {version} is too old: wanted {_OLDEST_SERVER} or newer")
    encoding = await session.value("SHOW server_encoding")
    if encoding != "UTF8":
        raise JournalUnusable(f"this database is encoded in {encoding}: make one in UTF8")
    if await session.value("SELECT current_schema()") is None:
        raise JournalUnusable("this user has no schema: none of its search_path exists")
    commit = await session.value("SHOW synchronous_commit")
    if commit not in {"on", "remote_apply"}:
        raise JournalUnusable(
            f"synchronous_commit is {commit}, so a commit may be lost: set it to on for this user"
        )


async def _form(session: Session) -> int:
    """Return which form the journal has; 0 where there is none yet."""
    (found,) = await session.rows(_TABLES)
    if not found["tables"]:
        return 0
    if not found["ours"]:
        raise JournalUnusable("this database has tables, but is no journal of otomax-gateway")
    form: int = await session.value("SELECT form FROM otomax_gateway")
    check_form(form, max(migrations("postgres")))
    return form


async def migrate(session: Session) -> None:
    """Run every migration that the journal has not had, in one transaction.

    However many gateways start, one does it: the others wait, and find it done.
    """
    async with session.connection.transaction():
        for limit in ("statement_timeout", "lock_timeout"):
            await session.connection.execute(f"SET LOCAL {limit} = {_WAIT_MS}")
        await session.rows("SELECT pg_advisory_xact_lock($1)", APPLICATION_ID)
        form = await _form(session)
        if form == 0:
            await session.connection.execute("CREATE TABLE otomax_gateway (form integer NOT NULL)")
            await session.connection.execute("INSERT INTO otomax_gateway VALUES (0)")
        for number, script in migrations("postgres").items():
            if number > form:
                await session.connection.execute(script)
                await session.count("UPDATE otomax_gateway SET form = $1", number)

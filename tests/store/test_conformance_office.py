"""What every journal does with admins, their sessions, and the audit log."""

import pytest
from msgspec.structs import replace

from gateway.store import AdminRow, AuditRow, SessionRow, Store
from tests.store.journals import T0

pytestmark = pytest.mark.timeout(30)


HASH = "$argon2id$x"


def admin(name: str = "budi", role: str = "operator") -> AdminRow:
    return AdminRow(name=name, role=role, password=HASH, created_at=T0, changed_at=T0)


def session(name: str = "budi", token: bytes = b"t", at: int = T0) -> SessionRow:
    return SessionRow(
        hash=token.ljust(32, b"."),
        admin=name,
        created_at=at,
        seen_at=at,
        address="203.0.113.9",
        agent="Firefox",
    )


def audited(command: str = "order.settle", **changes: str) -> AuditRow:
    row = AuditRow(at=T0, who="budi", command=command, about="toko-1", outcome="begun")
    return replace(row, **changes)


# admins


async def test_a_name_is_taken_once(store: Store) -> None:
    assert await store.admins() == []
    assert await store.add_admin(admin("wati", "viewer"))
    assert await store.add_admin(admin())
    assert not await store.add_admin(admin("wati"))
    assert await store.admins() == [admin(), admin("wati", "viewer")]


async def test_a_new_password_ends_the_sessions_of_that_admin_alone(store: Store) -> None:
    for name in ("budi", "wati"):
        await store.add_admin(admin(name))
        await store.add_session(session(name, name.encode()), password=HASH, keep=5)
    assert await store.set_password("budi", "$argon2id$y", T0 + 9)
    budi, wati = await store.admins()
    assert (budi.password, budi.changed_at, budi.created_at) == ("$argon2id$y", T0 + 9, T0)
    assert wati == admin("wati")
    assert [row.admin for row in await store.sessions()] == ["wati"]
    assert not await store.set_password("nobody", "x", T0)


async def test_no_session_begins_with_a_password_that_was_changed(store: Store) -> None:
    await store.add_admin(admin())
    assert await store.add_session(session(), password="$argon2id$y", keep=5) is None
    assert await store.add_session(session("wati"), password=HASH, keep=5) is None
    assert await store.sessions() == []


async def test_who_is_removed_is_gone_with_every_session(store: Store) -> None:
    await store.add_admin(admin())
    await store.add_session(session(), password=HASH, keep=5)
    assert await store.remove_admin("budi")
    assert not await store.remove_admin("budi")
    assert await store.admins() == []
    assert await store.sessions() == []
    assert await store.session(session().hash) is None


# sessions


async def test_a_session_is_found_by_its_hash_with_the_role_of_now(store: Store) -> None:
    await store.add_admin(admin(role="viewer"))
    number = await store.add_session(session(), password=HASH, keep=5)
    assert number is not None
    found = await store.session(session().hash)
    assert found == replace(session(), id=number, role="viewer")
    assert await store.session(b"x" * 32) is None
    await store.see_session(number, T0 + 60)
    assert (await store.sessions())[0].seen_at == T0 + 60


async def test_of_each_admin_the_newest_sessions_stay(store: Store) -> None:
    for name in ("budi", "wati"):
        await store.add_admin(admin(name))
    await store.add_session(session("wati", b"w"), password=HASH, keep=2)
    numbers = [
        await store.add_session(session(token=b"%d" % n), password=HASH, keep=2) for n in range(4)
    ]
    assert [row.id for row in await store.sessions("budi")] == [numbers[3], numbers[2]]
    assert len(await store.sessions()) == 3


async def test_sessions_are_ended_by_number_by_admin_and_by_age(store: Store) -> None:
    for name in ("budi", "wati"):
        await store.add_admin(admin(name))
    numbers = [
        await store.add_session(session("budi", b"%d" % n, at=T0 + n), password=HASH, keep=9) or 0
        for n in range(5)
    ]
    await store.add_session(session("wati", b"w", at=T0 + 9), password=HASH, keep=9)
    assert await store.end_sessions(ids=[numbers[4]], admin="wati") == 0, "not hers"
    assert await store.end_sessions(ids=[numbers[4]], admin="budi") == 1
    await store.see_session(numbers[0], T0 + 100)
    assert await store.end_old_sessions(T0, T0 + 2) == 1, "seen too long ago"
    assert await store.end_old_sessions(T0 + 1, 0) == 1, "begun too long ago"
    assert [row.id for row in await store.sessions("budi")] == [numbers[3], numbers[2]]
    assert await store.end_sessions(admin="budi") == 2
    assert [row.admin for row in await store.sessions()] == ["wati"]


# the audit log


async def test_what_is_done_is_listed_newest_first(store: Store) -> None:
    first = await store.add_audit(audited())
    second = await store.add_audit(audited("alert.ack", who="cli", about="5", details='{"a":1}'))
    await store.end_audit(first, "done")
    assert await store.audit() == [
        replace(audited("alert.ack", who="cli", about="5", details='{"a":1}'), id=second),
        replace(audited(), id=first, outcome="done"),
    ]
    assert [row.id for row in await store.audit(who="budi")] == [first]
    assert [row.id for row in await store.audit(about="5")] == [second]
    assert await store.audit(who="budi", about="5") == []
    assert [row.id for row in await store.audit(before_id=second)] == [first]
    assert [row.id for row in await store.audit(limit=1)] == [second]

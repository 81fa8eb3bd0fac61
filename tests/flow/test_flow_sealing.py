"""The rotation of the key file: step by step, while the gateway works, and cut off anywhere."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from gateway.domain.errors import NotDone
from gateway.store import sqlite_seals
from gateway.vault import Vault
from tests.support import FakeUpstream, House, OpenHouse
from tests.web.native import NATIVE, native

SEALED = 5  # the root, an upstream key, a reseller's key, its pin and its password


class KilledError(Exception):
    """Ends a rotation wherever it is; nothing of ours knows it."""


@pytest.fixture
async def house(open_house: OpenHouse, upstream: FakeUpstream) -> House:
    return await open_house(upstream.url, reseller={**NATIVE, "upstream_key": "kunci-supplier-1"})


def keys_in(folder: Path) -> list[str]:
    lines = (folder / "secret.key").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


async def do(house: House, command: str) -> dict[str, int]:
    done: dict[str, int] = await house.gateway.desk.do(f"secrets.{command}", {})
    return done


async def opens_with(house: House, keys: list[str]) -> bool:
    """Whether these keys open every seal in the journal, by the store's own list of them."""
    vault = Vault([Fernet(key) for key in keys], Path("test"))
    seen: list[bytes] = []

    def look(blob: bytes) -> bytes:
        vault._open_seal(blob)
        seen.append(blob)
        return blob

    try:
        await house.gateway.store.seal_anew(look, ("root",))
    except Exception:  # noqa: BLE001
        return False
    return len(seen) == SEALED


async def works(house: House, number: int) -> None:
    """Both dialects order, under the same keys as ever."""
    assert ", status PENDING. " in await house.order(f"T{number}")
    assert "akan diproses" in await native(house, f"N{number}")


async def test_everything_is_sealed_anew_and_works_on(house: House, tmp_path: Path) -> None:
    (old,) = keys_in(tmp_path)
    token = house.token("toko-T1")
    await works(house, 1)
    assert await do(house, "rotate") == {"keys": 2, "sealed": SEALED, "changed": SEALED}
    new, kept = keys_in(tmp_path)
    assert (kept == old, new == old) == (True, False)
    assert await opens_with(house, [new])
    assert not await opens_with(house, [old])
    await works(house, 2)
    assert house.token("toko-T1") == token
    dropped = await do(house, "drop_old")
    assert dropped == {"keys": 1, "sealed": SEALED, "changed": 0, "dropped": 1}
    assert keys_in(tmp_path) == [new]
    await works(house, 3)
    await house.add("lain")
    assert ", status PENDING. " in await house.order("L1", reseller="lain")


async def test_the_next_start_needs_the_new_key_alone(
    house: House, open_house: OpenHouse, upstream: FakeUpstream, tmp_path: Path
) -> None:
    await do(house, "rotate")
    await do(house, "drop_old")
    await house.stop()
    again = await open_house(upstream.url)
    again.keys = house.keys
    await works(again, 1)


async def test_one_key_alone_is_never_dropped(house: House, tmp_path: Path) -> None:
    before = keys_in(tmp_path)
    with pytest.raises(NotDone, match="one key: nothing to drop"):
        await do(house, "drop_old")
    assert keys_in(tmp_path) == before


async def test_a_key_put_there_by_hand_is_sealed_under(house: House, tmp_path: Path) -> None:
    (old,), new = keys_in(tmp_path), Fernet.generate_key().decode()
    (tmp_path / "secret.key").write_text(f"# hand\n{new}\n\n# before\n{old}\n")
    assert await do(house, "reseal") == {"keys": 2, "sealed": SEALED, "changed": SEALED}
    assert await opens_with(house, [new])
    await do(house, "drop_old")
    assert (tmp_path / "secret.key").read_text() == f"# hand\n{new}\n\n# before\n"
    await works(house, 1)


@pytest.mark.parametrize("spoil", ["missing", "readable", "foreign"])
async def test_a_key_file_that_does_not_serve_changes_nothing(
    house: House, tmp_path: Path, spoil: str
) -> None:
    file, (old,) = tmp_path / "secret.key", keys_in(tmp_path)
    if spoil == "missing":
        file.unlink()
    elif spoil == "readable":
        file.chmod(0o640)
    else:
        file.write_text(f"{Fernet.generate_key().decode()}\n")
    for command in ("rotate", "reseal", "drop_old"):
        if spoil != "foreign" or command == "reseal":
            with pytest.raises(NotDone, match=r"secret\.key"):
                await do(house, command)
    file.write_text(f"{old}\n")
    file.chmod(0o600)
    assert await opens_with(house, [old])
    await works(house, 1)


Kill = Callable[[pytest.MonkeyPatch, int], None]


def _at_the_nth_seal(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    monkeypatch.setattr(sqlite_seals, "PART", 1)
    seal_anew, count = Vault.seal_anew, 0

    def dying(self: Vault, blob: bytes) -> bytes:
        nonlocal count
        count += 1
        if count == nth:
            raise KilledError
        return seal_anew(self, blob)

    monkeypatch.setattr(Vault, "seal_anew", dying)


def _at_the_nth_step_of_the_file(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    count = 0
    for name in ("fsync", "open"):
        real = getattr(os, name)

        def dying(*args: object, real: Callable[..., object] = real, **more: object) -> object:
            nonlocal count
            count += "secret.key" in str(args) or isinstance(args[0], int)
            if count == nth:
                raise KilledError
            return real(*args, **more)

        monkeypatch.setattr(os, name, dying)


@pytest.mark.parametrize("command", ["rotate", "drop_old"])
@pytest.mark.parametrize(
    ("kill", "nth"),
    [(_at_the_nth_seal, n) for n in range(1, SEALED + 1)]
    + [(_at_the_nth_step_of_the_file, n) for n in range(1, 6)],
)
async def test_cut_off_anywhere_it_opens_and_is_repeated(
    house: House,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill: Kill,
    nth: int,
    command: str,
) -> None:
    if command == "drop_old":  # of a key that came by hand: nothing is sealed under it yet
        file = tmp_path / "secret.key"
        file.write_text(f"{Fernet.generate_key().decode()}\n{file.read_text()}")
    with monkeypatch.context() as patched:
        kill(patched, nth)
        with suppress(KilledError):
            await do(house, command)
    # What a crash leaves is the file and the journal: the memory of this process is not asked.
    assert await opens_with(house, keys_in(tmp_path))
    await do(house, "rotate")
    await do(house, "drop_old")
    (newest,) = keys_in(tmp_path)
    assert await opens_with(house, [newest])
    await works(house, 1)


async def test_a_file_half_written_by_one_who_was_killed_is_in_nobodys_way(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "secret.key.new").write_text("half")
    await do(house, "rotate")
    assert len(keys_in(tmp_path)) == 2
    assert not (tmp_path / "secret.key.new").exists()


async def test_a_link_stays_one_and_rights_stay_private(house: House, tmp_path: Path) -> None:
    real, link = tmp_path / "elsewhere", tmp_path / "secret.key"
    link.rename(real)
    link.symlink_to(real)
    await do(house, "rotate")
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert len(keys_in(tmp_path)) == 2


async def test_the_owner_stays(house: House, tmp_path: Path) -> None:
    is_root = os.geteuid() == 0  # nobody else may give a file away
    owner = (12345, 12346) if is_root else (os.geteuid(), os.getegid())
    os.chown(tmp_path / "secret.key", *owner)
    await do(house, "rotate")
    about = (tmp_path / "secret.key").stat()
    assert (about.st_uid, about.st_gid) == owner


async def test_a_folder_that_may_not_be_written_is_said(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refusing(path: Path, flags: int, mode: int = 0o777) -> int:
        if path.name.endswith(".new"):
            raise OSError(30, "Read-only file system")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(NotDone, match=r"secret\.key can not be replaced: Read-only file system"):
        await do(house, "rotate")
    monkeypatch.setattr(os, "open", real)
    assert len(keys_in(tmp_path)) == 1
    await works(house, 1)

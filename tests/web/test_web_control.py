"""Where the control socket lies: beside the journal, or in a folder that goes with it."""

import tempfile
from pathlib import Path
from typing import cast

import pytest

from gateway.domain.errors import NotDone
from gateway.flow.desk import Desk
from gateway.web.control import ControlSocket, call_desk


class _Refuses:
    async def do(self, command: str, values: object) -> None:
        raise NotDone(f"{command}: not today")


def control(journal: Path) -> ControlSocket:
    return ControlSocket(cast(Desk, _Refuses()), journal)


async def answers(socket: ControlSocket) -> None:
    await socket.start()
    with pytest.raises(NotDone, match="order_list: not today"):
        await call_desk(str(socket.path), "order_list", {})
    await socket.close()


async def test_beside_the_journal() -> None:
    with tempfile.TemporaryDirectory(prefix="gw") as folder:
        socket = control(Path(folder) / "g.db")
        await answers(socket)
        assert socket.path == Path(folder) / "g.db.sock"
        assert not socket.path.exists()


async def test_a_folder_of_its_own_where_the_path_is_long_is_removed_with_it(
    tmp_path: Path,
) -> None:
    socket = control(tmp_path / ("x" * 100) / "g.db")
    await answers(socket)
    assert not socket.path.parent.exists()


async def test_a_temporary_folder_may_be_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("y" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    socket = control(tmp_path / ("x" * 100) / "g.db")
    await answers(socket)
    assert len(str(socket.path)) <= 100

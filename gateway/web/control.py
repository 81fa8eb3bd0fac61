"""The operator's commands to a running gateway: a POST on a Unix socket that only its user opens.

Both ends of it stand here: what the gateway listens on, and what a command calls.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway.domain.errors import JournalUnavailable, NotDone
from gateway.flow.desk import Desk

_MAX_PATH_BYTES = (
    100  # a Unix socket's path ends at 108 (unix(7)); some room for the temporary name
)
_TIMEOUT_S = 60
_LAST_WORDS_S = 2.0  # for a command under way when the gateway goes down
_MAX_BODY_BYTES = 64 * 1024 * 1024  # a file of a hundred thousand resellers
_FOLDER = "otomax-gateway-"
_NOT_DONE = 409
_URL = "http://gateway/desk"


class ControlSocket:
    """Serves the desk.

    Args:
        desk: does the commands.
        beside: the journal, beside which the socket is made where its path is short enough.
    """

    def __init__(self, desk: Desk, beside: Path) -> None:
        self._desk = desk
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_LAST_WORDS_S)
        self.path = beside.with_name(beside.name + ".sock")
        if len(os.fsencode(self.path)) > _MAX_PATH_BYTES:
            self.path = _short_path(beside)

    @property
    def _has_own_folder(self) -> bool:
        return self.path.parent.name.startswith(_FOLDER)

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_post("/desk", self._do)
        return app

    async def _do(self, request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            result = await self._desk.do(asked["command"], asked["values"])
        except NotDone as error:
            return web.json_response({"error": str(error)}, status=_NOT_DONE)
        except JournalUnavailable as error:
            return web.json_response({"error": str(error)}, status=503)
        return web.json_response({"result": result})

    async def start(self) -> None:
        """Listen. The journal's lock is held, so a socket that is there is a dead process's.

        Raises:
            OSError: the socket can not be made.
        """
        if self._has_own_folder:
            _make_private(self.path.parent)
        self.path.unlink(missing_ok=True)
        await self._runner.setup()
        before = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, str(self.path)).start()
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening; remove the socket, and a folder that was made for it alone."""
        await self._runner.cleanup()
        self.path.unlink(missing_ok=True)
        if self._has_own_folder:
            with contextlib.suppress(OSError):  # the next start makes it anew
                self.path.parent.rmdir()


def _short_path(journal: Path) -> Path:
    """Return a socket's path where a journal's own is too long; always the same for a journal."""
    name = hashlib.sha256(os.fsencode(journal)).hexdigest()[:16]
    within = f"{_FOLDER}{os.getuid()}-{name}/control.sock"
    path = Path(tempfile.gettempdir()) / within
    return path if len(os.fsencode(path)) <= _MAX_PATH_BYTES else Path("/tmp") / within  # noqa: S108  made private, and checked


def _make_private(folder: Path) -> None:
    """Make a folder of ours alone in a place where everybody may make one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's alone: remove it")


async def call_desk(path: str, command: str, values: dict[str, Any]) -> Any:
    """Have a running gateway do a command.

    Args:
        path: its control socket.
        command: a command of the desk.
        values: what it takes.

    Raises:
        NotDone: it could not be done, or the gateway does not answer.
    """
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path), timeout=timeout
            ) as session,
            session.post(_URL, json={"command": command, "values": values}) as response,
        ):
            said = await response.json()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise NotDone(f"the running gateway does not answer: {type(error).__name__}") from None
    if "error" in said:
        raise NotDone(said["error"])
    return said["result"]

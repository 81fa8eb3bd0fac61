"""Whether another process is surely dead: seen on the same machine, never guessed.

A node that was killed leaves its lease behind, and a gateway that was killed the lock of its
journal, for as long as its scribe is at work. A process is named so that its name is never
another's, and the kernel says whether it is there. On another machine, or in another container,
nothing can be seen, so nothing is said.
"""

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_STARTED = 19  # the place of a process's start time behind its name in /proc/PID/stat (proc(5))
_DEAD = "ZX"  # its states when it is dead and not yet gone


@cache
def own_name() -> str:
    """Return the name of this process: machine since its start, namespace, number, start time.

    Where that can not be told (not Linux), a name by which nobody finds it.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = (_PROC / "self/ns/pid").stat().st_ino
        return f"{boot} {space} {os.getpid()} {_started(os.getpid())}"
    except OSError:
        return f"- - {os.getpid()} -"


def is_dead(name: str, own: str) -> bool:
    """Whether the process with this name is dead for sure; `own` is that of who asks."""
    boot, space, number, started = name.split(" ")
    if boot == "-" or [boot, space] != own.split(" ")[:2]:
        return False
    try:
        return _started(int(number)) != started
    except OSError:
        return _is_nobody(int(number))


def _is_nobody(number: int) -> bool:
    """Whether no process has this number, where /proc shows none.

    It does not show those of other users where it is mounted so (hidepid; ProtectProc= of
    systemd), nor any to who has no descriptor left. Who may not be sent a signal is there.
    """
    try:
        os.kill(number, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


def _started(number: int) -> str | None:
    """Return when a process was started, as the kernel counts; None where it is dead already.

    Raises:
        OSError: nothing is seen of it.
    """
    stat = (_PROC / str(number) / "stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in _DEAD else fields[_STARTED]

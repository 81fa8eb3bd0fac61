"""What the kernel knows of a process and those it started: CPU seconds, and resident memory."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024
# Of the fields behind the command's name in /proc/<pid>/stat: who started it, and its user and
# system time, in ticks.
_PARENT, _UTIME, _STIME = 1, 11, 12


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children, user and system."""
    ticks = 0
    for member in _family(pid):
        fields = _stat(member)
        ticks += int(fields[_UTIME]) + int(fields[_STIME])
    return ticks / _TICKS_PER_S


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process and its children, MiB."""
    return sum(_resident_mib(member) for member in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != pid:
            try:
                parent = int(_stat(int(entry.name))[_PARENT])
            except OSError:
                continue  # it has ended meanwhile
            if parent == pid:
                yield int(entry.name)


def _stat(pid: int) -> list[str]:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _KIB_PER_MIB
    raise ProcessLookupError(f"process {pid} has ended")

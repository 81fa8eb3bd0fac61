"""What the kernel knows of a process and its children: CPU seconds, and resident memory."""

import os
from collections.abc import Callable
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024
# Of the fields behind the command's name in /proc/<pid>/stat (proc(5)): who started it, and its
# user and system time, in ticks.
_PARENT, _UTIME, _STIME = 1, 11, 12


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and of its children that live, user and system."""
    return _with_children(pid, _cpu_s)


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process and its children, MiB; what they share, twice."""
    return _with_children(pid, _resident_mib)


def _with_children(pid: int, measure: Callable[[int], float]) -> float:
    total = measure(pid)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if int(_stat(int(entry.name))[_PARENT]) == pid:
                total += measure(int(entry.name))
        except OSError:
            continue  # it has ended meanwhile
    return total


def _stat(pid: int) -> list[str]:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _KIB_PER_MIB
    raise ProcessLookupError(f"process {pid} has ended")

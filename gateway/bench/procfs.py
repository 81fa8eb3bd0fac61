"""What the kernel knows of a process: its CPU seconds, and its resident memory."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024
# Of the fields behind the command's name in /proc/<pid>/stat: user and system time, in ticks.
_UTIME, _STIME = 11, 12


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, all its threads, user and system."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _KIB_PER_MIB
    raise ProcessLookupError(f"process {pid} has ended")

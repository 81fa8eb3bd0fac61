"""The machine and the versions that a table was measured with."""

import os
import platform
import sqlite3
import tempfile
import time
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

_FSYNCS = 51
_PAGE_BYTES = 4096
_MICRO = 1e6


def machine() -> dict[str, Any]:
    """Return cores, CPU, kernel, and the disk that the journals lie on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": f"{file_system(Path(tempfile.gettempdir()))}, fsync {_fsync_us():.0f} µs",
    }


def file_system(folder: Path) -> str:
    """Return the kind of file system below a folder; on tmpfs nothing is ever durable."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    places = ((Path(fields[1]), fields[2]) for fields in map(str.split, mounts))
    above = [(place, kind) for place, kind in places if folder.resolve().is_relative_to(place)]
    return max(above, key=lambda found: len(found[0].parts))[1] if above else "unknown"


def _fsync_us() -> float:
    """Return what a small durable write takes, µs: the median of a few."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_FSYNCS):
            file.write(bytes(_PAGE_BYTES))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took) * _MICRO


def versions() -> dict[str, str]:
    """Return the versions of what is measured."""
    return {
        "python": platform.python_version(),
        "aiohttp": _version("aiohttp"),
        "uvloop": _version("uvloop"),
        "sqlite": sqlite3.sqlite_version,
        "otomax-gateway": _version("otomax-gateway"),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"

"""Planted bugs: small patches that break one promise each, and the tests that must notice.

    python -m tests.proof.planted_bugs [NAME…]

Each `planted/NNN-name.patch` is a unified diff below three kinds of lines: `What:` the bug,
`Breaks:` the promise, and `Caught-by:` a pytest node id, as often as there are. The bug is planted
into a copy of the house, never into the house itself, and what is named is run there: it has to
fail, as an ordinary failure of a test, and it has to pass in a copy without the bug. A bug that
survives says that a test is missing or asserts too little.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOUSE: Final = Path(__file__).parents[2]
FOLDER: Final = Path(__file__).with_name("planted")
AT_ONCE: Final = 2  # as many as the smallest machine has cores
_TEST_S: Final = 60  # one test, seconds; a bug may make it hang, and that is a failure too
_RUN_S: Final = 180  # all that one bug's tests may take, seconds
_LEFT_BEHIND: Final = (
    *(".git", ".venv", "__pycache__", ".hypothesis", "*.egg-info", ".*_cache", "build", "dist"),
)
_PYTEST: Final = (
    *("-x", "-q", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider", "--no-header"),
    *("--tb=line", f"--timeout={_TEST_S}"),
)
# The copy must be what is tested, whatever is installed where: 9 is no exit code of pytest.
_IN_THE_COPY: Final = """
import pathlib, sys
import gateway, tests.proof.planted_bugs
for module in (gateway, tests.proof.planted_bugs):
    if pathlib.Path.cwd() not in pathlib.Path(module.__file__).parents:
        sys.exit(9)
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


class BadPatch(Exception):  # noqa: N818  what it is
    """A patch does not say what it must, or does not fit the house any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines of one file that stand together, before and after."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One planted bug.

    Attributes:
        name: of its file, without the ending.
        what: the bug, in one line.
        breaks: the promise that it breaks.
        caught_by: node ids of the tests that must fail.
        hunks: what it changes.
    """

    name: str
    what: str
    breaks: str
    caught_by: tuple[str, ...]
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run showed.

    Attributes:
        good: the bug was caught, or without a bug everything passed.
        by: the tests that failed, or why it is not good.
        seconds: how long it took.
    """

    good: bool
    by: str
    seconds: float


def bugs() -> list[Bug]:
    """Return every planted bug, by name.

    Raises:
        BadPatch: one can not be read.
    """
    return [_read(path) for path in sorted(FOLDER.glob("*.patch"))]


def _read(path: Path) -> Bug:
    head, _, diff = path.read_text(encoding="utf-8").partition("\n--- ")
    said: dict[str, list[str]] = {}
    for name, text in re.findall(r"^(What|Breaks|Caught-by): +(.+)$", head, re.MULTILINE):
        said.setdefault(name, []).append(text.strip())
    if set(said) != {"What", "Breaks", "Caught-by"} or not diff:
        raise BadPatch(f"{path.name}: wanted What, Breaks, Caught-by and a diff")
    return Bug(
        name=path.stem,
        what=" ".join(said["What"]),
        breaks=" ".join(said["Breaks"]),
        caught_by=tuple(said["Caught-by"]),
        hunks=tuple(_hunks(path.name, f"--- {diff}")),
    )


def _hunks(name: str, diff: str) -> Iterator[Hunk]:
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        head, *bodies = re.split(r"^@@ .*\n", part, flags=re.MULTILINE)
        file = re.search(r"^\+\+\+ b/(\S+)$", head, re.MULTILINE)
        if file is None or not bodies:
            raise BadPatch(f"{name}: a part of it is no diff")
        for body in bodies:
            lines = body.splitlines(keepends=True)
            yield Hunk(
                file=file[1],
                before="".join(line[1:] for line in lines if line[0] in " -"),
                after="".join(line[1:] for line in lines if line[0] in " +"),
            )


def plant(bug: Bug, house: Path) -> None:
    """Change the files below `house` as the bug says.

    Raises:
        BadPatch: a place is not there any more, or there are several that look like it.
    """
    for hunk in bug.hunks:
        file = house / hunk.file
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        places = text.count(hunk.before)
        if places != 1:
            raise BadPatch(f"{bug.name}: {hunk.file} has {places} places like\n{hunk.before}")
        file.write_text(text.replace(hunk.before, hunk.after), encoding="utf-8")


def copy_house(to: Path) -> Path:
    """Copy what the tests need of the house; returns the copy."""
    shutil.copytree(HOUSE, to, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
    return to


def run(tests: Sequence[str], house: Path) -> tuple[int, str, float]:
    """Run tests in a copy of the house; returns pytest's exit code, its words, and the seconds."""
    began = time.monotonic()
    environ = {n: value for n, value in os.environ.items() if not n.startswith(_NOT_HANDED_ON)}
    environ |= {"PYTHONPATH": str(house), "PYTHONDONTWRITEBYTECODE": "1"}
    folder = f"--basetemp={house.parent / f'{house.name}-tmp'}"
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _IN_THE_COPY, *_PYTEST, folder, *tests],
            cwd=house,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_RUN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, "", time.monotonic() - began
    return ended.returncode, ended.stdout, time.monotonic() - began


# What an outer pytest or its coverage says of itself, and how hard it tries, is its own matter.
_NOT_HANDED_ON: Final = ("PYTEST_", "COVERAGE_", "PROOF", "KILLS")


def try_bug(bug: Bug, room: Path) -> Outcome:
    """Plant one bug in a copy, run what must catch it, and say whether it did."""
    house = copy_house(room / bug.name)
    try:
        plant(bug, house)
        code, said, seconds = run(bug.caught_by, house)
    except BadPatch as error:
        return Outcome(good=False, by=str(error), seconds=0)
    finally:
        shutil.rmtree(house, ignore_errors=True)
    failed = re.findall(r"^FAILED \S*?::(\S+)", said, re.MULTILINE)
    if code == 1 and failed:
        return Outcome(good=True, by=", ".join(dict.fromkeys(failed)), seconds=seconds)
    why = "SURVIVED" if code == 0 else f"no ordinary failure (exit code {code})\n{said[-1500:]}"
    return Outcome(good=False, by=why, seconds=seconds)


def try_none(planted: Sequence[Bug], room: Path) -> Outcome:
    """Run everything that catches in a copy without a bug: it has to pass."""
    tests = sorted({test for bug in planted for test in bug.caught_by})
    house = copy_house(room / "as-it-is")
    code, said, seconds = run(tests, house)
    shutil.rmtree(house, ignore_errors=True)
    by = f"{len(tests)} catchers pass" if code == 0 else f"exit code {code}\n{said[-3000:]}"
    return Outcome(good=code == 0, by=by, seconds=seconds)


def try_all(planted: Sequence[Bug]) -> Iterator[tuple[str, Outcome]]:
    """Try the house as it is and every bug, a few at a time; yields name and outcome in order."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        room = Path(folder)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            plain = pool.submit(try_none, planted, room)
            trials = [(bug.name, pool.submit(try_bug, bug, room)) for bug in planted]
            for name, trial in (*trials, ("as it is", plain)):
                yield name, trial.result()


def main(names: Sequence[str]) -> int:
    """Try the bugs with these names, or all; prints the table, 0 where each was caught."""
    planted = [bug for bug in bugs() if not names or any(name in bug.name for name in names)]
    began, survived = time.monotonic(), 0
    for name, outcome in try_all(planted):
        survived += not outcome.good
        mark = "ok " if outcome.good else "BAD"
        sys.stdout.write(f"{mark} {outcome.seconds:5.1f} s  {name:<44} {outcome.by}\n")
        sys.stdout.flush()
    took = time.monotonic() - began
    sys.stdout.write(f"{len(planted)} planted bugs, {survived} not as wanted, {took:.0f} s\n")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The tests of the tests: each planted bug fits the house as it is, and is caught.

Every run looks whether the patches still fit and whether what they name still exists, and plants
one. With PROOF=1 each bug is planted and must be caught, which takes some minutes.
"""

import ast
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.proof.disk_effort import LONG
from tests.proof.planted_bugs import (
    HOUSE,
    BadPatch,
    Bug,
    Hunk,
    Outcome,
    bugs,
    plant,
    try_all,
    try_bug,
    try_none,
)

PLANTED = bugs()
# With STORAGE=postgresql the long form plants what breaks promises of several gateways alone.
SHARED = os.environ.get("STORAGE") == "postgresql"
SHARED_PLACES = ("nodes", "postgres", "zombie", "membership", "elsewhere")
QUICK = "019-expired-after-one-miss"
# The smallest house in which a bug can live: its test passes when `answer()` is right.
SMALL = {
    "gateway/__init__.py": "def answer() -> int:\n    return 6 * 7\n",
    "tests/test_small.py": "from gateway import answer\n\n\n"
    "def test_answer() -> None:\n    assert answer() == 42\n\n\n"
    "def test_lazy() -> None:\n    assert answer\n",
}


def test_there_are_enough_and_each_has_its_number() -> None:
    numbers = [bug.name.partition("-")[0] for bug in PLANTED]
    assert len(PLANTED) >= 100
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_each_fits_the_house_as_it_is(bug: Bug, tmp_path: Path) -> None:
    files = {hunk.file for hunk in bug.hunks}
    assert all(file.startswith("gateway/") for file in files), "a bug is planted in the product"
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((HOUSE / file).read_bytes())
    plant(bug, tmp_path)
    for file in files:
        assert (tmp_path / file).read_bytes() != (HOUSE / file).read_bytes()
        if file.endswith(".py"):
            ast.parse((tmp_path / file).read_bytes())


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_what_catches_it_exists(bug: Bug) -> None:
    assert bug.what
    assert bug.breaks
    for node in bug.caught_by:
        file, _, name = node.partition("::")
        tests = set(_tests_in(HOUSE / file))
        assert name.partition("[")[0] in tests if name else tests, node


def _tests_in(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            yield node.name


def _small_house(folder: Path) -> Path:
    for name, text in SMALL.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    runner = folder / "tests/proof/planted_bugs.py"
    runner.parent.mkdir(parents=True)
    runner.write_bytes((HOUSE / "tests/proof/planted_bugs.py").read_bytes())
    return folder


def _bug(after: str, *caught_by: str) -> Bug:
    return Bug(
        name="01-small",
        what="x",
        breaks="y",
        caught_by=tuple(f"tests/test_small.py::{name}" for name in caught_by),
        hunks=(Hunk(file="gateway/__init__.py", before="    return 6 * 7\n", after=after),),
    )


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small house in place of ours, and room for its copies."""
    monkeypatch.setattr("tests.proof.planted_bugs.HOUSE", _small_house(tmp_path / "house"))
    return tmp_path


def test_a_bug_that_a_test_sees_is_caught(small: Path) -> None:
    outcome = try_bug(_bug("    return 41\n", "test_lazy", "test_answer"), small)
    assert outcome.good, outcome.by
    assert outcome.by == "test_answer"
    assert (small / "house/gateway/__init__.py").read_text() == SMALL["gateway/__init__.py"]


def test_a_bug_that_no_test_sees_survives(small: Path) -> None:
    outcome = try_bug(_bug("    return 41\n", "test_lazy"), small)
    assert (outcome.good, outcome.by) == (False, "SURVIVED")


@pytest.mark.parametrize(
    ("after", "test"),
    [("    return 6 *\n", "test_answer"), ("    return 41\n", "test_that_is_not_there")],
)
def test_what_is_no_ordinary_failure_catches_nothing(small: Path, after: str, test: str) -> None:
    outcome = try_bug(_bug(after, test), small)
    assert not outcome.good
    assert "no ordinary failure" in outcome.by


def test_the_catchers_must_pass_without_a_bug(small: Path) -> None:
    good = _bug("    return 41\n", "test_answer")
    assert try_none([good], small).good
    (small / "house/gateway/__init__.py").write_text("def answer() -> int:\n    return 41\n")
    assert not try_none([good], small).good


@pytest.mark.parametrize(
    ("before", "places"), [("    return 7\n", 0), ("assert", 2)], ids=["gone", "twice"]
)
def test_a_patch_that_does_not_fit_says_so(small: Path, before: str, places: int) -> None:
    file = "gateway/__init__.py" if places == 0 else "tests/test_small.py"
    hunk = Hunk(file=file, before=before, after="x")
    bug = Bug(name="01-small", what="x", breaks="y", caught_by=("z",), hunks=(hunk,))
    with pytest.raises(BadPatch, match=rf"01-small: {file} has {places} places"):
        plant(bug, small / "house")


def _table(outcomes: list[tuple[str, Outcome]]) -> str:
    return "\n".join(
        f"{'ok ' if outcome.good else 'BAD'} {outcome.seconds:5.1f} s  {name:<44} {outcome.by}"
        for name, outcome in outcomes
    )


def _is_shared(bug: Bug) -> bool:
    places = [*bug.caught_by, *(hunk.file for hunk in bug.hunks)]
    return any(word in place for word in SHARED_PLACES for place in places)


@pytest.mark.timeout(1800)
def test_every_planted_bug_is_caught(
    capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    """All of them with PROOF=1; else one, which shows that a bug in our own house is seen."""
    long = [bug for bug in PLANTED if not SHARED or _is_shared(bug)]
    chosen = long if LONG else [bug for bug in PLANTED if bug.name == QUICK]
    outcomes = list(try_all(chosen))
    assert len(outcomes) == len(chosen) + 1 > 1
    bad = [f"{name}: {outcome.by}" for name, outcome in outcomes if not outcome.good]
    record_property("planted bugs", len(chosen))
    record_property("planted and not caught", len(bad))
    if LONG:
        with capsys.disabled():
            sys.stdout.write(f"\n{_table(outcomes)}\n")
    assert bad == []

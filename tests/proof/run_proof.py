"""The whole proof, part by part, and one table of its figures at the end.

    [STORAGE=postgresql] python -m tests.proof.run_proof [PART …] [--json FILE]

With `STORAGE=postgresql` it is the proof of several gateways on one PostgreSQL, which has parts of
its own; what knows no journal, and what only a file can suffer, is proven without it.
Each part is a handful of tests in their long form (`PROOF=1`, and `KILLS`, 200 unless it is set):
they judge, this only runs them and gathers what they measured through pytest's `record_property`.
Exit code 0: every part passed, nothing was skipped, and every figure that must be zero is.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

HOUSE: Final = Path(__file__).parents[2]
KILLS: Final = "200"
_LONGEST_S: Final = 1800  # for one part; the whole takes some twenty minutes on two cores
_KILL_S: Final = 3  # a kill with its share of everything takes 0.7 s


@dataclass(frozen=True)
class Part:
    """A part of the proof.

    Attributes:
        name: as it is named on the command line.
        title: what it is, for the table.
        tests: what pytest runs, or a module that is run.
        zeros: the figures that must be there, and be zero.
    """

    name: str
    title: str
    tests: tuple[str, ...]
    zeros: tuple[str, ...] = ()


JUDGED: Final = (
    "bought twice",
    "orders lost",
    "false FAILED",
    "false SUCCESS",
    "a stranger's SN",
    "never told",
    "told backwards",
    "books that do not add up",
    "sends too many or too soon",
    "answers that are no line",
    "deliveries that nobody signed",
)
PARTS: Final = (
    Part("matrix", "crash matrix", ("tests/journey/test_crash_matrix.py",), JUDGED),
    Part("kills", "kill -9 under load and faults", ("tests/journey/test_load_kill.py",), JUDGED),
    Part(
        "scribe",
        "who writes the journal killed, stopped and locked out",
        ("tests/store/scribe",),
        ("told and not so",),
    ),
    Part("simulation", "virtual time", ("tests/proof/test_simulation.py",), JUDGED),
    Part(
        "disk",
        "every write and fsync fails once, and for good",
        ("tests/proof/test_disk.py",),
        ("lies and losses by a failing disk", "wrong after a commit in doubt"),
    ),
    Part(
        "power",
        "power loss",
        ("tests/proof/test_power.py",),
        (
            "acknowledged and missing",
            "acknowledged and missing after failed syncs",
            "requests without a durable order",
            "wrong after a cut",
        ),
    ),
    Part(
        "fuzz",
        "every reader, fuzzed",
        ("tests/protocol", "tests/clients/test_guard_fuzz.py", "tests/domain/test_order_life.py"),
    ),
    Part("planted", "planted bugs", ("tests/proof/test_planted.py",), ("planted and not caught",)),
    Part("coverage", "branch coverage of the core", ("tests.proof.coverage_core",)),
)


SHARED_PARTS: Final = (
    Part("matrix", "crash matrix, two gateways", ("tests/journey/test_nodes_matrix.py",), JUDGED),
    Part(
        "kills",
        "three gateways, kill -9 and stops under load and faults",
        ("tests/days/test_nodes_kill.py",),
        JUDGED,
    ),
    Part("cuts", "the database cut off and killed", ("tests/days/test_nodes_cuts.py",), JUDGED),
    Part("clocks", "clocks hours apart", ("tests/days/test_nodes_clocks.py",), JUDGED),
    Part("planted", "planted bugs", ("tests/proof/test_planted.py",), ("planted and not caught",)),
)
BY_STORAGE: Final = {"sqlite": PARTS, "postgresql": SHARED_PARTS}


@dataclass
class Outcome:
    """What came of a part."""

    part: Part
    passed: int = 0
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def run(part: Part) -> Outcome:
    """Run a part to its end; what it prints goes to the terminal."""
    outcome, began = Outcome(part), time.monotonic()
    environ = {"KILLS": KILLS, **os.environ, "PROOF": "1"}
    if part.tests[0].startswith("tests."):
        code = _call([sys.executable, "-m", *part.tests], environ)
        outcome.passed = int(code == 0)
    else:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            command = ["-m", "pytest", "-q", *part.tests, f"--junit-xml={report}"]
            code = _call([sys.executable, *command], environ)
            _read(report, outcome)
    if code:
        outcome.wrong.append(f"ended with exit code {code}")
    for name in part.zeros:
        if outcome.figures.get(name) != "0":
            outcome.wrong.append(f"{name}: {outcome.figures.get(name, 'not measured')}, wanted 0")
    outcome.seconds = time.monotonic() - began
    return outcome


def _call(command: Sequence[str], environ: dict[str, str]) -> int | str:
    """Run a command to its end; returns its exit code, or that it took too long."""
    longest_s = _LONGEST_S + _KILL_S * int(environ["KILLS"])
    try:
        ended = subprocess.run(command, cwd=HOUSE, env=environ, timeout=longest_s, check=False)
    except subprocess.TimeoutExpired:
        return f"none within {longest_s} s"
    return ended.returncode


def _read(report: Path, outcome: Outcome) -> None:
    """Gather passes, skips and figures; what several tests measured is added up."""
    if not report.is_file():
        outcome.wrong.append("no report")
        return
    for case in ET.parse(report).iter("testcase"):
        skipped = case.find("skipped") is not None
        if skipped:
            outcome.wrong.append(f"skipped: {case.get('name')}")
        failed = case.find("failure") is not None or case.find("error") is not None
        outcome.passed += not failed and not skipped
        for figure in case.iter("property"):
            name, value = figure.get("name", ""), figure.get("value", "")
            before = outcome.figures.get(name)
            outcome.figures[name] = value if before is None else _sum(before, value)


def _sum(before: str, value: str) -> str:
    try:
        return f"{float(before) + float(value):g}"
    except ValueError:
        return f"{before}, {value}"


def table(outcomes: Sequence[Outcome]) -> str:
    """Return everything as Markdown that is read on a terminal, too."""
    rows = [("part", "figure", "value")]
    for outcome in outcomes:
        verdict = "passed" if not outcome.wrong else "FAILED"
        took = f"{outcome.passed} tests {verdict} in {outcome.seconds:.0f} s"
        rows.append((f"**{outcome.part.title}**", took, ""))
        # What has a colon in its name is a detail, and stands in the JSON alone.
        rows += [("", name, value) for name, value in outcome.figures.items() if ": " not in name]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"| {name.ljust(widths[0])} | {figure.ljust(widths[1])} | {value.rjust(widths[2])} |"
        for name, figure, value in rows
    ]
    rule = f"|{'-' * (widths[0] + 2)}|{'-' * (widths[1] + 2)}|{'-' * (widths[2] + 1)}:|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the named parts, or all; print the table; return the exit code."""
    storage = os.environ.get("STORAGE", "sqlite")
    if storage not in BY_STORAGE:
        sys.exit(f"STORAGE={storage}: wanted {' or '.join(BY_STORAGE)}")
    parts = BY_STORAGE[storage]
    names = [part.name for part in parts]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(names)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: wanted some of {', '.join(names)}")
    began = time.monotonic()
    outcomes = [run(part) for part in parts if not asked.parts or part.name in asked.parts]
    _say(f"\n{table(outcomes)}\n\n{time.monotonic() - began:.0f} s in all")
    wrong = [f"{outcome.part.name}: {text}" for outcome in outcomes for text in outcome.wrong]
    for text in wrong:
        _say(f"WRONG  {text}")
    if asked.json:
        figures = {
            outcome.part.name: {
                "seconds": round(outcome.seconds, 1),
                "passed": outcome.passed,
                "wrong": outcome.wrong,
                **outcome.figures,
            }
            for outcome in outcomes
        }
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

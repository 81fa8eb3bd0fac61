"""What the project is made of: ranges with an end, exact pins for all of it, and no address."""

import json
import re
import subprocess
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.supply.run_audit import ACCEPTED, CONSTRAINTS, audit, judged

ROOT = CONSTRAINTS.parent
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
OURS = "otomax-gateway"
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)")


def pins() -> dict[str, str]:
    """The versions that constraints.txt names, by package."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    found = [_PIN.fullmatch(line) for line in lines if not line.startswith("#")]
    assert all(found), "nothing but name==version: no address, no option, no range"
    return {canonicalize_name(pin[1]): pin[2] for pin in found if pin is not None}


def wanted() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for, by who asks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {
        "run": project["project"]["dependencies"],
        "build": project["build-system"]["requires"],
    }
    asked |= project["project"]["optional-dependencies"]
    return {who: [Requirement(line) for line in lines] for who, lines in asked.items()}


def needed() -> dict[str, str]:
    """All that is installed for the project, with what it needs in turn, and its version."""
    found: dict[str, str] = {}
    todo = [
        requirement for who, asked in wanted().items() if who != "build" for requirement in asked
    ]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if name in found or not any(_applies(requirement, extra) for extra in ("", "dev")):
            continue
        installed = distribution(name)
        found[name] = installed.version
        parts = map(Requirement, installed.requires or ())
        todo += [part for part in parts if any(_applies(part, extra) for extra in extras)]
    return found


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def test_every_range_ends_before_the_next_major_version() -> None:
    for who, asked in wanted().items():
        for requirement in asked:
            ends = [
                one for one in requirement.specifier if one.operator in ("<", "<=", "==", "~=")
            ]
            begins = [one for one in requirement.specifier if one.operator in (">=", "==", "~=")]
            assert ends, f"{who}: {requirement} has no end"
            assert begins, f"{who}: {requirement} has no beginning"
            assert requirement.url is None
            if requirement.name in pins():
                pinned = Version(pins()[canonicalize_name(requirement.name)])
                (end,) = [Version(one.version) for one in ends]
                assert requirement.specifier.contains(pinned)
                # A version of 0.x breaks with its second number, every other with its first.
                begin = (
                    (pinned.major, pinned.minor + 1) if not pinned.major else (pinned.major + 1,)
                )
                is_next = end.release[: len(begin)] <= begin or end == Version("1")
                assert is_next, f"{who}: {requirement} goes beyond the major version of {pinned}"


def test_whatever_the_project_needs_is_pinned_to_what_is_installed() -> None:
    pinned, installed = pins(), needed()
    assert len(installed) > 60
    del installed["pip"]  # it comes with the environment
    assert {name for name in installed if name not in pinned} == set(), "no pin"
    assert {name: v for name, v in installed.items() if pinned[name] != v} == {}


def test_nothing_is_pinned_that_nobody_needs() -> None:
    assert set(pins()) - set(needed()) == set()


def test_every_folder_of_tests_has_a_command_that_runs_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    by_default = set(project["tool"]["pytest"]["ini_options"]["testpaths"])
    folders = {f"tests/{file.relative_to(ROOT / 'tests').parts[0]}" for file in TESTS}
    assert folders == by_default | {"tests/browser", "tests/days"}


def test_no_file_names_an_index_or_holds_addresses_to_install_from() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [Path(name) for name in listed.stdout.split("\0") if name]
    locks = re.compile(r".*\.lock|pylock.*\.toml|Pipfile.*|requirements.*\.txt|pip\.(conf|ini)")
    assert [file for file in files if locks.fullmatch(file.name)] == []
    words = [
        "index" + "-url",
        "find" + "-links",
        "trusted" + "-host",
        "/sim" + "ple/",
        "--ha" + "sh=",
    ]
    for file in files:
        raw = (ROOT / file).read_bytes()
        assert [word for word in words if word.encode() in raw] == [], file


# -- the audit


def told(**of_a_package: Any) -> dict[str, Any]:
    return {"dependencies": [{"name": "aiohttp", "version": "3.0", **of_a_package}], "fixes": []}


HOLE = {"id": "PYSEC-1", "fix_versions": ["3.1", "4.0"], "aliases": [], "description": "x"}


def test_a_known_hole_is_told_and_fails() -> None:
    lines, code = judged(told(vulns=[HOLE]))
    assert code == 1
    assert lines[0] == "audit: aiohttp 3.0: PYSEC-1; mended in 3.1, 4.0"
    assert judged(told(vulns=[{**HOLE, "fix_versions": []}]))[1] == 1


def test_no_known_hole_is_told_with_how_much_was_looked_at() -> None:
    assert judged(told(vulns=[])) == (["audit: 1 packages looked at, no hole is known"], 0)


def test_an_accepted_one_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACCEPTED, "PYSEC-1", "only on another system")
    lines, code = judged(told(vulns=[HOLE]))
    assert code == 0
    assert "only on another system" in lines[0]


def test_what_was_not_looked_at_is_never_called_clean() -> None:
    lines, code = judged(told(skip_reason="not found"))
    assert code == 0
    assert lines[0].startswith("audit: NOT DONE")
    both = told(vulns=[])
    both["dependencies"] += told(skip_reason="not found")["dependencies"]
    assert "aiohttp was not looked at: not found" in judged(both)[0][0]


def test_without_a_network_it_is_said_that_it_was_not_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines, code = audit()
    assert code == 0
    assert lines[0].startswith("audit: NOT DONE")


def test_what_pip_audit_says_is_read_as_it_says_it() -> None:
    """Its own form, as its documentation shows it."""
    said = '{"dependencies": [{"name": "a", "version": "1", "vulns": []}], "fixes": []}'
    assert judged(json.loads(said))[1] == 0

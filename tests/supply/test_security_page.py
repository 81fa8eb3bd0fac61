"""SECURITY.md: each test that it names is there, and it names what it should."""

import ast
import re

import pytest

from tests.supply.run_audit import CONSTRAINTS

ROOT = CONSTRAINTS.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`", PAGE)))
ATTACKERS = [
    *("a stranger on the internet", "who is logged in", "who holds a reseller's link"),
    *("a reseller", "another reseller"),
    *("who says that he is the upstream", "a player with a nickname"),
    *("a panel's callback server", "somebody on the machine"),
    *("a thief of a backup", "the supply chain"),
]

FILES = {file for file, _ in NAMED}


@pytest.mark.parametrize("file", sorted(FILES))
def test_each_test_that_is_named_exists(file: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    there = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name for of, name in NAMED if of == file} <= there


def test_each_attacker_has_his_rows_and_each_row_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "::" in line]
    assert len(rows) > 20
    firsts = [row.split("|")[1].strip() for row in rows]
    assert [first for first in firsts if first] == ATTACKERS
    assert all(re.search(r"`[a-z_/]+\.py::test_\w+`", row.split("|")[-2]) for row in rows)


def test_it_is_found_from_the_readme() -> None:
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "private vulnerability reporting" in PAGE

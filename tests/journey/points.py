"""The points of an order's way, as the product's own source names them.

A point is named where it is passed, `passed("send.before")`; this reads every such call, so that a
point that is added without a journey through it is noticed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import gateway
from gateway.domain.order import Source


def points_in_source() -> frozenset[str]:
    """Return the names of all points; fails on a call whose name can not be read."""
    files = Path(str(gateway.__file__)).parent.rglob("*.py")
    return frozenset(name for file in files for name in _points_of(file))


def _points_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _is_passed(node.func):
            yield from _names(node.args[0], f"{file}:{node.lineno}")


def _is_passed(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else None
    name = function.id if isinstance(function, ast.Name) else name
    return name == "passed"


def _names(argument: ast.expr, place: str) -> list[str]:
    """Return the name, or one for each source of evidence where it is `{evidence.source}…`."""
    if isinstance(argument, ast.Constant):
        return [str(argument.value)]
    assert isinstance(argument, ast.JoinedStr), f"{place}: a point's name can not be read"
    names = [""]
    for part in argument.values:
        if isinstance(part, ast.Constant):
            names = [name + str(part.value) for name in names]
        else:
            assert isinstance(part, ast.FormattedValue)
            assert ast.unparse(part.value) == "evidence.source", f"{place}: {ast.unparse(part)}"
            names = [name + source for name in names for source in Source]
    return names

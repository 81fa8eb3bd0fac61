"""The one table, as text and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from gateway.bench.figures import Figure, all_reached

_HEAD = ("figure", "", "gateway", "yardstick", "ratio", "spread", "wanted", "reached")
_SAID = {True: "yes", False: "NO", None: ""}
_LEFT = 2  # columns of text; the others are numbers, aligned to the right
_WHOLE = 100  # from here on a number is shown without a fraction


def as_text(figures: Sequence[Figure], notes: Sequence[str]) -> str:
    """Return the table, with notes below it."""
    rows = [_HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    lines.insert(1, "-" * max(len(line) for line in lines))
    told = [f"{figure.title}: {figure.failed}" for figure in figures if figure.failed]
    return "\n".join([*(lines if figures else ()), *told, *notes])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        text.ljust(width) if column < _LEFT else text.rjust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(figure: Figure) -> tuple[str, ...]:
    ratios = figure.ratios
    ratio = spread = ""
    if figure.adds and figure.added:
        added = figure.added
        ratio, spread = f"+{shown(median(added))}", f"{shown(min(added))}..{shown(max(added))}"
    elif ratios:
        ratio, spread = f"{median(ratios):.2f}", f"{min(ratios):.2f}..{max(ratios):.2f}"
    elif len(figure.gateway) > 1:
        spread = f"{shown(min(figure.gateway))}..{shown(max(figure.gateway))}"
    return (
        figure.title,
        figure.unit,
        _median(figure.gateway),
        _median(figure.yardstick),
        ratio,
        spread,
        wanted(figure),
        _SAID[figure.reached],
    )


def steps_as_text(steps: Mapping[str, float | None]) -> list[str]:
    """Return the short table of what each step costs."""
    if not steps:
        return []
    width = max(map(len, steps))
    costs = {name: "not measured" if us is None else shown(us) for name, us in steps.items()}
    rows = [f"  {name:<{width}}  {cost:>6}" for name, cost in costs.items()]
    return ["", "cost by step, µs of CPU for one order", *rows]


def wanted(figure: Figure) -> str:
    """Return what is asked of a figure."""
    if figure.ratio_wanted is not None:
        return f">= {figure.ratio_wanted:.2f}"
    return "" if figure.at_most is None else f"<= {figure.at_most:.3g}"


def _median(values: Sequence[float]) -> str:
    return shown(median(values)) if values else ""


def shown(number: float) -> str:
    """Return a number with as many digits as mean something."""
    if abs(number) >= _WHOLE:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"  # noqa: PLR2004  digits


def as_json(figures: Sequence[Figure], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything, with the number of every single run."""
    return {
        "reached": all_reached(figures),
        "figures": [_plain(figure) for figure in figures],
        **about,
    }


def _plain(figure: Figure) -> dict[str, Any]:
    ratios = figure.ratios
    return asdict(figure) | {
        "gateway_median": median(figure.gateway) if figure.gateway else None,
        "yardstick_median": median(figure.yardstick) if figure.yardstick else None,
        "added": figure.added if figure.adds else [],
        "ratios": ratios,
        "ratio_median": median(ratios) if ratios else None,
        "reached": figure.reached,
    }

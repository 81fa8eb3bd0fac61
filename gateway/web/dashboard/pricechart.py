"""A price over time, as the shapes of a small SVG: it goes in steps, for so do prices. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 480
HEIGHT: Final = 150
_LEFT: Final = 62  # room for a price
_RIGHT: Final = 472
_TOP: Final = 12
_BASE: Final = 126
_ENOUGH: Final = 2  # moments, of which a line can be drawn


@dataclass(frozen=True, slots=True)
class Mark:
    """A word in the chart, and how it stands to its place."""

    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The points of one line, as SVG wants them, and the words around it."""

    points: str
    marks: tuple[Mark, ...]


def chart_of(
    steps: Sequence[tuple[int, int]],
    *,
    label: Callable[[int], str],
    amount: Callable[[int], str],
) -> Chart | None:
    """Return a chart of prices, or None where there is nothing to draw.

    Args:
        steps: when a price began, Unix milliseconds, and the price, Rupiah; oldest first. The
            last one says how far the line goes.
        label: writes a time.
        amount: writes a price.
    """
    if len(steps) < _ENOUGH or steps[0][0] >= steps[-1][0]:
        return None
    begin, end = steps[0][0], steps[-1][0]
    low, high = min(price for _, price in steps), max(price for _, price in steps)

    def x(at: int) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (at - begin) / (end - begin), 1)

    def y(price: int) -> float:
        share = 0.5 if high == low else (price - low) / (high - low)
        return round(_BASE - (_BASE - _TOP) * share, 1)

    points: list[str] = []
    held = steps[0][1]
    for at, price in steps:
        points += [f"{x(at)},{y(held)}", f"{x(at)},{y(price)}"]
        held = price
    prices = {
        y(price): Mark(_LEFT - 6, y(price) + 4, amount(price), "end") for price in (low, high)
    }
    ends = (
        Mark(_LEFT, HEIGHT - 6, label(begin), "start"),
        Mark(_RIGHT, HEIGHT - 6, label(end), "end"),
    )
    return Chart(" ".join(points), (*prices.values(), *ends))

"""Charts as shapes: what stands where in an SVG, for a template to write down. Pure.

The bars are how many orders were placed, the line is the share of them that was sold; a second
chart shows how long they took. Whoever can not see it reads the same figures in a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.flow.ledger import LOST, OPEN, SOLD, Totals

WIDTH: Final = 480
HEIGHT: Final = 150
_TOP: Final = 8
_BASE: Final = 128  # where the bars stand; labels are below
_LEFT: Final = 34  # room for the scale
_RIGHT: Final = WIDTH - 40  # and for that of the shares
_GAP: Final = 0.22  # of a bar's place


@dataclass(frozen=True, slots=True)
class Slot:
    """A time of a chart, and what its orders come to."""

    label: str
    totals: Totals

    @property
    def decided(self) -> int:
        """How many were decided."""
        return self.totals.count(SOLD) + self.totals.count(LOST)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `kind` says how it is coloured."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A word in a chart."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template writes down.

    Attributes:
        boxes: the bars.
        lines: points of lines, as SVG wants them, by their kind.
        labels: below the bars.
        scale: lines across, with what they stand for.
        shares: what they stand for where a line shows shares.
        right: where the bars end.
    """

    boxes: tuple[Box, ...]
    lines: tuple[tuple[str, str], ...]
    labels: tuple[Mark, ...]
    scale: tuple[Mark, ...]
    shares: tuple[Mark, ...] = ()
    right: float = _RIGHT


def volume(slots: Sequence[Slot]) -> Chart:
    """Return how many orders there were, and the share of them that was sold."""
    most = _round_up(max((slot.totals.count() for slot in slots), default=0))
    place = (_RIGHT - _LEFT) / max(len(slots), 1)
    boxes: list[Box] = []
    for n, slot in enumerate(slots):
        y = float(_BASE)
        for kind, statuses in (("good", SOLD), ("warn", OPEN), ("bad", LOST)):
            height = (_BASE - _TOP) * slot.totals.count(statuses) / most
            y -= height
            if height:
                x = _LEFT + place * (n + _GAP / 2)
                boxes.append(Box(kind, _r(x), _r(y), _r(place * (1 - _GAP)), _r(height)))
    rates = [slot.totals.count(SOLD) / slot.decided if slot.decided else None for slot in slots]
    lines = _line("rate", rates, 1.0)
    shares = tuple(Mark(WIDTH, _height(n / 2), f"{50 * n} %") for n in range(3))
    return Chart(tuple(boxes), lines, _labels(slots), _scale(most), shares)


def lasting(slots: Sequence[Slot], most_s: float | None = None) -> Chart:
    """Return how long half and nearly all of what was sold took, seconds."""
    halves, most_of_all = ([_seconds(slot, share) for slot in slots] for share in (0.5, 0.95))
    found = [value for value in (*halves, *most_of_all) if value is not None]
    most = _round_up(most_s or max(found, default=0))
    lines = (*_line("p95", most_of_all, most), *_line("p50", halves, most))
    return Chart((), lines, _labels(slots), _scale(most))


def _seconds(slot: Slot, share: float) -> float | None:
    span = slot.totals.span_ms(share)
    return None if span is None else span / 1000


def _line(kind: str, values: Sequence[float | None], most: float) -> tuple[tuple[str, str], ...]:
    """Return a line, broken where there is no value; a value alone becomes a short dash."""
    place = (_RIGHT - _LEFT) / max(len(values), 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            y = _BASE - (_BASE - _TOP) * min(value / most, 1)
            runs[-1].append((_LEFT + place * (n + 0.5), y))
    lines = []
    for run in runs:
        if len(run) == 1:
            (x, y) = run[0]
            run[:] = [(x - place / 3, y), (x + place / 3, y)]
        if run:
            lines.append((kind, " ".join(f"{_r(x)},{_r(y)}" for x, y in run)))
    return tuple(lines)


def _labels(slots: Sequence[Slot]) -> tuple[Mark, ...]:
    """Return labels that do not touch each other."""
    place = (_RIGHT - _LEFT) / max(len(slots), 1)
    step = max(1, -(-len(slots) // 8))
    return tuple(
        Mark(_r(_LEFT + place * (n + 0.5)), HEIGHT - 6, slot.label)
        for n, slot in enumerate(slots)
        if n % step == 0
    )


def _scale(most: float) -> tuple[Mark, ...]:
    return tuple(
        Mark(_LEFT - 5, _height(share), _short(most * share)) for share in (0.0, 0.5, 1.0)
    )


def _height(share: float) -> float:
    """Return where a share of the greatest stands."""
    return _r(_BASE - (_BASE - _TOP) * share)


def _short(value: float) -> str:
    """Return a number of the scale in few characters."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _round_up(value: float) -> float:
    """Return the next number that is easy to read: 1, 2, 5, 10, 20 and so on."""
    size = 1.0
    while True:
        for step in (1, 2, 5):
            if value <= size * step:
                return size * step
        size *= 10


def _r(value: float) -> float:
    return round(value, 1)

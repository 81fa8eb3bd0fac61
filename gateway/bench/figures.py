"""What was measured, and whether it is enough. Pure: numbers in, verdicts out.

Runs of the gateway and of its yardstick alternate, so each ratio is that of two neighbours in
time: what else the machine does meanwhile hits both. The median of the ratios decides, and the
spread is shown beside it. A ratio is always the better the greater it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of the table.

    Attributes:
        name: short, for machines.
        title: what it is.
        unit: of the numbers.
        gateway: the number of each run.
        yardstick: the number of the run beside each; empty where there is none.
        costs: less is better, so ratios are the other way round.
        adds: what matters is how much is added to the yardstick's number.
        ratio_wanted: the median ratio is at least this; None: not asked for.
        at_most: the median of the gateway's own numbers is at most this; None: not asked for.
        failed: why it could not be measured; then it is not reached, whatever was asked for.
    """

    name: str
    title: str
    unit: str
    gateway: Sequence[float]
    yardstick: Sequence[float] = ()
    costs: bool = False
    adds: bool = False
    ratio_wanted: float | None = None
    at_most: float | None = None
    failed: str = ""

    @property
    def ratios(self) -> list[float]:
        """The ratio of each pair of neighbours."""
        pairs = zip(self.gateway, self.yardstick, strict=False)
        return [
            _ratio(theirs, ours) if self.costs else _ratio(ours, theirs) for ours, theirs in pairs
        ]

    @property
    def added(self) -> list[float]:
        """What each run adds to that of the yardstick beside it."""
        return [ours - theirs for ours, theirs in zip(self.gateway, self.yardstick, strict=False)]

    @property
    def reached(self) -> bool | None:
        """Whether it is enough; None where nothing was asked for."""
        if self.failed:
            return False
        if self.ratio_wanted is not None:
            return bool(self.ratios) and median(self.ratios) >= self.ratio_wanted
        if self.at_most is not None:
            return bool(self.gateway) and median(self.gateway) <= self.at_most
        return None


def _ratio(over: float, under: float) -> float:
    return over / under if under else 0.0


def all_reached(figures: Sequence[Figure]) -> bool:
    """Whether no figure was missed."""
    return all(figure.reached is not False for figure in figures)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies; 0 where there are none."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]

"""What is judged, and how the table says it."""

import pytest

from gateway.bench.figures import Figure, all_reached, percentile
from gateway.bench.table import as_json, as_text, steps_as_text


def _rate(*gateway: float, yardstick: tuple[float, ...], wanted: float = 0.8) -> Figure:
    return Figure(
        name="orders",
        title="orders",
        unit="1/s",
        gateway=gateway,
        yardstick=yardstick,
        ratio_wanted=wanted,
    )


def test_neighbours_are_compared_and_their_median_decides() -> None:
    # The machine was slow in the third pair, which hit both; the medians alone would say 0.9.
    figure = _rate(900, 850, 90, yardstick=(1000, 1000, 200))
    assert figure.ratios == [0.9, 0.85, 0.45]
    assert figure.reached
    assert not _rate(700, 790, 900, yardstick=(1000, 1000, 1000)).reached


@pytest.mark.parametrize(("ratio", "reached"), [(0.8, True), (0.799, False)])
def test_a_ratio_is_reached_at_its_bound(ratio: float, *, reached: bool) -> None:
    assert _rate(1000 * ratio, yardstick=(1000,)).reached is reached


def test_of_costs_the_ratio_is_the_other_way_round() -> None:
    figure = Figure(
        name="cpu",
        title="cpu",
        unit="s",
        gateway=(4,),
        yardstick=(1,),
        costs=True,
        ratio_wanted=0.5,
    )
    assert figure.ratios == [0.25]
    assert figure.reached is False


@pytest.mark.parametrize(("mib", "reached"), [(128.0, True), (128.1, False)])
def test_an_absolute_bound(mib: float, *, reached: bool) -> None:
    figure = Figure(name="m", title="m", unit="MiB", gateway=(1.0, mib, 999.0), at_most=128.0)
    assert figure.reached is reached, "the median decides"


def test_what_was_not_measured_is_not_reached() -> None:
    assert _rate(yardstick=()).reached is False
    assert Figure(name="m", title="m", unit="s", gateway=(), at_most=2.0).reached is False
    assert _rate(5.0, yardstick=(0.0,)).reached is False, "a yardstick that did nothing"


def test_what_nothing_was_asked_of_spoils_nothing() -> None:
    told = Figure(name="way", title="way", unit="1/s", gateway=(1,))
    missed = _rate(1, yardstick=(1000,))
    assert told.reached is None
    assert all_reached([told, _rate(900, yardstick=(1000,))])
    assert not all_reached([told, missed])


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (51.0, 100.0)
    assert percentile([], 0.5) == 0.0


def test_the_table_is_aligned_and_says_everything() -> None:
    figures = [_rate(790, 800, yardstick=(1000, 1000)), _rate(90_000, yardstick=(100_000,))]
    head, rule, first, second, *_ = as_text(figures, []).splitlines()
    assert set(rule) == {"-"}
    assert len(head) == len(rule)
    assert "0.79..0.80" in first
    assert first.split() == [
        "orders",
        "1/s",
        "795",
        "1,000",
        "0.80",
        "0.79..0.80",
        ">=",
        "0.80",
        "NO",
    ]
    assert second.split()[-1] == "yes"
    assert first.index(">= 0.80") == second.index(">= 0.80") == head.index("wanted") - 1


def test_the_json_has_every_single_run() -> None:
    missed = _rate(700, 790, 900, yardstick=(1000, 1000, 1000))
    told = as_json([missed], {"machine": {"cores": 2}})
    assert told["reached"] is False
    assert told["machine"] == {"cores": 2}
    (figure,) = told["figures"]
    assert figure["gateway"] == (700, 790, 900)
    assert figure["ratios"] == [0.7, 0.79, 0.9]
    assert (figure["ratio_median"], figure["ratio_wanted"], figure["reached"]) == (
        0.79,
        0.8,
        False,
    )


def test_a_step_that_could_not_be_measured_is_told() -> None:
    assert steps_as_text({}) == []
    lines = steps_as_text({"parse": 5.04, "commit": None})
    assert [line.split() for line in lines[2:]] == [
        ["parse", "5.04"],
        ["commit", "not", "measured"],
    ]

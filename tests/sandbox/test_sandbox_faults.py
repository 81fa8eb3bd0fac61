"""The fault profile without a network: which orders it hits, how often, and what it refuses."""

import pytest

from gateway.sandbox.faults import ALL, FAULT_NAMES, Fault, Faults, fault_table

IDS = [f"toko1-T{number}" for number in range(5000)]


@pytest.mark.parametrize("fault", list(Fault), ids=FAULT_NAMES)
@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_a_rate_is_roughly_met(fault: Fault, rate: float) -> None:
    faults = Faults({fault.label: rate}, seed=7)
    hit = sum(faults.hits(fault, trx_id) for trx_id in IDS)
    assert hit == pytest.approx(rate * len(IDS), rel=0.3 if rate < 0.1 else 0.06)


@pytest.mark.parametrize("fault", list(Fault), ids=FAULT_NAMES)
def test_never_and_always_are_meant(fault: Fault) -> None:
    assert not any(Faults().hits(fault, trx_id) for trx_id in IDS)
    assert not any(Faults({fault.label: 0}).hits(fault, trx_id) for trx_id in IDS)
    assert all(Faults({fault.label: 1}).hits(fault, trx_id) for trx_id in IDS)


def hits(faults: Faults, fault: Fault, number: int = 1) -> set[str]:
    return {trx_id for trx_id in IDS if faults.hits(fault, trx_id, number)}


def test_the_seed_the_fault_and_the_turn_each_choose_others() -> None:
    faults = Faults({ALL: 0.1}, seed=7)
    first = hits(faults, Fault.CUT)
    assert first == hits(Faults({"cut": 0.1}, seed=7), Fault.CUT)
    for other in (
        hits(Faults({ALL: 0.1}, seed=8), Fault.CUT),
        hits(faults, Fault.HTML),
        hits(faults, Fault.CUT, 2),
    ):
        # Independent draws share one in a hundred; equal ones would share one in ten.
        assert 20 < len(first & other) < 100


def test_a_higher_rate_hits_what_a_lower_one_does_and_more() -> None:
    low, high = (hits(Faults({"html": rate}), Fault.HTML) for rate in (0.05, 0.2))
    assert low < high


def test_all_stands_for_what_is_not_named() -> None:
    faults = Faults({ALL: 0.03, "html": 0.5})
    assert (faults.rate(Fault.CUT), faults.rate(Fault.HTML)) == (0.03, 0.5)


def test_a_choice_is_fixed_and_does_not_hang_on_the_hit() -> None:
    faults = Faults({"html": 0.1})
    chosen = [faults.pick(Fault.HTML, trx_id, 1, (200, 502)) for trx_id in IDS]
    assert chosen == [faults.pick(Fault.HTML, trx_id, 1, (200, 502)) for trx_id in IDS]
    both = [
        pick for pick, trx_id in zip(chosen, IDS, strict=True) if faults.hits(Fault.HTML, trx_id)
    ]
    assert both.count(200) == pytest.approx(len(both) / 2, rel=0.2)
    other = [faults.pick(Fault.HTML, trx_id, 1, (200, 502), "another") for trx_id in IDS]
    equal = sum(one == two for one, two in zip(chosen, other, strict=True))
    assert equal == pytest.approx(len(IDS) / 2, rel=0.06)


@pytest.mark.parametrize(
    ("rates", "message"),
    [({"nope": 0.1}, "no such fault: nope"), ({"cut": 1.01}, "cut"), ({ALL: -0.1}, "all")],
)
def test_a_wrong_profile_is_refused(rates: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Faults(rates)


def test_the_table_has_a_row_for_each() -> None:
    rows = fault_table().splitlines()
    assert [row.split()[0] for row in rows] == list(FAULT_NAMES)
    assert len(set(FAULT_NAMES)) == len(Fault)
    for row, fault in zip(rows, Fault, strict=True):
        assert fault.indonesian in row
        assert row.endswith(fault.english)

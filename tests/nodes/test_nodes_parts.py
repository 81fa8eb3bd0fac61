"""The parts that several gateways go by: a measured clock, a dead process, a lease."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.clock import MeasuredClock, SteadyClock
from gateway.config import ConfigError, load_settings
from gateway.flow import membership
from gateway.store import liveness
from gateway.store.liveness import _started, is_dead, own_name
from gateway.store.postgres_pool import ANSWER_S, PATIENCE_S, WAIT_FOR_CONNECTION_S

HOUR_MS = 3_600_000


class Machine:
    """What a machine runs, and another's clock that is asked over a network."""

    def __init__(self) -> None:
        self.running = 1_000
        self.ahead = 5 * HOUR_MS
        self.clock = MeasuredClock(lambda: self.running)

    def ask(self, there_ms: int, back_ms: int) -> None:
        asked_at = self.running
        self.running += there_ms
        told = self.running + self.ahead
        self.running += back_ms
        self.clock.heard(asked_at, told)

    @property
    def wrong_by(self) -> int:
        return self.clock() - (self.running + self.ahead)


def test_the_quickest_answer_is_believed() -> None:
    machine = Machine()
    machine.ask(400, 2)
    assert machine.wrong_by == 199
    machine.ask(3, 1)
    assert abs(machine.wrong_by) <= 2
    for _ in range(3):
        machine.ask(300, 0)
        assert abs(machine.wrong_by) <= 2


@pytest.mark.parametrize("by", [HOUR_MS, -HOUR_MS])
def test_a_clock_that_was_set_is_noticed_at_the_next_answer(by: int) -> None:
    machine = Machine()
    for _ in range(8):
        machine.ask(1, 1)
    machine.ahead += by
    machine.ask(20, 20)
    assert abs(machine.wrong_by) <= 20


def test_a_time_that_was_given_is_not_moved_when_the_clock_is_set() -> None:
    times = {"wall": 10 * HOUR_MS, "running": 0}
    clock = SteadyClock(lambda: times["wall"], lambda: times["running"])
    is_before = clock.before(clock() + 1_000)
    times["wall"] -= HOUR_MS
    clock.look()
    times["running"] = 999
    assert is_before()
    times["running"] = 1_000
    assert not is_before()


def test_a_process_is_dead_only_where_that_is_seen() -> None:
    own = own_name()
    assert not is_dead(own, own)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        boot, space, _, _ = own.split(" ")
        name = f"{boot} {space} {child.pid} {_started(child.pid)}"
        assert not is_dead(name, own)
        assert not is_dead(f"elsewhere {space} {child.pid} 1", own)
        assert not is_dead(f"{boot} 1 {child.pid} 1", own)
        assert is_dead(f"{boot} {space} {child.pid} 1", own), "its number is another's by now"
        child.kill()
    assert is_dead(name, own)
    assert not is_dead(f"- - {os.getpid()} -", own)


def test_a_process_that_is_not_shown_is_not_dead_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, where /proc hides these; anybody's, where no descriptor is left."""
    own = own_name()
    boot, space, _, _ = own.split(" ")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = f"{boot} {space} {child.pid} {_started(child.pid)}"
        monkeypatch.setattr(liveness, "_PROC", tmp_path)
        assert not is_dead(name, own)
        child.kill()
    assert is_dead(name, own)


def test_a_silent_gateway_is_waited_for_until_what_it_took_in_is_written() -> None:
    """Else INVOICE_NOT_FOUND is said of an order that it journals, and sends, a moment later."""
    assert membership._WRITES_S >= PATIENCE_S + WAIT_FOR_CONNECTION_S + ANSWER_S


def test_a_lease_is_longer_than_two_calls(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    text = '[server]\npublic_url = "http://x.test"\n[upstream]\ntimeout_s = 75\n[storage]\n'
    config.write_text(f'{text}url = "postgresql://u@h/d"\nlease_s = 150\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_settings(config, {})
    (mistake,) = refused.value.mistakes
    assert mistake.endswith(
        "config.toml:7: storage.lease_s: wanted more than twice upstream.timeout_s (75 s), got "
        "150: an order would be taken over while it is sent"
    )
    config.write_text(text, encoding="utf-8")
    assert load_settings(config, {}).storage.lease_s == 150

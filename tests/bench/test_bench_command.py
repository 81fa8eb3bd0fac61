"""The command: measures for real, judges, and leaves nothing behind."""

import json
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from click.testing import CliRunner

from gateway.bench import run as bench_run
from gateway.bench.figures import Figure
from gateway.bench.processes import BenchError
from gateway.bench.stage import Stage
from gateway.cli.main import otomax_gateway
from tests.bench.benching import ANSWERS_S, benching, kept
from tests.support.wait import eventually


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: beside the journal a Unix socket's name is to fit in."""
    with tempfile.TemporaryDirectory(prefix="b") as name:
        yield Path(name)


def test_it_measures(folder: Path) -> None:
    tiny = ("--fast", "--pairs", "1", "--seconds", "0.5", "--json")
    with benching(folder, *tiny, "--only", "orders", "--only", "steps") as bench:
        out, err = bench.communicate(timeout=ANSWERS_S)
    told = json.loads(out)
    assert bench.returncode == (0 if told["reached"] else 1), err
    rate, cpu = told["figures"]
    assert (rate["name"], cpu["name"]) == ("orders-asyncio", "orders-asyncio-cpu")
    assert min(*rate["gateway"], *rate["yardstick"]) > 100
    assert 0 < cpu["yardstick"][0] < 10, "seconds of a CPU for a thousand orders"
    assert rate["reached"] is (rate["ratio_median"] >= rate["ratio_wanted"])
    assert all(cost > 0 for cost in told["steps"].values()), err
    assert {"cores", "cpu", "kernel"} <= told["machine"].keys()
    assert {"python", "aiohttp", "uvloop", "sqlite"} <= told["versions"].keys()
    assert kept(folder) == []


def test_a_database_that_is_away_is_said_without_its_password(folder: Path) -> None:
    url = "postgresql://user:s3cret@127.0.0.1:1/nowhere"
    with benching(folder, "--fast", "--storage", url) as bench:
        out, err = bench.communicate(timeout=ANSWERS_S)
    assert bench.returncode == 1
    assert "PostgreSQL: " in out
    assert "s3cret" not in out + err


async def test_ended_in_the_middle_it_takes_its_processes_and_files_with_it(folder: Path) -> None:
    with benching(folder, "--only", "orders") as bench:
        await eventually(lambda: len(_children(bench.pid)) > 1)
        children = _children(bench.pid)
        bench.send_signal(signal.SIGINT)
        bench.communicate(timeout=ANSWERS_S)
    assert bench.returncode == 1
    assert _left(children, folder) == []


def _left(children: list[int], folder: Path) -> list[Path]:
    processes = [Path(f"/proc/{pid}") for pid in children]
    return [*filter(Path.exists, processes), *kept(folder)]


def _told(
    monkeypatch: pytest.MonkeyPatch, part: Callable[[Stage], list[Figure]]
) -> tuple[int, str]:
    """The command's exit code, and the line below its table."""
    monkeypatch.setattr(bench_run, "PARTS", MappingProxyType({"orders": part}))
    result = CliRunner().invoke(otomax_gateway, ["bench", "--only", "orders"])
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout.splitlines()[3]


@pytest.mark.parametrize(("gateway", "code"), [(700.0, 1), (900.0, 0)])
def test_a_figure_that_is_missed_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, gateway: float, code: int
) -> None:
    figure = Figure(
        name="orders",
        title="o",
        unit="1/s",
        gateway=(gateway,),
        yardstick=(1000,),
        ratio_wanted=0.8,
    )
    assert _told(monkeypatch, lambda _: [figure])[0] == code


def test_what_can_not_be_measured_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: Stage) -> list[Figure]:
        raise BenchError("3 wrong answers")

    assert _told(monkeypatch, breaks) == (1, "orders: 3 wrong answers")


def test_every_part_is_named_in_the_help() -> None:
    said = " ".join(CliRunner().invoke(otomax_gateway, ["bench", "--help"]).output.split())
    assert f"repeatable. {', '.join(bench_run.NAMES)}." in said


def test_a_part_that_is_not_there_is_a_mistake_of_use() -> None:
    result = CliRunner().invoke(otomax_gateway, ["bench", "--only", "orderz"])
    assert result.exit_code == 2
    assert "orders-uvloop" in result.output
    assert tempfile.gettempdir() not in result.output

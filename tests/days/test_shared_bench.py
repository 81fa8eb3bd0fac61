"""`bench --storage`: one, two and three gateways on a journal that they share, for real."""

import json
import tempfile
from pathlib import Path

import pytest

from tests.bench.benching import ANSWERS_S, benching, kept


@pytest.mark.timeout(180)
def test_it_measures_gateways_that_share_a_journal() -> None:
    # A short name: beside the journal a Unix socket's name is to fit in.
    with tempfile.TemporaryDirectory(prefix="b") as name:
        _measures(Path(name))


def _measures(folder: Path) -> None:
    folder.chmod(0o755)  # the server runs as somebody else where we are root
    words = ("--fast", "--pairs", "1", "--seconds", "0.2", "--json")
    with benching(folder, *words, "--storage", "temporary") as bench:
        out, err = bench.communicate(timeout=2 * ANSWERS_S)
    told = json.loads(out)
    assert bench.returncode == 0, err
    figures = {figure["name"]: figure for figure in told["figures"]}
    names = {f"shared-{n}{what}" for n in (1, 2, 3) for what in ("", "-p50", "-p99", "-cpu")}
    assert names < figures.keys()
    for name in names:
        assert min(*figures[name]["gateway"], *figures[name]["yardstick"]) > 0, name
    assert figures["shared-1-p50"]["gateway"][0] >= 300, "the upstream takes so long"
    assert kept(folder) == []

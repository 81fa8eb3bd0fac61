"""A rotation of the key file by the real command, killed at some moment of it, again and again."""

import asyncio

from tests.journey.conftest import UPSTREAM_KEYS
from tests.journey.office import Office, variables
from tests.journey.processes import KILLED

KILLS = 12
_STEP_S = 0.04  # a rotation takes some 0.3 s, most of it until it has opened the journal


async def test_killed_at_any_moment_every_seal_opens(office: Office) -> None:
    words = ("secrets", "rotate", "--config", "config.toml")
    ends = set()
    for n in range(KILLS):
        more = ("--drop-old",) if n % 3 == 2 else ()
        rotation = office.processes.fork(
            (*words, *more), office.folder, "rotation", variables(office.settings)
        )
        await asyncio.sleep((n + 1) * _STEP_S)
        rotation.end()
        ends.add(rotation.code)
        held = office.json("reseller", "list")
        assert [row["upstream_key"] for row in held] == [
            f"{key[:3]}…" for key in UPSTREAM_KEYS.values()
        ]
    assert KILLED in ends, "some were killed on the way"
    assert ends <= {KILLED, 0, 1}
    assert office.run("secrets", "rotate").code == 0
    assert office.run("secrets", "rotate", "--drop-old").code == 0
    gateway = await office.serve()
    answer = await office.order("SK1", "123456001", "http://127.0.0.1:9/")
    assert "status SUCCESS" in (answer or "")
    await office.stop(gateway)

"""The container file, as far as it can be looked at without an engine: what it names exists."""

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path

from gateway.cli.main import _COMMANDS
from gateway.config.keys import Admin, Server

ROOT = Path(__file__).parent.parent.parent


def instructions() -> list[tuple[str, str]]:
    """Return each instruction with its words, continued lines joined."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())
    ]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_what_it_copies_is_in_the_repository() -> None:
    copied = [shlex.split(rest) for rest in of("COPY")]
    from_here = [words[:-1] for words in copied if not words[0].startswith("--from")]
    assert from_here
    for path in (ROOT / name for words in from_here for name in words):
        assert path.exists(), path
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {name for words in from_here for name in words}
    assert {needed["readme"], *needed["license-files"], "gateway", "pyproject.toml"} <= names


def test_what_it_runs_is_a_command_of_ours() -> None:
    (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert json.loads(entry)[0] in scripts["scripts"]
    assert json.loads(command)[0] in _COMMANDS


def test_it_is_not_root_and_keeps_everything_in_one_place() -> None:
    names = [name for name, _ in instructions()]
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", user)
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert of("VOLUME") == ["/data"]
    assert "OTOMAX_GATEWAY_CONFIG=/data/config.toml" in of("ENV")[0]


def test_its_health_is_asked_at_our_own_route() -> None:
    (health,) = of("HEALTHCHECK")
    words = json.loads(health[health.index("[") :])
    ast.parse(words[2])
    admin = Admin.model_fields["listen"].default
    assert f"http://{admin}/healthz" in words[2]
    assert of("EXPOSE") == [Server.model_fields["listen"].default.rpartition(":")[2]]


def test_it_names_no_index_and_pins_what_it_installs() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert "index" not in text
    assert "-c constraints.txt" in text
    for image in (words.split()[0] for words in of("FROM")):
        assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim", image)

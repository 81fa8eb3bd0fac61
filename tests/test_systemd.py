"""The unit that is shipped: it names our real command, and systemd knows every word of it."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "systemd" / "otomax-gateway.service"

# Every key that the unit may use, by section: none is obsolete, all are known since systemd 247
# (Debian 11), from systemd.unit(5), .service(5), .exec(5), .kill(5) of that version.
KNOWN = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec"},
    "Service": {
        *("Type", "ExecReload", "ExecStart", "Restart", "RestartSec", "RestartPreventExitStatus"),
        *("TimeoutStopSec", "KillSignal", "User", "Group", "WorkingDirectory", "UMask"),
        *("ConfigurationDirectory", "ConfigurationDirectoryMode"),
        *("StateDirectory", "StateDirectoryMode", "LimitNOFILE", "LimitCORE"),
        *("NoNewPrivileges", "CapabilityBoundingSet", "ProtectSystem", "ProtectHome"),
        *("PrivateTmp", "PrivateDevices", "ProtectClock", "ProtectControlGroups"),
        *("ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules"),
        *("ProtectKernelTunables", "ProtectProc", "LockPersonality", "RemoveIPC"),
        *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
        *("RestrictAddressFamilies", "SystemCallArchitectures", "SystemCallFilter"),
        "SystemCallErrorNumber",
    },
    "Install": {"WantedBy"},
}
# These are lists: systemd adds a second line to the first.
MAY_REPEAT = {"After", "SystemCallFilter"}

Unit = dict[str, dict[str, list[str]]]


def parse(text: str) -> Unit:
    """Read a unit as systemd.syntax(7) says; what it does not allow is an error here."""
    unit: Unit = {}
    section: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line or line.startswith(("#", ";")):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            assert header[1] not in unit, f"section {line} stands twice"
            section = unit[header[1]] = {}
            continue
        key, equals, value = line.partition("=")
        assert equals, f"neither a key nor a comment: {line}"
        assert key == key.strip(), f"spaces around the key of {line}"
        assert not value.endswith("\\"), f"continued line: {line}"
        section.setdefault(key, []).append(value)
    return unit


@pytest.fixture
def unit() -> Unit:
    return parse(UNIT.read_text(encoding="utf-8"))


@pytest.fixture
def service(unit: Unit) -> dict[str, str]:
    return {key: values[-1] for key, values in unit["Service"].items()}


def test_only_known_sections_and_keys(unit: Unit) -> None:
    assert {name: set(keys) - KNOWN[name] for name, keys in unit.items()} == {
        name: set() for name in KNOWN
    }


def test_no_key_stands_twice_by_mistake(unit: Unit) -> None:
    twice = {key for keys in unit.values() for key, values in keys.items() if len(values) > 1}
    assert twice <= MAY_REPEAT


def test_the_program_is_the_one_that_is_installed(service: dict[str, str]) -> None:
    program = Path(shlex.split(service["ExecStart"])[0])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert program.is_absolute()
    assert program.name in scripts["scripts"]


def test_the_command_exists_with_this_option(service: dict[str, str]) -> None:
    _, *words = shlex.split(service["ExecStart"])
    assert words == ["serve", "--config", "/etc/otomax-gateway/config.toml"]
    asked = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert "serve" in asked.stdout
    assert "--config" in asked.stdout


def test_the_folders_are_the_ones_that_are_named(service: dict[str, str]) -> None:
    name = service["StateDirectory"]
    assert service["WorkingDirectory"] == f"/var/lib/{name}"
    assert f"/etc/{service['ConfigurationDirectory']}/" in service["ExecStart"]
    assert f'"sqlite:////var/lib/{name}/gateway.db"' in UNIT.read_text(encoding="utf-8")
    assert service["ProtectSystem"] == "strict"


def test_nobody_else_reads_keys_or_journal(service: dict[str, str]) -> None:
    assert service["UMask"] == "0077"
    assert service["StateDirectoryMode"] == service["ConfigurationDirectoryMode"] == "0700"
    assert service["LimitCORE"] == "0"
    assert service["User"] not in {"", "root", "nobody"}
    assert service["CapabilityBoundingSet"] == ""


def test_it_comes_back_but_not_from_a_wrong_configuration(
    unit: Unit, service: dict[str, str]
) -> None:
    assert service["Restart"] == "always"
    assert int(service["RestartSec"]) >= 1
    assert service["RestartPreventExitStatus"] == "78"
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_it_may_finish_before_it_is_killed(service: dict[str, str]) -> None:
    """SIGTERM is answered within reply_timeout_s (15 by default) + 5 s."""
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"]) > 15 + 5


def test_the_network_is_there_first(unit: Unit) -> None:
    assert unit["Unit"]["Wants"] == ["network-online.target"]
    assert "network-online.target" in unit["Unit"]["After"]
    assert unit["Install"]["WantedBy"] == ["multi-user.target"]


def complaints(text: str, folder: Path) -> str:
    """Ask systemd itself; where it is not installed, say what the tables above cannot accept."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        unit = parse(text)
        unknown = [key for name in unit for key in unit[name] if key not in KNOWN.get(name, set())]
        return "\n".join(f"Unknown key name '{key}', ignoring." for key in unknown)
    copy = folder / UNIT.name
    # The program and its user are not on a developer's machine; both would be complained about.
    copy.write_text(
        re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", text), encoding="utf-8"
    )
    said = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    mine = [line for line in said.stderr.splitlines() if UNIT.name in line]
    return "\n".join(mine)


def test_systemd_has_nothing_to_complain_about(tmp_path: Path) -> None:
    assert complaints(UNIT.read_text(encoding="utf-8"), tmp_path) == ""


@pytest.mark.parametrize("line", ["RestartSecs=1", "Respawn=yes"])
def test_a_wrong_key_is_complained_about(line: str, tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8").replace("[Service]\n", f"[Service]\n{line}\n")
    assert "Unknown key" in complaints(text, tmp_path)

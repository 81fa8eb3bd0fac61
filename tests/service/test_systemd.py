"""The units that are shipped: they name our real commands, and systemd knows every word."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.config.keys import Server
from gateway.web.listener import BACKLOG

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "otomax-gateway.service"
UNITS = sorted((ROOT / "systemd").iterdir())
HARDENED = [path for path in UNITS if path.suffix == ".service"]

# Every key that the unit may use, by section: none is obsolete, all are known since systemd 247
# (Debian 11), from systemd.unit(5), .service(5), .exec(5), .kill(5) of that version.
KNOWN = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec"},
    "Service": {
        *("NotifyAccess", "WatchdogSec", "TimeoutStartSec", "Nice", "IOSchedulingClass"),
        *("PrivateNetwork", "DevicePolicy"),
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
    "Socket": {"ListenStream", "FileDescriptorName", "Backlog", "Accept"},
    "Timer": {"OnCalendar", "RandomizedDelaySec", "Persistent"},
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


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_only_known_sections_and_keys(path: Path) -> None:
    parsed = parse(path.read_text(encoding="utf-8"))
    assert {name: set(keys) - KNOWN[name] for name, keys in parsed.items()} == {
        name: set() for name in parsed
    }
    twice = {key for keys in parsed.values() for key, values in keys.items() if len(values) > 1}
    assert twice <= MAY_REPEAT


def test_the_program_is_the_one_that_is_installed(service: dict[str, str]) -> None:
    program = Path(shlex.split(service["ExecStart"])[0])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert program.is_absolute()
    assert program.name in scripts["scripts"]


@pytest.mark.parametrize("path", HARDENED, ids=lambda path: path.name)
def test_the_command_exists_with_this_option(path: Path) -> None:
    service = parse(path.read_text(encoding="utf-8"))["Service"]
    _, *words = shlex.split(service["ExecStart"][-1])
    assert words[-2:] == ["--config", "/etc/otomax-gateway/config.toml"]
    asked = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert words[0] in asked.stdout
    for option in (word for word in words if word.startswith("--")):
        assert option in asked.stdout


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


def test_it_says_itself_when_it_is_ready_and_is_watched(service: dict[str, str]) -> None:
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > int(service["TimeoutStopSec"])


def test_the_socket_has_the_name_and_the_address_that_the_gateway_knows() -> None:
    socket = parse(UNIT.with_suffix(".socket").read_text(encoding="utf-8"))["Socket"]
    assert socket["FileDescriptorName"] == ["public"]
    assert socket["ListenStream"] == [Server.model_fields["listen"].default]
    assert socket["Backlog"] == [str(BACKLOG)]
    assert socket["Accept"] == ["no"]


def test_the_timer_starts_a_backup_into_a_folder_of_the_service() -> None:
    timer = UNIT.with_name("otomax-gateway-backup.timer")
    service = parse(timer.with_suffix(".service").read_text(encoding="utf-8"))["Service"]
    assert parse(timer.read_text(encoding="utf-8"))["Timer"]["OnCalendar"] == ["hourly"]
    words = shlex.split(service["ExecStart"][0])
    assert words[1:3] == ["backup", "/var/lib/otomax-gateway/backups"]
    assert "otomax-gateway/backups" in service["StateDirectory"][0].split()
    assert service["UMask"] == ["0077"]


# What systemd-analyze looks at most; where it is not installed, these at least must stand.
NEEDED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateDevices": "yes",
    "RestrictNamespaces": "yes",
    "SystemCallArchitectures": "native",
}


@pytest.mark.parametrize("path", HARDENED, ids=lambda path: path.name)
def test_it_is_exposed_to_little(path: Path) -> None:
    service = parse(path.read_text(encoding="utf-8"))["Service"]
    assert {key: service[key][-1] for key in NEEDED} == NEEDED
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    said = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)
    assert level is not None, said
    assert float(level[1]) <= 2.0


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

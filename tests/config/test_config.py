"""Reading the configuration: defaults, sources, and the exact line for each mistake."""

import math
import re
import subprocess
import sys
import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import ConfigError, Settings, load_settings
from gateway.config.keys import SECTIONS
from gateway.config.template import render_template, toml_value
from gateway.config.values import Network, is_host

ROOT = Path(__file__).parents[2]
URL = "https://gw.example.com"
PUBLIC = f'public_url = "{URL}"\n'

# CONTRACT §3, word for word.
CONTRACT_DEFAULTS: dict[str, object] = {
    "server.listen": "127.0.0.1:8080",
    "server.reply_timeout_s": 15,
    "server.trusted_proxies": (),
    "admin.listen": "127.0.0.1:8081",
    "upstream.base_url": "https://api.tossgames.com",
    "upstream.timeout_s": 60,
    "upstream.unreachable_s": 5,
    "upstream.max_in_flight": 200,
    "upstream.callback_ips": (ip_network("157.230.42.1"),),
    "storage.url": "sqlite:///gateway.db",
    "secrets.key_file": "secret.key",
    "recheck.schedule_s": (2, 5, 15, 30, 60, 120, 300, 900),
    "recheck.settle_s": 40,
    "recheck.expire_s": 1800,
    "delivery.schedule_s": (
        *(0, 5, 15, 60, 300, 900, 1800, 3600, 7200),
        *(14400, 28800, 43200, 86400, 86400),
    ),
    "delivery.timeout_s": 10,
    "delivery.per_host": 4,
    "delivery.allow_private": False,
    "limits.orders_per_s": 100,
    "limits.max_open_orders": 100_000,
    "catalog.ttl_s": 60,
    "catalog.unknown_price": "send",  # not the contract's: the price guard is ours
    "log.format": "auto",
    "log.level": "info",
}

OUR_DEFAULTS: dict[str, object] = {
    "server.max_connections": 10_000,
    "server.max_connections_per_address": 256,
    "storage.pool": 16,
    "storage.lease_s": 150.0,
}
DEFAULTS = CONTRACT_DEFAULTS | OUR_DEFAULTS


def flat(settings: Settings) -> dict[str, object]:
    return {
        f"{section}.{key}": value
        for section, keys in settings.model_dump().items()
        for key, value in keys.items()
    }


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mistakes_of(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ)
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return caught.value.mistakes


def test_the_defaults_are_the_contracts(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, f"[server]\n{PUBLIC}"), {})
    assert flat(settings) == DEFAULTS | {"server.public_url": URL}


def test_the_example_is_the_rendered_template() -> None:
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == render_template()


def test_the_example_as_it_is_lacks_only_the_public_url(tmp_path: Path) -> None:
    path = write(tmp_path, render_template())
    line = render_template().splitlines().index('public_url = ""') + 1
    assert mistakes_of(path, {}) == [
        (
            f"{path}:{line}: server.public_url: is empty; wanted an address such as "
            "https://gateway.toko.id, without user, query or fragment"
        )
    ]


def test_the_example_uncommented_holds_every_default(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (\w+ = )", r"\1", render_template())
    text = text.replace('public_url = ""', PUBLIC.strip())
    settings = load_settings(write(tmp_path, text), {})
    assert set(settings.places) == set(flat(settings)) == {*DEFAULTS, "server.public_url"}
    assert flat(settings) == DEFAULTS | {"server.public_url": URL}


def test_every_key_of_the_example_has_a_reason() -> None:
    for section in SECTIONS.values():
        assert section.__doc__
        for field in section.model_fields.values():
            assert len(field.description or "") > 40


def test_toml_values_come_back(tmp_path: Path) -> None:
    networks: tuple[Network, ...] = (ip_network("10.0.0.0/8"), ip_network("::1"))
    for value in (True, 1, 0.1, 86400.0, 1_000_000.0, (1.5, 2.0), networks, "a/b"):
        read = tomllib.loads(f"x = {toml_value(value)}")["x"]
        if value is networks:
            assert read == ["10.0.0.0/8", "::1"]
        else:
            assert (tuple(read) if isinstance(value, tuple) else read) == value


def test_settings_are_frozen_and_hide_the_journals_url(tmp_path: Path) -> None:
    text = f'[server]\n{PUBLIC}[storage]\nurl = "postgresql://u:CANARY@h/db"\n'
    settings = load_settings(write(tmp_path, text), {})
    with pytest.raises(ValueError, match="frozen"):
        settings.storage.url = "sqlite:///x"
    assert "CANARY" not in repr(settings) + str(settings)
    assert settings.sqlite_path() is None
    assert settings.journal() == "postgresql://u:CANARY@h/db"


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///gateway.db", "{folder}/gateway.db"),
        ("sqlite:///data/gw.db", "{folder}/data/gw.db"),
        ("sqlite:////var/lib/gw/gw.db", "/var/lib/gw/gw.db"),
    ],
)
def test_files_lie_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, file: str
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    write(folder, f'[server]\n{PUBLIC}[storage]\nurl = "{url}"\n')
    monkeypatch.chdir(tmp_path)
    settings = load_settings(Path("etc/config.toml"), {})
    monkeypatch.chdir("/")
    assert settings.sqlite_path() == Path(file.format(folder=folder))
    assert settings.key_path() == folder / "secret.key"


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {"OTOMAX_GATEWAY_SERVER__PUBLIC_URL": f"{URL}/", "HOME": "/"})
    assert settings.server.public_url == URL
    assert settings.key_path() == tmp_path / "secret.key"
    assert settings.places == {"server.public_url": "$OTOMAX_GATEWAY_SERVER__PUBLIC_URL"}


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, f'[server]\n{PUBLIC}reply_timeout_s = "wrong"\n[limits]\n')
    environ = {
        "OTOMAX_GATEWAY_CONFIG": str(path),
        "OTOMAX_GATEWAY_SERVER__REPLY_TIMEOUT_S": "7.5",
        "OTOMAX_GATEWAY_SERVER__TRUSTED_PROXIES": "10.1.2.3/8, ::1",
        "OTOMAX_GATEWAY_UPSTREAM__CALLBACK_IPS": "",
        "OTOMAX_GATEWAY_UPSTREAM__MAX_IN_FLIGHT": " 3 ",
        "OTOMAX_GATEWAY_RECHECK__SCHEDULE_S": "[0.1, 2]",
        "OTOMAX_GATEWAY_DELIVERY__SCHEDULE_S": "0,1",
        "OTOMAX_GATEWAY_DELIVERY__ALLOW_PRIVATE": "true",
        "OTOMAX_GATEWAY_LOG__LEVEL": "debug",
        "PATH": "/bin",
    }
    settings = load_settings(None, environ)
    assert settings.server.reply_timeout_s == 7.5
    assert settings.server.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.upstream.callback_ips == ()
    assert settings.upstream.max_in_flight == 3
    assert settings.recheck.schedule_s == (0.1, 2)
    assert settings.delivery.schedule_s == (0, 1)
    assert settings.delivery.allow_private is True
    assert settings.log.level == "debug"
    assert settings.server.public_url == URL


def test_a_byte_order_mark_and_carriage_returns_are_read(tmp_path: Path) -> None:
    text = f"\ufeff[server]\r\n{PUBLIC.strip()}\r\nlisten = 3\r\n"
    path = write(tmp_path, text)
    (mistake,) = mistakes_of(path, {})
    assert mistake.startswith(f"{path}:3: server.listen: wanted HOST:PORT")


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:08080", ("127.0.0.1", 8080)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_listen_comes_apart(tmp_path: Path, listen: str, address: tuple[str, int]) -> None:
    text = f"[server]\n{PUBLIC}listen='{listen}'\n[admin]\nlisten='{listen[:-1]}1'\n"
    settings = load_settings(write(tmp_path, text), {})
    assert settings.server.address == address
    assert settings.admin.address[0] == address[0]


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("HTTPS://GW.Example.COM/", "https://gw.example.com"),
        ("http://[::1]:8080/Pfad//", "http://[::1]:8080/Pfad"),
        ("http://10.0.0.1:1", "http://10.0.0.1:1"),
    ],
)
def test_addresses_are_made_uniform(tmp_path: Path, url: str, clean: str) -> None:
    settings = load_settings(write(tmp_path, f'[server]\npublic_url = "{url}"\n'), {})
    assert settings.server.public_url == clean


@given(st.text(max_size=30))
def test_any_text_as_a_host_is_judged(text: str) -> None:
    assert is_host(text) in (True, False)
    assert not is_host(f"{text} ")


@given(st.floats() | st.integers() | st.booleans() | st.text(max_size=5) | st.none())
def test_a_timeout_is_finite_and_over_zero_or_a_mistake(value: object) -> None:
    data = {"server": {"public_url": URL}, "upstream": {"timeout_s": value}}
    try:
        seconds = Settings.model_validate(data).upstream.timeout_s
    except ValueError:
        return
    assert math.isfinite(seconds)
    assert 0 < seconds <= 31_536_000


def test_a_program_can_make_settings(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"server": {"public_url": URL, "listen": "127.0.0.1:0"}}, context={"folder": tmp_path}
    )
    assert settings.sqlite_path() == tmp_path / "gateway.db"
    assert settings.places == {}


def test_importing_the_configuration_stays_light() -> None:
    code = "import sys, gateway.config; print([n in sys.modules for n in ('aiohttp', 'rich')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[False, False]\n"

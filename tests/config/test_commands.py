"""`init`, `check-config` and what the commands share, through click and as a process."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import click
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from gateway.app import open_journal
from gateway.cli.check_config import check_config, online_mistakes
from gateway.cli.init import init
from gateway.cli.options import config_option, fail, json_option, settings_or_exit
from gateway.config import Settings, load_settings
from gateway.config.template import render_template
from gateway.vault import Vault

URL = "https://gw.example.com"


@pytest.fixture(autouse=True)
def _no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OTOMAX_GATEWAY_"):
            monkeypatch.delenv(name)


def run(command: click.Command, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])


def write(folder: Path, more: str = "") -> Path:
    path = folder / "config.toml"
    path.write_text(f'[server]\npublic_url = "{URL}"\n{more}')
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_makes_two_private_files_and_says_what_comes_next(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "gw"
    old_mask = os.umask(0)
    try:
        done = run(init, folder)
    finally:
        os.umask(old_mask)
    assert done.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["config.toml", "secret.key"]
    assert mode(folder / "config.toml") == mode(folder / "secret.key") == 0o600
    assert mode(folder) == 0o700
    assert (folder / "config.toml").read_text(encoding="utf-8") == render_template()
    Vault.open(folder / "secret.key", sealed_exists=True)
    indonesian, english = done.output.split("\n\n")
    for text in (indonesian, english):
        steps = ["server.public_url", "check-config", "reseller add", "gateway serve"]
        assert sorted(steps, key=text.index) == steps
    assert "Langkah berikutnya" in indonesian
    assert (folder / "secret.key").read_text().splitlines()[-1] not in done.output


def test_init_here_is_the_default_and_nearly_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(init).exit_code == 0
    checked = run(check_config)
    assert checked.exit_code == 78
    (line,) = checked.output.splitlines()
    assert line.startswith("config.toml:17: server.public_url: is empty; wanted an address such")
    text = Path("config.toml").read_text(encoding="utf-8")
    Path("config.toml").write_text(text.replace('public_url = ""', f'public_url = "{URL}"'))
    checked = run(check_config)
    assert checked.exit_code == 0
    assert checked.output == (
        "config.toml: valid, 1 given, the other keys at their defaults; "
        f"panels at 127.0.0.1:8080, callbacks to {URL}, upstream https://api.tossgames.com, "
        f"journal {tmp_path}/gateway.db\n"
    )


@pytest.mark.parametrize("name", ["config.toml", "secret.key"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_init_overwrites_nothing(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "file":
        (tmp_path / name).write_text("mine")
    else:
        (tmp_path / name).symlink_to(tmp_path / "absent")
    done = run(init, tmp_path)
    assert done.exit_code == 1
    assert done.output == f"{tmp_path / name} is there already; nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert kind != "file" or (tmp_path / name).read_text() == "mine"


def test_init_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk() -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.config.template.render_template", full_disk)
    done = run(init, tmp_path / "a" / "b")
    assert done.exit_code == 1
    assert "No space left on device; nothing was left behind" in done.output
    assert list(tmp_path.iterdir()) == []


def test_init_below_a_file_fails_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(init, tmp_path / "file" / "gw")
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "Not a directory" in done.output


def test_init_works_as_a_process(tmp_path: Path) -> None:
    code = "from gateway.cli.init import init; init()"
    command = [sys.executable, "-c", code, "gw"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "gw/config.toml is there already; nothing was written\n"


def test_check_config_prints_every_mistake_to_stdout(tmp_path: Path) -> None:
    path = write(tmp_path, "listen = 1\n[storage]\nurl = 'postgres://u:CANARY@h/x'\n")
    done = run(check_config, "--config", path)
    assert done.exit_code == 78
    assert done.stderr == ""
    assert [line.split(": ")[:2] for line in done.stdout.splitlines()] == [
        [f"{path}:3", "server.listen"],
        [f"{path}:5", "storage.url"],
    ]
    assert "CANARY" not in done.output


def test_check_config_looks_at_the_files(tmp_path: Path) -> None:
    path = write(
        tmp_path, "[storage]\nurl = 'sqlite:///absent/gw.db'\n[secrets]\nkey_file = 'k'\n"
    )
    (tmp_path / "k").write_text("x")
    (tmp_path / "k").chmod(0o644)
    done = run(check_config, "--config", path)
    assert done.exit_code == 78
    assert done.stdout.splitlines() == [
        (
            f"{path}:6: secrets.key_file: {tmp_path}/k can be used by others (mode 644); "
            f"chmod 600 {tmp_path}/k"
        ),
        f"{path}:4: storage.url: the folder {tmp_path}/absent does not exist; make it first",
    ]
    (tmp_path / "absent" / "gw.db").mkdir(parents=True)
    (tmp_path / "k").chmod(0o600)
    assert run(check_config, "--config", path).stdout.splitlines() == [
        (
            f"{path}:6: secrets.key_file: {tmp_path}/k:1 is not a key: wanted 44 characters of "
            "base64, as `otomax-gateway init` writes them"
        ),
        (
            f"{path}:4: storage.url: wanted a file for the journal, but {tmp_path}/absent/gw.db "
            "is a folder"
        ),
    ]


def test_check_config_makes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert run(check_config, "--config", path).exit_code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["config.toml"]


def test_check_config_reads_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTOMAX_GATEWAY_SERVER__PUBLIC_URL", URL)
    monkeypatch.setenv("OTOMAX_GATEWAY_STORAGE__URL", "sqlite:///other.db")
    done = run(check_config)
    assert done.exit_code == 0
    assert done.output.startswith("the environment: valid, 2 given, ")
    assert done.output.endswith(f"journal {tmp_path}/other.db\n")
    monkeypatch.setenv("OTOMAX_GATEWAY_SECRETS__KEY_FILE", "absent/k")
    assert run(check_config).output == (
        f"$OTOMAX_GATEWAY_SECRETS__KEY_FILE: secrets.key_file: the folder {tmp_path}/absent "
        "does not exist; make it first\n"
    )


def test_check_config_takes_a_journal_in_postgresql_and_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    monkeypatch.setenv("OTOMAX_GATEWAY_STORAGE__URL", "postgresql://u:CANARY@h:5433/db?x=CANARY")
    done = run(check_config, "--config", path)
    assert done.exit_code == 0
    assert done.output.endswith(", journal postgresql://h:5433/db\n")


def test_check_config_says_how_to_install_what_postgresql_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    monkeypatch.setenv("OTOMAX_GATEWAY_STORAGE__URL", "postgresql://u:CANARY@h/db")
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    done = run(check_config, "--config", path)
    assert done.exit_code == 78
    assert done.output == (
        "$OTOMAX_GATEWAY_STORAGE__URL: storage.url: PostgreSQL needs asyncpg: "
        "pip install 'otomax-gateway[postgres]'\n"
    )


def test_check_config_wants_the_key_file_that_sealed_the_journal(tmp_path: Path) -> None:
    path = write(tmp_path)

    async def make_journal() -> None:
        journal = await open_journal(load_settings(path, {}))
        await journal.store.close()

    asyncio.run(make_journal())
    assert run(check_config, "--config", path).exit_code == 0
    key = tmp_path / "secret.key"
    kept = key.read_text()
    key.unlink()
    done = run(check_config, "--config", path)
    assert done.exit_code == 78
    assert "secrets.key_file: " in done.output
    assert "is missing" in done.output
    Vault.open(key, sealed_exists=False)  # another installation's
    assert run(check_config, "--config", path).exit_code == 78
    key.write_text(kept)
    assert run(check_config, "--config", path).exit_code == 0


def test_shared_options_and_ends(tmp_path: Path) -> None:
    @click.command()
    @config_option
    @json_option
    def show(config: Path | None, *, as_json: bool) -> None:
        settings = settings_or_exit(config)
        if as_json:
            fail(f"no\n{settings.server.public_url}", 2)
        click.echo(settings.server.public_url)

    path = write(tmp_path)
    assert run(show, "--config", path).stdout == f"{URL}\n"
    failed = run(show, "--config", path, "--json")
    assert (failed.exit_code, failed.stdout, failed.stderr) == (2, "", f"no\\n{URL}\n")
    refused = run(show, "--config", write(tmp_path, "a = 1\nb = 2\n"))
    assert (refused.exit_code, refused.stdout) == (78, "")
    assert refused.stderr.splitlines() == [
        f"{path}:3: server.a: there is no such key",
        f"{path}:4: server.b: there is no such key",
    ]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Served = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Served]:
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/v1/user", handler, allow_head=False)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def settings_for(base_url: str, public_url: str = "http://localhost:1") -> Settings:
    return Settings.model_validate(
        {"server": {"public_url": public_url}, "upstream": {"base_url": base_url}}
    )


async def unknown_key(request: web.Request) -> web.Response:
    """Answer as the upstream's document shows it for a key that it does not know."""
    assert "Authorization" not in request.headers
    body = {"statusCode": 404, "message": "API_KEY_NOT_FOUND", "error": "Not Found"}
    return web.json_response(body, status=404)


async def redirect(request: web.Request) -> web.Response:
    raise web.HTTPMovedPermanently("https://elsewhere.invalid/")


async def page(request: web.Request) -> web.Response:
    return web.Response(text="<html>", content_type="text/html")


async def other_json(request: web.Request) -> web.Response:
    return web.json_response([{"statusCode": 200}])


async def hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


NOT_OURS = "answers HTTP 200, but not in the upstream's JSON; is this the API?"


@pytest.mark.parametrize(
    ("handler", "sentence"),
    [
        (unknown_key, None),
        (redirect, "answers with a redirect (HTTP 301); write the address it leads to"),
        (page, NOT_OURS),
        (other_json, NOT_OURS),
        (hang_up, "cannot be reached: ServerDisconnectedError"),
    ],
)
async def test_the_upstream_is_asked_online(
    serve: Served, handler: Handler, sentence: str | None
) -> None:
    base = await serve(handler)
    expected = [] if sentence is None else [("upstream.base_url", f"{base}/v1/user {sentence}")]
    assert await online_mistakes(settings_for(base)) == expected


async def test_what_cannot_be_reached_is_said() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert await online_mistakes(settings_for(base, "http://gw.invalid")) == [
            (
                "upstream.base_url",
                (
                    f"{base}/v1/user cannot be reached: Connect call failed "
                    f"('127.0.0.1', {closed.getsockname()[1]})"
                ),
            ),
            ("server.public_url", "the name gw.invalid is not known here"),
        ]


async def test_names_that_nobody_knows_are_said() -> None:
    assert await online_mistakes(settings_for("https://api.invalid")) == [
        ("upstream.base_url", "the name api.invalid is not known here")
    ]


async def test_a_silent_upstream_ends_in_time(
    serve: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.check_config.ONLINE_TIMEOUT_S", 0.2)

    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    base = await serve(silent)
    began = time.monotonic()
    assert await online_mistakes(settings_for(base)) == [
        ("upstream.base_url", "gave no answer within 0.2 seconds")
    ]
    assert time.monotonic() - began < 5


def test_online_mistakes_have_their_place(tmp_path: Path) -> None:
    path = write(tmp_path, "[upstream]\nbase_url = 'http://api.invalid'\n")
    path.write_text(path.read_text().replace(URL, "http://localhost"))
    done = run(check_config, "--config", path, "--online")
    assert done.exit_code == 78
    assert done.output == f"{path}:4: upstream.base_url: the name api.invalid is not known here\n"
    assert run(check_config, "--config", path).exit_code == 0


def test_every_command_is_importable_without_the_heavy_libraries() -> None:
    code = (
        "import sys, gateway.cli.init, gateway.cli.check_config, gateway.cli.options; "
        "print([n for n in ('pydantic', 'aiohttp', 'structlog') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_fresh_example_loads_as_the_readme_says(tmp_path: Path) -> None:
    assert run(init, tmp_path).exit_code == 0
    environ = {"OTOMAX_GATEWAY_SERVER__PUBLIC_URL": URL}
    settings = load_settings(tmp_path / "config.toml", environ)
    assert settings.key_path() == tmp_path / "secret.key"

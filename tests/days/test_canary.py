"""One day in which everything is done that can be done, and no secret comes out anywhere.

The gateway, the sandbox and a panel are real servers, the commands real commands; what misbehaves
is an upstream and a panel that repeat whatever they are told. Every byte that came out is looked
through for every secret, in each form that it may take: replies with their headers, logs of the
lowest level in both forms, what commands print, `/metrics`, the process list, and every file. A
secret may be where it has to be and nowhere else: `allowed` names these places.
"""

import asyncio
import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import click
import pytest
from aiohttp import web

from gateway.cli.main import otomax_gateway
from gateway.store.open import peek_meta, running_gateway
from gateway.vault import ROOT, Vault
from tests.days.canaries import Ears, forms
from tests.days.canary_dashboard import ADMIN, ADMIN_PASSWORD, NEW_PASSWORD, hear_dashboard
from tests.days.canary_requests import Mouth, Who, dashboard, routes
from tests.journey.office import Office, new_office
from tests.journey.parties import UpstreamProcess
from tests.journey.processes import Process, Processes, until
from tests.support import Asked, FakeUpstream, Panel, fake_upstream, panel_receiving
from tests.support.telegram import CHAT, TOKEN, fake_telegram

pytestmark = pytest.mark.timeout(300)

WHOLE_S = 40.0
# Of characters that every encoding writes in its own way.
HARD = '"\\/+=&%~'
UPSTREAM_KEYS = {"toko1": f"supplier-satu{HARD}9f81c2", "toko2": f"supplier-dua{HARD}77ab01"}
FOREIGN_KEY = f"kunci-lama{HARD}2b7e15"
PIN, PASSWORD = f"pin-7391{HARD}52", f"sandi-5582{HARD}63"
APPLIED = "kunci-dari-berkas-4417"
DATABASE_PASSWORD = "sandi-basis-data-8830"
_ADMIN = re.compile(r'admin"?[=:]"?(http://[0-9.:]+)')
STAYS = "123456012"  # the sandbox's destination that stays pending

WEBHOOK_SECRET = "webhook-canary-4f1b7c2d9e"
# No command of the day: they run as processes of their own, show a key on purpose, or move the
# journal away.
_ONLY_HELP = {"serve", "sandbox", "demo", "bench"}


# Nobody knows the order yet, so its signature can not be checked before it is kept.
_KEPT = [f"x-signature of a kept callback of toko1-{name}" for name in ("T1", "STAY")]
_GROUPS = ("reseller", "order", "delivery", "alert", "secrets", "admin")
_SHOWN = ("cmdline", "environ", "status", "comm")  # of a process, to this user at least


class Day:
    """The operator's day: an office, what it hears, and what was done."""

    def __init__(self, office: Office, ears: Ears) -> None:
        self.office = office
        self.ears = ears
        self.mouth = Mouth(office.port, ears)
        self.done: set[str] = set()
        self.who: dict[str, Who] = {}

    async def run(self, *words: str, stdin: str = "", code: int | None = 0) -> str:
        """Run a command, as people and as programs read it; returns what it printed first."""
        path, command = _command(words)
        self.done.add(path)
        printed = await self._run(words, path, stdin, code)
        if "as_json" in {param.name for param in command.params} and "ack" not in words:
            await self._run((*words, "--json"), path, stdin, None)
        return printed

    async def _run(self, words: tuple[str, ...], path: str, stdin: str, code: int | None) -> str:
        done = await asyncio.to_thread(self.office.run, *words, stdin=stdin)
        assert code is None or done.code == code, (words, done)
        named = " ".join((path, *words[len(path.split()) :][:1]))
        self.ears.hear(f"stdout of {named}", done.out)
        self.ears.hear(f"stderr of {named}", done.err)
        if "--json" in words and done.code == 0:
            json.loads(done.out)
        return done.out.strip()

    async def add(self, code: str, *words: str, stdin: str) -> None:
        printed = await self.run(
            *("reseller", "add", code, "--upstream-key", "-", *words),
            *("--pin", "-", "--password", "-"),
            stdin=f"{UPSTREAM_KEYS[code]}\n{stdin}{PIN}\n{PASSWORD}\n",
        )
        self.ears.keep({f"key of {code}": printed})
        self.ears.allowed.add((f"key of {code}", f"stdout of reseller add {code}"))
        self.who[code] = Who(code, printed, UPSTREAM_KEYS[code], PIN, PASSWORD)

    def hear_files(self, when: str) -> None:
        """Read every file of the gateway's folder, but what the test itself laid there."""
        for file in sorted(self.office.folder.rglob("*")):
            if file.name.startswith(("gateway.db", "safe.db")):  # a kept callback waits there
                self.ears.allowed |= {(name, f"{when}: {file.name}") for name in _KEPT}
            mine = file.name.startswith(("command", "serve", "berkas")) or not file.is_file()
            if not mine and not file.name.startswith("secret.key"):
                self.ears.hear(f"{when}: {file.name}", file.read_bytes())

    def keep_vault(self) -> None:
        """Look for what opens the seals, as it is now."""
        key_file = self.office.folder / "secret.key"
        lines = key_file.read_text(encoding="utf-8").splitlines()
        keys = [line for line in lines if line and not line.startswith("#")]
        self.ears.keep({f"key file's {key[:4]}": key for key in keys})
        vault = Vault.open(key_file, sealed_exists=True)
        sealed = peek_meta(self.office.folder / "gateway.db", ROOT)
        assert sealed is not None
        self.ears.keep({"root": vault._open_seal(sealed)})
        vault.use_root(sealed)
        self.vault = vault

    def token(self, name: str) -> str:
        """Return an order's token, which is looked for from then on without the order's name."""
        token = self.vault.callback_token(name)
        self.ears.keep({f"token of {name}": token.partition(".")[0]})
        return token

    async def hear_process(self, process: Process, admin: str) -> None:
        """Read what the machine shows of a process, and its metrics."""
        shown = Path("/proc", str(process.pid))
        self.ears.hear_files(f"/proc of {process.name}:", (shown / name for name in _SHOWN))
        async with aiohttp.ClientSession() as http:
            for path in ("/metrics", "/healthz", "/readyz", "/nothing"):
                async with http.get(f"{admin}{path}?apikey={FOREIGN_KEY}") as answer:
                    self.ears.hear(
                        f"admin {path}", await answer.read() + repr(answer.headers).encode()
                    )
                    self.mouth.asked.add(path)

    async def break_the_desk(self) -> None:
        """Have a handler fail: a command that is none, with a key in it."""
        control = running_gateway(self.office.folder / "gateway.db")["control"]
        for body in (f'{{"command": "{APPLIED}', f'{{"values": "{APPLIED}"}}', f'["{APPLIED}"]'):
            reader, writer = await asyncio.open_unix_connection(control)
            head = "POST /desk HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: "
            writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
            answer = await reader.read()
            assert b" 500 " in answer.partition(b"\r\n")[0]
            self.ears.hear("reply of the desk", answer)
            writer.close()
            await writer.wait_closed()


def _command(words: tuple[str, ...]) -> tuple[str, click.Command]:
    """Return a command's whole name, and the command."""
    command: click.Command = otomax_gateway
    path: list[str] = []
    for word in words:
        if not isinstance(command, click.Group):
            break
        found = command.get_command(click.Context(command), word)
        assert found is not None, word
        command, path = found, [*path, word]
    return " ".join(path), command


def _all_commands(group: click.Group = otomax_gateway, before: str = "") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _all_commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


async def test_no_secret_comes_out_anywhere(
    tmp_path: Path, processes: Processes, quick_upstream: UpstreamProcess
) -> None:
    office = new_office(processes, tmp_path / "gw", quick_upstream)
    office.executed = True
    day = Day(office, Ears())
    day.ears.keep({f"upstream key of {code}": key for code, key in UPSTREAM_KEYS.items()})
    day.ears.keep({"pin": PIN, "password": PASSWORD, "foreign key": FOREIGN_KEY})
    day.ears.keep({"key in a file": APPLIED, "password of a database": DATABASE_PASSWORD})
    day.ears.keep({"bot token": TOKEN, "webhook secret": WEBHOOK_SECRET})
    async with panel_receiving() as panel, fake_upstream() as mirror, fake_telegram() as chat:
        day.office.settings |= {
            "alert.telegram_chat": CHAT,
            "alert.telegram_token_file": _secret_file(day.office, "bot", TOKEN),
            "alert.telegram_url": chat.url,
            "alert.webhook_url": f"{chat.url}/hook",
            "alert.webhook_secret_file": _secret_file(day.office, "hook", WEBHOOK_SECRET),
        }
        panel.reply = _repeats(panel)
        _mirrors(mirror)
        await _open(day, panel)
        await _morning(day, panel, quick_upstream)
        await _noon(day, panel, mirror)
        await _evening(day)
    assert chat.messages != []
    sandbox = quick_upstream._process
    day.ears.hear_files("sandbox", (sandbox.out, sandbox.err))
    assert set(_all_commands()) - day.done == _ONLY_HELP
    assert routes() <= day.mouth.asked
    assert sum(len(what) for _, what in day.ears.heard) > 500_000
    leaks = day.ears.leaks()
    assert leaks == [], f"{len(leaks)} leaks:\n" + "\n".join(leaks[:40])


def _secret_file(office: Office, name: str, secret: str) -> str:
    """Put a secret where the operator puts it: into a file of its own, outside the house."""
    path = office.folder.parent / f"{name}.secret"
    path.write_text(f"{secret}\n")
    path.chmod(0o600)
    return str(path)


async def _open(day: Day, panel: Panel) -> None:
    """Resellers, before anything runs."""
    await day.add("toko1", "--allow-pin", "--callback-url", f"{panel.url}/toko1", stdin="")
    await day.add("toko2", "--key", "-", stdin=f"{FOREIGN_KEY}\n")
    assert day.who["toko2"].key == FOREIGN_KEY
    day.ears.allowed.add(("foreign key", "stdout of reseller add toko2"))
    day.keep_vault()


async def _serve(day: Day) -> tuple[Process, str]:
    """Start the gateway; returns the address of the operator's listener, too."""
    process = day.office.begin_serving()
    said = await process.said("gateway.started")
    admin = _ADMIN.search(said)
    assert admin is not None
    return process, admin[1]


async def _morning(day: Day, panel: Panel, upstream: UpstreamProcess) -> None:
    """With the sandbox, and every line of the log, until a crash."""
    day.office.settings |= {"log.level": "debug", "log.format": "json"}
    process, admin = await _serve(day)
    toko1, toko2, mouth = day.who["toko1"], day.who["toko2"], day.mouth
    url = f"{panel.url}/named"
    names = [f"{way}{n}" for way in ("T", "J", "N", "P", "V") for n in range(1, 10)]
    for name in [*names, "STAY"]:
        day.token(f"toko1-{name}")
    await asyncio.gather(
        *(mouth.order(toko1, 3, f"T{n}", f"12345600{n}") for n in range(1, 10)),
        *(
            mouth.order_json(toko1, 2, f"J{n}", f"12345600{n}", callback_url=url)
            for n in range(1, 10)
        ),
        *(
            mouth.order_native(toko1, f"N{n}", f"12345610{n}", post=n % 2 == 0)
            for n in range(1, 10)
        ),
        *(
            mouth.order_native(toko1, f"P{n}", "123456001", pin=PIN, password=PASSWORD)
            for n in range(1, 3)
        ),
        *(mouth.order(toko1, n, f"V{n}", "123456002", callback_url=url) for n in (1, 2)),
        mouth.order_json(toko1, 1, "V3", "123456002"),
        mouth.order(toko1, 3, "STAY", STAYS),
        mouth.order(toko2, 3, "T1", "123456002"),
    )
    await until(lambda: len(panel.targets) > 20, WHOLE_S, lambda: str(panel.targets))
    await mouth.everything(toko1, "T1", "APIKUY_NONE")
    for name in ("T1", "STAY"):
        await mouth.call_back(f"toko1-{name}", day.token(f"toko1-{name}"), toko1.upstream_key)
    for who in (toko1, toko2):
        await mouth.in_wrong_places(who, f"{who.key}x")
    for secret in (toko1.key, FOREIGN_KEY, PASSWORD):
        await mouth.on_raw_sockets(secret)
    await day.break_the_desk()
    await _rotate(day)
    await day.hear_process(process, admin)
    await mouth.order(toko1, 3, "LAST", "123456002")
    day.token("toko1-LAST")
    process.end()
    day.hear_files("after a crash")
    day.ears.hear_files("log", (process.out, process.err))
    books = await upstream.ledger()
    assert any(day.token("toko1-T2") in str(each) for each in books["toko1-T2"]["purchases"])


async def _rotate(day: Day) -> None:
    """A new key for a reseller, and for the key file."""
    toko1 = day.who["toko1"]
    fresh = await day.run("reseller", "rotate-key", "toko1", "--grace", "60")
    day.ears.keep({"new key of toko1": fresh})
    day.ears.allowed.add(("new key of toko1", "stdout of reseller rotate-key toko1"))
    for key in (toko1.key, fresh):
        answer = await day.mouth.ask("/v1/otomax/status/{id}", {"apikey": key}, id="T1")
        assert b"status SUCCESS" in answer, "both live while the grace lasts"
    last = await day.run("reseller", "rotate-key", "toko1")
    day.ears.keep({"last key of toko1": last})
    day.ears.allowed.add(("last key of toko1", "stdout of reseller rotate-key toko1"))
    for key in (toko1.key, fresh):
        answer = await day.mouth.ask("/v1/otomax/status/{id}", {"apikey": key}, id="T1")
        assert b"API_KEY_NOT_FOUND" in answer, "ended when the command has returned"
    day.who["toko1"] = Who("toko1", last, toko1.upstream_key, PIN, PASSWORD)
    await day.run("secrets", "rotate")
    day.keep_vault()


async def _noon(day: Day, panel: Panel, mirror: FakeUpstream) -> None:
    """After the crash, with an upstream that repeats what it was asked, and people's log."""
    day.office.settings |= {"upstream.base_url": mirror.url, "log.format": "console"}
    process, admin = await _serve(day)
    toko1, mouth = day.who["toko1"], day.mouth
    for n in range(len(_MIRRORS)):
        for name in (f"MT{n}", f"MJ{n}", f"MN{n}"):
            day.token(f"toko1-{name}")
        mirror.order = mirror.json_order = _MIRRORS[n]
        await mouth.order(toko1, 3, f"MT{n}", "99123")
        await mouth.order_json(toko1, 2, f"MJ{n}", "99123", callback_url=f"{panel.url}/m")
        await mouth.order_native(toko1, f"MN{n}", "99123")
        mirror.look_up = mirror.user = _MIRRORS[n]
        for path in ("/v1/user", "/v1/products", "/v1/category", "/v1/product"):
            mirror.lists[path] = _MIRRORS[n]
        await mouth.everything(toko1, f"MT{n}", "APIKUY_NONE")
        await day.run("order", "recheck", f"toko1-MT{n}", code=None)
    await _commands(day)
    await _dashboard(day, admin)
    await day.hear_process(process, admin)
    config = day.office.folder / "config.toml"
    good = config.read_text(encoding="utf-8")
    config.write_text(f"{good}\n[storag]\nurl = '{DATABASE_PASSWORD}@'\n", encoding="utf-8")
    process.signal(signal.SIGHUP)
    await process.said("config.refused")
    config.write_text(good, encoding="utf-8")
    process.signal(signal.SIGHUP)
    await process.said("config.reloaded")
    await day.office.stop(process)
    day.hear_files("after the end")
    day.ears.hear_files("log", (process.out, process.err))


async def _dashboard(day: Day, admin: str) -> None:
    """Every page, and every command about who sees them."""
    day.ears.keep({"admin's password": ADMIN_PASSWORD, "his new one": NEW_PASSWORD})
    await day.run("admin", "add", ADMIN, "--password", "-", stdin=f"{ADMIN_PASSWORD}\n")
    for password in (ADMIN_PASSWORD, NEW_PASSWORD):
        heard = await hear_dashboard(day.ears, admin, password, dashboard(), orders=60)
        day.mouth.asked |= heard
        await day.run("admin", "sessions")
        await day.run("admin", "passwd", ADMIN, "--password", "-", stdin=f"{NEW_PASSWORD}\n")
    await day.run("admin", "list")
    await day.run("admin", "add", "wati", "--password", ADMIN_PASSWORD, code=2)
    await day.run("admin", "revoke", "--name", ADMIN)
    await day.run("admin", "remove", ADMIN)


async def _links(day: Day) -> None:
    """What a link shows, and that it shows nothing when it is taken away."""
    link = await day.run("link", "make", "toko1")
    token = link.partition("/lihat/")[2]
    page = await day.mouth.ask("/lihat/{token}", token=token)
    assert b" 200 " in page.partition(b"\r\n")[0]
    await day.run("link", "revoke", "1")
    page = await day.mouth.ask("/lihat/{token}", token=token)
    assert b" 404 " in page.partition(b"\r\n")[0]
    day.ears.keep({"token of a link": token})
    day.ears.allowed.add(("token of a link", "stdout of link make toko1"))


async def _commands(day: Day) -> None:
    """Every command that an operator has, while the gateway runs."""
    for words in (
        ("reseller", "list"),
        ("reseller", "show", "toko1"),
        ("reseller", "set", "toko1", "--name", "Toko \x1b[31mSatu"),
        ("reseller", "set", "toko2", "--max-price", "5"),
        ("reseller", "suspend", "toko2"),
        ("order", "list"),
        ("order", "list", "--limit", "1000"),
        ("order", "show", "toko1-T1"),
        ("order", "show", "toko1-J2"),
        ("order", "show", "toko1-N1"),
        ("order", "show", "toko1-MT0"),
        ("delivery", "list", "--limit", "1000"),
        ("delivery", "resend", "1"),
        ("delivery", "resend", "--since", "1d"),
        ("delivery", "hosts"),
        ("delivery", "pause", "panel.test:80", "--reason", "moves"),
        ("delivery", "resume", "panel.test:80"),
        ("link", "list"),
        ("alert", "list", "--all"),
        ("alert", "test"),
        ("alert", "ack", "--all"),
        ("panel-setup", "toko1"),
        ("panel-setup", "toko1", "--format", "markdown"),
        ("archive", "--older-than", "7d"),
        ("check-config",),
        ("check-config", "--online"),
        ("secrets", "rotate"),
        ("secrets", "reseal"),
    ):
        await day.run(*words, code=None if words[0] in ("check-config", "delivery") else 0)
    await _links(day)
    day.keep_vault()
    answer = await day.mouth.order(day.who["toko2"], 3, "SUSPENDED", "123456002")
    assert b"RESELLER_SUSPENDED" in answer, "at once, when the command has returned"
    await day.run("reseller", "resume", "toko2")
    settle = ("order", "settle", "toko1-STAY", "success", "--reason", "seen", "--sn", "SN-1")
    await day.run(*settle, code=None)
    on_the_line = ("--upstream-key", UPSTREAM_KEYS["toko2"], "--pin", PIN, "--password", PASSWORD)
    await day.run("reseller", "set", "toko2", *on_the_line)
    shown = [what for where, what in day.ears.heard if where == "stderr of reseller set toko2"]
    assert any(b"is seen by everybody on this machine" in what for what in shown)
    for wrong in (("--pin", PIN, "--max-price", "x"), ("--delivery", "x", "--password", PASSWORD)):
        await day.run("reseller", "set", "toko2", *wrong, code=2)


async def _evening(day: Day) -> None:
    """With nothing running: the same from the journal, files, and mistakes."""
    berkas = day.office.folder / "berkas.toml"
    table = "[[reseller]]\ncode = \"{}\"\nupstream_key = '{}'\npin = '{}'\npassword = '{}'\n"
    tables = [table.format(code, key, PIN, PASSWORD) for code, key in UPSTREAM_KEYS.items()]
    tables.append(f"[[reseller]]\ncode = 'toko3'\nkey = '{APPLIED}'\n")
    berkas.write_text("".join(tables), encoding="utf-8")
    await day.run("reseller", "apply", "berkas.toml", "--dry-run")
    await day.run("reseller", "apply", "berkas.toml", "--yes")
    berkas.write_text(f"[[reseller]]\ncode = 'toko3'\nkey = '{APPLIED}\n", encoding="utf-8")
    await day.run("reseller", "apply", "berkas.toml", code=2)
    _age(day.office.folder / "gateway.db")
    await day.run("archive", "--older-than", "90d", "--to", "old.db")
    await day.run("secrets", "rotate", "--drop-old")
    await day.run("reconcile", code=None)  # nobody answers any more
    await day.run("backup", "safe.db")
    await day.run("restore", "safe.db", "--force")
    await day.run("order", "list")
    await day.run("order", "show", "toko1-T1")
    await day.run("reseller", "show", "toko2")
    await _move(day)
    await _mistakes(day)
    for path in (*_all_commands(), *_GROUPS):
        done = await asyncio.to_thread(
            day.office.processes.done, (*path.split(), "--help"), day.office.folder, {}
        )
        assert done.code == 0, path
        day.ears.hear(f"help of {path}", done.out + done.err)
    day.hear_files("in the evening")


async def _move(day: Day) -> None:
    """Try to move the journal to a database that is away."""
    words = (
        "migrate-db",
        "sqlite:///gateway.db",
        f"postgresql://gw:{DATABASE_PASSWORD}@127.0.0.1:1/gw",
    )
    done = await asyncio.to_thread(day.office.processes.done, words, day.office.folder, {})
    assert done.code == 1, done
    day.done.add("migrate-db")
    day.ears.hear("what migrate-db prints", done.out + done.err)


async def _mistakes(day: Day) -> None:
    """A configuration with a password where it does not serve, and a key file that does not."""
    office = day.office
    good = dict(office.settings)
    office.settings["storage.url"] = f"postgresql://gw:{DATABASE_PASSWORD}@127.0.0.1:1/gw"
    await day.run("check-config")
    await day.run("order", "list", code=1)
    office.settings["storage.url"] = f"mysql://gw:{DATABASE_PASSWORD}@127.0.0.1/gw"
    await day.run("check-config", code=78)
    office.settings = {**good, "upstream.base_url": f"https://u:{DATABASE_PASSWORD}@h"}
    await day.run("check-config", code=78)
    office.settings = good
    key_file = office.folder / "secret.key"
    text = key_file.read_text(encoding="utf-8")
    for spoiled in (f"{text[:-9]}\n", f"{text}\n{FOREIGN_KEY}\n", ""):
        key_file.write_text(spoiled, encoding="utf-8")
        await day.run("order", "list", code=78)
        await day.run("check-config", code=78)
    key_file.write_text(text, encoding="utf-8")
    done = await asyncio.to_thread(office.processes.done, ("init", "another"), office.folder, {})
    day.done.add("init")
    day.ears.hear("init", done.out + done.err)


_AGE_MS = 100 * 86_400_000


def _age(journal: Path) -> None:
    """Let everything have happened a hundred days ago."""
    with closing(sqlite3.connect(journal)) as connection, connection:
        for table, columns in (
            ("orders", ("placed_at", "final_at")),
            ("timeline", ("at",)),
            ("deliveries", ("created_at", "done_at")),
        ):
            sets = ", ".join(f"{name} = {name} - {_AGE_MS}" for name in columns)
            connection.execute(f"UPDATE {table} SET {sets}")


# -- who repeats everything


def _repeats(panel: Panel) -> Any:
    """Answer as a panel in its debug mode does: with all that it was told, often with a 500."""

    async def reply(number: int) -> web.StreamResponse:
        headers = panel.headers[-1]
        told = [headers.get("x-signature", ""), panel.targets[-1], *map(str, headers.items())]
        return web.Response(status=500 if number % 3 == 0 else 200, text="\n".join(told))

    return reply


def _everything_of(asked: Asked) -> str:
    sent = [asked.headers.get("Authorization", ""), asked.target, *asked.query.values()]
    return " ".join([*sent, asked.body.decode()])


async def _in_a_line(asked: Asked) -> web.StreamResponse:
    named = f"R#{asked.trx_id} S1_1187.99123, status FAILED."
    return web.Response(text=f"{named} {_everything_of(asked)} . Sisa saldo 5")


async def _in_a_user_line(asked: Asked) -> web.StreamResponse:
    return web.Response(text=f"{_everything_of(asked)}. mail. plan X. balance 5")


async def _in_an_envelope(asked: Asked) -> web.StreamResponse:
    body = {"statusCode": 400, "message": _everything_of(asked), "error": _everything_of(asked)}
    return web.json_response(body, status=400)


async def _beside_a_code(asked: Asked) -> web.StreamResponse:
    body = {"statusCode": 400, "message": "INVALID_USER_ID", "error": _everything_of(asked)}
    return web.json_response(body, status=400)


async def _in_an_object(asked: Asked) -> web.StreamResponse:
    data = {
        "trx_id": asked.trx_id,
        "status": "PENDING",
        "response_note": _everything_of(asked),
        "debug": _everything_of(asked),
    }
    return web.json_response({"statusCode": 200, "message": "success", "data": data}, status=200)


async def _in_a_page(asked: Asked) -> web.StreamResponse:
    return web.Response(status=500, text=f"<pre>{_everything_of(asked)}</pre>")


_MIRRORS = [
    *(_in_a_line, _in_a_user_line, _in_an_envelope, _beside_a_code, _in_an_object, _in_a_page),
]


def _mirrors(mirror: FakeUpstream) -> None:
    mirror.order = mirror.json_order = _in_a_page
    mirror.look_up = mirror.user = _in_a_page


def test_each_form_is_seen() -> None:
    ears = Ears()
    ears.keep({"secret": f"kunci{HARD}rahasia"})
    for form, name in forms(f"kunci{HARD}rahasia").items():
        ears.heard = [("there", b"before " + form + b" behind")]
        assert ears.leaks(), name
    ears.allowed.add(("secret", "there"))
    assert ears.leaks() == []

"""The first day of an operator, by the product's own commands only, with real processes.

From `init` to an order in a panel, then everything that the desk can do, while the gateway runs
and while it does not; the exit codes of what is used wrongly; and that no secret is left anywhere.
"""

import json
import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.journey.conftest import UPSTREAM_KEYS
from tests.journey.office import PRODUCT, Office, new_office, run, variables
from tests.journey.parties import PanelProcess, UpstreamProcess, ask, ask_whole
from tests.journey.processes import COMMAND, Processes, free_port, until
from tests.support import raw_exchange

UPSTREAM_KEY = "kunci-supplier-rahasia-5d1c77"
KEY = re.compile(r"otg_[a-z0-9]+_[A-Za-z0-9_-]{43}\n")
ARRIVES_S = 20.0


async def took(panel: PanelProcess, name: str, count: int = 1) -> list[dict[str, str]]:
    """Wait for so many deliveries below this name, and return what they said."""
    told = await until(
        lambda: panel.told(name) if len(panel.told(name)) >= count else None, ARRIVES_S
    )
    return [each.values for each in told]


async def test_from_nothing_to_an_order_in_the_panel(
    tmp_path: Path, processes: Processes, panel: PanelProcess
) -> None:
    """Nothing but the commands, the configuration file, and an HTTP client."""
    sandbox = processes.start(
        [COMMAND, "sandbox", "--listen", "127.0.0.1:0", "--delay", "0.5"], tmp_path, "sandbox"
    )
    base_url = (await sandbox.said("sandbox upstream: ", in_=sandbox.out)).split()[-1]
    config = _initialised(tmp_path)
    port = free_port()
    _edit(config, port, base_url)
    checked = run("check-config", "--config", str(config), folder=tmp_path)
    assert (checked.code, checked.err) == (0, ""), checked

    words = ("reseller", "add", "toko1", "--upstream-key", "-", "--config", str(config))
    added = run(*words, folder=tmp_path, stdin=f"{UPSTREAM_KEY}\n")
    assert added.code == 0, added
    assert KEY.fullmatch(added.out), "stdout is the key alone, for a pipe"
    assert added.out.startswith("otg_toko1_")
    assert UPSTREAM_KEY not in added.err

    gateway = processes.start([COMMAND, "serve", "--config", str(config)], tmp_path, "serve")
    said = json.loads(await gateway.said('"gateway.started"'))
    assert said["listen"] == f"http://127.0.0.1:{port}"
    answer = await ask(
        f"{said['listen']}/v3/otomax/order",
        apikey=added.out.strip(),
        product_code=PRODUCT,
        user_id="123456789",
        server_id="1002",
        trx_id="T1",
        callback_url=f"{panel.url}/first.day",
    )
    assert answer is not None
    assert re.fullmatch(
        rf"R#T1 {PRODUCT}\.123456789\|1002, status PENDING\. RefId : \S+ \. Sisa saldo \d+", answer
    ), answer
    (told,) = await took(panel, "first.day")
    assert (told["trx_id"], told["status"]) == ("T1", "SUCCESS")
    assert await ask_whole(f"{said['admin']}/readyz") == (200, "ok")
    bought = [line for line in sandbox.out.read_text().splitlines() if " Rp " in line]
    assert len(bought) == 1
    assert bought[0].startswith("order R#toko1-T1 v3: ")


def _initialised(folder: Path) -> Path:
    """Run `init`, and see that `check-config` and `serve` say what is missing."""
    made = run("init", "gw", folder=folder)
    assert made.code == 0, made
    config = folder / "gw" / "config.toml"
    for command in ("check-config", "serve"):
        refused = run(command, "--config", str(config), folder=folder)
        assert refused.code == 78, refused
        (line,) = (refused.out + refused.err).splitlines()
        assert re.search(r"config\.toml:\d+: server\.public_url: is empty; wanted ", line)
    return config


def _edit(config: Path, port: int, base_url: str) -> None:
    """Edit the file as an operator does: take a comment away, write another value."""
    text = config.read_text(encoding="utf-8")
    for before, after in (
        ('public_url = ""', f'public_url = "http://127.0.0.1:{port}"'),
        ('# listen = "127.0.0.1:8080"', f'listen = "127.0.0.1:{port}"'),
        ('# listen = "127.0.0.1:8081"', 'listen = "127.0.0.1:0"'),
        ('# base_url = "https://api.tossgames.com"', f'base_url = "{base_url}"'),
        ('# callback_ips = ["157.230.42.1"]', 'callback_ips = ["127.0.0.1"]'),
        ("# allow_private = false", "allow_private = true"),
    ):
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    config.write_text(text, encoding="utf-8")


async def test_the_order_desk(office: Office, panel: PanelProcess) -> None:
    """What happened is told whether the gateway runs or not; `resend` tells the panel again."""
    office.settings["recheck.schedule_s"] = "60"  # nothing is looked up but what a callback asks
    gateway = await office.serve()
    assert ", status PENDING. " in (
        await office.order("T1", "55500003", f"{panel.url}/desk") or ""
    )
    (told,) = await took(panel, "desk")
    assert told["status"] == "FAILED"
    await until(lambda: '"delivery.accepted"' in gateway.last_words(), ARRIVES_S)

    shown = office.json("order", "show", "toko1-T1")
    kinds = [entry["kind"] for entry in shown["timeline"]]
    wanted = ["asked", "sending", "answered", "called_back", "looked_up", "told"]
    assert [kind for kind in kinds if kind in wanted] == wanted, kinds
    times = [entry["at"] for entry in shown["timeline"]]
    assert times == sorted(times)
    assert shown["upstream_trx_id"] == "toko1-T1"
    assert (shown["product_code"], shown["dest"]) == (PRODUCT, "55500003")
    assert office.json("order", "show", told["invoice_number"]) == shown
    (listed,) = office.json("order", "list")
    assert listed == {name: shown[name] for name in listed}
    for name in ("reseller", "trx_id", "upstream_trx_id", "invoice_number", "status", "note"):
        assert name in listed
    assert office.json("order", "list", "--reseller", "toko2") == []
    assert office.json("order", "list", "--status", "SUCCESS") == []
    sheet = office.run("order", "show", "toko1-T1").out
    assert all(entry["text"] in sheet for entry in shown["timeline"])

    (delivery,) = office.json("delivery", "list", "--order", "toko1-T1")
    assert (delivery["state"], delivery["status"]) == ("delivered", "FAILED")
    number = str(delivery["id"])
    assert office.run("delivery", "resend", number).code == 0
    await took(panel, "desk", 2)
    await office.stop(gateway)

    assert office.json("order", "list")[0]["status"] == "FAILED"
    again = office.json("delivery", "resend", number)  # nobody runs: it is due at the next start
    assert again["state"] == "due"
    assert office.json("delivery", "list", "--state", "due") == [again]
    gateway = await office.serve()
    await took(panel, "desk", 3)
    assert len({told.line for told in panel.told("desk")}) == 1, "byte for byte the same"
    await office.stop(gateway)


@pytest.mark.parametrize("running", [True, False], ids=["running", "at rest"])
async def test_the_reseller_desk(office: Office, running: bool) -> None:  # noqa: FBT001
    """Every reseller command does the same, and an order is answered by it at once."""
    gateway = await office.serve() if running else None
    numbers = count(1)

    async def said(*keys: str) -> list[str]:
        """Return what orders under these keys are answered now, starting a gateway if need be."""
        process = gateway or await office.serve()
        answers = []
        for key in keys:
            office.resellers["toko1"] = replace(office.resellers["toko1"], key=key)
            trx_id = f"R{next(numbers)}"
            answer = str(await office.order(trx_id, "55500103", "http://127.0.0.1:9/none"))
            answers.append(answer.partition(", status ")[2].partition(" - ")[0])
        if gateway is None:
            await office.stop(process)
        return answers

    sold = "FAILED. INSUFFICIENT_BALANCE"  # as far as the upstream, which refuses this destination
    first = office.keys["toko1"]
    assert office.run("reseller", "suspend", "toko1").out == "reseller toko1 is suspended\n"
    assert await said(first) == ["ERROR. RESELLER_SUSPENDED"]
    assert office.run("reseller", "resume", "toko1").out == "reseller toko1 may order\n"
    changed = office.json("reseller", "set", "toko1", "--name", "Satu", "--allow-ip", "10.0.0.0/8")
    assert (changed["name"], changed["allow_ips"]) == ("Satu", ["10.0.0.0/8"])
    assert await said(first) == ["ERROR. IP_NOT_WHITELISTED"]
    office.json("reseller", "set", "toko1", "--allow-ip", "")
    assert office.json("reseller", "show", "toko1")["allow_ips"] == []
    _set_a_ceiling(office)
    rotated = office.run("reseller", "rotate-key", "toko1", "--grace", "600")
    assert KEY.fullmatch(rotated.out)
    second = rotated.out.strip()
    assert await said(first, second) == [sold, sold]
    third = office.run("reseller", "rotate-key", "toko1").out.strip()
    assert await said(second, third) == ["ERROR. API_KEY_NOT_FOUND", sold], "ended at once"
    _apply(office)
    assert await said(third) == [sold]
    if gateway is not None:
        await office.stop(gateway)


def _set_a_ceiling(office: Office) -> None:
    assert office.json("reseller", "set", "toko1", "--max-price", "20000")["max_price"] == 20_000
    assert office.json("reseller", "set", "toko1", "--name", "Satu")["max_price"] == 20_000
    assert re.search(r"(?m)^max_price +20000$", office.run("reseller", "show", "toko1").out)
    assert office.json("reseller", "set", "toko1", "--max-price", "0")["max_price"] is None


def _apply(office: Office) -> None:
    """`apply` shows the difference, changes to it, and has nothing to do the second time."""
    file = office.folder / "resellers.toml"
    file.write_text(
        '[[reseller]]\ncode = "toko1"\nname = "Toko 1"\n'
        '[[reseller]]\ncode = "toko3"\nupstream_key = "kunci-tiga"\ncallback_host = ["panel.id"]\n'
        "max_price = 5000\n"
    )
    dry = office.run("reseller", "apply", "resellers.toml", "--dry-run")
    assert dry.code == 0
    assert len(office.json("reseller", "list")) == 2
    done = office.run("reseller", "apply", "resellers.toml")
    assert done.out.startswith(dry.out), "the difference is shown first"
    assert "kunci-tiga" not in done.out + done.err
    assert KEY.fullmatch(done.out.splitlines(keepends=True)[-1].removeprefix("toko3: "))
    rows = {row["code"]: row for row in office.json("reseller", "list")}
    assert [code for code, row in rows.items() if row["suspended"]] == ["toko2"]
    assert rows.keys() == {"toko1", "toko2", "toko3"}
    assert rows["toko1"]["name"] == "Toko 1"
    assert rows["toko3"]["callback_hosts"] == ["panel.id"]
    assert [row["max_price"] for row in rows.values()] == [None, None, 5000]
    again = office.run("reseller", "apply", "resellers.toml")
    assert (again.code, again.out) == (0, "nothing to change\n")


NOT_DONE: tuple[tuple[str, ...], ...] = (
    ("reseller", "add", "toko1"),
    ("reseller", "show", "nobody"),
    ("reseller", "suspend", "nobody"),
    ("reseller", "rotate-key", "nobody"),
    ("reseller", "set", "toko1", "--callback-url", "ftp://panel.id/"),
    ("reseller", "set", "toko1", "--allow-ip", "300.0.0.1"),
    ("reseller", "set", "toko1", "--max-price", "1000000000000000"),
    ("order", "show", "toko1-NONE"),
    ("delivery", "resend", "7"),
)
WRONG_USE: tuple[tuple[str, ...], ...] = (
    ("reseller", "add", "TOKO"),
    ("reseller", "add", "a-code-too-long"),
    ("reseller", "add"),
    ("reseller", "set", "toko1"),
    ("reseller", "rotate-key", "toko1", "--grace", "soon"),
    ("reseller", "add", "toko9", "--upstream-key", "-"),  # and nothing on stdin
    ("reseller", "set", "toko1", "--max-price", "-1"),
    ("reseller", "set", "toko1", "--max-price", ""),
    ("reseller", "apply", "no-such-file.toml"),
    ("order", "list", "--status", "DONE"),
    ("delivery", "resend", "seven"),
    ("reseller", "remove", "toko1"),
    ("serve", "--fast"),
)


async def test_exit_codes_at_rest(office: Office) -> None:
    for words in WRONG_USE:
        _is_refused(office, words, 2)
    for words in NOT_DONE:
        _is_refused(office, words, 1)
    wrong = variables({**office.settings, "recheck.settle_s": "soon", "log.lvl": "x"})
    for command in ("reseller list", "serve", "check-config"):
        refused = run(*command.split(), folder=office.folder, **wrong)
        assert refused.code == 78, refused
        assert len((refused.out + refused.err).splitlines()) == 2, "every mistake at once"
    assert len(office.json("reseller", "list")) == 2, "nothing was changed by any of them"


async def test_exit_codes_of_a_running_gateway(office: Office) -> None:
    gateway = await office.serve()
    for words in NOT_DONE[::2]:
        _is_refused(office, words, 1)
    assert len(office.json("reseller", "list")) == 2, "nothing was changed by any of them"
    await office.stop(gateway)


def _is_refused(office: Office, words: tuple[str, ...], code: int) -> None:
    done = office.run(*words)
    assert (done.code, done.out) == (code, ""), (words, done)
    assert done.err, words
    assert "Traceback" not in done.err, done.err
    if code == 1:
        assert len(done.err.splitlines()) == 1, done.err


async def test_a_second_gateway_on_the_same_journal_is_refused(office: Office) -> None:
    gateway = await office.serve()
    elsewhere = {"server.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0"}
    second = office.begin_serving(**variables(elsewhere))
    assert await second.ended(ARRIVES_S) == 1
    (line,) = second.last_words().splitlines()
    said = (
        f"gateway.db is in use by process {gateway.pid}: stop that one, or give this one its own"
    )
    assert line.endswith(f"{said} storage.url")
    assert office.json("order", "list") == [], "the first one still answers its desk"
    await office.stop(gateway)


async def test_a_key_file_of_another_gateway_is_a_configuration_mistake(
    office: Office, processes: Processes, upstream: UpstreamProcess, tmp_path: Path
) -> None:
    other = new_office(processes, tmp_path / "other", upstream)
    (other.folder / "secret.key").replace(office.folder / "secret.key")
    second = office.begin_serving()
    assert await second.ended(ARRIVES_S) == 78
    assert len(second.last_words().splitlines()) == 1
    assert "secret.key" in second.last_words()


async def test_no_secret_is_left_anywhere(
    office: Office, panel: PanelProcess, upstream: UpstreamProcess
) -> None:
    """Not in a log line of any level, not in what a command prints, not in the journal's bytes."""
    office.settings["log.level"] = "debug"
    spoken: list[str] = []
    gateway = await office.serve()
    for trx_id, dest in (
        ("S1", "5551001"),
        ("S2", "5552004"),
        ("S3", "5553007"),
        ("S4", "5554106"),
    ):
        spoken.append(str(await office.order(trx_id, dest, f"{panel.url}/secret.{trx_id}")))
    await _malformed(office)
    for trx_id in ("S1", "S3"):
        await took(panel, f"secret.{trx_id}")
    await took(panel, "secret.S2", 2)
    old = office.keys["toko1"]
    new = office.run("reseller", "rotate-key", "toko1", "--grace", "60").out.strip()
    gateway.end()
    journal = _journal(office)  # as a crash leaves it, with its write-ahead log
    assert len(journal) >= 3
    spoken += [office.run(*words).out for words in _words_that_show()]

    books = await upstream.ledger()
    tokens = [
        purchase["callback_url"].rpartition("/")[2]
        for trx_id in ("S1", "S2", "S3")
        for purchase in books[f"toko1-{trx_id}"]["purchases"]
    ]
    assert len(tokens) == 3
    key_file = (office.folder / "secret.key").read_text(encoding="utf-8").split("\n")
    seals = [line for line in key_file if line and not line.startswith("#")]
    secrets = [old, new, *office.keys.values(), *tokens, *seals, *UPSTREAM_KEYS.values()]
    journal += _journal(office)
    assert sum(map(len, journal)) > 50_000
    heard = "\n".join(spoken) + gateway.last_words() + gateway.out.read_text(encoding="utf-8")
    for secret in secrets:
        assert len(secret) > 20
        for form in {secret, quote(secret, safe="")}:
            assert form not in gateway.err.read_text(encoding="utf-8")
            assert form not in heard
            assert not any(form.encode() in content for content in journal)


def _journal(office: Office) -> list[bytes]:
    """Return the bytes of every file of the journal."""
    return [path.read_bytes() for path in office.folder.glob("gateway.db*") if path.is_file()]


def _words_that_show() -> list[tuple[str, ...]]:
    return [
        ("reseller", "list"),
        ("reseller", "show", "toko1", "--json"),
        ("order", "list", "--json"),
        ("order", "show", "toko1-S2", "--json"),
        ("order", "show", "toko1-S3"),
        ("delivery", "list", "--json"),
    ]


async def _malformed(office: Office) -> None:
    """Ask in ways that servers like to write into their logs, with the true key in each."""
    key = office.keys["toko1"]
    requests: list[dict[str, Any]] = [
        {"apikey": key},
        {"apikey": key, "trx_id": key, "product_code": key, "user_id": "1"},
        {"apikey": key, "trx_id": "bad one", "product_code": f"{key}%0a", "user_id": key},
        {"apikey": f"{key}x", "trx_id": "S9", "product_code": PRODUCT, "user_id": "1"},
    ]
    for query in requests[:1] + requests[2:]:
        await ask_whole(f"{office.url}/v3/otomax/order", **query)
    for path in (f"/{key}", f"/v1/otomax/status/{key}", f"/callback/{key}"):
        await ask_whole(f"{office.url}{path}", apikey=key)
    for line in (f"GET /v3/otomax/order?apikey={key} HTTP/9.9.9", f"NONSENSE {key}"):
        await _raw(office.port, f"{line}\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())


async def _raw(port: int, sent: bytes) -> None:
    answer = await raw_exchange(port, sent)
    assert b"otg_" not in answer

"""`check-config`: every mistake at once, before the gateway would stumble over the first.

Only checks may live here: nothing is made, nothing is changed. What can be seen from the values
alone is checked by `gateway.config`; here come the files, and with --online the network.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

import click

from gateway.cli.options import EXIT_CONFIGURATION, config_option

if TYPE_CHECKING:
    from gateway.config import Settings

ONLINE_TIMEOUT_S: Final = 10.0  # in all: an operator waits for it
ANSWER_MAX_BYTES: Final = 65_536  # as for every answer of the upstream
NO_ASYNCPG: Final = "PostgreSQL needs asyncpg: pip install 'otomax-gateway[postgres]'"
Mistake = tuple[str, str]
"""A key and the sentence about it."""


@click.command("check-config")
@config_option
@click.option(
    "--online", is_flag=True, help="Also call the upstream, and look up public_url's host."
)
def check_config(config: Path | None, *, online: bool) -> None:
    """Print every mistake of the configuration, one a line; exit 0 or 78."""
    from gateway.config import ConfigError, config_file, load_settings
    from gateway.redaction import escape

    file = config_file(config, os.environ)
    try:
        settings = load_settings(config, os.environ)
    except ConfigError as error:
        _print_and_exit(error.mistakes)
    found = list(file_mistakes(settings))
    if online:
        found += asyncio.run(online_mistakes(settings))
    if found:
        _print_and_exit(
            [escape(f"{settings.places.get(key, file)}: {key}: {said}") for key, said in found]
        )
    click.echo(escape(_summary(settings, file) + ("; the upstream answers" if online else "")))


def _print_and_exit(lines: list[str]) -> NoReturn:
    for line in lines:
        click.echo(line)
    sys.exit(EXIT_CONFIGURATION)


def _summary(settings: "Settings", file: Path) -> str:
    """Say in one line what was read."""
    source = str(file) if file.exists() else "the environment"
    return (
        f"{source}: valid, {len(settings.places)} given, the other keys at their defaults; "
        f"panels at {settings.server.listen}, callbacks to {settings.server.public_url}, "
        f"upstream {settings.upstream.base_url}, "
        f"journal {_journal_name(settings)}"
    )


def _journal_name(settings: "Settings") -> str:
    """Return where the journal is, without what may be a password."""
    from gateway.store.open import name_of

    return name_of(settings.journal())


def file_mistakes(settings: "Settings") -> Iterator[Mistake]:
    """Look at the key file and at the journal's folder.

    Yields:
        The key and the sentence of each mistake. A key file or a journal that is not there yet is
        none, as long as it can be made.
    """
    yield from _alert_mistakes(settings)
    key_path, journal = settings.key_path(), settings.sqlite_path()
    if said := _key_mistake(key_path, journal):
        yield "secrets.key_file", said
    if journal is None:
        if find_spec("asyncpg") is None:
            yield "storage.url", NO_ASYNCPG
    elif said := _folder_mistake(journal.parent):
        yield "storage.url", said
    elif journal.is_dir():
        yield "storage.url", f"wanted a file for the journal, but {journal} is a folder"
    elif journal.exists() and not os.access(journal, os.R_OK | os.W_OK):
        yield "storage.url", f"the journal {journal} cannot be written by this user"


def _alert_mistakes(settings: "Settings") -> Iterator[Mistake]:
    """Look at the files of the channels' secrets, and whether a channel is whole."""
    from gateway.app.alerts import read_secret

    alert = settings.alert
    for key in ("telegram_token_file", "webhook_secret_file"):
        name: str = getattr(alert, key)
        try:
            if name:
                read_secret(settings.beside(name))
        except OSError as error:
            yield f"alert.{key}", f"{settings.beside(name)} can not be read: {error.strerror}"
        except ValueError:
            yield f"alert.{key}", f"{settings.beside(name)} is not one secret in one line"
    if alert.telegram_chat and not (alert.telegram_token or alert.telegram_token_file):
        yield "alert.telegram_chat", "a chat without the bot's token: set telegram_token_file"


def _key_mistake(key_path: Path, journal: Path | None) -> str:
    """Say why the key file does not open what the journal has sealed; empty where it does."""
    from gateway.store.open import peek_meta
    from gateway.vault import ROOT, Vault, VaultError

    root = None if journal is None else peek_meta(journal, ROOT)
    if root is None and not os.path.lexists(key_path):
        return _folder_mistake(key_path.parent)
    try:
        vault = Vault.open(key_path, sealed_exists=True)
        if root is not None:
            vault.use_root(root)
    except VaultError as error:
        return str(error)
    return ""


def _folder_mistake(folder: Path) -> str:
    if not folder.is_dir():
        return f"the folder {folder} does not exist; make it first"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"the folder {folder} cannot be written by this user"
    return ""


async def online_mistakes(settings: "Settings") -> list[Mistake]:
    """Call the upstream and look up our own host, both at once, within 10 seconds in all.

    Returns:
        The key and the sentence of each mistake. No key is sent and nothing can be bought:
        `/v1/user` without an `Authorization` header is answered with the JSON error envelope.
    """
    said = await asyncio.gather(
        _within_limit(_upstream_mistake(settings.upstream.base_url)),
        _within_limit(_resolve(urlsplit(settings.server.public_url).hostname or "")),
    )
    keys = ("upstream.base_url", "server.public_url")
    return [(key, sentence) for key, sentence in zip(keys, said, strict=True) if sentence]


async def _within_limit(check: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(ONLINE_TIMEOUT_S):
            return await check
    except TimeoutError:
        return f"gave no answer within {ONLINE_TIMEOUT_S:g} seconds"


async def _resolve(host: str) -> str:
    """Look a name up in a thread that nobody waits for: the resolver has no limit of its own."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            said = ""
        except (OSError, UnicodeError):
            said = f"the name {host} is not known here"
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody asks any more
            loop.call_soon_threadsafe(_give, answer, said)

    threading.Thread(target=look_up, daemon=True).start()
    return await answer


def _give(answer: asyncio.Future[str], said: str) -> None:
    if not answer.done():  # else the time was up, and nobody waits
        answer.set_result(said)


async def _upstream_mistake(base_url: str) -> str:
    import aiohttp

    if said := await _resolve(urlsplit(base_url).hostname or ""):
        return said
    url = f"{base_url}/v1/user"
    try:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            body = await response.content.read(ANSWER_MAX_BYTES)
            while len(body) < ANSWER_MAX_BYTES and not response.content.at_eof():
                body += await response.content.read(ANSWER_MAX_BYTES)
    except aiohttp.ClientSSLError:
        return f"{url} has no certificate that can be trusted"
    except aiohttp.ClientConnectorError as error:
        return f"{url} cannot be reached: {error.os_error.strerror or 'no connection'}"
    except (aiohttp.ClientError, ValueError) as error:
        return f"{url} cannot be reached: {type(error).__name__}"
    return _answer_mistake(url, response.status, body)


def _answer_mistake(url: str, status: int, body: bytes) -> str:
    """Judge the answer by the envelope of the upstream's document: `{"statusCode", "message"}`."""
    if status in range(300, 400):
        return f"{url} answers with a redirect (HTTP {status}); write the address it leads to"
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("statusCode"), int):
        return f"{url} answers HTTP {status}, but not in the upstream's JSON; is this the API?"
    return ""

"""The log: one line an event, nothing secret in it, nothing that a terminal or a parser obeys."""

import asyncio
import decimal
import enum
import io
import ipaddress
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import ClientSession, web
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from gateway.log import describe_exception, get_logger, setup_logging
from gateway.redaction import escape, redact

SECRET = "CANARYsecretCANARYsecretCANARY"
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.fixture(autouse=True)
def _put_logging_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    setup_logging(format="json", level="warning")
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def start(format: str = "json", level: str = "info") -> io.StringIO:  # noqa: A002
    stream = io.StringIO()
    setup_logging(format=format, level=level, stream=stream)
    return stream


def only_event(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


def test_an_event_is_one_json_object_with_time_level_and_source() -> None:
    stream = start()
    get_logger("gateway.x").bind(reseller="kios").info("order.placed", trx_id="00123", ms=1.5)
    event = only_event(stream)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("timestamp"))
    assert event == {
        "level": "info",
        "event": "order.placed",
        "source": "gateway.x",
        "reseller": "kios",
        "trx_id": "00123",
        "ms": 1.5,
    }


def test_values_cannot_replace_time_and_level() -> None:
    stream = start()
    get_logger("x").info("a.done", level="hostile", timestamp="never")
    event = only_event(stream)
    assert event["level"] == "info"
    assert event["timestamp"] != "never"


def test_the_level_filters_and_can_change_under_a_module_level_logger() -> None:
    log = get_logger("x")
    stream = start(level="warning")
    log.info("a.done")
    logging.getLogger("y").info("quiet")
    log.warning("b.done")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["b.done"]
    stream = start(level="debug")
    log.debug("c.done")
    assert only_event(stream)["level"] == "debug"


def test_before_any_set_up_only_warnings_are_heard_and_on_stderr() -> None:
    import subprocess

    code = (
        "from gateway.log import get_logger; log = get_logger('x'); "
        "log.info('a.done'); log.warning('b.done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "b.done"


def test_the_console_is_plain_text_off_a_terminal_and_coloured_on_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = start("console")
    get_logger("x").info("order.placed", note='a "b"', n=1, none=None)
    line = stream.getvalue()
    assert re.fullmatch(
        r'\S+Z info     order\.placed source=x note="a \\"b\\"" n=1 none=null\n', line
    )

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    setup_logging(format="auto", level="info", stream=terminal)
    get_logger("x").info("order.placed", note="\x1b[2J")
    assert "\x1b[32m" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    setup_logging(format="auto", level="info", stream=terminal)
    get_logger("x").info("order.placed")
    assert "\x1b" not in terminal.getvalue()


def test_auto_is_json_off_a_terminal() -> None:
    stream = start("auto")
    get_logger("x").info("a.done")
    assert only_event(stream)["event"] == "a.done"


@pytest.mark.parametrize("format", ["json", "console"])
@given(value=ANY_TEXT, key=st.text("abc\n\x1b\x9b=", min_size=1))
@example(value="\x9b2J!", key="a")
@example(value="\x7f\n", key="a")
@example(value="\u202e\u2028", key="a")
@example(value="\ud800 ", key="a")
def test_no_value_breaks_a_line_or_reaches_a_terminal(format: str, value: str, key: str) -> None:  # noqa: A002
    stream = start(format)
    deep = {"deep": [{key: value}]} if len(value) % 2 else {}  # plain values go another way
    get_logger("x").info("a.done", note=value, **deep)
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written[:-1].splitlines() == [written[:-1]]
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", written[:-1])
    written.encode()
    if format == "json":
        json.loads(written)


@given(value=st.integers() | st.floats() | st.binary() | st.none() | st.booleans())
def test_no_value_makes_it_raise(value: object) -> None:
    stream = start()
    get_logger("x").info("a.done", value=value)
    assert only_event(stream)["event"] == "a.done"


def test_objects_are_named_and_not_shown() -> None:
    class Holder:
        def __repr__(self) -> str:
            return SECRET

        __str__ = __repr__

    class Word(enum.StrEnum):
        PENDING = "PENDING"

    class Broken(dict[str, object]):
        def items(self) -> Any:
            raise RuntimeError(SECRET)

    stream = start()
    get_logger("x").info(
        "a.done",
        holder=Holder(),
        body=SECRET.encode(),
        url=URL(f"http://h/?apikey={SECRET}"),
        word=Word.PENDING,
        path=Path("/a/b"),
        peer=ipaddress.ip_address("10.0.0.1"),
        price=decimal.Decimal(5),
        many=[1, (2, {"apikey": SECRET})],
        error=ValueError(f"pin={SECRET}"),
    )
    event = only_event(stream)
    assert SECRET not in stream.getvalue()
    assert event["holder"] == "<Holder>"
    assert event["body"] == "<30 bytes>"
    assert event["word"] == "PENDING"
    assert event["path"] == "/a/b"
    assert event["peer"] == "10.0.0.1"
    assert event["many"] == [1, [2, {"apikey": "***"}]]
    assert event["error"] == "ValueError: pin=***"
    stream = start()
    get_logger("x").info("a.done", broken=Broken())
    assert only_event(stream)["event"] == "log.event_spoiled"


@pytest.mark.parametrize(
    "name",
    [
        *("apikey", "api_key", "Authorization", "x-signature", "sign", "pin", "password"),
        *("token", "secret", "key", "upstream_key", "query"),
    ],
)
@pytest.mark.parametrize("format", ["json", "console"])
def test_fields_with_secret_names_are_masked(name: str, format: str) -> None:  # noqa: A002
    stream = start(format)
    get_logger("x").info("a.done", **{name: SECRET})
    assert SECRET not in stream.getvalue()
    assert "***" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            f"GET /v1/otomax/order?apikey={SECRET}&trx_id=1",
            "GET /v1/otomax/order?apikey=***&trx_id=1",
        ),
        (f"?trx_id=1&APIKEY={SECRET} HTTP/1.1", "?trx_id=1&APIKEY=*** HTTP/1.1"),
        (f"?apikey%3D{SECRET}", "?apikey%3D***"),
        (f"Authorization: Bearer {SECRET}\nHost: h", "Authorization: ***\nHost: h"),
        (f"(b'Authorization', b'{SECRET}')", "(b'Authorization', b'***"),
        (f'{{"apikey": "{SECRET}"}}', '{"apikey": "***'),
        (f"x-signature: {SECRET}", "x-signature: ***"),
        (f"pin={SECRET}&password={SECRET}&sign={SECRET}&x=1", "pin=***&password=***&sign=***&x=1"),
        (f"GET /callback/{SECRET}?a=1", "GET /callback/***?a=1"),
        (
            f"callback_url=http%3A%2F%2Fh%2Fcallback%2F{SECRET}&x",
            "callback_url=http%3A%2F%2Fh%2Fcallback%2F***&x",
        ),
        ("the token A1b2C3d4E5f6G7h8I9j0K1l2.kios-77 came", "the token ***.kios-77 came"),
        ("see otg_kios1_Ab9-_Ab9-_Ab9 is", "see otg_kios1_*** is"),
        ("spin=1 design=2 signal a-b.c", "spin=1 design=2 signal a-b.c"),
    ],
)
def test_redact_masks_and_leaves_the_rest(text: str, masked: str) -> None:
    assert redact(text) == masked


def test_redact_cuts_long_texts_and_ends_soon() -> None:
    assert len(redact("x" * 100_000)) == 4001
    for part in ("apikey", "=", "/callback/", "otg_", "A" * 24 + ".", "sign'", "%3d", " "):
        redact(part * 4000)


@given(ANY_TEXT)
def test_escape_leaves_one_line_that_can_be_encoded(text: str) -> None:
    safe = escape(text)
    safe.encode()
    assert len(safe.splitlines()) <= 1
    assert escape(safe) == safe


def _raise_chain() -> None:
    try:
        int(f"apikey={SECRET}")
    except ValueError as error:
        raise RuntimeError("outer\nline") from error


def test_an_exception_is_told_with_its_causes_and_without_its_secrets() -> None:
    stream = start()
    try:
        _raise_chain()
    except RuntimeError:
        get_logger("x").exception("work.failed")
    event = only_event(stream)
    assert event["level"] == "error"
    assert event["exception"] == "RuntimeError: outer\\nline"
    assert event["caused_by"] == [
        "ValueError: invalid literal for int() with base 10: 'apikey=***"
    ]
    assert event["frames"] == [
        f"test_log.py:{_raise_chain.__code__.co_firstlineno + 4} _raise_chain"
    ]
    assert SECRET not in stream.getvalue()


def test_groups_are_told_and_frames_are_our_own() -> None:
    try:
        from gateway.vault import new_reseller_key

        new_reseller_key("WRONG")
    except ValueError as error:
        told = describe_exception(ExceptionGroup("several", [error]))
        assert told["exception"] == "ExceptionGroup: several (1 sub-exception)"
        assert told["caused_by"] == ["ValueError: not a reseller's code"]
        frames = describe_exception(error)["frames"]
        assert isinstance(frames, list)
        assert len(frames) == 1
        assert re.fullmatch(r"gateway/vault\.py:\d+ new_reseller_key", frames[0])


def test_a_stream_that_is_gone_stops_nobody() -> None:
    stream = start()
    stream.close()
    get_logger("x").info("a.done")
    logging.getLogger("x").error("b")


def test_the_standard_library_is_heard_in_the_same_form() -> None:
    stream = start()
    logging.getLogger("urllib.x").warning("went to %s\nand more", f"/?apikey={SECRET}")
    event = only_event(stream)
    assert event["event"] == "urllib.noted"
    assert event["source"] == "urllib.x"
    assert event["message"] == "went to /?apikey=***\\nand more" or event["message"].startswith(
        "went to /?apikey=***"
    )
    assert SECRET not in stream.getvalue()


def test_a_record_that_cannot_be_formatted_shows_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = start()
    logging.getLogger("x").error("%d", SECRET)
    assert only_event(stream)["event"] == "log.record_spoiled"
    assert SECRET not in stream.getvalue() + "".join(capsys.readouterr())


def test_aiosqlite_never_shows_its_statements() -> None:
    stream = start(level="debug")
    logging.getLogger("aiosqlite").debug("executing %s", SECRET)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("aiohttp.server", "http.request_refused"),
        ("aiohttp.web", "http.request_refused"),
        ("aiohttp.client", "http.client_noted"),
        ("aiohttp.access", "http.request_noted"),
        ("aiohttp.internal", "http.library_noted"),
    ],
)
def test_aiohttps_own_words_are_never_shown(name: str, event: str) -> None:
    stream = start()
    logging.getLogger(name).error(
        "from %s and %s CANARY", "10.9.8.7", SECRET, exc_info=ValueError(SECRET)
    )
    logged = only_event(stream)
    logged.pop("timestamp")
    assert "CANARY" not in stream.getvalue()
    assert logged == {
        "level": "error",
        "event": event,
        "source": name,
        "remote": "10.9.8.7",
        "exception": "ValueError",
    }


def test_a_request_that_is_answered_while_the_server_ends_is_no_error() -> None:
    stream = start()
    server = logging.getLogger("aiohttp.server")
    server.error("Unhandled exception", exc_info=asyncio.InvalidStateError("invalid state"))
    assert stream.getvalue() == ""
    server.error("Error handling request", exc_info=asyncio.InvalidStateError("invalid state"))
    assert only_event(stream)["exception"] == "InvalidStateError"


MALFORMED = [
    f"GET /v1/otomax/order?apikey={SECRET} HTTP/9.x\r\n\r\n",
    f"GET /v1/otomax/order?apikey={SECRET}\x00 HTTP/1.1\r\nHost: h\r\n\r\n",
    f"GE(T /?apikey={SECRET} HTTP/1.1\r\nHost: h\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: h\r\nAuthorization {SECRET}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {SECRET}\x01\r\n\r\n",
    f"GET /{SECRET * 400}?apikey={SECRET} HTTP/1.1\r\nHost: h\r\n\r\n",
    f"GET /boom?apikey={SECRET} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    f"GET /none?apikey={SECRET} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    f"{SECRET}\r\n\r\n",
]


@pytest.mark.parametrize("request_text", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("format", ["json", "console"])
async def test_a_real_server_logs_no_secret_of_a_malformed_request(
    request_text: str,
    format: str,  # noqa: A002
) -> None:
    async def boom(request: web.Request) -> web.Response:
        raise ValueError(str(request.url))

    async def none(request: web.Request) -> web.Response:
        return None  # type: ignore[return-value]  # the mistake that aiohttp reports with a repr

    stream = start(format, "debug")
    app = web.Application()
    app.router.add_get("/boom", boom, allow_head=False)
    app.router.add_get("/none", none, allow_head=False)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_text.encode())
    await writer.drain()
    await reader.readline()
    writer.close()
    await runner.cleanup()
    assert "http." in stream.getvalue(), "the refusal was noted at all"
    assert "CANARY" not in stream.getvalue()


async def test_a_task_that_nobody_awaits_tells_no_secret() -> None:
    stream = start()

    async def fail() -> None:
        async with ClientSession() as session:
            await session.get(f"http://127.0.0.1:1/?apikey={SECRET}")

    task = asyncio.get_running_loop().create_task(fail())
    await asyncio.wait([task])
    asyncio.get_running_loop().call_exception_handler(
        {
            "message": "Task exception was never retrieved",
            "exception": task.exception(),
            "task": task,
            "source_traceback": [],
        }
    )
    event = only_event(stream)
    assert event["message"] == "Task exception was never retrieved"
    assert event["exception"] == "ClientConnectorError"
    assert "CANARY" not in stream.getvalue()


def test_no_warning_comes_from_setting_up_twice() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start()
        start("console")
    assert len(logging.getLogger().handlers) == 1

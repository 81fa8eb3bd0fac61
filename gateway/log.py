"""The log: set up once, one event a line, and nothing secret in it.

An event is `noun.verb_past` with key-values. Only the way from an event to a line may live here:
our own loggers and the standard library's end in the same sink, in the same form. The usual event
(JSON, plain ASCII values, nothing that looks like a secret) takes a short way, some 10 µs; every
other takes the careful one. What libraries log is theirs: aiohttp's records are named, not shown,
because their texts hold request lines, and those hold keys.
"""

import contextlib
import enum
import ipaddress
import logging
import os
import sys
from asyncio import InvalidStateError
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePath
from types import TracebackType
from typing import Final, TextIO, cast

import msgspec
import structlog

from gateway.clock import now_ms
from gateway.redaction import MARKERS, MASK, SECRET_NAMES, TOKEN_CHARS, escape, redact
from gateway.sink import Sink

__all__ = ["describe_exception", "get_logger", "redact", "setup_logging"]

_PACKAGE: Final = Path(__file__).resolve().parent
_PLAIN: Final = frozenset((str, int, float, bool, type(None)))
_NAMED: Final = frozenset(("timestamp", "level", "event", "source", "exc_info"))
_INT64: Final = 2**63
_CAUSES_MAX: Final = 4  # exceptions told in one line; deeper chains say nothing new
_DEPTH_MAX: Final = 4  # of lists and tables in a value
_COLOURS: Final = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
_QUOTED: Final = frozenset(" \"'=\\")
_AIOHTTP_EVENTS: Final = {
    "aiohttp.server": "http.request_refused",
    "aiohttp.web": "http.request_refused",
    "aiohttp.client": "http.client_noted",
    "aiohttp.access": "http.request_noted",
}
_encode = msgspec.json.Encoder().encode

SINK: Final = Sink()
"""Where every line goes; a gateway that serves lets it gather them."""


class _Look:
    """How lines look, for all loggers at once."""

    console = False
    colours = False
    level = logging.WARNING


_LOOK: Final = _Look()

Fields = dict[str, object]


def setup_logging(*, format: str, level: str, stream: TextIO | None = None) -> None:  # noqa: A002 - the name of the key log.format
    """Send every event, and every record of the standard library, to one stream.

    Args:
        format: `console`, `json`, or `auto`: console with colours on a terminal, else JSON.
        level: the least that is written: `debug`, `info`, `warning` or `error`.
        stream: where to; None is stderr, whatever that is at the time of writing.
    """
    SINK.stream = stream
    terminal = (stream or sys.stderr).isatty()
    _LOOK.console = format == "console" or (format == "auto" and terminal)
    _LOOK.colours = _LOOK.console and terminal and "NO_COLOR" not in os.environ
    number = _LOOK.level = logging.getLevelNamesMapping()[level.upper()]
    _configure(number)
    root = logging.getLogger()
    root.handlers[:] = [_StandardHandler()]
    root.setLevel(number)
    # On debug it logs every statement with its parameters, and those are orders and sealed keys.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    # While the database is away it tells each try with a stack trace; ours say so in one line.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.server").addFilter(_says_anything)


def _says_anything(record: logging.LogRecord) -> bool:
    """Whether a record of aiohttp's server is about anything that went wrong.

    Where its shutdown stops waiting for a request in the very moment in which that is answered, it
    sets a future that is cancelled already, and takes that for an error (3.14, `web_protocol`).
    """
    broke = record.exc_info[0] if record.exc_info else None
    return record.msg != "Unhandled exception" or broke is not InvalidStateError


class _Logger:
    """A module's logger: structlog's, bound once for each set-up, with a short way for the usual.

    structlog's own binds again for each event, so that it follows a new set-up. Bound once, an
    event takes 7 µs, on the short way 3.5; a status answer takes 50 in all.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.follow()

    def follow(self) -> None:
        """Take over how the log is set up now."""
        bound = structlog.get_logger(source=self._name).bind()
        for method in (*_COLOURS, "exception", "bind"):
            setattr(self, method, getattr(bound, method))
        if not _LOOK.console and _LOOK.level <= logging.INFO:
            self._info = bound.info
            self.info = self._usual

    def _usual(self, event: str, *args: object, **fields: object) -> None:
        """Write an event of plain values at once; leave every other to structlog."""
        line = None if args else _usual_line(event, self._name, fields)
        if line is None:
            self._info(event, *args, **fields)
        else:
            SINK.info(line)


_LOGGERS: Final[dict[str, _Logger]] = {}


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Give a logger that writes its name, as `source`, with every event.

    Args:
        name: usually `__name__`.
    """
    if name not in _LOGGERS:
        _LOGGERS[name] = _Logger(name)
    return cast(structlog.typing.FilteringBoundLogger, _LOGGERS[name])


def _configure(number: int) -> None:
    """Let structlog render with us, from this level on, and every logger follow."""
    structlog.configure(
        processors=[_render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: SINK,
        cache_logger_on_first_use=False,
    )
    for logger in _LOGGERS.values():
        logger.follow()


def describe_exception(error: BaseException) -> Fields:
    """Tell an exception so that it may be logged.

    Returns:
        `exception`, its class and redacted text, `caused_by` with those of its causes, and
        `frames`, `file:line function` of our own code, innermost last. aiohttp's exceptions come
        without their texts, which hold request lines and URLs.
    """
    told: list[str] = []
    pending: list[BaseException | None] = [error]
    while pending and len(told) < _CAUSES_MAX:
        one = pending.pop(0)
        if one is None:
            continue
        told.append(_exception_text(one))
        if isinstance(one, BaseExceptionGroup):
            pending.extend(one.exceptions)
        pending.append(one.__cause__ or (None if one.__suppress_context__ else one.__context__))
    described: Fields = {"exception": told[0], "frames": _own_frames(error.__traceback__)}
    return described | ({"caused_by": told[1:]} if told[1:] else {})


def _exception_text(error: BaseException) -> str:
    name = type(error).__name__
    if any(
        kind.__module__.partition(".")[0] in {"aiohttp", "yarl"} for kind in type(error).__mro__
    ):
        return name
    try:
        said = escape(redact(str(error)))
    except Exception:  # noqa: BLE001 - a broken __str__ must not stop the log
        said = "(no text)"
    return f"{name}: {said}" if said else name


def _own_frames(trace: TracebackType | None) -> list[str]:
    """List our own frames; where there is none, the innermost one of whoever else."""
    own: list[str] = []
    last = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        path = Path(code.co_filename)
        if path.is_relative_to(_PACKAGE):
            shown = path.relative_to(_PACKAGE.parent).as_posix()
            own.append(f"{shown}:{trace.tb_lineno} {code.co_name}")
        last = f"{path.name}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return own or ([last] if last else [])


def _render(_: object, level: str, event: structlog.typing.EventDict) -> str:
    """Turn an event into its line, the only processor; no value can make it raise."""
    try:
        return _line(level, event)
    except Exception:  # noqa: BLE001 - whatever a value's own methods raise, the order goes on
        return _line(level, {"event": "log.event_spoiled"})


def _line(level: str, event: structlog.typing.EventDict) -> str:
    fields: Fields = {
        "timestamp": _now(),
        "level": "error" if level == "exception" else level,
        "event": event.pop("event", ""),
    }
    error = _exception_of(event.pop("exc_info", None))
    careful = error is not None
    for key, value in event.items():
        fields.setdefault(key, value)
        careful = careful or type(value) not in _PLAIN
    if not careful and not _LOOK.console:
        line = _as_it_is(fields)
        if line is not None:
            return line
    if error is not None:
        fields |= describe_exception(error)
    safe = _safe_table(fields)
    return _console_line(safe) if _LOOK.console else _encode(safe).decode()


def _as_it_is(fields: Fields) -> str | None:
    """Return the JSON line of plain values, or None where somebody has to look at it.

    JSON itself escapes the ASCII control characters. What is long enough to hold a callback token,
    which no marker announces, is looked at.
    """
    for value in fields.values():
        if type(value) is str and len(value) >= TOKEN_CHARS and "." in value:
            return None
    try:
        line = _encode(fields).decode()
    except (UnicodeEncodeError, OverflowError):
        return None
    if not line.isascii() or "\x7f" in line:
        return None
    low = line.lower()
    for marker in MARKERS:  # a generator would take as long as the search
        if marker in low:
            return None
    return line


def _usual_line(event: str, source: str, fields: Fields) -> str | None:
    """Return the line of an event of plain values, or None where somebody has to look at it."""
    if type(event) is not str or not _PLAIN.issuperset(map(type, fields.values())):
        return None
    begin = _begin(event, source)
    if begin is None or not fields or not _NAMED.isdisjoint(fields):
        return None
    said = _as_it_is(fields)
    return None if said is None else f'{{"timestamp":"{_now()}",{begin},{said[1:]}'


@lru_cache(maxsize=256)
def _begin(event: str, source: str) -> str | None:
    """Return what is the same in every line of an event, or None where that is to be looked at."""
    line = _as_it_is({"level": "info", "event": event, "source": source})
    return None if line is None else line[1:-1]


def _now() -> str:
    seconds, ms = divmod(now_ms(), 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _exception_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return next((part for part in exc_info if isinstance(part, BaseException)), None)
    return sys.exception() if exc_info else None


def _safe_table(table: Mapping[object, object] | Fields, depth: int = 0) -> Fields:
    safe: Fields = {}
    for key, value in table.items():
        name = escape(redact(str(key)))
        hidden = name.lower().replace("-", "_") in SECRET_NAMES and value not in (None, "")
        safe[name] = MASK if hidden else _safe(value, depth)
    return safe


def _safe(value: object, depth: int) -> object:
    """Give a value that can be written: masked, escaped; unknown objects lose their text."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else str(value.bit_length()) + " bits"
    if isinstance(value, str):
        return escape(redact(str(value)))
    if isinstance(value, BaseException):
        return _exception_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth < _DEPTH_MAX and isinstance(value, Mapping):
        return _safe_table(value, depth + 1)
    if depth < _DEPTH_MAX and isinstance(value, list | tuple | set | frozenset):
        return [_safe(item, depth + 1) for item in value]
    if isinstance(value, PurePath | datetime) or type(value).__module__ == "ipaddress":
        return escape(redact(str(value)))
    return f"<{type(value).__name__}>"


def _console_line(fields: Fields) -> str:
    stamp, level, event = (str(fields.pop(key)) for key in ("timestamp", "level", "event"))
    rest = " ".join(f"{_paint('36', key)}={_quoted(value)}" for key, value in fields.items())
    shown_level = _paint(_COLOURS.get(level, "0"), f"{level:<8}")
    return f"{_paint('2', stamp)} {shown_level} {_paint('1', event)} {rest}".rstrip()


def _paint(colour: str, text: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if _LOOK.colours else text


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else _encode(value).decode()
    if isinstance(value, str) and (not text or set(text) & _QUOTED):
        return '"' + text.replace('"', '\\"') + '"'  # controls are escaped before this
    return text


class _StandardHandler(logging.Handler):
    """Brings the standard library's records into our form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; never raise, and never print what could not be written."""
        try:
            fields = _record_fields(record)
        except Exception:  # noqa: BLE001 - logging's own report would print the arguments
            fields = {"event": "log.record_spoiled", "source": record.name}
        level = record.levelname.lower()
        SINK.write(_render(None, level if level in _COLOURS else "info", fields))


def _record_fields(record: logging.LogRecord) -> Fields:
    """Take from a record what may be shown.

    aiohttp's message arguments and exception texts hold request lines; asyncio's first line is its
    own words, and only the later ones are the reprs of what failed.
    """
    error = _exception_of(record.exc_info)
    top = record.name.partition(".")[0]
    if top == "aiohttp":
        fields: Fields = {"event": _AIOHTTP_EVENTS.get(record.name, "http.library_noted")}
        fields |= {"source": record.name, "remote": _address_in(record.args)}
        if error is not None:
            fields["exception"] = type(error).__name__
        return {key: value for key, value in fields.items() if value}
    said = str(record.getMessage()).partition("\n")[0] if top == "asyncio" else record.getMessage()
    fields = {"event": f"{top}.noted", "source": record.name, "message": said}
    return fields if error is None else fields | {"exc_info": error}


def _address_in(arguments: object) -> str:
    """Find the peer's address among a record's arguments; nothing else of them may be shown."""
    for argument in arguments if isinstance(arguments, tuple) else ():
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(argument)) if isinstance(argument, str) else ""
    return ""


# Until a command sets the log up, only warnings are heard, and on stderr: structlog's own default
# would print every event to stdout, between the lines of a listing.
_configure(logging.WARNING)

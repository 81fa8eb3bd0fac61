"""What a value of the configuration may be: one type for each kind, with its sentence.

Only the judging of single values may live here. Every check raises ValueError with a whole
sentence for the operator ("wanted …, got …"), which never repeats what can hold a password.
"""

import ipaddress
import json
import math
import re
from collections.abc import Callable
from typing import Annotated, Final, NoReturn
from urllib.parse import SplitResult, urlsplit

from pydantic import PlainValidator

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

YEAR_S: Final = 31_536_000  # beyond a year a number of seconds is a slip of the hand
REPLY_LIMIT_S: Final = 3600  # aiohttp's server and every panel have given up long before an hour
COUNT_LIMIT: Final = 1_000_000_000
AMOUNT_LIMIT: Final = 10**15  # Rupiah; more than all that there is
SCHEDULE_LIMIT: Final = 1000  # steps; more is not a schedule
SHOWN_CHARS: Final = 60

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?\.?")
_LISTEN = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+)):([0-9]{1,5})")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?")
_URL = re.compile(r"[!-~]{1,2000}")
_SECRET = re.compile(r"[!-~]{0,2000}")
_BOT_TOKEN = re.compile(r"[0-9]{5,}:[A-Za-z0-9_-]{20,}")
_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


def shown(value: object) -> str:
    """Repeat a value in a sentence, short, on one line, and not where it can hold a password."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if "@" in value:
            return "something with an @ (not shown)"
        return repr(value if len(value) <= SHOWN_CHARS else value[:SHOWN_CHARS] + "...")
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else _short_int(value)
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list | tuple) else "a date or time"


def _short_int(value: int) -> str:
    return str(value) if abs(value) < 10**SHOWN_CHARS else "a far too large number"


def _refuse(wanted: str, value: object) -> NoReturn:
    raise ValueError(f"wanted {wanted}, got {shown(value)}")


def _as_number(value: object) -> float:
    """Give a number as float, and NaN for everything else: NaN fits no bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _number(wanted: str, fits: Callable[[float], bool]) -> PlainValidator:
    def check(value: object) -> float:
        number = _as_number(value)
        return number if fits(number) else _refuse(wanted, value)

    return PlainValidator(check)


def _schedule(least_s: float) -> PlainValidator:
    wanted = (
        f"a list of 1 to {SCHEDULE_LIMIT} waiting times in seconds, "
        f"each from {least_s:g} to {YEAR_S}"
    )

    def check(value: object) -> tuple[float, ...]:
        if not isinstance(value, list | tuple):
            _refuse(wanted, value)
        if not 1 <= len(value) <= SCHEDULE_LIMIT:
            raise ValueError(f"wanted {wanted}, got {len(value)} of them")
        for step in value:
            if not least_s <= _as_number(step) <= YEAR_S:
                _refuse(wanted, step)
        return tuple(map(float, value))

    return PlainValidator(check)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= COUNT_LIMIT:
        _refuse(f"a whole number from 1 to {COUNT_LIMIT}", value)
    return value


def _flag(value: object) -> bool:
    return value if isinstance(value, bool) else _refuse("true or false", value)


def _one_of(*words: str) -> PlainValidator:
    wanted = f"{', '.join(words[:-1])} or {words[-1]}"

    def check(value: object) -> str:
        return value if isinstance(value, str) and value in words else _refuse(wanted, value)

    return PlainValidator(check)


def _networks(value: object) -> tuple[Network, ...]:
    wanted = "a list of addresses or networks such as 10.0.0.0/8"
    if not isinstance(value, list | tuple):
        _refuse(wanted, value)
    found: list[Network] = []
    for item in value:
        try:
            if not isinstance(item, str | Network):
                _refuse(wanted, item)
            found.append(ipaddress.ip_network(str(item).strip(), strict=False))
        except ValueError:
            _refuse(wanted, item)
    return tuple(dict.fromkeys(found))


def is_host(host: str) -> bool:
    """Whether a text is an address or a host name; numbers with dots must be an address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.fullmatch(host)) and not re.fullmatch(r"[0-9.]+", host)
    return True


def _listen(value: object) -> str:
    wanted = "HOST:PORT such as 127.0.0.1:8080 or [::1]:8080, the port from 0 to 65535"
    match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        _refuse(wanted, value)
    six, host, port = match.groups()
    if int(port) > 65535 or not is_host(six or host) or (six and ":" not in six):  # noqa: PLR2004 - the largest port
        _refuse(wanted, value)
    return f"[{six}]:{int(port)}" if six else f"{host}:{int(port)}"


def split_listen(listen: str) -> tuple[str, int]:
    """Take a checked HOST:PORT apart; the brackets of an IPv6 address go."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def _base_address(value: object) -> str:
    wanted = "an address such as https://gateway.toko.id, without user, query or fragment"
    if value == "":
        raise ValueError(f"is empty; wanted {wanted}")
    if not isinstance(value, str) or not _URL.fullmatch(value) or set(value) & set("?#@\\\"'<>"):
        _refuse(wanted, value)
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not is_host(parts.hostname or ""):
        _refuse(wanted, value)
    if parts.port == 0 or parts.netloc.endswith(":"):
        _refuse(wanted, value)
    if parts.hostname in {"0.0.0.0", "::"}:  # noqa: S104 - refused here, not bound
        raise ValueError("wanted an address that can be called; 0.0.0.0 and :: are none")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _split(url: str) -> SplitResult | None:
    """Take a URL apart, port included; None when it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number, or over 65535
    except ValueError:
        return None
    return parts


def _storage_url(value: object) -> str:
    """Check a journal's URL; the sentence never repeats it, for it may carry a password."""
    wanted = (
        "wanted sqlite:///FILE, sqlite:////FOLDER/FILE from the root, or "
        "postgresql://USER:PASSWORD@HOST/DATABASE (what came is not shown: it may hold a password)"
    )
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(wanted)
    scheme, _, rest = value.partition("://")
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        spoiled = set(path) & set("?#") or path.endswith(("/", ":memory:"))
        if not path or spoiled or not rest.startswith("/"):
            raise ValueError(wanted)
        return value
    parts = _split(value)
    if scheme != "postgresql" or parts is None or not parts.path.strip("/"):
        raise ValueError(wanted)
    return value


def _key_file(value: object) -> str:
    wanted = "the name of a file"
    if isinstance(value, str) and _FERNET_KEY.fullmatch(value):
        raise ValueError(f"wanted {wanted}, got what looks like a key itself (not shown)")
    if not isinstance(value, str) or not value or not value.isprintable() or value.endswith("/"):
        _refuse(wanted, value)
    return value


def _amount(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= AMOUNT_LIMIT:
        _refuse(f"a whole number from 0 to {AMOUNT_LIMIT}", value)
    return value


def _short_text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a chat's number is written without quotes as often as with them
    if not isinstance(value, str) or len(value) > SHOWN_CHARS or not value.isprintable():
        _refuse(f"one line of at most {SHOWN_CHARS} characters", value)
    return value


def _secret(value: object) -> str:
    """Check a secret; the sentence never repeats it."""
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise ValueError("wanted printable ASCII without spaces (what came is not shown)")
    return value


def _secret_url(value: object) -> str:
    """Check an address that may hold a secret; the sentence never repeats it."""
    parts = _split(_secret(value))
    is_none = value == ""
    if not is_none and (
        parts is None or parts.scheme not in {"http", "https"} or not parts.hostname
    ):
        raise ValueError("wanted an address with http:// or https:// (what came is not shown)")
    return str(value)


def _secret_file(value: object) -> str:
    if value == "":
        return ""
    if isinstance(value, str) and _BOT_TOKEN.fullmatch(value):
        raise ValueError("wanted the name of a file, got what looks like a token (not shown)")
    return _key_file(value)


Timeout = Annotated[
    float,
    _number(f"seconds, more than 0 and at most {YEAR_S}", lambda n: 0 < n <= YEAR_S),
]
ReplyTimeout = Annotated[
    float,
    _number(f"seconds, more than 0 and below {REPLY_LIMIT_S}", lambda n: 0 < n < REPLY_LIMIT_S),
]
Duration = Annotated[float, _number(f"seconds, from 0 to {YEAR_S}", lambda n: 0 <= n <= YEAR_S)]
Rate = Annotated[
    float, _number(f"a number from 0 to {COUNT_LIMIT}", lambda n: 0 <= n <= COUNT_LIMIT)
]
LookUpSchedule = Annotated[tuple[float, ...], _schedule(0.1)]
DeliverySchedule = Annotated[tuple[float, ...], _schedule(0)]
Count = Annotated[int, PlainValidator(_count)]
Hours = Annotated[float, _number("hours, from 0 to 8760", lambda n: 0 <= n <= YEAR_S / 3600)]
Amount = Annotated[int, PlainValidator(_amount)]
ShortText = Annotated[str, PlainValidator(_short_text)]
Secret = Annotated[str, PlainValidator(_secret)]
SecretUrl = Annotated[str, PlainValidator(_secret_url)]
SecretFile = Annotated[str, PlainValidator(_secret_file)]
Flag = Annotated[bool, PlainValidator(_flag)]
Networks = Annotated[tuple[Network, ...], PlainValidator(_networks)]
Listen = Annotated[str, PlainValidator(_listen)]
BaseAddress = Annotated[str, PlainValidator(_base_address)]
StorageUrl = Annotated[str, PlainValidator(_storage_url)]
KeyFile = Annotated[str, PlainValidator(_key_file)]
UnknownPrice = Annotated[str, _one_of("send", "refuse")]
LogFormat = Annotated[str, _one_of("auto", "console", "json")]
LogLevel = Annotated[str, _one_of("debug", "info", "warning", "error")]


def from_environment(text: str, kind: object) -> object:
    """Read a variable's text as the kind of value that its key has.

    Args:
        text: what the variable holds; lists as JSON or with commas between the values.
        kind: the key's type, such as `float` or `tuple[float, ...]`.

    Returns:
        What the same value would be in TOML, or the text itself where it is none: the key's own
        check then says what was wanted.
    """
    if kind in {int, float}:
        return _read_number(text.strip())
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if kind is str:
        return text
    if text.lstrip().startswith("["):
        return _read_json_list(text)
    items = [item.strip() for item in text.split(",")] if text.strip() else []
    return [_read_number(item) for item in items] if kind == tuple[float, ...] else items


def _read_number(text: str) -> object:
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _read_json_list(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

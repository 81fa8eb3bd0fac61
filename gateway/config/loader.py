"""The configuration: the one loader, and the settings that it gives.

Only `app` and `cli` read it. What the keys are stands in `keys`, what a value may be in
`values`, on which line a key is in `lines`. Here the file and the environment are
read, and all mistakes are collected, each with its place: an operator mends a file once.

pydantic judges the sections. pydantic-settings would read the same two sources, but knows neither
lines nor names that were nearly right, and its import alone takes longer than all of this.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from gateway.config.keys import SECTIONS, Settings
from gateway.config.lines import key_lines
from gateway.config.values import from_environment, shown, split_listen
from gateway.redaction import escape

PREFIX: Final = "OTOMAX_GATEWAY_"
FILE_VARIABLE: Final = "OTOMAX_GATEWAY_CONFIG"
DEFAULT_FILE: Final = Path("config.toml")
FILE_MAX_BYTES: Final = 262_144  # twenty times the example; more is another file
_STAND_IN: Final = "http://stand-in.invalid"  # RFC 2606: nobody's name
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
_KEYS: Final = {name: section.model_fields for name, section in SECTIONS.items()}
_NAMES: Final = [f"{section}.{key}" for section, keys in _KEYS.items() for key in keys]


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        mistakes: one line for each mistake, in the order of the file: `PLACE: KEY: sentence`.
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the file and the environment; the environment beats the file.

    Args:
        path: the file; None takes the one that `OTOMAX_GATEWAY_CONFIG` names, then ./config.toml,
            which need not exist.
        environ: the environment, such as `os.environ`.

    Raises:
        ConfigError: With every mistake at once.
    """
    draft = _Draft(config_file(path, environ))
    draft.take_file(required=path is not None or bool(environ.get(FILE_VARIABLE)))
    draft.take_environment(environ)
    settings = draft.settings()
    if settings is None or draft.mistakes:
        raise ConfigError([escape(text) for _, text in sorted(draft.mistakes)])
    return settings


def config_file(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Tell which file is meant: the one given, else the environment's, else ./config.toml."""
    return path or Path(environ.get(FILE_VARIABLE) or DEFAULT_FILE)


class _Place(NamedTuple):
    """Sorts mistakes: lines of the file first, then the file as a whole, then the environment."""

    rank: int
    line: int
    label: str


class _Draft:
    """What was read so far, where each key came from, and what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole = _Place(1, 0, str(path))
        self._values: dict[str, dict[str, object]] = {name: {} for name in SECTIONS}
        self._places: dict[str, _Place] = {}
        self._complete = True  # False when the file could not be read: then nothing is missing
        self._absent = False
        self.mistakes: list[tuple[_Place, str]] = []

    def _note(self, place: _Place, *said: str) -> None:
        self.mistakes.append((place, ": ".join((place.label, *said))))

    def take_file(self, *, required: bool) -> None:
        """Read the TOML file; whatever it cannot give becomes a mistake."""
        text = self._text(required=required)
        if text is None:
            return
        try:
            document = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            self._complete = False
            self._note_syntax(error, text)
            return
        lines = key_lines(text)
        for name, content in document.items():
            if name in SECTIONS and isinstance(content, dict):
                self._take_section(name, content, lines)
            else:
                self._note_stray(name, content, self._on_line(lines.get((name,))))

    def _text(self, *, required: bool) -> str | None:
        try:
            with self._path.open("rb") as file:
                raw = file.read(FILE_MAX_BYTES + 1)
        except FileNotFoundError:
            self._absent = not required
            if required:
                self._refuse_file("there is no such file; `otomax-gateway init` makes one")
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not the name of a file"
            self._refuse_file(f"cannot be read: {reason}")
            return None
        if len(raw) > FILE_MAX_BYTES:
            self._refuse_file(f"wanted at most {FILE_MAX_BYTES} bytes, got more")
            return None
        try:
            return raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            self._complete = False
            self._note(
                self._on_line(raw.count(b"\n", 0, error.start) + 1), "this is not UTF-8 text"
            )
        return None

    def _refuse_file(self, sentence: str) -> None:
        self._complete = False
        self._note(self._whole, sentence)

    def _note_syntax(self, error: ValueError | RecursionError, text: str) -> None:
        """Turn "Expected '=' … (at line 7, column 3)" into a place and a sentence."""
        said, _, where = str(error).rpartition(" (at ")
        words = where.removesuffix(")").replace(",", "").split()
        if words[:1] == ["line"] and words[1].isdigit():
            line = int(words[1])
        elif where == "end of document)":
            line = text.rstrip("\n").count("\n") + 1
        else:
            self._note(
                self._whole, "this is not TOML that can be read: nested or numbered too far"
            )
            return
        self._note(self._on_line(line), f"this is not TOML: {said[:1].lower()}{said[1:]}")

    def _on_line(self, line: int | None) -> _Place:
        return _Place(0, line, f"{self._path}:{line}") if line else self._whole

    def _take_section(
        self, name: str, content: dict[str, object], lines: dict[tuple[str, ...], int]
    ) -> None:
        for key, value in content.items():
            place = self._on_line(lines.get((name, key)) or lines.get((name,)))
            if key in _KEYS[name]:
                self._values[name][key] = value
                self._places[f"{name}.{key}"] = place
            else:
                near = _near(key, _KEYS[name], _NAMES, prefix=f"{name}.")
                self._note(place, f"{name}.{key}", f"there is no such key{near}")

    def _note_stray(self, name: str, content: object, place: _Place) -> None:
        if name in SECTIONS:
            wanted = f"wanted a section [{name}] with its keys"
            self._note(place, name, f"{wanted}, got {shown(content)}")
        elif isinstance(content, dict | list):
            near = _near(name, SECTIONS, [])
            self._note(place, name, f"there is no such section{near}")
        else:
            self._note(place, name, f"there is no such key{_near(name, [], _NAMES)}")

    def take_environment(self, environ: Mapping[str, str]) -> None:
        """Let the variables of the environment override the file."""
        known = {variable_name(*name.split(".")): name for name in _NAMES}
        for variable in sorted(environ):
            if not variable.upper().startswith(PREFIX) or variable == FILE_VARIABLE:
                continue
            place = _Place(2, 0, f"${variable}")
            if variable in known:
                name = known[variable]
                section, key = name.split(".")
                kind = _KEYS[section][key].annotation
                self._values[section][key] = from_environment(environ[variable], kind)
                self._places[name] = place
                continue
            close = difflib.get_close_matches(variable.upper(), [*known, FILE_VARIABLE], n=1)
            near = f"; did you mean ${close[0]}?" if close else ""
            self._note(place, f"there is no such key{near}")

    def settings(self) -> Settings | None:
        """Judge every value, then what they say together; what is wrong becomes a mistake."""
        context = {
            "folder": self._path.parent,
            "places": {name: place.label for name, place in self._places.items()},
        }
        try:
            settings = Settings.model_validate(self._values, context=context)
        except ValidationError as error:
            wrong = self._note_values(error)
            self._note_contradictions(self._repaired(wrong), wrong)
            return None
        self._note_contradictions(settings, set())
        return settings

    def _note_values(self, error: ValidationError) -> set[str]:
        wrong: set[str] = set()
        for detail in error.errors(include_url=False, include_input=False):
            name = ".".join(map(str, detail["loc"][:2]))
            wrong.add(name)
            if detail["type"] == "missing":
                self._note_missing(name)
                continue
            place = self._places.get(name, self._whole)
            self._note(place, name, str(detail.get("ctx", {}).get("error", detail["msg"])))
        return wrong

    def _note_missing(self, name: str) -> None:
        if self._absent:
            self._note(
                self._whole,
                f"there is no such file, and the environment does not give {name}; "
                "name it with --config where it lies in another folder, or make it with "
                "`otomax-gateway init`",
            )
        elif self._complete:
            self._note(
                self._whole,
                name,
                "is missing; write the address at which the upstream reaches this gateway, such "
                f'as public_url = "https://gateway.toko.id", in [{name.partition(".")[0]}]',
            )

    def _repaired(self, wrong: set[str]) -> Settings:
        """Put every wrong value aside, so that the others can be compared."""
        values = {
            section: {key: value for key, value in keys.items() if f"{section}.{key}" not in wrong}
            for section, keys in self._values.items()
        }
        values["server"].setdefault("public_url", _STAND_IN)
        return Settings.model_validate(values)

    def _note_contradictions(self, settings: Settings, wrong: set[str]) -> None:
        for name, other, sentence in _contradictions(settings):
            if name not in wrong and other not in wrong:
                given = [self._places[key] for key in (name, other) if key in self._places]
                self._note(max(given, default=self._whole), name, sentence)


def variable_name(section: str, key: str) -> str:
    """Name the environment's variable of a key."""
    return f"{PREFIX}{section.upper()}__{key.upper()}"


def _near(name: str, first: Iterable[str], then: list[str], *, prefix: str = "") -> str:
    """Say which name was probably meant: of the same section first, then of any."""
    close = difflib.get_close_matches(name, list(first), n=1)
    if close:
        return f"; did you mean {prefix}{close[0]}?"
    by_key = {full.partition(".")[2]: full for full in reversed(then)}
    close = difflib.get_close_matches(name, by_key, n=1)
    return f"; did you mean {by_key[close[0]]}?" if close else ""


def _contradictions(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """What no single key shows: the key to blame, the other one, and the sentence."""
    server, admin, upstream = settings.server, settings.admin, settings.upstream
    if _collide(server.listen, admin.listen):
        yield (
            "admin.listen",
            "server.listen",
            f"wanted another address than server.listen ({server.listen}), got {admin.listen}",
        )
    if upstream.base_url == server.public_url:
        yield (
            "upstream.base_url",
            "server.public_url",
            "wanted the upstream's address, got server.public_url: orders would go in a circle",
        )
    if settings.storage.is_shared and settings.storage.lease_s <= 2 * upstream.timeout_s:
        yield (
            "storage.lease_s",
            "upstream.timeout_s",
            (
                f"wanted more than twice upstream.timeout_s ({upstream.timeout_s:g} s), got "
                f"{settings.storage.lease_s:g}: an order would be taken over while it is sent"
            ),
        )
    for name, listen in (("server.listen", server.listen), ("admin.listen", admin.listen)):
        if upstream.base_url == f"http://{listen}":
            yield (
                "upstream.base_url",
                name,
                f"wanted the upstream's address, got {name}: orders would go in a circle",
            )


def _collide(one: str, other: str) -> bool:
    """Whether two listeners cannot both be opened; port 0 takes any free one."""
    (host, port), (other_host, other_port) = split_listen(one), split_listen(other)
    if port == 0 or port != other_port:
        return False
    return host == other_host or host in _EVERYWHERE or other_host in _EVERYWHERE

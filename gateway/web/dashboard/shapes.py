"""How numbers, times and spans are written, in the visitor's language and time zone. Pure.

Indonesia has three zones and no summer time, so each is a fixed distance from UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Final

from gateway.domain.backoff import MS_PER_S

LANGUAGES: Final = ("id", "en")
ZONES: Final[Mapping[str, int]] = MappingProxyType({"wib": 7, "wita": 8, "wit": 9})
"""Hours before UTC."""

_MONTHS: Final = {
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
_WEEKDAYS: Final = {
    "id": ("Sen", "Sel", "Rab", "Kam", "Jum", "Sab", "Min"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_UNITS: Final = {
    "id": ("detik", "menit", "jam", "hari"),
    "en": ("s", "min", "h", "d"),
}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_KIB: Final = 1024
_NOTHING: Final = "\u2013"  # a dash: there is no such value
_TENTHS_BELOW_S = 10  # so long a second's tenth says something


@dataclass(frozen=True, slots=True)
class Shapes:
    """Writes what a page shows.

    Attributes:
        language: `id` or `en`.
        zone: `wib`, `wita` or `wit`.
        now: Unix milliseconds, the same for a whole page.
    """

    language: str = "id"
    zone: str = "wib"
    now: int = 0

    @property
    def tz(self) -> timezone:
        """The zone."""
        return timezone(timedelta(hours=ZONES[self.zone]))

    def number(self, value: int | None) -> str:
        """Return `1.234.567`, in English `1,234,567`."""
        if value is None:
            return _NOTHING
        text = f"{value:,}"
        return text.replace(",", ".") if self.language == "id" else text

    def rupiah(self, value: int | None) -> str:
        """Return `Rp 1.234.567`, whatever the language: so it stands on every receipt."""
        return _NOTHING if value is None else f"Rp {value:,}".replace(",", ".")

    def percent(self, part: int, whole: int) -> str:
        """Return `98,5 %`; a dash of nothing at all."""
        if not whole:
            return _NOTHING
        text = f"{100 * part / whole:.1f} %"
        return text.replace(".", ",") if self.language == "id" else text

    def bytes(self, size: int) -> str:
        """Return `12,3 MiB`."""
        value, unit = float(size), "B"
        for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
            if value < _KIB or unit == "TiB":
                break
            value /= _KIB
        text = f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        return text.replace(".", ",") if self.language == "id" else text

    def time(self, at: int | None) -> str:
        """Return `26 Nov 2026 08:15:03` of Unix milliseconds."""
        if at is None:
            return _NOTHING
        local = self._local(at)
        return f"{self.date(at)} {local:%H:%M:%S}"

    def brief(self, at: int) -> str:
        """Return `08:15:03` of today, and `25 Nov 08:15` of another day."""
        local = self._local(at)
        if local.date() == self._local(self.now).date():
            return f"{local:%H:%M:%S}"
        if local.year != self._local(self.now).year:
            return self.date(at)
        return f"{local.day} {_MONTHS[self.language][local.month - 1]} {local:%H:%M}"

    def precise(self, at: int) -> str:
        """Return a time to the millisecond."""
        return f"{self.time(at)}.{at % MS_PER_S:03}"

    def date(self, at: int) -> str:
        """Return `26 Nov 2026`."""
        local = self._local(at)
        return f"{local.day} {_MONTHS[self.language][local.month - 1]} {local.year}"

    def day(self, at: int) -> str:
        """Return `2026-11-26`, as a date's field of a form has it."""
        return f"{self._local(at):%Y-%m-%d}"

    def weekday(self, at: int) -> str:
        """Return `Kam 26`: a day of the week and of the month."""
        local = self._local(at)
        return f"{_WEEKDAYS[self.language][local.weekday()]} {local.day}"

    def hour(self, at: int) -> str:
        """Return `08:00`."""
        return f"{self._local(at):%H:%M}"

    def iso(self, at: int) -> str:
        """Return a time as the attribute `datetime` wants it."""
        return datetime.fromtimestamp(at / MS_PER_S, UTC).isoformat(timespec="milliseconds")

    def read_iso(self, text: str) -> int:
        """Return Unix milliseconds of a time as the desk writes it."""
        return round(datetime.fromisoformat(text).timestamp() * MS_PER_S)

    def midnight(self, at: int) -> int:
        """Return when the day of a time began, Unix milliseconds."""
        begun = self._local(at).replace(hour=0, minute=0, second=0, microsecond=0)
        return round(begun.timestamp() * MS_PER_S)

    def read_day(self, text: str, *, days: int = 0) -> int | None:
        """Read `2026-11-26`; returns when that day begins, or `days` later, or None."""
        try:
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=self.tz)
            return round((day + timedelta(days=days)).timestamp() * MS_PER_S)
        except (ValueError, OverflowError):
            return None

    def ago(self, at: int | None) -> str:
        """Return how long a time is past, in words."""
        return _NOTHING if at is None else self.span(max(self.now - at, 0))

    def span(self, ms: float | None) -> str:
        """Return how long this is, in words: `2 jam 5 menit`."""
        if ms is None:
            return _NOTHING
        second, minute, hour, day = _UNITS[self.language]
        seconds = ms / MS_PER_S
        if seconds < 1:
            return f"{round(ms)} ms"
        if seconds < _TENTHS_BELOW_S:
            text = f"{seconds:.1f} {second}"
            return text.replace(".", ",") if self.language == "id" else text
        whole = int(seconds)
        if whole < _MINUTE_S:
            return f"{whole} {second}"
        for size, unit, less, small in (
            (_DAY_S, day, _HOUR_S, hour),
            (_HOUR_S, hour, _MINUTE_S, minute),
        ):
            if whole >= size:
                rest = whole % size // less
                return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
        return f"{whole // _MINUTE_S} {minute}"

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / MS_PER_S, self.tz)

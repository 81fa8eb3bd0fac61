"""When something is so wrong that an operator is told: the conditions, as pure functions.

Each takes what was seen and says what stands, in a sentence with its figures, Indonesian first.
Who looks, and who is told, is not decided here.
"""

from typing import NamedTuple

from gateway.domain.backoff import MS_PER_S
from gateway.domain.saldo import Limits

_HOUR_S = 3600
_MINUTE_S = 60
_MIB = 1024 * 1024
_LEAST_FAILURES = 3  # one call that fails on a quiet night says nothing of the upstream
# What was too little must be clearly enough before it is over.
_CLEAR_RATIO = 1.2


class Thresholds(NamedTuple):
    """From when on the operator is told; 0 is never.

    Attributes:
        orders_open_s: an order is open for longer.
        upstream_silent_s: no call was answered for longer.
        delivery_late_s: a delivery waits for longer.
        saldo: the balance is below, or empty within.
        disk_free_mib: less is left on the journal's disk.
        backup_s: the last good backup is older.
    """

    orders_open_s: float
    upstream_silent_s: float
    delivery_late_s: float
    saldo: Limits
    disk_free_mib: int
    backup_s: float


def span(seconds: float) -> tuple[str, str]:
    """Return a time as people say it, in Indonesian and in English."""
    if seconds < _HOUR_S:
        minutes = max(1, round(seconds / _MINUTE_S))
        return f"{minutes} menit", f"{minutes} min"
    hours = round(seconds / _HOUR_S)
    return f"{hours} jam", f"{hours} h"


def rupiah(amount: int) -> str:
    """Return an amount as it is written, such as `Rp12.500`."""
    return f"Rp{amount:,}".replace(",", ".")


def is_upstream_silent(failing_s: float | None, failures: int, thresholds: Thresholds) -> bool:
    """Whether the upstream can not be reached.

    Args:
        failing_s: how long ago the first call failed after the last answer, seconds, or None.
        failures: how many failed since.
        thresholds: from when on that is so.
    """
    limit_s = thresholds.upstream_silent_s
    if failing_s is None or not limit_s:
        return False
    return failing_s >= limit_s and failures >= _LEAST_FAILURES


def is_disk_low(free: int, thresholds: Thresholds, *, was_low: bool) -> bool:
    """Whether so many bytes are too few; where they were, until there are clearly enough."""
    return free < thresholds.disk_free_mib * _MIB * (_CLEAR_RATIO if was_low else 1.0)


def is_backup_old(
    made_at: int | None, first_order_at: int | None, now: int, limit_s: float
) -> bool:
    """Whether there should have been a backup since; a gateway without orders needs none.

    Args:
        made_at: when the last good one was made, Unix milliseconds, or None.
        first_order_at: when the first order was placed, Unix milliseconds, or None.
        now: Unix milliseconds.
        limit_s: how old it may be, seconds; 0 is any age.
    """
    since = first_order_at if made_at is None else made_at
    if since is None or first_order_at is None or not limit_s:
        return False
    return now - since > limit_s * MS_PER_S


def orders_text(count: int, oldest: str | None, age_s: float) -> str:
    """Say that orders are open for too long."""
    id_, en = span(age_s)
    return f"{count} order terlalu lama pending, tertua {oldest} {id_} / oldest open for {en}"


def deliveries_text(reseller: str, count: int, age_s: float) -> str:
    """Say that a reseller does not take what it is told."""
    id_, en = span(age_s)
    return (
        f"{count} callback ke {reseller} menunggu, tertua {id_} / {count} deliveries wait, the"
        f" oldest for {en}"
    )


def silent_text(failing_s: float, failures: int) -> str:
    """Say that the upstream does not answer."""
    id_, en = span(failing_s)
    return (
        f"tidak ada jawaban sejak {id_}, {failures} panggilan gagal / no answer for {en},"
        f" {failures} calls failed"
    )


def refused_text(key: str, code: str) -> str:
    """Say that a key is refused; `key` names it by its hint and who uses it."""
    return f"kunci {key} ditolak: {code} / key refused"


def callers_text(address: str) -> str:
    """Say that callbacks are refused for where they come from."""
    return f"callback asli dari {address} ditolak / genuine callbacks from there are refused"


def saldo_text(key: str, saldo: int, hours: float | None) -> str:
    """Say that a balance is low."""
    if hours is None:
        return f"saldo kunci {key} {rupiah(saldo)} / saldo is low"
    id_, en = span(hours * _HOUR_S)
    return f"saldo kunci {key} {rupiah(saldo)}, habis dalam {id_} / empty within {en}"


def disk_text(free: int) -> str:
    """Say that the disk is nearly full."""
    return f"sisa disk jurnal {free // _MIB} MiB / {free // _MIB} MiB left on the journal's disk"


def backup_text(age_s: float | None) -> str:
    """Say that the last backup is old, or that there is none."""
    if age_s is None:
        return "belum pernah ada backup / there is no backup yet"
    id_, en = span(age_s)
    return f"backup terakhir {id_} lalu / the last good backup is {en} old"

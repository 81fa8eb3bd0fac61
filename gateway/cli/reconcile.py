"""`otomax-gateway reconcile`: a day's orders in the journal against the upstream's own word."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.backup import progress_bar
from gateway.cli.desk import ask, local_time, show
from gateway.cli.options import config_option, json_option

EXIT_DIFFERENCES: Final = 1
EXIT_NOT_ASKED: Final = 3
_COUNTED: Final = ("orders", "asked", "unanswered", "sold", "amount", "unpriced")

_HELP: Final = """Look every order of a day up at the upstream, and print what differs.

A day is one in WIB; the default is yesterday. It works while the gateway runs and while it does
not, 50 orders a second at most. Asking changes nothing; an order whose status differs is looked up
once more as `order recheck` does, and what the upstream then says is applied and told to its panel
as any look-up's word is.

What was sold is also compared with how far the saldo moved since the reconciliation before, where
both were seen; deposits and open orders stand between the two, so that is told and no difference.

Exit code 0: no difference; 1: some; 3: the upstream did not answer about all.
"""


@click.command(help=_HELP)
@click.option("--day", metavar="YYYY-MM-DD", help="In WIB.  [default: yesterday]")
@json_option
@config_option
def reconcile(day: str | None, config: Path | None, *, as_json: bool) -> None:
    """Look every order of a day up at the upstream, and print what differs."""
    wanted = ask(config, "reconcile.begin", day=day)
    moved = _moved(config, wanted["since"], wanted["saldo"])
    result = {
        "day": wanted["day"],
        **_counted(config, wanted, asks=True),
        "saldo": wanted["saldo"],
        "moved": moved,
    }
    ask(config, "reconcile.keep", result=result)
    show(result, as_json=as_json, table=_table)
    if result["differences"]:
        sys.exit(EXIT_DIFFERENCES)
    if result["unanswered"]:
        sys.exit(EXIT_NOT_ASKED)


def _counted(config: Path | None, wanted: dict[str, Any], *, asks: bool) -> dict[str, Any]:
    """Do part after part; returns the sums of them."""
    first, last = wanted["first"], wanted["last"]
    total: dict[str, Any] = dict.fromkeys(_COUNTED, 0)
    total["differences"] = []
    reached: int | None = last
    with progress_bar("reconcile") as tell:
        while reached is not None and reached >= first:
            part = ask(config, "reconcile.some", first=first, last=reached, asks=asks)
            total = {name: total[name] + part[name] for name in total}
            reached = part["next"]
            tell("orders", last - (reached or first), last - first)
    return total


def _moved(
    config: Path | None, since: dict[str, Any] | None, saldo: int | None
) -> dict[str, Any] | None:
    """Return what left the saldo since the reconciliation before, and what was sold meanwhile."""
    if since is None or saldo is None:
        return None
    counted = _counted(config, since, asks=False)
    left = since["saldo"] - saldo
    return {
        "since": since["at"],
        "left": left,
        "sold": counted["amount"],
        "unpriced": counted["unpriced"],
        "unexplained": left - counted["amount"],
    }


def _table(row: dict[str, Any]) -> str:
    lines = [_line(one) for one in row["differences"]]
    unanswered = f", unanswered {row['unanswered']}" if row["unanswered"] else ""
    unpriced = f" and {row['unpriced']} of unknown price" if row["unpriced"] else ""
    lines.append(
        f"{row['day']} WIB: orders {row['orders']}, asked {row['asked']}{unanswered}, sold "
        f"{row['sold']} for Rp {row['amount']}{unpriced}; differences {len(row['differences'])}"
    )
    moved = row["moved"]
    if moved is not None:
        lines.append(
            f"saldo since {local_time(moved['since'])}: Rp {moved['left']} left it, Rp "
            f"{moved['sold']} were sold, unexplained Rp {moved['unexplained']}"
        )
    return "\n".join(lines)


def _line(one: dict[str, Any]) -> str:
    found = "; ".join(one["differences"])
    return f"{one['order']}  {local_time(one['placed_at'])}  {found}{_after(one)}"


def _after(one: dict[str, Any]) -> str:
    if one["status"] == one["status_after"]:
        return ""
    return f"; applied: {one['status']} -> {one['status_after']}"

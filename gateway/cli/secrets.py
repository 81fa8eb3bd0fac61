"""`otomax-gateway secrets …`: another key for the key file, step by step."""

from pathlib import Path
from typing import Any

import click

from gateway.cli.desk import ask, show
from gateway.cli.options import config_option, json_option


@click.group()
def secrets() -> None:
    """Rotate the key file, which opens what the journal keeps sealed."""


@secrets.command()
@click.option(
    "--drop-old",
    is_flag=True,
    help="The second step: make no new key, and take all but the first out of the key file.",
)
@json_option
@config_option
def rotate(config: Path | None, *, drop_old: bool, as_json: bool) -> None:
    """Put a new key first in the key file, and seal everything in the journal anew under it.

    It works while the gateway runs and while it does not, and may be killed at any moment and
    repeated. No reseller's key, callback or order changes by it. The old key stays in the file,
    for backups that were made before need it, until --drop-old takes it out; keep a copy of it
    with those backups.
    """
    if drop_old:
        show(ask(config, "secrets.drop_old"), as_json=as_json, table=_dropped)
    else:
        show(ask(config, "secrets.rotate"), as_json=as_json, table=_rotated)


@secrets.command()
@json_option
@config_option
def reseal(config: Path | None, *, as_json: bool) -> None:
    """Seal everything in the journal anew under the first key of the key file as it is now.

    For a key that was put there by hand, where the gateway can not write the file itself.
    """
    show(ask(config, "secrets.reseal"), as_json=as_json, table=_sealed)


def _sealed(row: dict[str, Any]) -> str:
    return (
        f"keys in the key file {row['keys']}; sealed values {row['sealed']}, all under the first "
        f"of them, {row['changed']} anew"
    )


def _rotated(row: dict[str, Any]) -> str:
    return (
        f"{_sealed(row)}\n"
        "Salin lagi file kunci ke tempat cadangannya.\n"
        "Copy the key file to where you keep its copy, now. Backups that were made before this "
        "need the old key: `secrets rotate --drop-old` takes it out of the file."
    )


def _dropped(row: dict[str, Any]) -> str:
    return (
        f"keys taken out of the key file {row['dropped']}; sealed values {row['sealed']}, all "
        "under the one that is left\n"
        "Salin lagi file kunci ke tempat cadangannya.\n"
        "Copy the key file to where you keep its copy, now."
    )

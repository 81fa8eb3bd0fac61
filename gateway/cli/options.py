"""What the commands share: the options that mean the same everywhere, and the ways to end.

Only that may live here. A command imports what it needs when it runs, so that `--help` stays fast.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from gateway.config import Settings

EXIT_NOT_DONE: Final = 1
EXIT_CONFIGURATION: Final = 78  # EX_CONFIG of sysexits.h

config_option = click.option(
    "--config",
    "config",
    metavar="F",
    type=click.Path(path_type=Path),
    help="The configuration file.  [default: $OTOMAX_GATEWAY_CONFIG, then ./config.toml]",
)
"""`--config F`, handed to the command as `config: Path | None`."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""`--json`, handed to the command as `as_json: bool`."""


def settings_or_exit(path: Path | None) -> "Settings":
    """Load the configuration, or print every mistake to stderr and exit with 78.

    Args:
        path: what `--config` gave; None takes the default.
    """
    from gateway.config import ConfigError, load_settings

    try:
        return load_settings(path, os.environ)
    except ConfigError as error:
        for mistake in error.mistakes:
            click.echo(mistake, err=True)
        sys.exit(EXIT_CONFIGURATION)


def fail(message: str, code: int = EXIT_NOT_DONE) -> NoReturn:
    """Print one line to stderr and exit.

    Args:
        message: a sentence for the operator; what is not printable is escaped.
        code: the exit code of the contract.
    """
    from gateway.redaction import escape

    click.echo(escape(message), err=True)
    sys.exit(code)

"""`otomax-gateway`: the commands. Each is imported when it is called, so that help is quick."""

import importlib
import sys
from typing import Final

import click

from gateway import __version__

# command: where it stands, and its line in the help
_COMMANDS: Final = {
    "demo": ("demo:demo", "The whole job on this machine alone, each step shown."),
    "init": ("init:init", "Write a configuration and a secret key file."),
    "check-config": ("check_config:check_config", "Find every mistake in the configuration."),
    "serve": ("serve:serve", "Run the gateway."),
    "sandbox": ("sandbox:sandbox", "Run the upstream simulator alone."),
    "reseller": ("reseller:reseller", "Add, change and list resellers, rotate their keys."),
    "panel-setup": (
        "panel_setup:panel_setup",
        "Print what a reseller types into its panel.",
    ),
    "order": ("order:order", "List orders, show one, look it up, decide it."),
    "alert": ("alert:alert", "List what an operator must know, and take note of it."),
    "delivery": ("delivery:delivery", "List deliveries, send some again, pause a host."),
    "link": ("link:link", "Show a reseller its own orders, by a link that ends."),
    "admin": ("admin:admin", "Say who may see the dashboard, end their sessions."),
    "archive": ("archive:archive", "Move the timelines of old orders out of the journal."),
    "reconcile": ("reconcile:reconcile", "Compare a day's orders with the upstream's word."),
    "backup": ("backup:backup", "Keep a copy of the journal."),
    "restore": ("backup:restore", "Bring the journal back from a copy."),
    "migrate-db": (
        "migrate_db:migrate_db",
        "Move a stopped journal from SQLite to PostgreSQL, or back.",
    ),
    "secrets": ("secrets:secrets", "Rotate the key file, and seal everything anew."),
    "bench": ("bench:bench", "Measure this gateway beside a bare proxy."),
}


class _Commands(click.Group):
    """The commands, by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the way through them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command. None where there is none of this name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"gateway.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`otomax-gateway COMMAND --help` tells more.",
)
@click.version_option(__version__, prog_name="otomax-gateway")
def otomax_gateway() -> None:
    """H2H gateway between OtomaX panels and Toss Games.

    Every order is journaled, bought once, and told truthfully.
    """


def main() -> None:
    """Run a command; the process's exit code is the contract's."""
    if sys.flags.optimize:
        click.echo(
            "otomax-gateway does not run under python -O: its checks would be gone", err=True
        )
        sys.exit(78)
    otomax_gateway(prog_name="otomax-gateway")

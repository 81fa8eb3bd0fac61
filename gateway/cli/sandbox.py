"""`otomax-gateway sandbox`: the upstream simulator alone, to try a gateway or a panel against.

Reads the command line, prints, waits for a signal; what is simulated stands in `gateway.sandbox`.
"""

import asyncio
import errno
import signal
from collections.abc import Coroutine

import click

from gateway.sandbox.options import SandboxOptions
from gateway.sandbox.outcomes import outcome_table

_HIGHEST_PORT = 65535
_MOST_DIGITS = 15
"""Of a number on the command line: more than any balance, and no burden to convert."""

_EPILOG = f"""\
\b
Tiga angka terakhir tujuan (user_id + server_id) menentukan hasilnya.
The last three digits of the destination (user_id + server_id) choose what becomes of an order:

\b
{outcome_table()}
"""


class _Listen(click.ParamType[tuple[str, int]]):
    """HOST:PORT, the port 0 to 65535; an IPv6 host in brackets."""

    name = "host:port"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _, port = value.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not _is_number(port) or int(port) > _HIGHEST_PORT:
            self.fail(f"{value!r} is not HOST:PORT, as in 127.0.0.1:8090", param, ctx)
        return host, int(port)


class _Account(click.ParamType[tuple[str, int]]):
    """KEY=SALDO, whole Rupiah. A mistake is told without the key."""

    name = "key=saldo"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        key, _, balance = value.rpartition("=")
        if not key or not _is_number(balance):
            self.fail("expected KEY=SALDO with whole Rupiah, as in kunci-1=500000", param, ctx)
        return key, int(balance)


@click.command(epilog=_EPILOG, short_help="Run the upstream simulator alone.")
@click.option(
    "--listen",
    type=_Listen(),
    default="127.0.0.1:8090",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--account",
    "accounts",
    type=_Account(),
    multiple=True,
    metavar="KEY=SALDO",
    help="An apikey and its balance in Rupiah, repeatable; without any, every apikey is known.",
)
@click.option(
    "--delay",
    "delay_s",
    type=click.FloatRange(min=0),
    default=SandboxOptions().delay_s,
    show_default=True,
    metavar="SECONDS",
    help="From one status of an order to its next.",
)
@click.option(
    "--slow",
    "slow_s",
    type=click.FloatRange(min=0),
    default=SandboxOptions().slow_s,
    show_default=True,
    metavar="SECONDS",
    help="Until a slow order is answered.",
)
@click.option("--quiet", is_flag=True, help="Print no line for each order and callback.")
def sandbox(
    listen: tuple[str, int],
    accounts: tuple[tuple[str, int], ...],
    delay_s: float,
    slow_s: float,
    *,
    quiet: bool,
) -> None:
    """Simulate the upstream: its routes, its callbacks, its refusals. Nothing real is bought."""
    options = SandboxOptions(
        delay_s=delay_s,
        slow_s=slow_s,
        accounts=dict(accounts) or None,
        report=None if quiet else click.echo,
    )
    try:
        _run(_serve(listen, options))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken; choose another --listen" if taken else error.strerror
        raise click.ClickException(f"cannot listen on {listen[0]}:{listen[1]}: {reason}") from None


async def _serve(listen: tuple[str, int], options: SandboxOptions) -> None:
    from gateway.sandbox.server import Sandbox

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Sandbox.start(*listen, options) as running:
        click.echo(f"sandbox upstream: {running.url}")
        await stop.wait()


def _run(main: Coroutine[None, None, None]) -> None:
    """Run on uvloop where it is installed: speed is measured against this server too."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS

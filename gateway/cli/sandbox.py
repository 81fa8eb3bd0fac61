"""`otomax-gateway sandbox`: the upstream simulator alone, to try a gateway or a panel against.

Reads the command line, prints, waits for a signal; what is simulated stands in `gateway.sandbox`.
"""

import asyncio
import errno
import signal
from collections.abc import Callable, Coroutine
from typing import Any, get_args

import click

from gateway.sandbox.catalog import OTHER_PRICE_RP, product_table
from gateway.sandbox.faults import ALL, FAULT_NAMES, Faults, fault_table
from gateway.sandbox.options import CallbackForm, SandboxOptions
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

\b
Produk; kode lain yang bentuknya benar juga dijual, Rp {OTHER_PRICE_RP}.
The listed products; any other well-formed code is sold too, for Rp {OTHER_PRICE_RP}:

\b
{product_table()}

\b
Gangguan untuk --fault; pesanan mana yang kena hanya bergantung pada --seed dan trx_id.
The faults of --fault; which orders they hit depends on --seed and the trx_id alone:

\b
{fault_table()}

\b
GET /sandbox/ledger: buku sandbox sebagai JSON / the sandbox's books as JSON.
"""
_DEFAULTS = SandboxOptions()


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


class _Fault(click.ParamType[tuple[str, float]]):
    """NAME=RATE, the rate from 0 to 1."""

    name = "name=rate"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        name, _, rate = value.partition("=")
        if name != ALL and name not in FAULT_NAMES:
            names = ", ".join((ALL, *FAULT_NAMES))
            self.fail(f"no fault is called {name!r}; there are: {names}", param, ctx)
        try:
            profile = Faults({name: float(rate)})
        except ValueError:
            self.fail(f"expected {name}=RATE with a rate from 0 to 1, as in 0.05", param, ctx)
        return name, profile.rates[name]


class _Url(click.ParamType[str]):
    """An http or https URL with a host."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from gateway.sandbox.refusals import RefusedError
        from gateway.sandbox.wire import checked_callback_url

        try:
            url = checked_callback_url(value)
        except RefusedError:
            url = None
        if url is None:
            self.fail("expected a URL, as in http://127.0.0.1:8080/callback", param, ctx)
        return url


def _seconds(flag: str, field: str, text: str) -> Callable[[Any], Any]:
    """An option of seconds that fills in one field of SandboxOptions, with its default."""
    return click.option(
        flag,
        field,
        type=click.FloatRange(min=0),
        default=getattr(_DEFAULTS, field),
        show_default=True,
        metavar="SECONDS",
        help=text,
    )


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
@_seconds("--delay", "delay_s", "From one status of an order to its next.")
@_seconds("--slow", "slow_s", "Until a slow order is answered.")
@_seconds("--latency", "latency_s", "Until any order is answered.")
@click.option(
    "--fault",
    "faults",
    type=_Fault(),
    multiple=True,
    metavar="NAME=RATE",
    help="How often a fault hits, 0 to 1, repeatable; all=RATE for those that are not named.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Another seed hits other orders."
)
@_seconds("--hold", "hold_s", "Until the connection is closed: held-reply.")
@_seconds("--late", "late_s", "That look-ups do not find a purchase: lookup-late.")
@_seconds("--race", "race_s", "Within which a second request buys again: double-buy.")
@click.option(
    "--callbacks",
    type=click.Choice(get_args(CallbackForm)),
    default=_DEFAULTS.callbacks,
    show_default=True,
    help="To an order's callback_url: GET with a query, POST of signed JSON, both, or as ordered.",
)
@click.option(
    "--webhook", type=_Url(), metavar="URL", help="Where each callback goes as signed JSON, too."
)
@click.option("--quiet", is_flag=True, help="Print no line for each order and callback.")
def sandbox(
    listen: tuple[str, int],
    accounts: tuple[tuple[str, int], ...],
    faults: tuple[tuple[str, float], ...],
    **given: Any,
) -> None:
    """Simulate the upstream: all of its document, in text and JSON. Nothing real is bought."""
    quiet, seed = given.pop("quiet"), given.pop("seed")
    options = SandboxOptions(
        accounts=dict(accounts) or None,
        faults=Faults(dict(faults), seed),
        report=None if quiet else click.echo,
        **given,
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
        if options.faults.rates:
            rates = " ".join(f"{name}={rate:g}" for name, rate in options.faults.rates.items())
            click.echo(f"faults, seed {options.faults.seed}: {rates}")
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

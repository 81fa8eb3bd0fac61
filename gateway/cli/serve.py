"""`otomax-gateway serve`: runs the gateway until SIGTERM or SIGINT; SIGHUP reads configuration."""

import asyncio
import gc
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import EXIT_CONFIGURATION, config_option, fail, settings_or_exit

if TYPE_CHECKING:
    import socket

    from gateway.app import Gateway
    from gateway.cli.service import ServiceManager
    from gateway.config import Settings


@click.command()
@config_option
def serve(config: Path | None) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    It stops taking orders then, finishes those on their way, and leaves the rest to the next
    start. A second signal ends it at once; nothing is lost by that. SIGHUP reads the configuration
    again. SIGUSR1 has /readyz say 503 while orders are still taken, so that a load balancer leaves
    this node before it is stopped.
    """
    from gateway.domain.errors import JournalUnavailable
    from gateway.log import get_logger, setup_logging
    from gateway.store import JournalInUse, JournalUnusable
    from gateway.vault import VaultError
    from gateway.web.connection import has_strict_parser
    from gateway.web.door import raise_descriptors

    if not has_strict_parser():
        fail(_LENIENT, EXIT_CONFIGURATION)
    settings = settings_or_exit(config)
    raise_descriptors()
    setup_logging(format=settings.log.format, level=settings.log.level)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(settings, config))
    except (JournalUnusable, VaultError) as error:
        fail(str(error), EXIT_CONFIGURATION)
    except (JournalInUse, JournalUnavailable) as error:
        fail(str(error))
    except Exception as error:  # noqa: BLE001  a mistake of ours ends the process, with a clean log
        get_logger(__name__).critical("gateway.failed", exc_info=error)
        sys.exit(1)


_LENIENT = (
    "aiohttp runs without its compiled parser here, and its other one is too lenient for the open "
    "internet: unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from a wheel"
)


def loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """Return uvloop's loop where it is installed: 15 to 20 % more orders; else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


# How long the event loop and the journal's thread keep the interpreter from each other. Python's
# own 5 ms make a batch wait for a busy loop some ten times as long as it takes; half a millisecond
# makes both lose more by changing places than they gain (measured: 5 % of an order either way).
_SWITCH_S = 0.002
# New objects until the collector looks for circles. Orders leave none behind, and Python's own 700
# are those of a few orders (measured: 9 % of the loop's time).
_COLLECT_AFTER = 20_000


async def _serve(settings: "Settings", config: Path | None) -> None:
    from gateway.log import SINK

    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_COLLECT_AFTER)
    SINK.gather(asyncio.get_running_loop().call_later)
    try:
        await _until_signalled(settings, config)
    finally:
        SINK.stop_gathering()


_SERVES = "serving"


async def _until_signalled(settings: "Settings", config: Path | None) -> None:
    from gateway.app import Gateway
    from gateway.cli.check_config import file_mistakes
    from gateway.cli.service import ServiceManager
    from gateway.log import SINK

    manager, sockets = ServiceManager(os.environ), _sockets()

    ends = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, ends)
    gateway = await Gateway.open(settings)
    gateway.mistakes = partial(file_mistakes, settings)
    loop.add_signal_handler(signal.SIGHUP, _reload, gateway, config, manager)
    loop.add_signal_handler(signal.SIGUSR1, gateway.leave)
    feeding = asyncio.create_task(manager.feed_watchdog(gateway.pulse))
    try:
        try:
            await gateway.start(sockets)
        except OSError as error:
            fail(f"can not listen: {error.strerror or error}")
        SINK.flush()  # who waits for it to have started reads so at once
        manager.ready(_SERVES)
        gc.freeze()  # what stands now stands to the end: it is not looked through again
        await _until_ended(gateway, ends)
    finally:
        manager.stopping()
        feeding.cancel()  # the end has its own limit, and the journal's thread ends in it
        await gateway.stop()


def _sockets() -> "dict[str, socket.socket]":
    """Return the sockets that a service manager opened for us; ends the process over others."""
    from gateway.cli.service import BadSockets, handed_over

    try:
        sockets = handed_over(os.environ)
    except BadSockets as error:
        fail(str(error), EXIT_CONFIGURATION)
    if others := sockets.keys() - {"public", "admin"}:
        names = ", ".join(sorted(others))
        fail(
            f"the service manager handed over a socket named {names}: wanted "
            "FileDescriptorName=public or admin in its socket unit",
            EXIT_CONFIGURATION,
        )
    return sockets


async def _until_ended(gateway: "Gateway", ends: asyncio.Event) -> None:
    """Wait for a signal; raises what ended a worker."""
    ending = asyncio.create_task(ends.wait())
    failing = asyncio.create_task(gateway.failed())
    await asyncio.wait({ending, failing}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if failing.done():
        failing.result()
    failing.cancel()


def _on_signal(ends: asyncio.Event) -> None:
    from gateway.log import SINK

    if ends.is_set():
        SINK.flush()
        os._exit(1)  # the second one: at once; the journal keeps what was under way
    ends.set()


def _reload(gateway: "Gateway", config: Path | None, manager: "ServiceManager") -> None:
    """Read the configuration again; one with mistakes changes nothing."""
    manager.reloading()
    try:
        _take_over(gateway, config)
    finally:
        manager.ready(_SERVES)


def _take_over(gateway: "Gateway", config: Path | None) -> None:
    from gateway.config import ConfigError, load_settings
    from gateway.log import get_logger, setup_logging

    try:
        settings = load_settings(config, os.environ)
    except ConfigError as error:
        get_logger(__name__).error("config.refused", mistakes=error.mistakes)
        return
    setup_logging(format=settings.log.format, level=settings.log.level)
    gateway.reload(settings)

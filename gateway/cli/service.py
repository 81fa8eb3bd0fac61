"""What a service manager and its service tell each other, as systemd does it.

From the manual pages sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3): a datagram with
lines to the socket that the environment names, and listening sockets from descriptor 3 on. Nothing
here knows the gateway; without a service manager all of it does nothing.
"""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Final

_FIRST_DESCRIPTOR: Final = 3  # SD_LISTEN_FDS_START
_USEC_PER_S: Final = 1_000_000
_FED_WITHIN: Final = 0.5  # of the time that the watchdog waits, as sd_watchdog_enabled(3) advises


class BadSockets(Exception):  # noqa: N818  the name says what is the matter
    """The sockets that were handed over can not be used; says why."""


class ServiceManager:
    """Tells the service manager how the service is.

    Args:
        environment: where it says how it is reached; that is taken out of it, so that no child of
            this process speaks for it.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        path = environment.pop("NOTIFY_SOCKET", "")
        # An abstract address begins with a zero byte, which no environment can hold.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        usec = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", str(os.getpid()))
        is_watched = usec.isdecimal() and pid == str(os.getpid())
        self.watchdog_s = int(usec) / _USEC_PER_S if is_watched else None

    def tell(self, *lines: str) -> None:
        """Send these lines; where nobody listens, nothing happens."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.setblocking(False)
                to.connect(self._address)
                to.send("\n".join(lines).encode())
        except OSError:
            return  # it is the service manager's loss: it will find out by other means

    def ready(self, status: str) -> None:
        """Say that orders are taken."""
        self.tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the configuration is read again; `ready` says that it is done."""
        now_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={now_usec}")

    def stopping(self) -> None:
        """Say that the service ends."""
        self.tell("STOPPING=1", "STATUS=finishing what is in flight")

    async def feed_watchdog(self, pulse: Callable[[], Awaitable[None]]) -> None:
        """Feed the watchdog while a pulse comes back in time; for ever, or not at all.

        The event loop has to run for it, and whatever `pulse` waits for has to live. One that does
        not come back is waited for, and not asked for again.
        """
        if self.watchdog_s is None:
            return
        while True:
            await pulse()
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s * _FED_WITHIN)


def handed_over(environment: MutableMapping[str, str]) -> dict[str, socket.socket]:
    """Return the listening sockets that the service manager opened, by their names.

    Args:
        environment: what says so is taken out of it.

    Raises:
        BadSockets: one is no listening TCP socket, or has no name or another's.
    """
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    if len(names) != int(count) or len(set(names)) != len(names):
        raise BadSockets(f"{count} sockets were handed over, with the names {':'.join(names)}")
    return {name: _listening(number, name) for number, name in enumerate(names, _FIRST_DESCRIPTOR)}


def _listening(number: int, name: str) -> socket.socket:
    os.set_inheritable(number, False)
    try:
        found = socket.socket(fileno=number)
        is_tcp = found.family in {socket.AF_INET, socket.AF_INET6}
        listens = is_tcp and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise BadSockets(f"socket {name}: {error.strerror}") from None
    if not listens or found.type != socket.SOCK_STREAM:
        raise BadSockets(f"socket {name}: wanted a listening TCP socket")
    found.setblocking(False)
    return found

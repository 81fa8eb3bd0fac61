"""Waiting for what happens in the background, and a port that stays ours until it is used."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

_LOOK_EVERY_S = 0.01


async def eventually(look: Callable[[], Any], within_s: float = 8.0) -> Any:
    """Look again and again until what is seen is true; returns it, fails after `within_s`."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within_s
    while True:
        seen = look()
        seen = await seen if isinstance(seen, Awaitable) else seen
        if seen:
            return seen
        assert loop.time() < give_up_at, f"not within {within_s} s; last seen: {seen!r}"
        await asyncio.sleep(_LOOK_EVERY_S)


async def stays(look: Callable[[], object], value: object, for_s: float = 0.4) -> None:
    """Fail when what is seen is, within `for_s`, ever anything but `value`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + for_s
    while loop.time() < until:
        assert look() == value
        await asyncio.sleep(_LOOK_EVERY_S)


@contextmanager
def reserved_port() -> Iterator[int]:
    """Hold a free port of 127.0.0.1 that a server of this process may listen on meanwhile.

    Linux lets a second socket bind it because both allow reuse and this one never listens; nobody
    who asks for port 0 is given it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port

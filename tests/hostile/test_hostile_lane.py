"""Connections on the lane: one request after the other, and aiohttp's at the first odd byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from aiohttp import web

from gateway.web.ask import Ask, Said
from gateway.web.connection import MAX_HEAD_BYTES
from gateway.web.door import Door, Limits
from gateway.web.lane import Quick
from gateway.web.listener import Listener
from tests.support import LogLines, eventually

LARGE = 8 * 1024 * 1024  # more than the system's buffers take for a peer that does not read


class Answering:
    """Answers on the lane, when it is let."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.asked: list[Ask] = []
        self.ended = 0

    async def __call__(self, ask: Ask) -> Said:
        self.asked.append(ask)
        await self.may.wait()
        self.ended += 1
        if ask.query == "breaks":
            raise RuntimeError("the-secret")
        if ask.query == "unsayable":
            return Said("\ud800")
        if ask.query == "large":
            return Said("x" * LARGE)
        return Said(f"{ask.path} {ask.query}", 503 if ask.query == "busy" else 200)


async def by_aiohttp(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text=f"aiohttp {request.path_qs}")


@pytest.fixture
def answering() -> Answering:
    return Answering()


@asynccontextmanager
async def listening(answering: Answering, limits: Limits | None = None) -> AsyncIterator[Listener]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", by_aiohttp)
    quick = Quick({"/order": answering}, {"/status/": answering})
    listener = Listener(app, "127.0.0.1", 0, door=Door("test", limits or Limits()), quick=quick)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close()


class Panel:
    """A connection that asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *targets: str, method: str = "GET") -> None:
        for target in targets:
            self.writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    async def read(self) -> tuple[int, bytes]:
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line[16:])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length: ")
            )
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def ends(self) -> bool:
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read(1) == b""
        return True


@asynccontextmanager
async def panel(listener: Listener) -> AsyncIterator[Panel]:
    made = Panel(*await asyncio.open_connection(*listener.address))
    try:
        yield made
    finally:
        made.writer.close()
        with contextlib.suppress(OSError):
            await made.writer.wait_closed()


async def test_a_connection_is_kept_and_each_request_is_answered(answering: Answering) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        for _ in range(3):
            one.send("/order?a=1")
            assert await one.read() == (200, b"/order a=1")
            one.send("/status/T1?busy")
            assert await one.read() == (503, b"/status/T1 busy")
        runner = listener._runner.server
        assert runner is not None
        assert not runner.connections
    assert [(ask.method, ask.remote) for ask in answering.asked] == [("GET", "127.0.0.1")] * 6


@pytest.mark.parametrize(
    ("target", "method"),
    [("/elsewhere", "GET"), ("/order", "POST"), ("/status/a%20b", "GET"), ("/status/", "GET")],
)
async def test_what_is_not_plain_is_aiohttps_from_then_on(
    answering: Answering, target: str, method: str
) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        one.send("/order?first")
        assert await one.read() == (200, b"/order first")
        one.send(target, method=method)
        assert await one.read() == (200, f"aiohttp {target}".encode())
        one.send("/order?last")
        assert await one.read() == (200, b"aiohttp /order?last")
        assert listener.door.open_now == 1
    assert [ask.query for ask in answering.asked] == ["first"]


async def test_a_request_in_two_pieces_is_answered(answering: Answering) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        one.writer.write(b"GET /order?a HTTP/1.1\r\nHo")
        await asyncio.sleep(0.05)
        one.writer.write(b"st: x\r\n\r\n")
        assert await one.read() == (200, b"aiohttp /order?a")


async def test_what_comes_before_the_answer_waits_for_it(answering: Answering) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        answering.may.clear()
        one.send("/order?1")
        await eventually(lambda: answering.asked)
        one.send("/order?2")
        await asyncio.sleep(0.05)
        assert len(answering.asked) == 1
        answering.may.set()
        assert await one.read() == (200, b"/order 1")
        assert await one.read() == (200, b"/order 2")
        answering.may.clear()
        one.send("/order?3")
        await eventually(lambda: len(answering.asked) == 3)
        one.send("/order?4", "/elsewhere", "/order?5")
        await asyncio.sleep(0.05)
        answering.may.set()
        assert [(await one.read())[1] for _ in range(4)] == [
            b"/order 3",
            b"aiohttp /order?4",
            b"aiohttp /elsewhere",
            b"aiohttp /order?5",
        ]


async def test_who_sends_without_end_before_an_answer_fills_his_own_memory(
    answering: Answering,
) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        answering.may.clear()
        one.send("/order?1")
        await eventually(lambda: answering.asked)
        one.send(*["/order?more"] * 40_000)
        assert listener._lanes is not None
        (lane,) = listener._lanes.open
        await eventually(lambda: lane._is_full)
        await asyncio.sleep(0.1)
        assert len(lane._behind) < MAX_HEAD_BYTES + 512 * 1024  # and what one read brings
        answering.may.set()
        assert await one.read() == (200, b"/order 1")
        assert await one.read() == (200, b"aiohttp /order?more")


async def test_who_does_not_take_his_answers_is_cut_off(answering: Answering) -> None:
    limits = Limits(unread_s=0.5)
    async with listening(answering, limits) as listener, panel(listener) as one:
        one.send("/order?large")
        await eventually(lambda: answering.asked)
        await asyncio.sleep(0.05)
        one.send("/order?next")
        await eventually(lambda: listener.door.open_now == 0)
    assert len(answering.asked) == 1


async def test_who_takes_them_slowly_is_answered_further(answering: Answering) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        one.send("/order?large")
        await eventually(lambda: answering.asked)
        await asyncio.sleep(0.05)
        one.send("/order?next")
        await asyncio.sleep(0.05)
        assert len(answering.asked) == 1
        assert (await one.read())[0] == 200
        assert await one.read() == (200, b"/order next")


async def test_who_asks_no_more_is_closed_without_a_word(
    answering: Answering, log: LogLines
) -> None:
    limits = Limits(silent_s=0.2, idle_s=0.5)
    async with listening(answering, limits) as listener, panel(listener) as one:
        answering.may.clear()
        one.send("/order?1")
        await asyncio.sleep(2.2)  # who waits for an answer is not idle
        answering.may.set()
        assert await one.read() == (200, b"/order 1")
        assert await one.ends()
        await eventually(lambda: listener.door.open_now == 0)
    assert log.events("connection.refused") == []


@pytest.mark.parametrize(
    ("query", "error"), [("breaks", "RuntimeError"), ("unsayable", "UnicodeEncodeError")]
)
async def test_a_mistake_of_ours_is_told_as_one_and_nothing_of_it(
    answering: Answering, log: LogLines, query: str, error: str
) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        one.send(f"/order?{query}")
        assert await one.read() == (500, b"kesalahan pada server / server error")
        assert await one.ends()
    (event,) = log.events("request.failed")
    assert error in str(event)


async def test_the_end_waits_for_what_is_under_way_and_takes_nothing_more(
    answering: Answering,
) -> None:
    async with listening(answering) as listener, panel(listener) as idle, panel(listener) as busy:
        idle.send("/order?1")
        await idle.read()
        answering.may.clear()
        busy.send("/order?2")
        await eventually(lambda: len(answering.asked) == 2)
        closing = asyncio.create_task(listener.close())
        assert await idle.ends()
        busy.send("/order?3")
        await asyncio.sleep(0.1)
        assert not closing.done()
        answering.may.set()
        assert await busy.read() == (200, b"/order 2")
        assert await busy.ends()
        await closing
    assert len(answering.asked) == 2


async def test_the_end_does_not_wait_for_ever(answering: Answering) -> None:
    async with listening(answering) as listener, panel(listener) as one:
        answering.may.clear()
        one.send("/order?1")
        await eventually(lambda: answering.asked)
        async with asyncio.timeout(2):
            await listener.close()
        assert await one.ends()


async def test_who_hangs_up_is_not_told_and_nothing_is_left_of_him(answering: Answering) -> None:
    async with listening(answering) as listener:
        assert listener._lanes is not None
        async with panel(listener) as one:
            answering.may.clear()
            one.send("/order?1")
            await eventually(lambda: answering.asked)
            (lane,) = listener._lanes.open
            task = lane.task
        await eventually(lambda: listener.door.open_now == 0)
        assert not listener._lanes.open
        answering.may.set()
        assert task is not None
        await task
        assert answering.ended == 1


STREAM = (
    b"GET /order?1 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"
    b"GET /order?2 HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /order?3 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /order?4 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 4.4.4.4\r\n\r\n"
)


async def test_requests_that_are_cut_anywhere_are_answered_once_each_and_in_order(
    answering: Answering,
) -> None:
    async def cut(listener: Listener, *at: int) -> None:
        async with panel(listener) as one:
            for begin, end in pairwise((0, *at, len(STREAM))):
                one.writer.write(STREAM[begin:end])
                await asyncio.sleep(0.002)
            said = [(await one.read())[1] for _ in range(4)]
        assert [text[-1:] for text in said] == [b"1", b"2", b"3", b"4"]
        assert said[2] == b"aiohttp /order?3"

    async with listening(answering) as listener:
        for first in range(0, len(STREAM), 5):
            answering.asked.clear()
            await cut(listener, first, (first + len(STREAM)) // 2)
            numbers = [ask.query for ask in answering.asked]
            assert numbers in ([], ["1"], ["1", "2"]), "aiohttp has the others"
            for ask in answering.asked:
                assert ask.forwarded == {"1": "1.1.1.1", "2": ""}[ask.query]
        await eventually(lambda: listener.door.open_now == 0)

"""The load counts what is right, and what an answer takes from when it was due."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.bench.load import Job, Load, requests
from gateway.bench.names import old_name
from gateway.bench.wire import Answerer, plain

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

Reply = Callable[[int], Awaitable[bytes]]


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers the n-th request with `reply(n)`, in two pieces."""
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readuntil(b"\r\n\r\n"):
            asked.append(request)
            answer = await reply(len(asked))
            for piece in (answer[:20], answer[20:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):  # who asks has asked enough
            await talk(reader, writer)
        writer.close()
        await writer.wait_closed()

    talks: list[asyncio.Task[None] | None] = []
    server = await asyncio.start_server(served, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked
        await asyncio.gather(*filter(None, talks))


def job(port: int, **changes: object) -> Job:
    values = {
        "host": HOST,
        "port": port,
        "pid": os.getpid(),
        "targets": ["/a?t={}", "/b?t={}"],
        "names": "x-",
        "expect": "OK",
        "connections": 2,
        "warm_s": 0.0,
        "count_s": 5.0,
        "most": 40,
    }
    return Job(**(values | changes))  # type: ignore[arg-type]


async def right(_: int) -> bytes:
    return ANSWER


async def test_every_request_has_its_own_name_and_each_target_its_turn() -> None:
    async with serving(right) as (port, asked):
        outcome = await Load(job(port)).run()
    assert (outcome.answered, outcome.faults, outcome.asked) == (40, 0, 40)
    assert outcome.seconds < 4, "it ends when everything was answered"
    names = {line.split(b" ")[1] for line in asked}
    assert names == {b"/%s?t=x-%d" % (b"ab"[n % 2 : n % 2 + 1], n) for n in range(40)}


async def test_a_wrong_answer_is_a_fault_and_no_answer() -> None:
    async def sometimes(number: int) -> bytes:
        return {
            7: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nERROR",
            9: b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nOK",
        }.get(number, ANSWER)

    async with serving(sometimes) as (port, _):
        outcome = await Load(job(port)).run()
    assert (outcome.answered, outcome.faults) == (38, 2)
    assert outcome.first_fault.endswith("ERROR")


async def test_a_server_that_stalls_does_not_hide_it_by_being_asked_less() -> None:
    async def stalls(number: int) -> bytes:
        await asyncio.sleep(0.2 if number == 1 else 0)
        return ANSWER

    async with serving(stalls) as (port, _):
        paced = job(port, connections=1, rate=200.0, count_s=0.3, most=1000)
        outcome = await Load(paced).run()
    late = [took for took in outcome.took_ms if took > 50]
    assert len(late) > 20, "all that were due meanwhile have waited, not the first alone"
    assert outcome.faults == 0


def test_old_orders_are_asked_about_by_their_own_names_at_their_own_resellers() -> None:
    old = job(1, names="", old=1000, most=1000)
    asked = {request.split(b" ")[1].decode() for request in requests(old)}
    assert asked == {f"/{'ab'[n % 2]}?t={old_name(n)}" for n in range(1000)}


def test_requests_that_come_in_pieces_or_together_are_answered_each() -> None:
    written: list[bytes] = []

    class Wire(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.append(bytes(data))

    answerer = Answerer(plain)
    answerer.connection_made(Wire())
    whole = b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
    for piece in (whole[:30], whole[30:]):
        answerer.data_received(piece)
    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in written] == [b"/1", b"/2"]


async def test_who_hangs_up_is_a_fault_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.bench.load._LAST_ANSWERS_S", 0.05)

    async def hangs_up(number: int) -> bytes:
        return ANSWER if number < 5 else b"HTTP/1.1 200 OK\r\n\r\n"  # no length: cut off by us

    async with serving(hangs_up) as (port, _):
        outcome = await Load(job(port, count_s=0.1)).run()
    assert outcome.answered == 4
    assert outcome.faults > 0
    assert outcome.first_fault == "the connection was lost"

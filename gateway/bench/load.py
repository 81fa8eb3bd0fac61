"""The load: many panels that ask as fast as they are answered, or at a fixed rate.

A run warms up first, then counts for a while; what is under way when that ends is still waited
for. The CPU of whoever is asked is read by this process, at the two ends of what is counted.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from gateway.bench.names import old_name
from gateway.bench.procfs import cpu_s
from gateway.bench.wire import END, OK, Asker

_MS_PER_S = 1000
_LAST_ANSWERS_S = 20.0  # longer than a gateway ever takes for an answer
_SHOWN_BYTES = 400  # of the first answer that was wrong


class Job(msgspec.Struct, kw_only=True):
    """What a load does.

    Attributes:
        host: who is asked.
        port: where.
        pid: the process whose CPU is read.
        targets: paths with their queries, by turns; `{}` in them becomes a name of its own for
            each request.
        names: what the names begin with; a number is appended.
        known: where it is not 0, the names of so many orders are asked for again and again.
        old: where it is not 0, the names are those of so many old orders, in an order that jumps
            about; the n-th of them belongs to the n-th target, by turns.
        expect: what stands in every right answer.
        connections: how many ask at the same time.
        warm_s: seconds that are not counted.
        count_s: seconds that are.
        most: requests in all.
        rate: requests a second; 0: each connection asks again as soon as it is answered.
        timed: what each answer took is told, also without a rate.
    """

    host: str
    port: int
    pid: int
    targets: list[str]
    names: str = ""
    known: int = 0
    old: int = 0
    expect: str
    connections: int = 64
    warm_s: float = 1.0
    count_s: float = 4.0
    most: int = 1_000_000
    rate: float = 0.0
    timed: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a load.

    Attributes:
        answered: right answers within what was counted.
        seconds: how long that was.
        asked: requests until then, with those that were not counted.
        cpu_s: of the process that was asked, with its children, while it was counted.
        own_cpu_s: of the counterparty itself, meanwhile.
        took_ms: of each answer that was counted, from when it was due; where it was asked for.
        faults: answers that were wrong, and connections that were lost, at any time.
        first_fault: the first of them.
    """

    answered: int
    seconds: float
    asked: int
    cpu_s: float
    own_cpu_s: float
    took_ms: list[float]
    faults: int = 0
    first_fault: str = ""


_JUMP = 7919  # a prime, so that every old order has its turn


def requests(job: Job) -> Iterator[bytes]:
    """Yield requests, each with a name of its own."""
    tail = f" HTTP/1.1\r\nHost: {job.host}:{job.port}\r\nAccept: */*\r\n\r\n"
    around = [f"GET {target}{tail}".split("{}") for target in job.targets]
    for number in range(job.most):
        among = job.old or job.known
        which = number * _JUMP % among if among else number
        name = old_name(which) if job.old else f"{job.names}{which}"
        yield name.join(around[which % len(around)]).encode()


@dataclass
class Load:
    """One load. `await Load(job).run()`."""

    job: Job
    answered: int = 0
    asked: int = 0
    faults: int = 0
    first_fault: str = ""
    took_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._requests = requests(self.job)
        self._expect = self.job.expect.encode()
        self._counting = False
        self._asking = True
        self._exhausted = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._askers: list[Asker] = []
        self._spare: list[Asker] = []
        self._due: deque[float] = deque()

    async def run(self) -> Outcome:
        """Ask, count, and say what came of it."""
        loop, job = asyncio.get_running_loop(), self.job
        pacing: asyncio.Task[None] | None = None
        try:
            for _ in range(job.connections):
                _, asker = await loop.create_connection(
                    lambda: Asker(self._heard), job.host, job.port
                )
                self._askers.append(asker)
            if job.rate:
                self._spare = list(self._askers)
                pacing = asyncio.create_task(self._pace())
            for asker in () if job.rate else self._askers:
                self._ask(asker, time.perf_counter())
            await asyncio.sleep(job.warm_s)
            outcome = await self._counted()
            self._asking = False
            await self._finish()
        finally:
            self._asking = False
            if pacing is not None:
                pacing.cancel()
            for asker in self._askers:
                asker.close()
        outcome.faults, outcome.first_fault = self.faults, self.first_fault
        return outcome

    async def _counted(self) -> Outcome:
        """Count for a while."""
        job = self.job
        began, cpu, own = time.perf_counter(), cpu_s(job.pid), time.process_time()
        self._counting = True
        await self._until_done(job.count_s)
        self._counting = False
        now = time.perf_counter()
        # What nobody was free to ask has waited all the same.
        self.took_ms += [(now - due) * _MS_PER_S for due in self._due]
        return Outcome(
            answered=self.answered,
            seconds=now - began,
            asked=self.asked,
            cpu_s=cpu_s(job.pid) - cpu,
            own_cpu_s=time.process_time() - own,
            took_ms=self.took_ms,
        )

    async def _until_done(self, within_s: float) -> None:
        """Wait until everything was asked and answered, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()

    def _ask(self, asker: Asker, due: float) -> None:
        request = next(self._requests, None)
        if request is None:
            self._exhausted = True
            return
        asker.begun = due
        self.asked += 1
        self._under_way += 1
        asker.ask(request)

    def _heard(self, asker: Asker, answer: bytes | None) -> None:
        now = time.perf_counter()
        if answer is None:
            if self._asking or self._under_way:
                self._wrong(b"the connection was lost")
            return
        self._under_way -= 1
        self._count(answer, now - asker.begun)
        if self._asking:
            self._go_on(asker, now)
        if not self._under_way and (self._exhausted or not self._asking):
            self._idle.set()

    def _count(self, answer: bytes, took_s: float) -> None:
        if not answer.startswith(OK) or answer.find(self._expect, answer.find(END)) < 0:
            self._wrong(answer)
        elif self._counting:
            self.answered += 1
            if self.job.rate or self.job.timed:
                self.took_ms.append(took_s * _MS_PER_S)

    def _go_on(self, asker: Asker, now: float) -> None:
        """Ask what is next: at once, or what has waited for its turn, or nothing for now."""
        if not self.job.rate:
            self._ask(asker, now)
        elif self._due:
            self._ask(asker, self._due.popleft())
        else:
            self._spare.append(asker)

    def _wrong(self, answer: bytes) -> None:
        self.faults += 1
        self.first_fault = self.first_fault or answer[-_SHOWN_BYTES:].decode("utf-8", "replace")

    async def _pace(self) -> None:
        """Ask when it is due; where nobody is free it waits, and that counts as its time, too."""
        began, number = time.perf_counter(), 0
        while True:
            now = time.perf_counter()
            while (due := began + number / self.job.rate) <= now:
                number += 1
                if self._spare:
                    self._ask(self._spare.pop(), due)
                else:
                    self._due.append(due)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def _finish(self) -> None:
        """Wait for what is under way; what does not come is a fault."""
        try:
            async with asyncio.timeout(_LAST_ANSWERS_S):
                while self._under_way:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            self.faults += self._under_way
            self.first_fault = self.first_fault or "no answer"
            self._under_way = 0

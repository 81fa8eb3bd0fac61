"""The upstream of the bench: the document's lines, canned, and its callbacks.

Not the sandbox's core: that keeps books of every purchase for good and takes 24 µs an order, where
these lines take 3 (measured); so beside a fast proxy the books alone would fill a fifth of a core,
and grow meanwhile. The lines are the same.
"""

import asyncio
import time
from collections import deque
from urllib.parse import unquote, urlsplit

import msgspec

from gateway.bench.procfs import cpu_s
from gateway.bench.wire import OK, Asker, get, plain

PENDING = ", status PENDING. RefId : ML_"
_SERVER_DIGITS = 4  # of a destination: the document's sample glues player and server
_SALDO = 987_654_321
_CALLERS = 32  # connections on which callbacks go out
# After the answer to the order has been journaled, as with an upstream that really buys.
_CALLBACK_AFTER_S = 0.1


class Toss:
    """Answers orders and look-ups, and calls back where it is told to."""

    def __init__(self) -> None:
        self.orders = 0
        self.callbacks = Callbacks()
        self.calls_back = False

    def answer(self, target: bytes) -> bytes:
        """Return the answer to a request."""
        path, _, query = target.decode().partition("?")
        if path == "/v3/otomax/order":
            return self._order(query)
        return self._look_up(path.rpartition("/")[2])

    def _order(self, query: str) -> bytes:
        self.orders += 1
        asked = dict(pair.split("=", 1) for pair in query.split("&"))
        trx_id, product, glued = asked["trx_id"], asked["product_code"], asked["user_id"]
        dest = f"{glued[:-_SERVER_DIGITS]}|{glued[-_SERVER_DIGITS:]}"
        number = f"ML_1680405885_{self.orders:04d}"
        if self.calls_back:
            self.callbacks.plan(unquote(asked["callback_url"]), trx_id, number)
        line = (
            f"R#{trx_id} {product}.{dest}, status PENDING. RefId : {number} . Sisa saldo {_SALDO}"
        )
        return plain(line.encode())

    def _look_up(self, trx_id: str) -> bytes:
        """Say that an order is still pending, in the document's JSON."""
        body = (
            f'{{"statusCode":200,"message":"success","data":{{"invoice_number":"APIKUY_{trx_id}",'
            f'"trx_id":"{trx_id}","response_note":"RefId : ML_1","product":{{"price":1511}},'
            '"user_input":{"user_id":"123456789","server_id":"1002"},"status":"PENDING"}}'
        ).encode()
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        return f"{head}{len(body)}\r\n\r\n".encode() + body


class Callbacks:
    """Callbacks on their way: SUCCESS, as the document's sample writes it."""

    def __init__(self) -> None:
        self.confirmed = 0
        self.faults = 0
        self._waiting: deque[bytes] = deque()
        self._askers: list[Asker] = []
        self._spare: list[Asker] = []

    async def connect(self, host: str, port: int) -> None:
        """Open the connections to a gateway."""
        loop = asyncio.get_running_loop()
        for _ in range(_CALLERS):
            _, asker = await loop.create_connection(lambda: Asker(self._heard), host, port)
            self._askers.append(asker)
        self._spare = list(self._askers)

    def close(self) -> None:
        """Close the connections; what was not said is not said any more."""
        self._waiting.clear()
        for asker in self._askers:
            asker.close()
        self._askers, self._spare = [], []

    def plan(self, callback_url: str, trx_id: str, number: str) -> None:
        """Call back about an order in a moment."""
        asyncio.get_running_loop().call_later(
            _CALLBACK_AFTER_S, self._call, callback_url, trx_id, number
        )

    def _call(self, callback_url: str, trx_id: str, number: str) -> None:
        where = urlsplit(callback_url)
        query = (
            f"invoice_number=APIKUY_{number}&trx_id={trx_id}&status=SUCCESS&product_price=1511"
            f"&sn=Nickname%20-%20123456789(1002)%20.%20RefId:%20{number}&msg=R"
        )
        request = get(f"{where.path}?{query}", where.hostname or "", where.port or 80)
        if self._spare:
            self._spare.pop().ask(request)
        else:
            self._waiting.append(request)

    def _heard(self, asker: Asker, answer: bytes | None) -> None:
        if answer is None:
            return
        if answer.startswith(OK):
            self.confirmed += 1
        else:
            self.faults += 1
        if self._waiting:
            asker.ask(self._waiting.popleft())
        else:
            self._spare.append(asker)


class Middle(msgspec.Struct, kw_only=True):
    """How fast deliveries came, without the first and the last tenth of them.

    Attributes:
        came: deliveries, all of them.
        answered: those of the middle.
        seconds: how long these took.
        cpu_s: of whoever delivered, meanwhile.
        own_cpu_s: of the counterparty.
    """

    came: int
    answered: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    own_cpu_s: float = 0.0


class Panels:
    """Who takes deliveries: counts them, and looks at the clocks when the middle of them comes."""

    def __init__(self) -> None:
        self.expect(0, 0)

    def expect(self, count: int, pid: int) -> asyncio.Event:
        """Count anew; returns what is set when so many have come."""
        self.came = 0
        self.told = asyncio.Event()
        self._count, self._pid = count, pid
        self._marks = (count // 10, count - count // 10)
        self._clocks: list[tuple[float, float, float]] = []
        return self.told

    def answer(self, target: bytes) -> bytes:
        """Take a delivery."""
        del target
        self.came += 1
        if self.came in self._marks:
            now = time.perf_counter(), cpu_s(self._pid), time.process_time()
            self._clocks.append(now)
        if self.came == self._count:
            self.told.set()
        return _TAKEN

    def middle(self) -> Middle:
        """Return how fast they came."""
        if len(self._clocks) != len(self._marks):
            return Middle(came=self.came)
        seconds, cpu, own = (b - a for a, b in zip(*self._clocks, strict=True))
        low, high = self._marks
        return Middle(
            came=self.came, answered=high - low, seconds=seconds, cpu_s=cpu, own_cpu_s=own
        )


_TAKEN = plain(b"OK")

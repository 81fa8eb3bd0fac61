"""Who waits for a place, and whose turn is next: first come first served, resellers in turn.

However much one reseller has waiting, another's first order waits behind one order of each. What
waits is two numbers, for tens of thousands may wait while the upstream hangs: its order is read
from the journal again when its turn comes. Who decides whether it may still leave is not known
here.
"""

from collections import deque
from typing import NamedTuple


class Turn(NamedTuple):
    """A send that waits.

    Attributes:
        order_id: of which order.
        send: which of its sends, as `Order.begun` counts them.
    """

    order_id: int
    send: int


class Turns:
    """A queue for each reseller, and the round that goes over them.

    One order has one send that waits: a newer one takes the place of an older.
    """

    __slots__ = ("_queues", "_round", "_sends")

    def __init__(self) -> None:
        self._sends: dict[int, int] = {}
        self._queues: dict[str, deque[int]] = {}
        self._round: deque[str] = deque()  # each reseller with a queue, whose turn is next first

    def __len__(self) -> int:
        return len(self._sends)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._sends

    def add(self, reseller: str, turn: Turn) -> None:
        """Let a send wait behind what its reseller has waiting."""
        waits = turn.order_id in self._sends
        self._sends[turn.order_id] = turn.send
        if waits:
            return
        queue = self._queues.get(reseller)
        if queue is None:
            queue = self._queues[reseller] = deque()
            self._round.append(reseller)
        queue.append(turn.order_id)

    def pop(self) -> Turn:
        """Take out whose turn it is.

        Raises:
            IndexError: nobody waits.
        """
        reseller = self._round.popleft()
        queue = self._queues[reseller]
        order_id = queue.popleft()
        if queue:
            self._round.append(reseller)
        else:
            del self._queues[reseller]
        return Turn(order_id, self._sends.pop(order_id))

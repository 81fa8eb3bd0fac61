"""The disk after a power cut, made from the log of what was done to its files.

What a file held at its last successful sync is there. What was done to it since may be there or
not, in any order and torn at any sector, because until then it was in memory. What was under way
when a sync failed is worse: the kernel takes it for written and never tries again, so no later
sync makes it durable either; it is there only if chance wrote it.

Two things are taken for granted, as SQLite itself takes them on every ordinary file system: a
file's first sync makes its name durable, too, and a sector is written whole or not at all. The
removal of a file without a sync of its folder may be undone, unless another file was synced first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random

from tests.proof.vfs import Event, What

SECTOR = 512  # bytes; the smallest that a disk writes at once
_HALF = 0.5


class Cut(Enum):
    """What becomes of what was not synced."""

    NOTHING = "nothing of it is written"
    SOME = "some of the writes are"
    TORN = "some of the sectors are"
    ALL = "all of it is"  # as after a kill


@dataclass(slots=True)
class _File:
    """One file: its durable content, or None, and what was done to it since."""

    durable: bytearray | None = None
    pending: list[Event] = field(default_factory=list)

    def do(self, event: Event) -> None:
        if event.what is What.FOUND:
            self.durable, self.pending = bytearray(event.data), []
        elif event.what is What.SYNCED:
            self.durable, self.pending = _after(self.durable, self.pending), []
            self.durable = bytearray() if self.durable is None else self.durable
        elif event.what is What.DELETED and event.at:
            self.durable, self.pending = None, []
        else:
            self.pending.append(event)

    def left(self, cut: Cut, chance: Random) -> bytes | None:
        """Return what is found after the cut, None where the file is not."""
        pending = self.pending
        if cut is not Cut.ALL:
            pending = [part for event in pending for part in _survivors(event, cut, chance)]
        content = _after(None if self.durable is None else bytearray(self.durable), pending)
        return None if content is None else bytes(content)

    def fail_sync(self, chance: Random) -> None:
        """Let chance decide now what of the writes is there, whatever is synced later."""
        kept = [e for e in self.pending if e.what is not What.WROTE or chance.random() < _HALF]
        self.pending = []
        self.durable = _after(self.durable, kept)


def _survivors(event: Event, cut: Cut, chance: Random) -> Iterable[Event]:
    """Give what a cut leaves of one thing that was done and not synced."""
    if event.what is not What.WROTE or cut is Cut.SOME:
        if cut is not Cut.NOTHING and chance.random() < _HALF:
            yield event
    elif cut is Cut.TORN:
        for start in range(-(event.at % SECTOR), len(event.data), SECTOR):
            first = max(start, 0)
            data = event.data[first : start + SECTOR]
            if data and chance.random() < _HALF:
                yield event._replace(at=event.at + first, data=data)


def _after(content: bytearray | None, events: Iterable[Event]) -> bytearray | None:
    """Return a file's content after these things were done to it, in place."""
    for event in events:
        if event.what is What.DELETED:
            content = None
        elif event.what is What.MADE:
            content = bytearray()
        elif event.what is What.TRUNCATED:
            content = content or bytearray()
            del content[event.at :]
            content.extend(bytes(event.at - len(content)))
        elif event.what is What.WROTE:
            content = bytearray() if content is None else content
            content.extend(bytes(max(0, event.at - len(content))))
            content[event.at : event.at + len(event.data)] = event.data
    return content


class Replay:
    """Goes through a log once, from its beginning; shows the disk at any instant on the way."""

    def __init__(self, log: list[Event]) -> None:
        self._log = log
        self._chance = Random(len(log))
        self._at = 0
        self._files: dict[str, _File] = {}

    def go_to(self, instant: int) -> None:
        """Go on to an instant, which is not before the last one."""
        for event in self._log[self._at : instant]:
            file = self._files.setdefault(event.path, _File())
            if event.what is What.SYNC_FAILED:
                file.fail_sync(self._chance)
                continue
            first = file.durable is None and event.what is What.SYNCED
            file.do(event)
            if first:
                self._sync_removals()
        self._at = max(self._at, instant)

    def _sync_removals(self) -> None:
        """The folder was synced with a file's first sync: what was removed stays removed."""
        for file in self._files.values():
            gone = [n for n, event in enumerate(file.pending) if event.what is What.DELETED]
            if gone:
                file.durable, file.pending = None, file.pending[gone[-1] + 1 :]

    def write_to(self, folder: Path, cut: Cut = Cut.NOTHING, seed: int = 0) -> None:
        """Write down the disk as a power cut of now leaves it."""
        chance = Random(seed)
        for path, file in self._files.items():
            content = file.left(cut, chance)
            if content is not None:
                (folder / Path(path).name).write_bytes(content)

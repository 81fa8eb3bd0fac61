"""The log as it is written, caught for one test and put back."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from gateway.log import setup_logging


class LogLines:
    """What was logged so far."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Every event, or those of one name."""
        events = [json.loads(line) for line in self.text.splitlines()]
        return [event for event in events if name in (None, event["event"])]

    def errors(self) -> list[dict[str, Any]]:
        """What an operator would be woken for."""
        return [event for event in self.events() if event["level"] in ("error", "critical")]


@contextmanager
def captured_log() -> Iterator[LogLines]:
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    stream = io.StringIO()
    setup_logging(format="json", level="debug", stream=stream)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    try:
        yield LogLines(stream)
    finally:
        setup_logging(format="json", level="warning")
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("asyncio").setLevel(logging.NOTSET)
        structlog.configure(**config)

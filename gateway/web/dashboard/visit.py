"""One request for a page: who asks, in which language and zone, and how he is answered.

A page's handler takes a `Visit` and returns a response. Nothing else of HTTP is needed in a page.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from gateway.clock import Clock
from gateway.domain.errors import NotDone
from gateway.flow.desk import Desk
from gateway.flow.directory import Directory
from gateway.flow.ledger import Ledger
from gateway.flow.sessions import Sessions
from gateway.store import SessionRow, Store
from gateway.web.body import NoBody, read_body
from gateway.web.dashboard.shapes import Shapes
from gateway.web.dashboard.site import Site
from gateway.web.dashboard.templates import rendered
from gateway.web.dashboard.words import say
from gateway.web.dashboard.words.steps import in_indonesian
from gateway.web.gate import Gate

OPERATOR: Final = "operator"
_MAX_DIGITS = 18  # of a row's number: it fits into 64 bits
_AS_TYPED: Final = "password"
_MAX_FIELDS = 100  # of a form; ours have ten


class May(IntEnum):
    """Who may ask for a route."""

    ANYBODY = 0  # also who is not logged in
    VIEWER = 1  # who is logged in
    OPERATOR = 2  # who may change something


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What pages work with.

    Attributes:
        store: the journal, to read.
        desk: whatever changes something.
        ledger: looks through the orders.
        directory: the resellers, and the saldo last seen.
        sessions: who is logged in.
        gate: addresses behind proxies, and whether the gateway goes down.
        clock: Unix milliseconds.
        site: the gateway itself.
    """

    store: Store
    desk: Desk
    ledger: Ledger
    directory: Directory
    sessions: Sessions
    gate: Gate
    clock: Clock
    site: Site


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request.

    Attributes:
        request: aiohttp's.
        tools: what pages work with.
        who: whose session; None where nobody is logged in.
        shapes: numbers and times in the visitor's language and zone.
        cookies: what is set with the answer: name, value and how long it is kept, seconds.
    """

    request: web.Request
    tools: Tools
    who: SessionRow | None
    shapes: Shapes
    cookies: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def may(self) -> May:
        """What he may do."""
        if self.who is None:
            return May.ANYBODY
        return May.OPERATOR if self.who.role == OPERATOR else May.VIEWER

    @property
    def is_operator(self) -> bool:
        """Whether he may change something."""
        return self.may is May.OPERATOR

    @property
    def language(self) -> str:
        """`id` or `en`."""
        return self.shapes.language

    def say(self, key: str, **values: object) -> str:
        """Return a sentence of `words` in the visitor's language."""
        return say(key, self.language, **values)

    def told(self, text: str) -> str:
        """Return what the journal says of a step, or of an alert, in the visitor's language."""
        return in_indonesian(text) if self.language == "id" else text

    def asked(self, name: str) -> str:
        """Return a parameter of the address, without blanks around it; empty where it is not."""
        return self.request.query.get(name, "").strip()

    def asked_id(self, name: str) -> int | None:
        """Return a parameter that is a row's number; None where it is none."""
        return read_number(self.asked(name))

    def address_with(self, **changes: object) -> str:
        """Return this page's address with other parameters; None takes one away."""
        query = {name: value for name, value in self.request.query.items() if value}
        query |= {name: str(value) for name, value in changes.items() if value is not None}
        left = {name: value for name, value in query.items() if changes.get(name, "") is not None}
        return self.request.path + (f"?{urlencode(left)}" if left else "")

    async def form(self) -> Mapping[str, str]:
        """Return the fields of a form that was sent, without blanks around them.

        A password stays as it was typed.

        Raises:
            NotDone: it is no form of ours.
        """
        if self.request.content_type != "application/x-www-form-urlencoded":
            raise NotDone(self.say("error.form"))
        try:
            body = await read_body(self.request)
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except (NoBody, ValueError):
            raise NotDone(self.say("error.form")) from None
        return {name: value if name == _AS_TYPED else value.strip() for name, value in pairs}

    async def do(self, command: str, **values: Any) -> Any:
        """Do a command of the desk in this admin's name.

        Raises:
            NotDone: it was not done; says why.
        """
        assert self.who is not None  # noqa: S101  a route that changes something asks for it
        return await self.tools.desk.do(command, values, self.who.admin)

    def go(self, path: str, done: str | None = None) -> web.Response:
        """Send the browser to another page, after a change.

        Args:
            path: of ours.
            done: a key of `words` below `done.` that the page then says.
        """
        mark = "&" if "?" in path else "?"
        where = path if done is None else f"{path}{mark}done={done}"
        return web.Response(status=303, headers={"Location": where})

    async def page(self, template: str, status: int = 200, **values: object) -> web.Response:
        """Return a page.

        Args:
            template: a file of `templates`.
            status: the HTTP code.
            values: what it shows, beside what every page has.
        """
        text = await rendered(template, visit=self, shapes=self.shapes, **values)
        return web.Response(text=text, status=status, content_type="text/html")


def to_number(visit: Visit, text: str) -> int:
    """Return the number that a form's field holds.

    Raises:
        NotDone: it holds none.
    """
    number = read_number(text)
    if number is None:
        raise NotDone(visit.say("error.form"))
    return number


def read_number(text: str) -> int | None:
    """Return the number that a text is, one that the journal can hold; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the dashboard: who may ask for it, and who answers."""

    method: str
    path: str
    handler: Handler
    may: May = May.VIEWER

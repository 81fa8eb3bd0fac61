"""*Reseller*: who may order: their figures, and whatever may be changed about them.

A key, and the address of a link, are shown on the answer that made them and nowhere else: no page
can be asked for them again, and no address holds them but the link itself.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from gateway.domain.backoff import MS_PER_S
from gateway.domain.errors import NotDone
from gateway.domain.reseller import PROFILES
from gateway.flow.ledger import LOST, OPEN, SOLD, Totals
from gateway.flow.links import MAX_DAYS
from gateway.redaction import redact
from gateway.store import LinkRow, OrderSearch
from gateway.web.dashboard.bought import bought_most
from gateway.web.dashboard.visit import May, Route, Tools, Visit, to_number

_TODAY_S: Final = 0.15  # for the figures of all resellers together
_PERIOD_S: Final = 0.15  # for those of one period of one reseller
_DAY_MS: Final = 86_400 * MS_PER_S
PERIODS: Final = {"day": 1, "week": 7}
_TEXTS: Final = ("name", "callback_url", "delivery")
_MAX_GRACE_S: Final = 30 * 86_400
_EMPTY: Final[Mapping[str, Any]] = {
    "code": "",
    "name": "",
    "callback_url": "",
    "callback_hosts": "",
    "allow_ips": "",
    "delivery": "",
    "max_price": "",
}
NAMES: Final = {"sold": SOLD, "open": OPEN, "lost": LOST}


class ResellerPages:
    """`/resellers` and what is below.

    Args:
        tools: what pages work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        one = "/resellers/{code}"
        self.routes = [
            Route("GET", "/resellers", self.list_),
            Route("GET", "/resellers/new", self.new_form, May.OPERATOR),
            Route("POST", "/resellers/new", self.add, May.OPERATOR),
            Route("GET", one, self.show),
            Route("GET", f"{one}/change", self.change_form, May.OPERATOR),
            Route("POST", f"{one}/change", self.change, May.OPERATOR),
            Route("POST", f"{one}/suspend", self.suspend, May.OPERATOR),
            Route("POST", f"{one}/resume", self.resume, May.OPERATOR),
            Route("POST", f"{one}/rotate", self.rotate, May.OPERATOR),
            Route("POST", f"{one}/upstream-key", self.upstream_key, May.OPERATOR),
            Route("POST", f"{one}/native", self.native, May.OPERATOR),
            Route("POST", f"{one}/link", self.make_link, May.OPERATOR),
            Route("POST", f"{one}/link/revoke", self.revoke_link, May.OPERATOR),
        ]

    async def list_(self, visit: Visit) -> web.StreamResponse:
        """List them with what each sold today."""
        ledger = self._tools.ledger
        rows = await self._tools.desk.resellers.show_all()
        since = await ledger.between(OrderSearch(), visit.shapes.midnight(visit.shapes.now), None)
        figures: list[tuple[dict[str, Any], Totals]] = []
        for row in rows:
            wanted = OrderSearch(reseller=row["code"], from_id=since.from_id)
            figures.append((row, await ledger.totals(wanted, _TODAY_S / len(rows))))
        return await visit.page("resellers.html", rows=figures, names=NAMES)

    async def new_form(self, visit: Visit) -> web.StreamResponse:
        """Show the form of a new one."""
        return await self._form(visit, {}, None)

    async def add(self, visit: Visit) -> web.StreamResponse:
        """Add one, and show its key, once."""
        form = await visit.form()
        try:
            values = {**_values(form), **_secrets(form, "upstream_key")}
            made = await visit.do("reseller.add", code=form.get("code", ""), **values)
        except NotDone as error:
            return await self._form(visit, form, None, str(error))
        return await visit.page("reseller_key.html", code=made["code"], key=made["key"], grace_s=0)

    async def _form(
        self, visit: Visit, values: Mapping[str, Any], code: str | None, error: str = ""
    ) -> web.Response:
        """Show the form of a new reseller, or of the one with this code."""
        return await visit.page(
            "reseller_form.html",
            409 if error else 200,
            values={**_EMPTY, **values},
            code=code,
            error=error,
            profiles=PROFILES,
        )

    async def _row(self, visit: Visit) -> dict[str, Any]:
        """Return the reseller that an address names.

        Raises:
            NotDone: there is none.
        """
        code = visit.request.match_info["code"]
        return await self._tools.desk.resellers.show(code)

    async def show(self, visit: Visit) -> web.StreamResponse:
        """Show one: what stands about it, what it bought, its links."""
        row = await self._row(visit)
        code = row["code"]
        periods = {name: await self._period(visit, code, days) for name, days in PERIODS.items()}
        links = await self._tools.site.links.living(code)
        return await visit.page(
            "reseller.html",
            row=row,
            callback_url=redact(row["callback_url"] or ""),
            saldo=self._tools.directory.saldo(code),
            periods=periods,
            names=NAMES,
            products=await bought_most(self._tools, code, visit.shapes.now - 7 * _DAY_MS),
            links=links,
            newest_key=newest_key(row),
            newest_link=newest_link(links),
            max_days=MAX_DAYS,
        )

    async def _period(self, visit: Visit, code: str, days: int) -> Totals:
        since = visit.shapes.now - days * _DAY_MS
        wanted = await self._tools.ledger.between(OrderSearch(reseller=code), since, None)
        return await self._tools.ledger.totals(wanted, _PERIOD_S)

    async def change_form(self, visit: Visit) -> web.StreamResponse:
        """Show the form of one."""
        row = await self._row(visit)
        lists = {name: "\n".join(row[name]) for name in ("callback_hosts", "allow_ips")}
        return await self._form(visit, {**row, **lists}, row["code"])

    async def change(self, visit: Visit) -> web.StreamResponse:
        """Change one."""
        code, form = visit.request.match_info["code"], await visit.form()
        try:
            await visit.do("reseller.set", code=code, **_values(form))
        except NotDone as error:
            return await self._form(visit, form, code, str(error))
        return visit.go(f"/resellers/{code}", "changed")

    async def suspend(self, visit: Visit) -> web.StreamResponse:
        """Let one order no more."""
        return await self._set(visit, "suspended", suspended=True)

    async def resume(self, visit: Visit) -> web.StreamResponse:
        """Let it order again."""
        return await self._set(visit, "unsuspended", suspended=False)

    async def _set(self, visit: Visit, done: str, **values: object) -> web.Response:
        code = visit.request.match_info["code"]
        await visit.do("reseller.set", code=code, **values)
        return visit.go(f"/resellers/{code}", done)

    async def rotate(self, visit: Visit) -> web.StreamResponse:
        """Give one a new key, and show it, once."""
        code, form = visit.request.match_info["code"], await visit.form()
        grace_s = to_number(visit, form.get("grace_s") or "0")
        if grace_s > _MAX_GRACE_S:
            raise NotDone(visit.say("reseller.grace_too_long"))
        # Whoever loads the answer again sends its form again, and would end the key it showed.
        newest = newest_key(await self._row(visit))
        if form.get("newest", newest) != newest:
            raise NotDone(visit.say("reseller.rotated_already"))
        made = await visit.do("reseller.rotate_key", code=code, grace_s=grace_s)
        return await visit.page("reseller_key.html", code=code, key=made["key"], grace_s=grace_s)

    async def upstream_key(self, visit: Visit) -> web.StreamResponse:
        """Let one buy under another key at the upstream."""
        given = _secrets(await visit.form(), "upstream_key")
        if not given:
            raise NotDone(visit.say("error.form"))
        return await self._set(visit, "changed", **given)

    async def native(self, visit: Visit) -> web.StreamResponse:
        """Give one pin and password of OtomaX's own dialect, or take both away."""
        form = await visit.form()
        if form.get("remove"):
            return await self._set(visit, "changed", pin="", password="", allow_pin=False)
        given = _secrets(form, "pin", "password")
        allow_pin = form.get("allow_pin") == "1"
        return await self._set(visit, "changed", allow_pin=allow_pin, **given)

    async def make_link(self, visit: Visit) -> web.StreamResponse:
        """Make a link, and show its address, once."""
        code, who, form = visit.request.match_info["code"], visit.who, await visit.form()
        days = to_number(visit, form.get("days", ""))
        newest = newest_link(await self._tools.site.links.living(code))
        if form.get("newest", newest) != newest:  # the same as with a key
            raise NotDone(visit.say("reseller.linked_already"))
        made = await visit.do("link.make", code=code, days=days, who=who.admin if who else "")
        return await visit.page("reseller_link.html", code=code, url=made["url"], days=days)

    async def revoke_link(self, visit: Visit) -> web.StreamResponse:
        """Take a link away."""
        code = visit.request.match_info["code"]
        number = to_number(visit, (await visit.form()).get("id", ""))
        if number not in {row.id for row in await self._tools.site.links.living(code)}:
            raise NotDone(visit.say("reseller.no_link"))
        await visit.do("link.revoke", link_id=number)
        return visit.go(f"/resellers/{code}", "unlinked")


def newest_key(row: Mapping[str, Any]) -> str:
    """Return what tells the newest key of a reseller from those before it."""
    return f"{row['keys'][-1]['created_at']} {row['keys'][-1]['hint']}" if row["keys"] else ""


def newest_link(links: Iterable[LinkRow]) -> str:
    """Return what tells the newest of these links from those before it."""
    return str(max((link.id for link in links), default=0))


def _values(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what the form says of a reseller, as the desk takes it; secrets have their own.

    Raises:
        NotDone: a price is no number.
    """
    values: dict[str, Any] = {name: form.get(name, "") for name in _TEXTS}
    for name in ("callback_hosts", "allow_ips"):
        values[name] = form.get(name, "").replace(",", " ").split()
    price = form.get("max_price", "").replace(".", "") or "0"
    if not (price.isascii() and price.isdigit()):
        raise NotDone(f"max_price: wanted whole Rupiah, got {price!r}")
    values["max_price"] = int(price[:18])
    values["delivery"] = values["delivery"] or PROFILES[0]
    return values


def _secrets(form: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return those secrets of a form that were typed."""
    return {name: form[name] for name in names if form.get(name)}

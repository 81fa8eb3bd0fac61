"""Requests as resellers write them, in each of the three dialects; from the contract alone.

Pure. Who asks what, and when, is the customers' own.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.proof.reading import Dialect

JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; the body of a GET is empty."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reseller:
    """Who orders, and how they are told.

    Attributes:
        key: theirs with us.
        upstream_key: under which they buy.
        profile: the form of their deliveries.
        callback_url: where they are told of what names no address of its own, or None.
        shows_pin: they may show pin and password, and do, in place of a sign.
    """

    code: str
    key: str
    upstream_key: str
    profile: str = "toss"
    callback_url: str | None = None
    shows_pin: bool = False

    @property
    def pin(self) -> str:
        return f"11{len(self.code)}4"

    @property
    def password(self) -> str:
        return f"abcd {self.code}"

    def form(self, dialect: Dialect) -> str:
        """Return how they are told of what was ordered in a dialect."""
        return "json" if dialect == "json" else self.profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What is ordered.

    Attributes:
        trx_id: None where there is none.
        dest: user_id and server_id, glued.
        in_two: both parts are told apart, where the dialect has room for that.
        callback_url: where it is to be told, where the dialect has room for that.
    """

    trx_id: str | None
    product: str
    dest: str
    in_two: bool = False
    callback_url: str | None = None

    @property
    def parts(self) -> tuple[str, str | None]:
        return (self.dest[:-4], self.dest[-4:]) if self.in_two else (self.dest, None)


def order(reseller: Reseller, ordered: Ordered, dialect: Dialect, *, once: bool) -> Request:
    """Return an order; with `once` by a route that refuses a used trx_id, where there is one."""
    if dialect == "json":
        return _json_order(reseller, ordered, "/v1/order" if once else "/v2/order")
    if dialect == "native":
        return native(reseller, ordered)
    user_id, server_id = ordered.parts
    fields = {
        "apikey": reseller.key,
        "product_code": ordered.product,
        "user_id": user_id,
        "server_id": server_id,
        "trx_id": ordered.trx_id,
        "callback_url": ordered.callback_url,
    }
    return Request("GET", f"/v{1 if once else 3}/otomax/order?{_query(fields)}")


def status(
    reseller: Reseller, ordered: Ordered, dialect: Dialect, invoice: str | None = None
) -> Request:
    """Return a request for an order's status: by its invoice_number where one is given."""
    if dialect == "native":
        return native(reseller, ordered, check="1")
    asked = invoice or ordered.trx_id
    if dialect == "text":
        return Request("GET", f"/v1/otomax/status/{asked}?apikey={reseller.key}")
    path = f"/v1/status/{asked}" if invoice else f"/v1/status/trx-id/{asked}"
    return Request("GET", path, {"Authorization": reseller.key})


def native(reseller: Reseller, ordered: Ordered, **more: str) -> Request:
    """Return a request of OtomaX's own dialect: a GET, or a form where the pin is shown."""
    trx_id, member = ordered.trx_id or "", reseller.code.upper()
    fields = {"memberID": member, "product": ordered.product, "dest": ordered.dest}
    fields |= {"refID": trx_id, **more}
    if reseller.shows_pin:
        shown = {"pin": reseller.pin, "password": reseller.password}
        body = _query(fields | shown).encode()
        return Request("POST", "/trx", {"Content-Type": FORM_TYPE}, body)
    signed = (member, ordered.product, ordered.dest, trx_id, reseller.pin, reseller.password)
    digest = hashlib.sha1("|".join(("OtomaX", *signed)).encode()).digest()
    sign = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return Request("GET", f"/trx?{_query(fields | {'sign': sign})}")


def _json_order(reseller: Reseller, ordered: Ordered, path: str) -> Request:
    user_id, server_id = ordered.parts
    fields = {"product_code": ordered.product, "user_id": user_id, "server_id": server_id}
    fields |= {"trx_id": ordered.trx_id, "callback_url": ordered.callback_url}
    body = json.dumps({name: value for name, value in fields.items() if value is not None})
    headers = {"Authorization": reseller.key, "Content-Type": JSON_TYPE}
    return Request("POST", path, headers, body.encode())


def _query(fields: Mapping[str, str | None]) -> str:
    return "&".join(f"{k}={quote(v, safe='')}" for k, v in fields.items() if v is not None)

"""Requests in OtomaX's own dialect as a panel makes them; signs are made by hand."""

import base64
import hashlib
from typing import Any
from urllib.parse import quote

from tests.support import House
from tests.support.house import DEST, PRODUCT, Answer

PIN, PASSWORD = "483920", "kata-sandi-toko"
NATIVE = {"pin": PIN, "password": PASSWORD}  # for `reseller`, `house.add` and the desk
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def sign(
    member: str, about: tuple[str, str, str], pin: str = PIN, password: str = PASSWORD
) -> str:
    text = "|".join(("OtomaX", member, *about, pin, password))
    return base64.urlsafe_b64encode(hashlib.sha1(text.encode()).digest()).decode().strip("=")


def trx(
    ref: str | None = "T1",
    dest: str | None = DEST,
    *,
    product: str | None = PRODUCT,
    member: str = "TOKO",
    **more: str | None,
) -> str:
    """The query of an order, signed. A parameter of None is left out; `more` wins."""
    made = sign(member, (product or "", dest or "", ref or ""))
    fields = {"memberID": member, "product": product, "dest": dest, "refID": ref, "sign": made}
    return encoded({**fields, **more})


def balance(member: str = "TOKO", **more: str | None) -> str:
    return encoded({"memberID": member, "sign": sign(member, ("", "", "")), **more})


def encoded(fields: dict[str, Any]) -> str:
    return "&".join(f"{k}={quote(v, safe='')}" for k, v in fields.items() if v is not None)


async def native(house: House, *args: Any, post: bool = False, **kwargs: Any) -> str:
    """Order as `trx` says, in the query or as a form; returns the line, which came with 200."""
    query = trx(*args, **kwargs)
    answer = await (posted(house, query) if post else house.get(f"/trx?{query}"))
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    await house.replies_journaled()
    return answer.text


async def posted(house: House, form: str | bytes, target: str = "/trx", **headers: str) -> Answer:
    body = form.encode() if isinstance(form, str) else form
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await house.post(target, body, {**_FORM, **named})

"""Signed JSON callbacks as the upstream's document shows them ("Callback API"), made by hand."""

import hashlib
import hmac
import json

from tests.support import FakeUpstream, House, invoice

INVOICE = "APIKUY_ML_1_0001"
SN = "Budi - 123456789(1234) . RefId: ML_1"


def webhook_body(status: str, trx_id: object = "toko-T1", **changes: object) -> bytes:
    """The body of a callback, as `JSON.stringify` writes it."""
    values = {
        "invoice_number": INVOICE,
        "trx_id": trx_id,
        "response_note": SN,
        "category": {"title": "Mobile Legends", "subtitle": None, "type": "game"},
        "product": {"name": "5 (5+0) Diamonds", "code": "S1_1187", "price": 1511},
        "user_input": {"user_id": "123456789", "server_id": "1234", "nickname": "Budi"},
        "balance": 987654,
        "amount": 1511,
        "status": status,
        "voucher": None,
        "created_at": "2023-03-22T23:38:05.000Z",
        **changes,
    }
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def signature(body: bytes, key: str = "upstream-key-of-toko") -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


async def send(house: House, target: str, body: bytes, signed: str | None = None) -> int:
    """Post a body, signed as it should be unless told otherwise; returns the HTTP code."""
    made = signature(body) if signed is None else signed
    headers = {"Content-Type": "application/json", "x-signature": made}
    answer = await house.post(target, body, headers)
    if answer.status == 200:
        assert answer.text == "OK"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.status


def door(house: House, form: str, trx_id: str = "toko-T1") -> str:
    """The target of a form: `token` or `webhook`."""
    return f"/callback/{house.token(trx_id)}" if form == "token" else "/callback"


async def brought_to(house: House, upstream: FakeUpstream, state: str) -> None:
    """An order in this state, with the upstream saying so."""
    upstream.look_up = invoice(state, SN, invoice_number=INVOICE)
    await house.order()
    assert await house.call_back(state, sn=SN) == 200
    await house.becomes(state)

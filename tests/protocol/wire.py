"""Orders, replies and the upstream document's samples, for the tests of the wire."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.domain.order import Order, Status
from gateway.protocol.upstream import Reply

SAMPLES = Path(__file__).with_name("samples")
T0 = 1_700_000_000_000
SN = "Nickname - 123456789(1234) . RefId: XX_1679528285_4321"


def sample(name: str) -> str:
    """A text of the upstream's document, as it stands there."""
    return (SAMPLES / name).read_bytes().decode("utf-8")


def order(**changes: Any) -> Order:
    """An open order of the reseller `toko`, whose trx_id is that of the document's samples."""
    plain = Order(
        id=1,
        reseller="toko",
        trx_id="123424324",
        product_code="S1_1187",
        dest="1234567891234",
        user_id="1234567891234",
        callback_url="https://your-website.com/callback",
        sends=1,
        sending=True,
        first_sent_at=T0,
        due_at=T0,
        placed_at=T0,
    )
    return replace(plain, **changes)


def sold(**changes: Any) -> Order:
    """The order of the document's callback, after it."""
    done = order(
        trx_id="1234243244",
        user_id="123456789",
        server_id="1234",
        status=Status.SUCCESS,
        note=SN,
        invoice_number="APIKUY_XX_1679528285_4321",
        named=True,
        final_at=T0,
        due_at=None,
    )
    return replace(done, **changes)


def text(body: str | bytes, status: int = 200, content_type: str = "text/plain") -> Reply:
    """An answer in the text dialect."""
    raw = body.encode() if isinstance(body, str) else body
    return Reply(status=status, content_type=content_type, body=raw)


def json(body: str | bytes, status: int = 200) -> Reply:
    """An answer in JSON."""
    return text(body, status, "application/json")


def envelope(code: str, status: int = 404, said_status: int | None = None) -> Reply:
    """The document's error body."""
    said = status if said_status is None else said_status
    body = f'{{"statusCode": {said}, "message": "{code}", "error": "Not Found"}}'
    return json(body, status)

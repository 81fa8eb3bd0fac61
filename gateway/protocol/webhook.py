"""Signed JSON callbacks as the upstream sends them: its document's "Callback API" (contract §7).

Strict in what counts: a body with a name that came twice, with a number where a text belongs, or
with what is no JSON (`NaN`) says nothing. Lenient in the rest: unknown names and nulls are passed
over. The price is read as in a look-up's answer (`protocol.upstream`), for it is the same invoice.
"""

import hmac
import re
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from gateway.domain.order import Evidence, Source, Status
from gateway.protocol.callback import Callback, is_upstream_trx_id
from gateway.protocol.strict_json import read_object
from gateway.protocol.upstream import kept_invoice
from gateway.protocol.words import plain

_SIGNATURE = re.compile(r"[0-9A-Fa-f]{64}")  # 256 bits
_MAX_RUPIAH = 10**15  # beyond it is no amount, and must not meet the journal's columns


@dataclass(frozen=True, slots=True)
class SignedBody:
    """A body as it came, with the `x-signature` that came with it; who signed it is to be checked.

    Attributes:
        raw: the body, byte for byte.
        signature: what stood in the header; any text.
    """

    raw: bytes
    signature: str = field(repr=False)

    @property
    def is_well_signed(self) -> bool:
        """Whether the signature could be one, as far as its text tells."""
        return _SIGNATURE.fullmatch(self.signature) is not None

    def is_signed_with(self, upstream_key: str | None) -> bool:
        """Whether the signature is the hex HMAC-SHA256 of the raw body under this key."""
        if upstream_key is None:
            return False
        genuine = hmac.digest(upstream_key.encode(), self.raw, "sha256").hex()
        # As bytes, for `compare_digest` raises on text that is not ASCII; these lower ASCII alone.
        came = self.signature.encode("utf-8", "surrogatepass").lower()
        return hmac.compare_digest(genuine.encode(), came)

    def to_text(self) -> str:
        """Return both as one text, for the journal. The body must be readable JSON."""
        return f"{self.signature.lower()}\n{self.raw.decode('utf-8')}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what `to_text` wrote down."""
        signature, _, body = text.partition("\n")
        return cls(body.encode("utf-8"), signature)


class _Product(msgspec.Struct):
    price: int | float | None = None


class _UserInput(msgspec.Struct):
    user_id: str | int | None = None
    server_id: str | int | None = None


class _Body(msgspec.Struct):
    """What counts in a body. `trx_id` is read before."""

    status: str
    invoice_number: str | None = None
    response_note: str | None = None
    product: _Product | None = None
    user_input: _UserInput | None = None
    balance: int | float | None = None
    amount: int | float | None = None


def parse_webhook(raw: bytes) -> Callback:
    """Read the body of a JSON callback; who signed it is checked by `SignedBody`."""
    values = read_object(raw) or {}
    trx_id = values.get("trx_id")
    named = isinstance(trx_id, str) and is_upstream_trx_id(trx_id)
    return Callback(trx_id=trx_id if named else None, evidence=_evidence(values, raw))


def _evidence(values: dict[str, Any], raw: bytes) -> Evidence | None:
    try:
        body = msgspec.convert(values, _Body)
    except msgspec.ValidationError:
        return None
    if body.status not in Status.__members__:
        return None
    price = _rupiah(None if body.product is None else body.product.price)
    parts = body.user_input or _UserInput()
    return Evidence(
        source=Source.CALLBACK,
        verdict=Status(body.status),
        note=plain(body.response_note or ""),
        invoice_number=plain(body.invoice_number or "") or None,
        product_price=_rupiah(body.amount) if price is None else price,
        saldo=_rupiah(body.balance),
        user_id=_part(parts.user_id),
        server_id=_part(parts.server_id),
        invoice=kept_invoice(raw),
    )


def _rupiah(number: float | None) -> int | None:
    return round(number) if number is not None and 0 <= number < _MAX_RUPIAH else None


def _part(value: str | int | None) -> str | None:
    return None if value is None else plain(str(value)) or None

"""What we ask the upstream and what its answers prove, from its document and contract §5 and §6.

An answer becomes `Evidence` here, and only what the contract calls proof becomes a word: whatever
is cut, foreign, of another type or another order is evidence of nothing. What evidence then does
to an order is decided in `domain.truth`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec
from msgspec.structs import replace

from gateway.domain.errors import DEFINITE_REFUSALS, Code, explain
from gateway.domain.order import Dialect, Evidence, Order, Silence, Source, Status
from gateway.protocol.text import Line, parse_order, parse_user
from gateway.protocol.words import plain

MAX_BODY_BYTES = 64 * 1024  # contract §5: larger bodies are evidence of nothing
_OK: Final = 200
_FOUND: Final = (_OK,)
_ORDERED: Final = (_OK, 201)  # the document's sample is answered 201 Created
_SHOWN_CHARACTERS: Final = 200  # of an answer, in a timeline
_SHOWN_BYTES: Final = 4096  # looked through for secrets, so that none is cut in half
_MASK: Final = b"***"
_MASKED_FROM: Final = 8  # characters; a shorter secret may stand in any answer by chance
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_MAX_PRICE = 10**15  # Rupiah; beyond it is no price, and must not meet the journal's columns
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_JSON = "application/json"
_TEXT = "text/plain"
_CODE_LIKE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")  # a RefId such as ML_1680405885 is none
# What may be left of a code that was cut off, at a line's end.
_CUT_CODE = re.compile(r"(?:^|[^A-Za-z_])[A-Z]+\s*$|_\s*$|^\s*$", re.ASCII)
_CODES = frozenset(Code)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")  # RFC 3986, section 2.3
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/-]*")
# Codes of the document that prove nothing (T5), in whatever case of letters.
_DOUBTFUL = re.compile("SERVER_ERROR|DUPLICATE_TRX_ID|INVOICE_NOT_FOUND", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer of the upstream.

    Attributes:
        status: the HTTP code.
        content_type: without parameters, lower case.
        body: at most as many bytes as its call allows; None where it was longer.
        secrets: what was sent and must not be shown, should the answer repeat it.
    """

    status: int
    content_type: str
    body: bytes | None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def describe(self) -> str:
        """Return what came, short and printable, for the timeline."""
        if self.body is None:
            return f"HTTP {self.status}, a body over {MAX_BODY_BYTES} bytes"  # an order's call
        text = plain(self.body[:_SHOWN_BYTES].decode("utf-8", "replace"))
        for secret in self.secrets:
            text = text.replace(secret, "***")
        if len(text) > _SHOWN_CHARACTERS:
            text = f"{text[:_SHOWN_CHARACTERS]}…"
        return f"HTTP {self.status} {self.content_type}: {text}"


def masked(body: bytes, secrets: Collection[str]) -> bytes:
    """Return an answer in which nothing that was sent in confidence is repeated.

    Args:
        body: as it came.
        secrets: the upstream key, a callback's token. Answers go on to resellers, byte for byte.
    """
    for secret in secrets:
        for form in _forms(secret):
            if form in body:
                body = body.replace(form, _MASK)
    return body


def _forms(secret: str) -> Collection[bytes]:
    """Return how an answer may write a secret: as it is, percent-encoded, escaped in JSON."""
    if len(secret) < _MASKED_FROM:
        return ()
    if _UNRESERVED.fullmatch(secret):
        return (secret.encode(),)
    encoded = quote(secret, safe="")
    escaped = msgspec.json.encode(secret)[1:-1]
    forms = (secret, encoded, encoded.lower(), quote(secret), quote_plus(secret))
    return {*(form.encode() for form in forms), escaped, escaped.replace(b"/", b"\\/")}


class Envelope(msgspec.Struct):
    """The document's error body: `{"statusCode": 404, "message": "…", "error": "Not Found"}`."""

    statusCode: int  # noqa: N815  the document's name
    message: str
    error: str


class _Product(msgspec.Struct):
    price: int | float | None = None


class _UserInput(msgspec.Struct):
    user_id: str | int | None = None
    server_id: str | int | None = None


class _Invoice(msgspec.Struct):
    trx_id: str | int | None
    status: str
    invoice_number: str | None = None
    response_note: str | None = None
    product: _Product | None = None
    user_input: _UserInput | None = None


class _Answer(msgspec.Struct):
    data: msgspec.Raw


class JsonAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The upstream's own answer to an order of the JSON dialect, to be told on.

    Attributes:
        status: the HTTP code.
        invoice: its JSON object of the order, or None where it refused it.
        envelope: its error body, byte for byte, where it refused the order.
    """

    status: int
    invoice: str | None = None
    envelope: bytes | None = None


Relayed = Line | JsonAnswer
"""What the upstream answered to an order, where that may be told on."""

_ENVELOPE = msgspec.json.Decoder(Envelope)
_ANSWER = msgspec.json.Decoder(_Answer)
_INVOICE = msgspec.json.Decoder(_Invoice)
_MAX_BRACKETS: Final = 100  # in it; the document's sample has 4
MAX_INVOICE_BYTES: Final = 16 * 1024  # of the upstream's object of an order, in the journal


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request to the upstream.

    Attributes:
        method: GET or POST.
        path: path and query, encoded as they go out.
        authorization: the upstream key, where the route wants it in a header.
        body: JSON, or None.
        limit_bytes: of the answer's body; a longer one is cut off, and is none.
    """

    method: str
    path: str
    authorization: str | None = None
    body: bytes | None = None
    limit_bytes: int = MAX_BODY_BYTES


def order_call(order: Order, upstream_key: str, callback_url: str) -> Call:
    """Return the order call, in the order's own dialect (contract §5, §8)."""
    if order.dialect is Dialect.JSON:
        return Call("POST", "/v2/order", upstream_key, order_body(order, callback_url))
    return Call("GET", order_path(order, upstream_key, callback_url))


def order_path(order: Order, upstream_key: str, callback_url: str) -> str:
    """Return path and query of the order call of the text dialect, encoded (contract §5)."""
    return (
        f"/v3/otomax/order?apikey={_encoded(upstream_key)}"
        f"&product_code={_encoded(order.product_code)}&user_id={_encoded(order.dest)}"
        f"&trx_id={_encoded(order.upstream_trx_id)}&callback_url={_encoded(callback_url)}"
    )


def order_body(order: Order, callback_url: str) -> bytes:
    """Return the body of the order call of the JSON dialect (contract §8)."""
    fields = {"product_code": order.product_code, "user_id": order.user_id}
    if order.server_id is not None:
        fields["server_id"] = order.server_id
    fields |= {"trx_id": order.upstream_trx_id, "callback_url": callback_url}
    return msgspec.json.encode(fields)


def _encoded(value: str) -> str:
    """Percent-encode a value; most need nothing, or no more than an address does.

    The standard library's quote goes character by character: 7 µs for the five of an order.
    """
    if _UNRESERVED.fullmatch(value):
        return value
    if _ADDRESS.fullmatch(value):
        return value.replace(":", "%3A").replace("/", "%2F")
    return quote(value, safe="")


def lookup_path(upstream_trx_id: str) -> str:
    """Return the path of the read-only look-up; the key goes in the header `Authorization`."""
    return f"/v1/status/trx-id/{quote(upstream_trx_id, safe='')}"


def user_path(upstream_key: str) -> str:
    """Return path and query of the user call of the text dialect."""
    return f"/v1/otomax/user?apikey={quote(upstream_key, safe='')}"


def read_order_reply(reply: Reply, order: Order) -> tuple[Evidence, Relayed | None]:
    """Return what the reply to an order call proves, and what of it may be told on."""
    if order.dialect is Dialect.JSON:
        return _read_object(reply, order)
    text = _text(reply)
    line = None if text is None else parse_order(text)
    if line is not None:
        return _line_evidence(line, reply, order)
    return _refusal(reply, text) or _nothing(Source.REPLY, reply), None


def _refusal(reply: Reply, text: str | None) -> Evidence | None:
    """Return what a definite refusal proves, or None where it is none (T4)."""
    code = _refusal_code(reply, text)
    if code not in DEFINITE_REFUSALS:
        return None
    return Evidence(source=Source.REPLY, verdict=Status.FAILED, note=explain(Code(code)))


def _read_object(reply: Reply, order: Order) -> tuple[Evidence, JsonAnswer | None]:
    """Read the reply to a JSON order.

    An object that names no trx_id, as in the document's sample, names no order; and one that says
    FAILED is none of the refusals that prove it (T4). The look-up decides.
    """
    refusal = _refusal(reply, None)
    if refusal is not None:
        return refusal, JsonAnswer(status=reply.status, envelope=_told_on(reply, order))
    invoice, raw = _invoice(reply, _ORDERED)
    evidence = None if invoice is None else _invoice_evidence(invoice, raw, order.upstream_trx_id)
    if evidence is None or evidence.verdict is Status.FAILED:
        return _nothing(Source.REPLY, reply), None
    evidence = replace(evidence, source=Source.REPLY)
    return evidence, JsonAnswer(status=reply.status, invoice=evidence.invoice)


def _line_evidence(line: Line, reply: Reply, order: Order) -> tuple[Evidence, Line | None]:
    status = _status(line.status)
    if line.trx_id != order.upstream_trx_id or status is None:
        return _nothing(Source.REPLY, reply), None
    if status is Status.FAILED and not _is_definite(line):
        return _nothing(Source.REPLY, reply, saldo=line.saldo), None
    product = f"{order.product_code}."
    said_dest = plain(line.target[len(product) :]) if line.target.startswith(product) else ""
    user_id, bar, server_id = said_dest.partition("|")
    evidence = Evidence(
        source=Source.REPLY,
        verdict=status,
        note=plain(line.note),
        saldo=line.saldo,
        said_dest=said_dest or None,
        user_id=user_id if bar else None,
        server_id=server_id if bar else None,
    )
    return evidence, line


def _is_definite(line: Line) -> bool:
    """Whether a FAILED line proves that nothing was bought: a definite code, or no code at all.

    A line without the saldo at its end may have been cut off, and what looks like the beginning of
    a code may be the rest of a doubtful one.
    """
    if _DOUBTFUL.search(line.note) or (line.saldo is None and _CUT_CODE.search(line.note)):
        return False
    return all(code in DEFINITE_REFUSALS for code in _CODE_LIKE.findall(line.note))


def _refusal_code(reply: Reply, text: str | None) -> str | None:
    """Return the code of a JSON error envelope (any HTTP code) or of a bare code, or None."""
    if reply.body is None or reply.status in _REDIRECTS:
        return None
    envelope = read_envelope(reply)
    if envelope is not None:
        return envelope.message
    return text if text in _CODES else None


def read_envelope(reply: Reply) -> Envelope | None:
    """Return the document's error body, or None where the answer is something else."""
    if reply.body is None or reply.content_type not in (_JSON, _TEXT):
        return None
    try:
        return _ENVELOPE.decode(reply.body)
    except _UNREADABLE:
        return None


def read_lookup_reply(reply: Reply, upstream_trx_id: str, asked_at: int) -> Evidence:
    """Return what the answer to a look-up proves.

    Args:
        reply: what came.
        upstream_trx_id: whom it must name.
        asked_at: when the look-up began, Unix milliseconds.
    """
    if _is_not_found(reply):
        return Evidence(source=Source.LOOKUP, verdict=Silence.NOT_FOUND, asked_at=asked_at)
    invoice, raw = _invoice(reply, _FOUND)
    evidence = None if invoice is None else _invoice_evidence(invoice, raw, upstream_trx_id)
    if evidence is None:
        return _nothing(Source.LOOKUP, reply)
    return replace(evidence, asked_at=asked_at)


def _invoice_evidence(invoice: _Invoice, raw: str | None, upstream_trx_id: str) -> Evidence | None:
    """Return what the upstream's object says of an order, or None where it is another's."""
    status, parts = _status(invoice.status), invoice.user_input
    if status is None or invoice.trx_id != upstream_trx_id:
        return None
    return Evidence(
        source=Source.LOOKUP,
        verdict=status,
        note=plain(invoice.response_note or ""),
        invoice_number=plain(invoice.invoice_number or "") or None,
        product_price=_price(invoice.product),
        user_id=_part(None if parts is None else parts.user_id),
        server_id=_part(None if parts is None else parts.server_id),
        invoice=raw,
    )


def _is_not_found(reply: Reply) -> bool:
    """Whether the upstream itself says that it does not know the order: what allows a resend."""
    if reply.status in _REDIRECTS or reply.status in _SERVER_ERRORS:
        return False
    envelope = read_envelope(reply)
    return envelope is not None and envelope.message == Code.INVOICE_NOT_FOUND


def _told_on(reply: Reply, order: Order) -> bytes | None:
    """Return a refusal as it may be told on: without our own id of the order in it."""
    body, envelope = reply.body, read_envelope(reply)
    names_it = order.upstream_trx_id.encode() in (body or b"")
    return msgspec.json.encode(envelope) if names_it and envelope is not None else body


def _invoice(reply: Reply, wanted: Collection[int]) -> tuple[_Invoice | None, str | None]:
    """Return the object in an answer, and its text where the journal may keep that."""
    if reply.status not in wanted or reply.content_type != _JSON or reply.body is None:
        return None, None
    try:
        raw = bytes(_ANSWER.decode(reply.body).data)
        return _INVOICE.decode(raw), kept_invoice(raw)
    except _UNREADABLE:
        return None, None


def kept_invoice(raw: bytes) -> str | None:
    """Return the upstream's object of an order as the journal keeps it.

    None where it is too long or too deep, or could not be read again: it is told on, and decides
    nothing.
    """
    try:
        is_object = isinstance(msgspec.json.decode(raw), dict)
    except _UNREADABLE:
        return None
    is_deep = raw.count(b"{") + raw.count(b"[") > _MAX_BRACKETS
    is_kept = is_object and not is_deep and len(raw) <= MAX_INVOICE_BYTES
    return raw.decode("utf-8") if is_kept else None


def _price(product: _Product | None) -> int | None:
    price = None if product is None else product.price
    return round(price) if price is not None and 0 <= price < _MAX_PRICE else None


def _part(value: str | int | None) -> str | None:
    return None if value is None else plain(str(value)) or None


def read_user_reply(reply: Reply) -> tuple[str, int] | Code:
    """Return the user line and its balance in Rupiah, or why there is none."""
    text = _text(reply)
    saldo = None if text is None else parse_user(text)
    if text is not None and saldo is not None:
        return plain(text), saldo
    code = _refusal_code(reply, text)
    return Code(code) if code in _CODES else Code.SERVER_ERROR


def _text(reply: Reply) -> str | None:
    """Return the one line of a text answer, or None where it is none."""
    if reply.status != _OK or reply.content_type != _TEXT or reply.body is None:
        return None
    try:
        text = reply.body.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    return None if "\n" in text or "\r" in text else text


_STATUSES = {status.value: status for status in Status}


def _status(word: str) -> Status | None:
    return _STATUSES.get(word)


def _nothing(source: Source, reply: Reply, *, saldo: int | None = None) -> Evidence:
    return Evidence(source=source, verdict=Silence.NO_ANSWER, reason=reply.describe(), saldo=saldo)

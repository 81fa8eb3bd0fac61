"""The text dialect, both directions: what a panel asks, and the lines that it reads (contract §4).

The lines are the upstream's own, from its document ("H2H (Otomax)"): one grammar for the answer to
an order, one for that to a status request. What is rendered here is parsed here, so both sides of
the gateway speak through this one file. Nothing is decided here.

    R#<trx_id> <target>, status <STATUS>. <note> . Sisa saldo <saldo>
    R#<trx_id> <invoice_number> <target>, status <STATUS>. <note> . Sisa saldo <saldo>

The target is `<product_code>.<dest>`, and in a status line
`<product_code>.<user_id>(<server_id>)`. It stays in one piece here, because both a product_code
and a destination may hold a full stop.
"""

import re

import msgspec

from gateway.domain.errors import Code, explain
from gateway.domain.order import Order
from gateway.protocol.fields import glue, is_destination, is_identifier
from gateway.protocol.query import Query, parse_query
from gateway.protocol.words import plain, tame

MISSING = "-"  # stands for a field that is missing or unsafe
PROCESSING = "Sedang diproses"  # the note of an open order of which the upstream has said nothing

_ORDER_PARAMETERS = frozenset(
    {"apikey", "product_code", "user_id", "server_id", "trx_id", "callback_url", "max_price"}
)
_PRICE = re.compile(r"[0-9]{1,15}")  # whole Rupiah
_TAIL = r"(?P<target>[^\r\n]*?), status (?P<status>[A-Z_]{1,32})\. (?P<rest>[^\r\n]*)"
_ORDER_LINE = re.compile(r"R#(?P<trx_id>[^\s,]{1,128}) " + _TAIL)
_STATUS_LINE = re.compile(
    r"R#(?P<trx_id>[^\s,]{1,128}) (?P<invoice_number>[^\s,]{1,128}) " + _TAIL
)
_BEFORE_SALDO = " . Sisa saldo "
_SALDO = re.compile(r"0|-?[1-9][0-9]{0,14}")


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the dialect; with an invoice_number it is the answer to a status request."""

    trx_id: str
    target: str
    status: str
    note: str
    invoice_number: str | None = None
    saldo: int | None = None


def render(line: Line) -> str:
    """Return the line's text, as `parse_order` and `parse_status` read it."""
    invoice = "" if line.invoice_number is None else f"{line.invoice_number} "
    saldo = "" if line.saldo is None else f"{_BEFORE_SALDO}{line.saldo}"
    head = f"R#{line.trx_id} {invoice}{line.target}"
    return f"{head}, status {line.status}. {line.note}{saldo}"


def parse_order(text: str) -> Line | None:
    """Read the answer to an order. None for anything else."""
    match = _ORDER_LINE.fullmatch(text)
    return None if match is None else _line(match, None)


def parse_status(text: str) -> Line | None:
    """Read the answer to a status request. None for anything else."""
    match = _STATUS_LINE.fullmatch(text)
    return None if match is None else _line(match, match["invoice_number"])


def _line(match: re.Match[str], invoice_number: str | None) -> Line:
    trx_id, target, status, rest = match.group("trx_id", "target", "status", "rest")
    # The expression itself would look for the saldo at every character of the note: 1.3 µs.
    note, sign, saldo = rest.rpartition(_BEFORE_SALDO)
    has_saldo = bool(sign) and _SALDO.fullmatch(saldo) is not None
    return Line(
        trx_id=trx_id,
        target=target,
        status=status,
        note=note if has_saldo else rest,
        invoice_number=invoice_number,
        saldo=int(saldo) if has_saldo else None,
    )


def parse_user(text: str) -> int | None:
    """Return the balance in a `<name>. <email>. plan <role>. balance <saldo>` line, in Rupiah."""
    before, _, saldo = text.rpartition(". balance ")
    who, plan, _ = before.partition(". plan ")
    is_line = plan and ". " in who and "\n" not in text and "\r" not in text
    return int(saldo) if is_line and _SALDO.fullmatch(saldo) else None


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a panel asked for. Fields that are missing or unsafe are None.

    Attributes:
        malformed: a parameter came twice, so nothing can be decided; or None.
        fault: what is wrong with the order itself; under a new trx_id it fails for it, or None.
        max_price: the most that it may cost, whole Rupiah. Ours: the upstream knows no such
            parameter, and is not told.
    """

    apikey: str | None
    trx_id: str | None
    product_code: str | None
    user_id: str | None
    server_id: str | None
    callback_url: str | None
    malformed: str | None
    fault: str | None
    max_price: int | None = None

    @property
    def dest(self) -> str | None:
        """The destination as it is sent upstream, or None."""
        return None if self.user_id is None else glue(self.user_id, self.server_id)


def parse_order_request(raw_query: str) -> OrderRequest:
    """Read the query of an order route."""
    query = parse_query(raw_query)
    product_code, user_id = query.get("product_code"), query.get("user_id")
    server_id, trx_id = query.get("server_id"), query.get("trx_id")
    return OrderRequest(
        apikey=query.get("apikey"),
        trx_id=trx_id if is_identifier(trx_id) else None,
        product_code=product_code if is_identifier(product_code) else None,
        user_id=user_id if is_destination(user_id) else None,
        server_id=server_id if is_destination(server_id) else None,
        callback_url=query.get("callback_url"),
        malformed=_malformed(query),
        fault=_fault(query, product_code, user_id, server_id),
        max_price=_max_price(query),
    )


def _max_price(query: Query) -> int | None:
    text = query.get("max_price")
    return None if text is None or _PRICE.fullmatch(text) is None else int(text)


def _malformed(query: Query) -> str | None:
    repeated = sorted(_ORDER_PARAMETERS & query.repeated)
    if repeated:
        return f"Parameter {repeated[0]} tertulis dua kali."
    return None


def _fault(
    query: Query, product_code: str | None, user_id: str | None, server_id: str | None
) -> str | None:
    bad = None
    if not is_identifier(product_code):
        bad = "product_code"
    elif not is_destination(user_id):
        bad = "user_id"
    elif "server_id" in query.unreadable or (
        server_id is not None and not is_destination(server_id)
    ):
        bad = "server_id"
    if bad is not None:
        return explain(Code.INVALID_PARAMETER, f"Parameter {bad} kosong atau tidak sah.")
    if "callback_url" in query.unreadable:
        return explain(Code.INVALID_CALLBACK_URL)
    is_limited = "max_price" in query.unreadable or query.get("max_price") is not None
    if is_limited and _max_price(query) is None:
        return explain(Code.INVALID_PARAMETER, "Parameter max_price tidak sah.")
    return None


def order_answer(order: Order, saldo: int | None) -> str:
    """Return what an order route says of a journaled order."""
    dest = order.said_dest or _both_parts(order) or order.dest
    return render(
        Line(
            trx_id=order.trx_id,
            target=f"{order.product_code}.{tame(dest, order.status)}",
            status=order.status,
            note=_note(order),
            saldo=saldo,
        )
    )


def status_answer(order: Order, saldo: int | None) -> str:
    """Return what a status route says of a journaled order."""
    dest = f"{order.user_id}({order.server_id or ''})"
    return render(
        Line(
            trx_id=order.told_trx_id or MISSING,
            invoice_number=order.invoice_number or MISSING,
            target=f"{order.product_code}.{tame(dest, order.status)}",
            status=order.status,
            note=_note(order),
            saldo=saldo,
        )
    )


def _both_parts(order: Order) -> str | None:
    """Return `user_id|server_id`, the upstream's form, where it told both parts by a look-up."""
    if order.server_id is None or not order.named:
        return None
    return f"{order.user_id}|{order.server_id}"


def _note(order: Order) -> str:
    return tame(order.note or (PROCESSING if order.is_open else ""), order.status)


def relayed_answer(line: Line, order: Order) -> str:
    """Return the upstream's own line with the trx_id turned back and rule 6 applied."""
    product = f"{order.product_code}."
    dest = line.target.removeprefix(product)
    head = line.target[: len(line.target) - len(dest)]
    return render(
        Line(
            trx_id=order.trx_id,
            target=head + tame(dest, line.status),
            status=line.status,
            note=tame(line.note, line.status),
            saldo=line.saldo,
        )
    )


def error_answer(request: OrderRequest, note: str, saldo: int | None = None) -> str:
    """Return the line that says that nothing was decided about an order."""
    dest = MISSING if request.dest is None else tame(request.dest, "ERROR")
    return render(
        Line(
            trx_id=request.trx_id or MISSING,
            target=f"{request.product_code or MISSING}.{dest}",
            status="ERROR",
            note=tame(note, "ERROR"),
            saldo=saldo,
        )
    )


def error_status_answer(asked_id: str | None, note: str, saldo: int | None = None) -> str:
    """Return the line that says that a status request has no answer."""
    return render(
        Line(
            trx_id=asked_id if asked_id is not None and is_identifier(asked_id) else MISSING,
            invoice_number=MISSING,
            target=f"{MISSING}.{MISSING}({MISSING})",
            status="ERROR",
            note=tame(note, "ERROR"),
            saldo=saldo,
        )
    )


def error_user_answer(note: str) -> str:
    """Return the line that says that there is no user answer."""
    return f"status ERROR. {plain(note)}"

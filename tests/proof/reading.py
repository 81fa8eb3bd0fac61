"""How a reseller reads what it is answered and told, in each dialect and form.

By expressions that were written by hand from the contract, and without a word of the gateway's own
code: what it renders wrongly must not be read back as if it were right. What is read is given in
one form, the upstream's six words; what that means is the judge's.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

OPEN = frozenset({"PENDING", "PAID"})
FINAL = frozenset({"SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"})
SOLD = frozenset({"SUCCESS", "PARTIAL_SUCCESS"})
ERROR = "ERROR"
WORDS = OPEN | FINAL | {ERROR}

Dialect = Literal["text", "native", "json"]

_TEXT = re.compile(
    r"R#(?P<trx_id>\S+) (?P<what>[^\r\n]*?), status (?P<status>[A-Z_]+)\. [^\r\n]*", re.ASCII
)
_NATIVE = re.compile(
    r"R#(?P<trx_id>\S+) (?P<what>[^\r\n]+?) (?:(?P<open>akan diproses)"
    r"|(?P<sold>SUKSES(?: SEBAGIAN)?)\. SN: [^\r\n]+?|(?P<unsold>GAGAL|ERROR)\. [^\r\n]+?)"
    r"(?:\. Saldo -?[0-9]+)?",
    re.ASCII,
)
_NATIVE_WORDS = {
    "akan diproses": "PENDING",
    "SUKSES": "SUCCESS",
    "SUKSES SEBAGIAN": "PARTIAL_SUCCESS",
    "GAGAL": "FAILED",
    "ERROR": ERROR,
}
_REFUNDED = " GAGAL. Dana sudah dikembalikan"
# An invoice_number of the sandbox, or its end as it stands in RefId.
_INVOICE = re.compile(r"\b(?:APIKUY_)?[A-Z0-9]{2}_[0-9]{9,11}_[0-9]{4,}\b", re.ASCII)
_PLAYER = re.compile(r" - ([^\s()]+)\(([^\s()]*)\) \. RefId")
# After these a program that ordered in JSON buys elsewhere: its order is not to be (contract §6).
_REFUSALS = frozenset(
    {
        *("API_KEY_NOT_FOUND", "IP_NOT_WHITELISTED", "INSUFFICIENT_BALANCE", "INVALID_USER_ID"),
        *("NICKNAME_NOT_FOUND", "PRODUCT_NOT_FOUND", "PRODUCT_INACTIVE", "INVALID_CALLBACK_URL"),
        *("PAYMENT_METHOD_NOT_ALLOWED", "UPSTREAM_UNREACHABLE", "EXPIRED", "PRICE_CHANGED"),
    }
)
_CREATED = (200, 201)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What somebody was answered or told.

    Attributes:
        word: one of the six words, or ERROR.
        trx_id: whom it names; None where it says that there is no trx_id.
        names: whether it names anybody; an error in JSON does not.
        invoices: every invoice_number in it, and every RefId.
        players: whose destinations stand in it, both parts glued.
        number: the order's own invoice_number, where it stands in its place.
        form: of a delivery: `toss`, `otomax`, `report` or `json`.
        agrees: of a delivery: its code or word is that of the line beside it.
    """

    word: str
    trx_id: str | None
    names: bool = True
    invoices: frozenset[str] = frozenset()
    players: frozenset[str] = frozenset()
    number: str | None = None
    form: str = ""
    agrees: bool = True


def read_answer(dialect: Dialect, http: int, body: str, *, ordered: bool) -> Read | None:
    """Read an answer; None where it is none of its dialect.

    Args:
        dialect: in which was asked.
        http: the HTTP code.
        body: what came.
        ordered: an order was asked for; so an error may say that there is none, and will be none.
    """
    if dialect == "json":
        return _json_answer(http, body, ordered=ordered)
    return _text_line(body) if dialect == "text" else _native_line(body)


def read_delivery(url: str, body: str | None) -> Read | None:
    """Read a delivery; None where it has none of the forms."""
    if body is not None:
        invoice = _object(body)
        return None if invoice is None else _invoice(invoice, "json")
    values = {
        name: each[-1]
        for name, each in parse_qs(urlsplit(url).query, keep_blank_values=True).items()
    }
    if "refid" in values:
        return _coded(values, "otomax", ("refid", "status", "message"), ("20", "40"))
    if "clientid" in values:
        return _coded(values, "report", ("clientid", "statuscode", "msg"), ("1", "2"))
    return _toss(values)


def _text_line(text: str) -> Read | None:
    read = _TEXT.fullmatch(text)
    if read is None or read["status"] not in WORDS:
        return None
    number = read["what"].partition(" ")[0]
    return Read(
        word=read["status"],
        trx_id=None if read["trx_id"] == "-" else read["trx_id"],
        invoices=_invoices(text),
        players=_players(text),
        number=number if _INVOICE.fullmatch(number) else None,
    )


def _native_line(text: str) -> Read | None:
    read = _NATIVE.fullmatch(text)
    if read is None:
        return None
    word = _NATIVE_WORDS[read["open"] or read["sold"] or read["unsold"]]
    if word == "FAILED" and text[read.end("what") :].startswith(_REFUNDED):
        word = "REFUNDED"
    trx_id = None if read["trx_id"] == "-" else read["trx_id"]
    return Read(word=word, trx_id=trx_id, invoices=_invoices(text), players=_players(text))


def _json_answer(http: int, body: str, *, ordered: bool) -> Read | None:
    said = _object(body)
    if said is None:
        return None
    if http in _CREATED:
        invoice = said.get("data")
        whole = said.get("statusCode") == _CREATED[0] and said.get("message") == "success"
        return _invoice(invoice, "") if whole and isinstance(invoice, dict) else None
    if said.get("statusCode") != http or not isinstance(said.get("message"), str):
        return None
    refused = ordered and said["message"] in _REFUSALS
    return Read(word="FAILED" if refused else ERROR, trx_id=None, names=False)


def _invoice(invoice: Mapping[str, Any], form: str) -> Read | None:
    """Read the upstream's object of an order, in an answer or in a delivery."""
    try:
        word, player = invoice["status"], invoice["user_input"]
        trx_id, number, note = (invoice[n] for n in ("trx_id", "invoice_number", "response_note"))
        dest = player["user_id"] + (player["server_id"] or "")
        product = invoice["product"]["code"]
    except (KeyError, TypeError):
        return None
    if word not in OPEN | FINAL or not isinstance(product, str):
        return None
    return Read(
        word=word,
        trx_id=trx_id,
        invoices=_invoices(f"{number} {note}"),
        players=_players(note or "") | {dest},
        number=number,
        form=form,
    )


def _coded(
    values: Mapping[str, str], form: str, names: tuple[str, ...], codes: tuple[str, str]
) -> Read | None:
    """Read a delivery with a code for sold or not, and a line that says more."""
    trx_id, code, line = (values.get(name, "") for name in names)
    read = _native_line(line)
    if read is None or code not in codes or read.word not in FINAL:
        return None
    agrees = read.trx_id == trx_id and (code == codes[0]) == (read.word in SOLD)
    sn = values.get("sn", "")
    return Read(
        word=read.word,
        trx_id=trx_id,
        invoices=read.invoices | _invoices(sn),
        players=read.players | _players(sn),
        form=form,
        agrees=agrees and (sn in line if read.word in SOLD else not sn),
    )


def _toss(values: Mapping[str, str]) -> Read | None:
    line, number = values.get("msg", ""), values.get("invoice_number", "")
    read = _text_line(line)
    if read is None or values.get("status") not in FINAL:
        return None
    sn = values.get("sn", "")
    return Read(
        word=values["status"],
        trx_id=values.get("trx_id"),
        invoices=read.invoices | _invoices(f"{number} {sn}"),
        players=read.players | _players(sn),
        number=number or None,
        form="toss",
        agrees=(read.word, read.trx_id) == (values["status"], values.get("trx_id")),
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        read = json.loads(text)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _invoices(text: str) -> frozenset[str]:
    return frozenset(_INVOICE.findall(text))


def _players(text: str) -> frozenset[str]:
    return frozenset("".join(found) for found in _PLAYER.findall(text))

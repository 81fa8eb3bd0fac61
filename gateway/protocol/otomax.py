"""OtomaX's own dialect, both directions: what a panel asks, and the lines it reads (contract §9).

A panel that adds us as an ordinary OtomaX server speaks this. What is rendered here is parsed
here, as in `protocol.text`. Nothing is decided here, except whether a sign or a pin is the right
one, which is arithmetic.

    R#<refID> <product>.<dest> akan diproses. Saldo <saldo>
    R#<refID> <product>.<dest> SUKSES. SN: <sn>. Saldo <saldo>
    R#<refID> <product>.<dest> SUKSES SEBAGIAN. SN: <sn>. Saldo <saldo>
    R#<refID> <product>.<dest> GAGAL. <kalimat>. Saldo <saldo>
    R#<refID> <product>.<dest> ERROR. <CODE> - <kalimat>

The target `<product>.<dest>` stays in one piece, as in the text dialect. It never holds what a
line is known by, so a player's id can not end it early.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from hmac import compare_digest

import msgspec

from gateway.domain.errors import Code, explain
from gateway.domain.order import Order, Status
from gateway.protocol.fields import glue, is_destination, is_identifier
from gateway.protocol.query import Query, parse_query
from gateway.protocol.words import tame

MISSING = "-"  # stands for a field that is missing or unsafe
REFUNDED = "Dana sudah dikembalikan"  # how the reason of a refunded order begins
REFUSED = "Transaksi ditolak supplier"  # the reason where the upstream gave none

_MAX_PRICE_DIGITS = 15  # as of every amount of Rupiah that is read
# As they are written here in a sentence; in a request in any case of letters.
_PARAMETERS = {
    name.lower(): name
    for name in (
        *("memberID", "product", "dest", "refID", "qty", "check"),
        *("pin", "password", "sign", "max_price"),
    )
}
# A sign is base64url without padding. Panels write the other alphabet and padding as well, and a
# `+` that was not encoded is read as a space.
_TO_BASE64URL = str.maketrans("+/ ", "-_-")
# What a line is known by beside the words of `protocol.words`; broken up in what is not ours.
_KNOWN_BY = re.compile(r"(?=akan\s+diproses|ERROR\.)(.)", re.IGNORECASE)


# -- who asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How a request shows who sends it; what it does not show is empty.

    Attributes:
        member_id: as it was sent, for the sign is made over it.
        about: product, dest and refID as they were sent; of `/balance` three times nothing.
        sign: of all that, under pin and password.
        pin: the reseller's own, in place of a sign.
        password: the same.
    """

    member_id: str
    about: tuple[str, str, str]
    sign: str = field(repr=False)
    pin: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def code(self) -> str:
        """The reseller's code that is claimed; a memberID is that in any case of letters."""
        return self.member_id.lower() if self.member_id.isascii() else ""


def sign_of(member_id: str, about: tuple[str, str, str], pin: str, password: str) -> str:
    """Return the sign of a request: base64url without padding of a binary SHA-1.

    Args:
        member_id: as it is sent.
        about: product, dest and refID as they are sent.
        pin: the reseller's own.
        password: the same.
    """
    text = "|".join(("OtomaX", member_id, *about, pin, password))
    digest = hashlib.sha1(text.encode()).digest()  # noqa: S324  the protocol's own
    return urlsafe_b64encode(digest).decode().rstrip("=")


def are_genuine(shown: Credentials, pin: str, password: str, *, allow_pin: bool) -> bool:
    """Whether who sent a request knows this pin and password; always the same work.

    Args:
        shown: what came.
        pin: of the reseller that is claimed.
        password: the same.
        allow_pin: pin and password may be shown themselves, in place of a sign.
    """
    wanted = sign_of(shown.member_id, shown.about, pin, password)
    came = shown.sign.rstrip("=").translate(_TO_BASE64URL)
    is_signed = compare_digest(came.encode(), wanted.encode())
    is_pin = compare_digest(shown.pin.encode(), pin.encode())
    is_password = compare_digest(shown.password.encode(), password.encode())
    return is_signed | (is_pin & is_password & allow_pin)


# -- what is asked


class TrxRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel asked of `/trx`. Fields that are missing or unsafe are None.

    Attributes:
        credentials: who it says that it is.
        trx_id: its refID.
        product_code: its product.
        user_id: its dest, as it was written.
        is_check: it asks for an order's status, and must never buy.
        max_price: the most that the order may cost, whole Rupiah, or None.
        malformed: why nothing can be decided, or None.
        fault: what is wrong with the order itself; under a new refID it fails for it, or None.
    """

    credentials: Credentials
    trx_id: str | None
    product_code: str | None
    user_id: str | None
    is_check: bool
    max_price: int | None
    malformed: str | None
    fault: str | None

    @property
    def dest(self) -> str | None:
        """The destination as it is sent upstream, or None."""
        return None if self.user_id is None else glue(self.user_id, None)


def parse_trx_request(raw_query: str, body: bytes = b"") -> TrxRequest:
    """Read a request of `/trx`.

    Args:
        raw_query: what stands behind the `?`, as it came.
        body: a form, `application/x-www-form-urlencoded`, or nothing.
    """
    query = _read(raw_query, body)
    product, dest, ref_id = query.get("product"), query.get("dest"), query.get("refid")
    return TrxRequest(
        credentials=_credentials(query, (product or "", dest or "", ref_id or "")),
        trx_id=ref_id if is_identifier(ref_id) else None,
        product_code=product if is_identifier(product) else None,
        user_id=dest if is_destination(dest) else None,
        is_check=query.get("check") == "1",
        max_price=_price(query.get("max_price")),
        malformed=_malformed(query),
        fault=_fault(query),
    )


class BalanceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel asked of `/balance`; `malformed` as in `TrxRequest`."""

    credentials: Credentials
    malformed: str | None


def parse_balance_request(raw_query: str, body: bytes = b"") -> BalanceRequest:
    """Read a request of `/balance`, in the same two places as `parse_trx_request`."""
    query = _read(raw_query, body)
    credentials = _credentials(query, ("", "", ""))
    return BalanceRequest(credentials=credentials, malformed=_repeated(query))


def _read(raw_query: str, body: bytes) -> Query:
    """Read query and form as one: what stands in both is repeated."""
    form = body.decode("ascii", "surrogateescape")
    return parse_query(f"{raw_query}&{form}", any_case=True)


def _credentials(query: Query, about: tuple[str, str, str]) -> Credentials:
    return Credentials(
        member_id=query.get("memberid") or "",
        about=about,
        sign=query.get("sign") or "",
        pin=query.get("pin") or "",
        password=query.get("password") or "",
    )


def _repeated(query: Query) -> str | None:
    repeated = sorted(_PARAMETERS.keys() & query.repeated)
    return f"Parameter {_PARAMETERS[repeated[0]]} tertulis dua kali." if repeated else None


def _malformed(query: Query) -> str | None:
    is_clear = query.values.get("check") in (None, "0", "1") and "check" not in query.unreadable
    # Where it is not clear whether it may buy, it does not.
    return _repeated(query) or (None if is_clear else "Parameter check hanya boleh 1.")


def _fault(query: Query) -> str | None:
    if not is_identifier(query.get("product")):
        return _invalid("product kosong atau tidak sah")
    if not is_destination(query.get("dest")):
        return _invalid("dest kosong atau tidak sah")
    if not _may_be(query, "qty", ("1",)):
        return _invalid("qty hanya boleh 1")
    max_price = query.get("max_price")
    if "max_price" in query.unreadable or (max_price is not None and _price(max_price) is None):
        return _invalid("max_price tidak sah")
    return None


def _may_be(query: Query, name: str, permitted: tuple[str, ...]) -> bool:
    """Whether a parameter is missing or one of these; what was written and is not read is none."""
    return name not in query.unreadable and query.get(name) in (None, *permitted)


def _invalid(what: str) -> str:
    return explain(Code.INVALID_PARAMETER, f"Parameter {what}.")


def _price(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _MAX_PRICE_DIGITS:
        return None
    return int(text)


# -- what is answered


class Word(StrEnum):
    """What a line says of its order."""

    PROCESSING = "akan diproses"
    SUCCESS = "SUKSES"
    PARTIAL = "SUKSES SEBAGIAN"
    FAILED = "GAGAL"
    ERROR = "ERROR"


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the dialect.

    Attributes:
        trx_id: the refID.
        target: `<product>.<dest>`.
        word: what it says.
        note: the SN, the reason, or nothing behind `akan diproses`.
        saldo: Rupiah, or None.
    """

    trx_id: str
    target: str
    word: Word
    note: str = ""
    saldo: int | None = None


# What stands between a line's target and its note.
_SAID = {
    Word.PROCESSING: "akan diproses",
    Word.SUCCESS: "SUKSES. SN: ",
    Word.PARTIAL: "SUKSES SEBAGIAN. SN: ",
    Word.FAILED: "GAGAL. ",
    Word.ERROR: "ERROR. ",
}
_SALDO = r"(?P<saldo>0|-?[1-9][0-9]{0,14})"
_LINE = re.compile(
    r"R#(?P<trx_id>[^\s,]{1,128}) (?P<target>[^\r\n]+?) "
    r"(?:(?P<open>akan diproses)"
    r"|(?:(?P<sold>SUKSES(?: SEBAGIAN)?)\. SN: |(?P<unsold>GAGAL|ERROR)\. )(?P<note>[^\r\n]*?))"
    rf"(?:\. Saldo {_SALDO})?"
)
_BALANCE = re.compile(f"Saldo {_SALDO}")

_WORDS = {
    Status.PENDING: Word.PROCESSING,
    Status.PAID: Word.PROCESSING,
    Status.SUCCESS: Word.SUCCESS,
    Status.PARTIAL_SUCCESS: Word.PARTIAL,
    Status.FAILED: Word.FAILED,
    Status.REFUNDED: Word.FAILED,
}


def render(line: Line) -> str:
    """Return the line's text, as `parse_line` reads it."""
    saldo = "" if line.saldo is None else f". Saldo {line.saldo}"
    return f"R#{line.trx_id} {line.target} {_SAID[line.word]}{line.note}{saldo}"


def parse_line(text: str) -> Line | None:
    """Read the answer to `/trx`. None for anything else."""
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    return Line(
        trx_id=match["trx_id"],
        target=match["target"],
        word=Word(match["open"] or match["sold"] or match["unsold"]),
        note=match["note"] or "",
        saldo=None if match["saldo"] is None else int(match["saldo"]),
    )


def render_balance(saldo: int) -> str:
    """Return the answer to `/balance`; the saldo is Rupiah."""
    return f"Saldo {saldo}"


def parse_balance(text: str) -> int | None:
    """Read the answer to `/balance`, Rupiah. None for anything else."""
    match = _BALANCE.fullmatch(text)
    return None if match is None else int(match["saldo"])


def order_answer(order: Order, saldo: int | None) -> str:
    """Return what is said of a journaled order: by `/trx`, and by deliveries.

    Args:
        order: as the journal holds it.
        saldo: the last balance seen, Rupiah, or None.
    """
    word = _WORDS[order.status]
    return render(
        Line(
            trx_id=order.trx_id,
            target=f"{order.product_code}.{dest_of(order)}",
            word=word,
            note=_note(order, word),
            saldo=saldo,
        )
    )


def dest_of(order: Order) -> str:
    """Return an order's destination as it may stand in a line: both parts glued, as compared."""
    return _harmless(order.dest)


def sn_of(order: Order) -> str:
    """Return the SN of an order that was sold, as it may stand in a line; else nothing."""
    is_sold = _WORDS[order.status] in (Word.SUCCESS, Word.PARTIAL)
    return _harmless(order.note, Word.SUCCESS) if is_sold else ""


def _note(order: Order, word: Word) -> str:
    if word is Word.PROCESSING:
        return ""
    if word is not Word.FAILED:
        return sn_of(order) or MISSING  # a panel's expression wants to find something there
    reason = _harmless(order.note, Word.FAILED)
    if order.status is Status.REFUNDED:
        return f"{REFUNDED} - {reason}" if reason else REFUNDED
    return reason or REFUSED


def _harmless(text: str, own: str = "") -> str:
    """Return a stranger's text with nothing in it that a line is known by, but its own word."""
    return _KNOWN_BY.sub(r"\1-", tame(text, own))


def error_answer(request: TrxRequest, note: str) -> str:
    """Return the line that says that nothing was decided about an order."""
    dest = MISSING if request.dest is None else _harmless(request.dest)
    return render(
        Line(
            trx_id=request.trx_id or MISSING,
            target=f"{request.product_code or MISSING}.{dest}",
            word=Word.ERROR,
            note=tame(note, ""),
        )
    )


def error_balance_answer(note: str) -> str:
    """Return the line that says that there is no answer to `/balance`."""
    return f"ERROR. {tame(note, '')}"

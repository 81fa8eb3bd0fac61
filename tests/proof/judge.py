"""The judge: holds what resellers were told and what the journal says against the upstream.

Pure, and without a word of the gateway's own code: whoever ran the gateway (in virtual time, under
kills, with failing disks) writes down in a `Case` what every party saw, and gets a list of what
was promised and not kept. What was said is read as resellers read it, see `reading`.
"""

import hmac
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

from tests.proof.case import Answer, Bought, Case, Heard, Money, Run, Sent, target_of
from tests.proof.reading import ERROR, FINAL, OPEN, Read

__all__ = [
    "FIGURES",
    "FINAL",
    "OPEN",
    "Answer",
    "Bought",
    "Case",
    "Heard",
    "Money",
    "Promise",
    "Run",
    "Sent",
    "Violation",
    "count",
    "judge",
]

SENDS_AT_MOST = 3  # contract T6
_AWAY = 503  # the journal can not record: nothing is decided


class Promise(StrEnum):
    """What is promised; a violation names the promise that it breaks."""

    BOUGHT_ONCE = "bought at most once"
    AS_ASKED = "what was bought is what was asked"
    THREE_SENDS = "at most three order requests on the wire"
    NO_OVERLAP = "two sends of one order never overlap"
    SETTLES_FIRST = "a send waits until the one before has settled, and was not found"
    NOT_LOST = "an order that was answered is in the journal"
    SETTLED = "the journal ends with what the upstream says"
    NO_FALSE_FAILED = "FAILED is said only with proof"
    # Told apart from the one above, so that both can be counted: here the panel heard the truth
    # in the end, and may have sold the same thing a second time before.
    NO_FAILED_CORRECTED = "a FAILED that was said is never taken back"
    NO_FALSE_SUCCESS = "SUCCESS is said only on the upstream's word"
    NO_FALSE_REFUND = "REFUNDED is said only on the upstream's word"
    NO_STRANGER = "no line holds another order's invoice, RefId or nickname"
    ISOLATED = "a trx_id is one order of one reseller"
    READABLE = "every answer and delivery is of its grammar, and about this order"
    SIGNED = "a delivery in JSON is signed under the reseller's key"
    DELIVERED = "every final status is delivered, dead or superseded"
    NEVER_BACKWARDS = "an older status is never heard after a newer one"
    SAME_BYTES = "a repeated delivery is byte for byte the same"
    BALANCE = "the balance adds up"


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept: whose, what was wanted, and what came."""

    promise: Promise
    order: str
    wanted: str
    came: str

    def __str__(self) -> str:
        return f"{self.order}: {self.promise}: wanted {self.wanted}, came {self.came}"


def judge(run: Run) -> list[Violation]:
    """Return everything that was promised and not kept; empty when all is well."""
    found = [
        Violation(promise, case.name, wanted, came)
        for case in run.cases
        for promise, wanted, came in _case(case, run)
    ]
    found += [
        Violation(Promise.ISOLATED, name, "an order that was placed", "nobody's")
        for name in run.strays
    ]
    for money in run.money:
        prices = sum(each.price_rp for each in money.bought)
        returned = sum(each.returned_rp for each in money.bought)
        due = money.opening_rp - prices + returned
        if due != money.balance_rp:
            text = str(money.balance_rp)
            found.append(Violation(Promise.BALANCE, money.account, f"a balance of {due}", text))
    return found


# Under which name a broken promise is counted in the proof's table; every promise has one.
FIGURES: Mapping[str, tuple[Promise, ...]] = {
    "bought twice": (Promise.BOUGHT_ONCE,),
    "orders lost": (Promise.NOT_LOST, Promise.SETTLED),
    "false FAILED": (Promise.NO_FALSE_FAILED, Promise.NO_FAILED_CORRECTED),
    "of these taken back": (Promise.NO_FAILED_CORRECTED,),
    "false SUCCESS": (Promise.NO_FALSE_SUCCESS, Promise.NO_FALSE_REFUND),
    "a stranger's SN": (Promise.NO_STRANGER, Promise.ISOLATED),
    "never told": (Promise.DELIVERED,),
    "told backwards": (Promise.NEVER_BACKWARDS, Promise.SAME_BYTES),
    "books that do not add up": (Promise.BALANCE, Promise.AS_ASKED),
    "sends too many or too soon": (
        Promise.THREE_SENDS,
        Promise.NO_OVERLAP,
        Promise.SETTLES_FIRST,
    ),
    "answers that are no line": (Promise.READABLE,),
    "deliveries that nobody signed": (Promise.SIGNED,),
}


def count(violations: Iterable[Violation]) -> dict[str, int]:
    """Return how often promises were broken, by the names of `FIGURES`, every one of them."""
    counted = Counter(violation.promise for violation in violations)
    return {
        name: sum(counted[promise] for promise in promises) for name, promises in FIGURES.items()
    }


Found = Iterator[tuple[Promise, str, str]]


def _case(case: Case, run: Run) -> Found:
    yield from _purchases(case)
    yield from _requests(case, run.settle)
    yield from _kept(case)
    if run.settled:
        yield from _ended(case)
        yield from _outbox(case)
    told = list(_said_by_deliveries(case))
    answered = list(_said_by_answers(case))
    yield from _proven(case, [*answered, *told])
    yield from _own(case)
    yield from _never_backwards(answered, told)
    yield from _same_bytes(case)


# -- what the upstream's books show


def _purchases(case: Case) -> Found:
    if len(case.bought) > 1:
        invoices = [each.invoice_number for each in case.bought]
        yield Promise.BOUGHT_ONCE, "one purchase", f"{len(invoices)}: {', '.join(invoices)}"
    for each in case.bought:
        if (each.product_code, each.dest) != (case.product_code, case.dest):
            came = f"{each.product_code} for {each.dest}"
            yield Promise.AS_ASKED, f"{case.product_code} for {case.dest}", came


def _requests(case: Case, settle: float) -> Found:
    requests = sorted(case.requests or [], key=lambda sent: sent.began_at)
    number = case.request_count if case.requests is None else len(requests)
    if number > SENDS_AT_MOST:
        yield Promise.THREE_SENDS, f"at most {SENDS_AT_MOST}", str(number)
    for before, after in pairwise(requests):
        if after.began_at < before.ended_at:
            wanted = f"a send after {before.ended_at}, when the one before was over"
            yield Promise.NO_OVERLAP, wanted, f"one at {after.began_at}"
        if before.closed_at is not None and after.began_at < before.closed_at + settle:
            wanted = f"a send after {before.closed_at + settle}"
            yield Promise.SETTLES_FIRST, wanted, f"one at {after.began_at}"
        if not after.allowed:
            wanted = f"INVOICE_NOT_FOUND since {before.began_at}"
            yield Promise.SETTLES_FIRST, wanted, f"a send at {after.began_at} without it"


# -- what the journal holds


def _kept(case: Case) -> Found:
    said = [answer.line for answer in case.answers if _word(answer) in OPEN | FINAL]
    if case.journal is None and (said or case.heard):
        told = said[0] if said else case.heard[0].whole
        yield Promise.NOT_LOST, "the order in the journal", f"nothing, though told: {told}"
    if case.journal is None and case.bought:
        invoice = case.bought[0].invoice_number
        yield Promise.NOT_LOST, "the order in the journal", f"nothing, though bought: {invoice}"


def _ended(case: Case) -> Found:
    if case.journal is None:
        return
    status, final = case.journal["status"], case.journal["final_at"] is not None
    wanted = _endings(case)
    if status not in wanted or final != (case.truth in FINAL):
        came = f"{status}{'' if final else ' (open)'}"
        yield Promise.SETTLED, " or ".join(sorted(wanted)), came
    invoice = case.journal["invoice_number"]
    if invoice is not None and invoice not in {each.invoice_number for each in case.bought}:
        yield Promise.NO_STRANGER, "the order's own invoice_number in the journal", invoice


def _endings(case: Case) -> set[str]:
    """Return what the journal may end with."""
    if not case.bought or case.bought[0].announced:
        return {case.truth}
    finals = [status for _, status in case.bought[0].history if status in FINAL]
    return {case.truth, *finals}


def _outbox(case: Case) -> Found:
    rows = sorted(case.deliveries, key=lambda row: row["id"])
    taken = {heard.bytes for heard in case.heard if heard.took}
    for row in rows:
        what = f"delivery {row['id']} of {row['status']}"
        if row["state"] == "delivered" and _frozen(row) not in taken:
            yield Promise.DELIVERED, f"{what} taken by the panel", "it never took it"
        elif row["state"] == "superseded" and row is rows[-1]:
            yield Promise.DELIVERED, f"a newer status after {what}", "none"
        elif row["state"] not in {"delivered", "dead", "superseded"}:
            yield Promise.DELIVERED, f"{what} delivered or dead", row["state"]
    order = case.journal
    if order is None or order["final_at"] is None or order["callback_url"] is None:
        return
    last = rows[-1]["status"] if rows else "nothing"
    if last != order["status"]:
        yield Promise.DELIVERED, f"{order['status']} as the last thing told", last


# -- what the reseller was told


@dataclass(frozen=True, slots=True)
class _Said:
    """A status that the reseller was told, and how; began: when at the earliest it was said."""

    began: float
    at: float
    word: str
    how: str


def _said_by_answers(case: Case) -> Iterator[_Said]:
    for answer in case.answers:
        word = _word(answer)
        if word is not None and word != ERROR and not answer.other:
            yield _Said(answer.asked_at, answer.at, word, answer.line)


def _said_by_deliveries(case: Case) -> Iterator[_Said]:
    for heard in case.heard:
        read = heard.read
        if read is not None:
            began = float("-inf") if heard.began_at is None else heard.began_at
            yield _Said(began, heard.at, read.word, heard.whole)


def _proven(case: Case, said: Sequence[_Said]) -> Found:
    """Every final word is one that the upstream's books hold; FAILED also where nothing is."""
    history = [status for each in case.bought for _, status in each.history]
    wrong = {one.word: one for one in said if one.word in FINAL - set(history)}
    for word, one in wrong.items():
        if word == "FAILED" and not case.bought:
            continue
        wanted = f"a word of {history or ['FAILED']}"
        corrected = any(other.at > one.at and other.word == case.truth for other in said)
        promise = _LIES[word]
        if promise is Promise.NO_FALSE_FAILED and corrected:
            promise = Promise.NO_FAILED_CORRECTED
        yield promise, wanted, one.how


_LIES = {
    "FAILED": Promise.NO_FALSE_FAILED,
    "SUCCESS": Promise.NO_FALSE_SUCCESS,
    "PARTIAL_SUCCESS": Promise.NO_FALSE_SUCCESS,
    "REFUNDED": Promise.NO_FALSE_REFUND,
}


def _own(case: Case) -> Found:
    """Everything is about this order, and holds nobody else's invoice."""
    for answer in case.answers:
        yield from _own_answer(case, answer)
    for heard in case.heard:
        yield from _own_delivery(case, heard)


def _own_answer(case: Case, answer: Answer) -> Found:
    read = answer.read
    if answer.http == _AWAY:
        if _says_failed(answer):
            yield Promise.NO_FALSE_FAILED, f"no FAILED with HTTP {_AWAY}", answer.line
        return
    if read is None or (answer.dialect != "json" and answer.http != 200):
        yield Promise.READABLE, f"an answer of the dialect {answer.dialect}", answer.line
        return
    echoed = read.word == ERROR and read.trx_id == answer.asked_id
    if read.names and read.trx_id != case.told_id and not echoed:
        yield Promise.ISOLATED, f"R#{case.told_id}", answer.line
    yield from _no_stranger(case, read, answer.line)
    if answer.other and read.word != ERROR:
        yield Promise.ISOLATED, "ERROR for another product or destination", answer.line


def _says_failed(answer: Answer) -> bool:
    if answer.dialect == "json":
        return answer.read is None or answer.read.word != ERROR
    return any(word in answer.line for word in ("status FAILED", "GAGAL"))


def _own_delivery(case: Case, heard: Heard) -> Found:
    read = heard.read
    if read is None or read.form not in case.forms:
        yield Promise.READABLE, f"a delivery as {' or '.join(sorted(case.forms))}", heard.whole
        return
    if not read.agrees:
        yield Promise.READABLE, "a code that says what its line says", heard.whole
    if read.trx_id != case.told_id:
        yield Promise.ISOLATED, f"trx_id {case.told_id}", heard.whole
    if heard.body is not None:
        genuine = hmac.digest(case.key.encode(), heard.body.encode(), "sha256").hex()
        if heard.signature != genuine:
            yield Promise.SIGNED, genuine, str(heard.signature)
    yield from _no_stranger(case, read, heard.whole)


def _no_stranger(case: Case, read: Read, whole: str) -> Found:
    own = {each.invoice_number for each in case.bought}
    own |= {invoice.partition("_")[2] for invoice in own}
    if read.invoices - own or read.players - {case.dest}:
        yield Promise.NO_STRANGER, f"only {sorted(own)} and {case.dest}", whole


def _never_backwards(answered: Sequence[_Said], told: Sequence[_Said]) -> Found:
    """A status that the reseller has heard to be over is not heard again.

    What overlapped in time says nothing: of two requests that were under way together either may
    be answered first, and the other answer be heard first. So one thing is later than another only
    where it was begun after the other had been heard. Deliveries come one after the other.
    """
    in_turn = [replace(one, began=one.at) for one in told]
    compared = [(one, [*answered, *told]) for one in answered]
    compared += [(one, in_turn) for one in in_turn]
    for one, others in compared:
        over = _over(one.word, [other for other in others if other.at < one.began])
        if over is not None:
            yield Promise.NEVER_BACKWARDS, f"no {one.word} after {over}", one.how


def _over(word: str, known: Sequence[_Said]) -> str | None:
    """Return a word that was heard, and after which this one can not be true any more."""
    for one in known:
        if (word in OPEN and one.word in FINAL) or word != one.word == "REFUNDED":
            return one.word
    first = min((one.at for one in known if one.word == word), default=None)
    later = (one.word for one in known if first is not None and one.began > first)
    return next((other for other in later if other != word), None)


def _same_bytes(case: Case) -> Found:
    """What is heard is what the journal froze, byte for byte."""
    if case.journal is None:
        return
    frozen = {_frozen(row) for row in case.deliveries}
    for heard in case.heard:
        if heard.bytes not in frozen:
            yield Promise.SAME_BYTES, "a request that the journal holds", heard.whole


def _word(answer: Answer) -> str | None:
    """Return the status that an answer says, or None where it says none."""
    read = None if answer.http == _AWAY else answer.read
    return None if read is None else read.word


def _frozen(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return what a delivery of the journal says, as `Heard.bytes`."""
    return target_of(row["url"]), row.get("body")

"""The judge: holds what panels were told and what the journal says against the upstream's books.

Pure, and without a word of the gateway's own code: whoever ran the gateway (in virtual time, under
kills, with failing disks) writes down here what every party saw, and gets a list of what was
promised and not kept. It reads lines as a panel does, by its own regular expressions.

All times of one run are of one clock, in any unit; only their order matters. `Case.journal` and
`Case.deliveries` are plain data as `order list --json` and `delivery list --json` print it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

SENDS_AT_MOST = 3  # contract T6

OPEN = frozenset({"PENDING", "PAID"})
FINAL = frozenset({"SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"})


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
    READABLE = "every answer is a line of the grammar about this order"
    DELIVERED = "every final status is delivered, dead or superseded"
    NEVER_BACKWARDS = "an older status is never heard after a newer one"
    SAME_BYTES = "a repeated delivery is byte for byte the same"
    BALANCE = "the balance adds up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that a panel got.

    Attributes:
        asked_at: when the panel asked.
        at: when it had the answer.
        line: the body.
        http: the HTTP code.
        status_request: it had asked for the status, and not ordered.
        other: it had ordered with this trx_id, but another product or destination (T10).
    """

    asked_at: float
    at: float
    line: str
    http: int = 200
    status_request: bool = False
    other: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One delivery as it reached the panel: its address, and whether the panel answered 2xx."""

    at: float
    url: str
    took: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One order request on the wire.

    Attributes:
        began_at: when it left.
        ended_at: when both sides were done with it: its connection closed, and nothing of it under
            way any more.
        closed_at: when its own side closed the connection; None where that is not known.
        allowed: it is the first, or a look-up since the one before said INVOICE_NOT_FOUND.
    """

    began_at: float
    ended_at: float
    closed_at: float | None = None
    allowed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """One purchase in the upstream's books.

    Attributes:
        invoice_number: the upstream's id.
        product_code: what was bought.
        dest: for whom: user_id and server_id glued.
        price_rp: what was taken, Rupiah.
        returned_rp: what was given back, Rupiah.
        history: every status with its time, oldest first.
        announced: the gateway has acknowledged a callback that told the last status. Nobody looks
            a sold order up again, so a refund that was never told of stays unknown.
    """

    invoice_number: str
    product_code: str
    dest: str
    price_rp: int
    returned_rp: int
    history: Sequence[tuple[float, str]]
    announced: bool = True

    @property
    def status(self) -> str:
        return self.history[-1][1]


@dataclass(slots=True, kw_only=True)
class Case:
    """Everything that is known about one order, each party's own view of it.

    Attributes:
        journal: the order as the journal shows it, or None where it is not there.
        deliveries: its deliveries as the journal shows them.
        requests: its order requests as they were seen on the wire; None where only their number
            is known.
        request_count: their number, where `requests` is None.
    """

    reseller: str
    trx_id: str
    product_code: str
    dest: str
    answers: list[Answer] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    journal: Mapping[str, Any] | None = None
    deliveries: list[Mapping[str, Any]] = field(default_factory=list)
    requests: list[Sent] | None = None
    request_count: int = 0
    bought: list[Bought] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.reseller}-{self.trx_id}"

    @property
    def truth(self) -> str:
        """What the upstream says in the end; what it never bought has failed."""
        return self.bought[0].status if self.bought else "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """One account at the upstream: what it had, what it has, and everything bought with it."""

    account: str
    opening_rp: int
    balance_rp: int
    bought: Sequence[Bought]


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of the gateway.

    Attributes:
        cases: every order.
        money: every account at the upstream.
        strays: names of purchases and deliveries that belong to no order of `cases`.
        settled: everything had time to end: what is still open, or still to be told, is lost.
        settle: how long a send is left to settle, in the unit of the run's times.
    """

    cases: Sequence[Case]
    money: Sequence[Money] = ()
    strays: Sequence[str] = ()
    settled: bool = True
    settle: float = 0.0


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
    said = [*_said_by_answers(case), *_said_by_deliveries(case)]
    yield from _proven(case, said)
    yield from _own(case)
    yield from _never_backwards(case)
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
        told = said[0] if said else case.heard[0].url
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
    taken = {_target(heard.url) for heard in case.heard if heard.took}
    for row in rows:
        what = f"delivery {row['id']} of {row['status']}"
        if row["state"] == "delivered" and _target(row["url"]) not in taken:
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


# -- what the panel was told


@dataclass(frozen=True, slots=True)
class _Said:
    """A status that the panel was told, and how."""

    at: float
    word: str
    how: str


def _said_by_answers(case: Case) -> Iterator[_Said]:
    for answer in case.answers:
        word = _word(answer)
        if word is not None and not answer.other:
            yield _Said(answer.at, word, answer.line)


def _said_by_deliveries(case: Case) -> Iterator[_Said]:
    for heard in case.heard:
        yield _Said(heard.at, _value(heard.url, "status"), heard.url)


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
    """Every line is about this order, and holds nobody else's invoice."""
    for answer in case.answers:
        yield from _own_answer(case, answer)
    for heard in case.heard:
        trx_id, invoice = _value(heard.url, "trx_id"), _value(heard.url, "invoice_number")
        if trx_id != case.trx_id:
            yield Promise.ISOLATED, f"trx_id={case.trx_id}", heard.url
        yield from _no_stranger(case, f"{invoice} {_value(heard.url, 'sn')}")
        yield from _one_line(case, _value(heard.url, "msg"), heard.url)


def _own_answer(case: Case, answer: Answer) -> Found:
    if answer.http != 200:
        if "status FAILED" in answer.line:
            yield Promise.NO_FALSE_FAILED, f"no FAILED with HTTP {answer.http}", answer.line
        return
    yield from _one_line(case, answer.line, answer.line)
    if answer.other and _word(answer) != "ERROR":
        yield Promise.ISOLATED, "ERROR for another product or destination", answer.line


def _one_line(case: Case, line: str, whole: str) -> Found:
    read = _LINE.fullmatch(line)
    if read is None:
        yield Promise.READABLE, "a line of the grammar", whole
    elif read["trx_id"] != case.trx_id:
        yield Promise.ISOLATED, f"R#{case.trx_id}", whole
    elif read["status"] not in OPEN | FINAL | {"ERROR"}:
        yield Promise.READABLE, "one of the words", whole
    else:
        yield from _no_stranger(case, line)


def _no_stranger(case: Case, text: str) -> Found:
    own = {each.invoice_number for each in case.bought}
    own |= {invoice.partition("_")[2] for invoice in own}
    strangers = set(_INVOICE.findall(text)) - own
    players = {"".join(found) for found in _PLAYER.findall(text)} - {case.dest}
    if strangers or players:
        yield Promise.NO_STRANGER, f"only {sorted(own)} and {case.dest}", text


def _never_backwards(case: Case) -> Found:
    """A status that the panel has heard to be over is not heard again."""
    for before, after in _in_turn([one.word for one in _by_time(_said_by_deliveries(case))]):
        yield Promise.NEVER_BACKWARDS, f"no {after} after {before}", "delivered"
    for answer in case.answers:
        word = _word(answer)
        if word is None or word == "ERROR" or answer.other:
            continue
        known = [
            one.word
            for one in _by_time((*_said_by_answers(case), *_said_by_deliveries(case)))
            if one.at < answer.asked_at and one.word != "ERROR"
        ]
        if known and (_is_left(word, known) or (word in OPEN and known[-1] in FINAL)):
            yield Promise.NEVER_BACKWARDS, f"no {word} after {known[-1]}", answer.line


def _by_time(said: Iterable[_Said]) -> list[_Said]:
    return sorted(said, key=lambda one: one.at)


def _in_turn(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give what came back though it was over, with what had come since."""
    for place, word in enumerate(words):
        if _is_left(word, words[:place]):
            yield words[place - 1], word


def _is_left(word: str, known: Sequence[str]) -> bool:
    return word in known and known[-1] != word


def _same_bytes(case: Case) -> Found:
    """What is heard is what the journal froze, byte for byte."""
    if case.journal is None:
        return
    frozen = {_target(row["url"]) for row in case.deliveries}
    for heard in case.heard:
        if _target(heard.url) not in frozen:
            yield Promise.SAME_BYTES, "a request that the journal holds", heard.url


# -- reading, as a panel does

_LINE = re.compile(
    r"R#(?P<trx_id>\S+) (?P<what>[^\r\n]*?), status (?P<status>[A-Z_]+)\. [^\r\n]*", re.ASCII
)
# An invoice_number of the sandbox, or its end as it stands in RefId.
_INVOICE = re.compile(r"\b(?:APIKUY_)?[A-Z0-9]{2}_[0-9]{9,11}_[0-9]{4,}\b", re.ASCII)
_PLAYER = re.compile(r" - ([^\s()]+)\(([^\s()]*)\) \. RefId")


def _word(answer: Answer) -> str | None:
    """Return the status that an answer says, or None where it says none."""
    read = _LINE.fullmatch(answer.line)
    return None if read is None or answer.http != 200 else read["status"]


def _target(url: str) -> str:
    """Return path and query of an address: what stands in the request line."""
    return url if url.startswith("/") else f"/{url.split('/', 3)[-1]}"


def _value(url: str, name: str) -> str:
    values = parse_qs(urlsplit(url).query, keep_blank_values=True).get(name, [""])
    return values[-1]

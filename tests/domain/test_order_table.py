"""The evidence table, complete: each state, each piece of evidence, each source.

`TABLE` here is written by hand from the contract (T3 to T9) and the design's table, and shares
nothing with the code's own. A cell says what becomes of the order:

    =            it becomes what was said; looked up again on the schedule while that is open
    =w           the same, and a send under way keeps its own date
    ?            nothing but a look-up as soon as the pace allows
    later        nothing but a look-up on the schedule
    wait         nothing at all: a send is under way and keeps its own date
    .            nothing; a look-up has answered what a final order waited for
    send         the next send begins
    watch        nothing; looked up again when the day's watch of a failed order says so
    anew         nothing; the upstream is at it, so the day begins anew
    unreachable  FAILED, UPSTREAM_UNREACHABLE
    expired      FAILED, EXPIRED
    !            behind any of these (or alone for `.`): the operator is alerted

A final order stands here twice: in doubt, so that a look-up is owed since something was called
back, and one that moves nothing is an alert, for what was called back is not confirmed; and
without a doubt. What failed is watched for a day, and stands here in that day and after it.
"""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from gateway.domain.errors import Code, explain
from gateway.domain.order import Change, Order, Silence, Source, Status
from gateway.domain.truth import apply
from tests.domain.cases import NOTE, RULES, T0, S, final, said, sent, uncertain

NOW = T0 + 100 * S  # long after everything has settled, long before it expires

ASKED = NOW - S  # when the look-up began, which was when it was due
LONG_AGO = NOW - 2000 * S  # longer than a doubt is left open for a look-up that knows of nothing

# How the order stands, before the evidence arrives.
STANDING: dict[str, Order] = {
    "only send under way": sent(),
    "only send uncertain": uncertain(),
    "second send under way": sent(sends=2, begun=2, send_ended_at=T0 + S),
    "second send uncertain": uncertain(2),
    "last send uncertain": uncertain(3),
    "last send uncertain, missed twice": uncertain(3, misses=2, lookups=7),
    "only send under way, named": sent(named=True),
    "only send pending": uncertain(named=True, note="RefId : ML_1"),
    "only send paid": uncertain(named=True, status=Status.PAID),
    "success": final(Status.SUCCESS, due_at=ASKED, ask_since=LONG_AGO),
    "partial": final(Status.PARTIAL_SUCCESS, due_at=ASKED, ask_since=LONG_AGO),
    "failed, watched": final(Status.FAILED, due_at=ASKED, lookups=2),
    "failed": final(Status.FAILED, due_at=ASKED, ask_since=LONG_AGO),
    "refunded": final(Status.REFUNDED, due_at=ASKED, ask_since=LONG_AGO),
    "success, no doubt": final(Status.SUCCESS),
    "partial, no doubt": final(Status.PARTIAL_SUCCESS),
    "failed, no doubt": final(Status.FAILED),
    "refunded, no doubt": final(Status.REFUNDED),
}

COLUMNS: tuple[Status | Silence, ...] = (
    Status.SUCCESS,
    Status.PENDING,
    Status.PAID,
    Status.FAILED,
    Status.REFUNDED,
    Status.PARTIAL_SUCCESS,
    Silence.NOT_FOUND,
    Silence.NO_ANSWER,
    Silence.UNSENT,
    Silence.HINT,
)

#         SUCCESS PENDING PAID    FAILED  REFUND  PARTIAL NOTFND  NOANSW  UNSENT      HINT
TABLE = {
    "only send under way": """
 reply     =       =       =       =       ?       =!      later   later   unreachable later
 callback  =       =w      =w      wait    wait    =!      wait    wait    wait        wait
 lookup    =       =w      =w      =       =       =!      wait    wait    wait        wait
""",
    "only send uncertain": """
 reply     =       =       =       =       ?       =!      later   later   later       later
 callback  =       =       =       ?       ?       =!      ?       ?       ?           ?
 lookup    =       =       =       =       =       =!      send    later   later       later
""",
    "second send under way": """
 reply     =       =       =       ?       ?       =!      later   later   later       later
 callback  =       =w      =w      wait    wait    =!      wait    wait    wait        wait
 lookup    =       =w      =w      =       =       =!      wait    wait    wait        wait
""",
    "second send uncertain": """
 reply     =       =       =       ?       ?       =!      later   later   later       later
 callback  =       =       =       ?       ?       =!      ?       ?       ?           ?
 lookup    =       =       =       =       =       =!      send    later   later       later
""",
    "last send uncertain": """
 reply     =       =       =       ?       ?       =!      later   later   later       later
 callback  =       =       =       ?       ?       =!      ?       ?       ?           ?
 lookup    =       =       =       =       =       =!      later   later   later       later
""",
    "last send uncertain, missed twice": """
 reply     =       =       =       ?       ?       =!      later   later   later       later
 callback  =       =       =       ?       ?       =!      ?       ?       ?           ?
 lookup    =       =       =       =       =       =!      expired later   later       later
""",
    "only send under way, named": """
 reply     =       =       =       ?       ?       =!      later   later   later       later
 callback  =       =w      =w      wait    wait    =!      wait    wait    wait        wait
 lookup    =       =w      =w      =       =       =!      wait    wait    wait        wait
""",
    "only send pending": """
 reply     =       =       =       ?       ?       =!      later   later   later       later
 callback  =       =       =       ?       ?       =!      ?       ?       ?           ?
 lookup    =       =       =       =       =       =!      later   later   later       later
""",
    "only send paid": """
 reply     =       =       =       ?       ?       =!      later   later   later       later
 callback  =       =       =       ?       ?       =!      ?       ?       ?           ?
 lookup    =       =       =       =       =       =!      later   later   later       later
""",
    "success": """
 reply     .       .       .       ?!      ?       ?!      .       .       .           .
 callback  .       .       .       ?!      ?       ?!      ?       ?       ?           ?
 lookup    !       !       !       =!      =!      =!      !       later!  later!      later!
""",
    "partial": """
 reply     ?!      .       .       ?!      ?       .       .       .       .           .
 callback  ?!      .       .       ?!      ?       .       ?       ?       ?           ?
 lookup    =!      !       !       =!      =!      !       !       later!  later!      later!
""",
    "failed": """
 reply     ?!      ?       ?       .       .       ?!      .       .       .           .
 callback  ?!      ?       ?       .       .       ?!      ?       ?       ?           ?
 lookup    =!      anew!   anew!   watch   watch!  =!      watch!  later!  later!      later!
""",
    "failed, watched": """
 reply     ?!      ?       ?       .       .       ?!      .       .       .           .
 callback  ?!      ?       ?       .       .       ?!      ?       ?       ?           ?
 lookup    =!      anew!   anew!   watch   watch   =!      watch   watch   watch       watch
""",
    "refunded": """
 reply     !       .       .       .       .       !       .       .       .           .
 callback  !       .       .       .       .       !       ?       ?       ?           ?
 lookup    !       !       !       !       .       !       !       later!  later!      later!
""",
    "success, no doubt": """
 reply     .       .       .       ?!      ?       ?!      .       .       .           .
 callback  .       .       .       ?!      ?       ?!      ?       ?       ?           ?
 lookup    .       .       .       =!      =!      =!      .       .       .           .
""",
    "partial, no doubt": """
 reply     ?!      .       .       ?!      ?       .       .       .       .           .
 callback  ?!      .       .       ?!      ?       .       ?       ?       ?           ?
 lookup    =!      .       .       =!      =!      .       .       .       .           .
""",
    "failed, no doubt": """
 reply     ?!      ?       ?       .       .       ?!      .       .       .           .
 callback  ?!      ?       ?       .       .       ?!      ?       ?       ?           ?
 lookup    =!      anew!   anew!   .       .       =!      .       .       .           .
""",
    "refunded, no doubt": """
 reply     !       .       .       .       .       !       .       .       .           .
 callback  !       .       .       .       .       !       ?       ?       ?           ?
 lookup    !       .       .       .       .       !       .       .       .           .
""",
}


@dataclass(frozen=True)
class Case:
    """One cell."""

    standing: str
    source: Source
    verdict: Status | Silence
    cell: str


def read_table() -> list[Case]:
    """Every cell of the table, with its row and column."""
    cases = []
    for standing, rows in TABLE.items():
        for row in rows.strip().splitlines():
            source, *cells = row.split()
            cases += [
                Case(standing, Source(source), verdict, cell)
                for verdict, cell in zip(COLUMNS, cells, strict=True)
            ]
    return cases


CASES = read_table()


def test_the_table_is_complete() -> None:
    cells = {(case.standing, case.source, case.verdict) for case in CASES}
    wanted = {
        (standing, source, verdict)
        for standing in STANDING
        for source in Source
        for verdict in (*Status, *Silence)
    }
    assert cells == wanted
    assert len(CASES) == len(wanted) == 18 * 3 * 10
    assert {order.status for order in STANDING.values()} == set(Status)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c.standing}-{c.source}-{c.verdict.name}".replace(" ", "_")
)
def test_evidence_does_what_the_table_says(case: Case) -> None:
    before = STANDING[case.standing]
    evidence = said(case.source, case.verdict, note=NOTE, asked_at=ASKED)
    if case.source is Source.REPLY:
        evidence = replace(evidence, send=before.begun)

    change = apply(before, evidence, NOW, RULES)

    act = case.cell.removesuffix("!") or "."
    assert (change.alert is not None) == case.cell.endswith("!")
    assert change.send == (act == "send")
    assert (change.order.status, change.order.final_at) == expected_status(before, case, act)
    assert change.tell == (act in {"=", "unreachable", "expired"} and not change.order.is_open)
    assert change.order.due_at == expected_due(before, case, act, change)
    assert change.order.named == expected_named(before, case)
    assert change.order.sending == expected_sending(before, case, act)
    assert change.what


def expected_status(before: Order, case: Case, act: str) -> tuple[Status, int | None]:
    if act in {"unreachable", "expired"}:
        return Status.FAILED, NOW
    if act in {"=", "=w"}:
        assert isinstance(case.verdict, Status)
        is_open = case.verdict in {Status.PENDING, Status.PAID}
        return case.verdict, None if is_open else NOW
    return before.status, before.final_at


def expected_due(before: Order, case: Case, act: str, change: Change) -> int | None:
    if act == "send":
        return NOW + round(RULES.lease_s * S)
    if act in {"wait", "=w"}:
        return before.due_at
    if act == "later" or (act == "=" and change.order.is_open):
        ends_send = before.sending and case.source is Source.REPLY
        is_due = case.source is Source.LOOKUP and before.due_at is not None
        lookups = 0 if ends_send else before.lookups + is_due
        return NOW + {0: 2, 1: 5, 3: 30, 7: 60, 8: 60}[lookups] * S
    if act == "?":
        return NOW
    if act == "anew" or (act == "watch" and before.ask_since is not None):
        return NOW + 60 * S
    if act == "watch":
        return NOW + 2700 * S
    if change.order.final_at == NOW and change.order.status is Status.FAILED:
        return NOW + 60 * S  # the day's watch begins
    if act == "." and case.source is not Source.LOOKUP:
        return before.due_at if before.ask_since is None else NOW
    return None


def expected_named(before: Order, case: Case) -> bool:
    if case.source is Source.CALLBACK:
        # Whoever knows the token has seen the order; who merely hints knows nothing.
        return before.named or case.verdict is not Silence.HINT
    refusal = case.source is Source.REPLY and case.verdict is Status.FAILED
    return before.named or (isinstance(case.verdict, Status) and not refusal)


def expected_sending(before: Order, case: Case, act: str) -> bool:
    if case.source is Source.REPLY:
        return False
    return before.sending or act == "send"


@pytest.mark.parametrize("standing", STANDING)
@pytest.mark.parametrize("source", Source)
def test_a_note_is_taken_over_with_the_word_that_is_applied(standing: str, source: Source) -> None:
    order = STANDING[standing]
    for verdict in Status:
        evidence = said(source, verdict, note="Sari - 9(1) . RefId: XX_9", asked_at=NOW)
        change = apply(order, evidence, NOW, RULES)
        case = next(
            c for c in CASES if (c.standing, c.source, c.verdict) == (standing, source, verdict)
        )
        if case.cell.startswith("="):
            assert change.order.note == "Sari - 9(1) . RefId: XX_9"
        else:
            assert change.order.note == order.note


def test_the_reason_of_a_failure_of_ours_is_a_code_with_its_sentence() -> None:
    unreachable = apply(sent(), said(Source.REPLY, Silence.UNSENT), NOW, RULES).order
    gone = STANDING["last send uncertain, missed twice"]
    expired = apply(gone, said(Source.LOOKUP, Silence.NOT_FOUND, asked_at=NOW), NOW, RULES).order
    assert unreachable.note == explain(Code.UPSTREAM_UNREACHABLE)
    assert expired.note == explain(Code.EXPIRED)
    assert unreachable.sends == 0
    assert expired.sends == 3

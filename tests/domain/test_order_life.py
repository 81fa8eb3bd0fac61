"""Whatever arrives in whatever order: what must never happen to an order (contract T2 to T8)."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.errors import Code, explain
from gateway.domain.order import Change, Evidence, Order, Silence, Source, Status
from gateway.domain.truth import apply
from tests.domain.cases import RULES, T0, S, sent

NOTES = st.sampled_from(["", "Budi . RefId: 1", "Sari . RefId: 2"])
WAITS_S = st.sampled_from([0, 0.5, 1, 2, 5, 15, 39.999, 40, 41, 60, 300, 900, 1800, -3600])
VERDICTS: tuple[Status | Silence, ...] = (*Status, *Silence)


@dataclass(frozen=True)
class Step:
    """Time passes, then something is heard; a look-up had been asked some time before.

    A reply is to the last send, or to one that was begun before that: who was stopped brings it.
    """

    wait_s: float
    source: Source
    verdict: Status | Silence
    note: str
    asked_s_ago: float
    sends_ago: int = 0


STEPS = st.builds(
    Step,
    WAITS_S,
    st.sampled_from(Source),
    # silences are what leads far: resends and misses
    st.one_of(st.sampled_from(VERDICTS), st.sampled_from(list(Silence))),
    NOTES,
    st.sampled_from([0, 0.1, 5, 60]),
    st.sampled_from([0, 0, 0, 1]),
)


class Witness:
    """Keeps its own account of what was proved, and compares."""

    def __init__(self) -> None:
        self.order = sent()
        self.now = T0
        self.begun = 1
        self.unsent = 0
        self.ended_at: int | None = None
        self.was_named = False
        self.misses = 0

    @property
    def left(self) -> int:
        """Sends that may have reached the upstream."""
        return self.begun - self.unsent

    def take(self, step: Step) -> None:
        """One step, and everything that must hold after it."""
        self.now = max(T0, self.now + round(step.wait_s * S))
        if step.wait_s < 0:
            self._mend()  # as the journal does when the clock was set back
        evidence = Evidence(
            source=step.source,
            verdict=step.verdict,
            note=step.note,
            asked_at=self.now - round(step.asked_s_ago * S),
            send=self.begun - step.sends_ago if step.source is Source.REPLY else 0,
            reason="x",
        )
        before = self.order
        change = apply(before, evidence, self.now, RULES)
        assert apply(before, evidence, self.now, RULES) == change  # pure
        settled = self._count(before, evidence)
        self._check_journal(change.order)
        self._check_words(before, evidence, change)
        self._check_failed(before, evidence, change)
        self._check_send(before, evidence, change, settled=settled)
        self.order = change.order

    def _mend(self) -> None:
        ended_at = self.order.send_ended_at
        if ended_at is not None and ended_at > self.now:
            self.order = replace(self.order, send_ended_at=self.now)
            self.ended_at = self.now

    def _count(self, before: Order, evidence: Evidence) -> bool:
        is_its_reply = evidence.source is Source.REPLY and evidence.send == self.begun
        if before.sending and is_its_reply:
            self.ended_at = self.now
            self.misses = 0
            self.unsent += (
                evidence.verdict is Silence.UNSENT and before.is_open and not self.was_named
            )
        sending = before.sending and not is_its_reply
        settled = (
            not sending
            and self.ended_at is not None
            and self.now >= evidence.asked_at >= self.ended_at + RULES.settle_s * S
        )
        if evidence.source is Source.LOOKUP:
            miss = evidence.verdict is Silence.NOT_FOUND
            self.misses = self.misses + settled if miss else 0
        return settled

    def _check_journal(self, order: Order) -> None:
        """What the journal's CHECK constraints demand."""
        assert (order.final_at is None) == (order.status in {Status.PENDING, Status.PAID})
        assert order.final_at is not None or order.due_at is not None
        assert order.final_at is not None or order.sends >= 1
        assert 0 <= order.sends <= 3
        assert not order.sending or order.sends >= 1
        assert order.sends == 0 or order.first_sent_at is not None
        assert order.sending or order.sends == 0 or order.send_ended_at is not None
        assert order.status in {Status.PENDING, Status.FAILED} or order.named
        assert order.ask_since is None or order.due_at is not None
        assert order.ask_since is None or order.due_at is not None

    def _check_words(self, before: Order, evidence: Evidence, change: Change) -> None:
        order = change.order
        assert before.is_open or not order.is_open
        became = order.status is not before.status
        if became and order.status is not Status.FAILED:
            assert order.status is evidence.verdict
        if became and not before.is_open:
            assert evidence.source is Source.LOOKUP
        assert change.tell == (not order.is_open and (became or before.is_open))
        refusal = evidence.source is Source.REPLY and evidence.verdict is Status.FAILED
        if isinstance(evidence.verdict, Status) and not refusal:
            self.was_named = True
        hinted = evidence.verdict is Silence.HINT
        if evidence.source is Source.CALLBACK and not hinted:  # it came with the order's own token
            self.was_named = True
        assert order.named == self.was_named

    def _check_failed(self, before: Order, evidence: Evidence, change: Change) -> None:
        order = change.order
        if order.status is not Status.FAILED or before.status is Status.FAILED:
            return
        proof = (evidence.source, evidence.verdict)
        if proof == (Source.REPLY, Status.FAILED):
            assert self.begun == 1
            assert not self.was_named
        elif proof == (Source.REPLY, Silence.UNSENT):
            assert evidence.send == self.begun
            assert self.left == 0
            assert order.note == explain(Code.UPSTREAM_UNREACHABLE)
        elif proof == (Source.LOOKUP, Silence.NOT_FOUND):
            assert self.misses >= 3
            assert self.left == 3 or self.was_named or self._is_late()
            assert order.note == explain(Code.EXPIRED)
        else:
            assert proof == (Source.LOOKUP, Status.FAILED)

    def _is_late(self) -> bool:
        return self.now >= T0 + RULES.expire_s * S

    def _check_send(
        self, before: Order, evidence: Evidence, change: Change, *, settled: bool
    ) -> None:
        begins = change.order.sending and not before.sending
        assert change.send == begins
        if begins:
            assert (evidence.source, evidence.verdict) == (Source.LOOKUP, Silence.NOT_FOUND)
            assert settled
            assert before.is_open
            assert not self.was_named
            assert not self._is_late()
            self.begun += 1
            self.misses = 0
            assert self.left <= 3
        assert change.order.sends == self.left
        assert change.order.begun == self.begun
        if before.sending and evidence.send != self.begun:
            assert change.order.sending


@settings(max_examples=600, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_no_evidence_in_any_order_breaks_a_promise(steps: list[Step]) -> None:
    witness = Witness()
    for step in steps:
        witness.take(step)


PATIENT = st.builds(
    Step,
    st.sampled_from([41, 60, 300]),
    st.sampled_from([Source.REPLY, Source.LOOKUP]),
    st.sampled_from([Silence.NOT_FOUND, Silence.NOT_FOUND, *Silence, Status.FAILED]),
    NOTES,
    st.just(0),
    st.sampled_from([0, 0, 1]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PATIENT, min_size=5, max_size=40))
def test_no_promise_breaks_on_the_long_way_of_resends_and_misses(steps: list[Step]) -> None:
    witness = Witness()
    for step in steps:
        witness.take(step)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=15))
def test_whatever_happened_an_upstream_that_answers_ends_an_order(steps: list[Step]) -> None:
    """An open order is asked about when it is due, and at last it is decided."""
    witness = Witness()
    for step in steps:
        witness.take(step)
    for _ in range(60):
        order = witness.order
        if not order.is_open:
            break
        assert order.due_at is not None
        wait_s = max(0.0, (order.due_at - witness.now) / S)
        if order.sending:
            witness.take(Step(wait_s, Source.REPLY, Silence.NO_ANSWER, "", 0))
        else:
            witness.take(Step(wait_s, Source.LOOKUP, Silence.NOT_FOUND, "", 0))
    assert not witness.order.is_open

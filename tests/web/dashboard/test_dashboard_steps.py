"""What the journal says of an order is told in Indonesian: every sentence that the rules make."""

from itertools import product

import pytest
from msgspec.structs import replace

from gateway.domain.order import Order, Silence, Source, Status
from gateway.domain.truth import apply, overrule
from gateway.web.dashboard.words.steps import in_indonesian
from tests.domain.cases import RULES, T0, S, final, new_order, said, sent, uncertain

ENGLISH = (" said ", " the ", "nothing", "not found", "never", "applied", "is dead")
LATE = T0 + 10_000 * S


def orders() -> list[Order]:
    """Orders in every state, sent once, often, and never."""
    ended = [final(status) for status in Status if status.is_final]
    lost = [uncertain(sends) for sends in (1, 2, 3)]
    missed = [replace(one, misses=2) for one in lost]
    return [new_order(), sent(), *ended, *lost, *missed]


def sentences() -> set[str]:
    """Everything that the rules may say."""
    found: set[str] = set()
    verdicts: list[Status | Silence] = [*Status, *Silence]
    for order, source, verdict, at in product(orders(), Source, verdicts, (T0 + 50 * S, LATE)):
        for note in ("", "SN 1"):
            evidence = said(source, verdict, reason="x", note=note, asked_at=at)
            for rules in (RULES, replace(RULES, may_send=False)):
                change = apply(order, evidence, at, rules)
                found |= {change.what, change.alert or change.what}
    found.add(overrule(uncertain(), Status.SUCCESS, "x", LATE).what)
    return found


def test_every_sentence_of_the_rules_is_told_in_indonesian() -> None:
    told = {text: in_indonesian(text) for text in sentences()}
    assert len(told) > 30
    left = [text for text, words in told.items() if words == text]
    assert left == []
    assert [words for words in told.values() if any(word in words for word in ENGLISH)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("send 2 to the upstream begins", "kiriman ke-2 ke supplier dimulai"),
        ("delivery 7 of SUCCESS is dead since 2026-11-25T13:23:10", "kiriman 7 (SUCCESS) gagal"),
        ("never sent: INVALID_USER_ID - {kosong}", "INVALID_USER_ID - {kosong}"),
        ("lookup said SUCCESS while the order is SUCCESS with another SN: {x}", "SN lain: {x}"),
        ("what somebody typed", "what somebody typed"),
    ],
)
def test_figures_and_strangers_texts_stay_as_they_are(text: str, words: str) -> None:
    assert words in in_indonesian(text)

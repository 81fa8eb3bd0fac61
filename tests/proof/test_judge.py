"""The judge sees: a clean case passes, and each promise that is broken by hand is reported."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.proof.judge import (
    FIGURES,
    Answer,
    Bought,
    Case,
    Heard,
    Money,
    Promise,
    Run,
    Sent,
    count,
    judge,
)

INVOICE = "APIKUY_ML_1795366399_0002"
SN = "Nickname - 123456789(1002) . RefId: ML_1795366399_0002"
PENDING_LINE = (
    "R#T1 S1_1187.123456789|1002, status PENDING. RefId : ML_1795366399_0002 . Sisa saldo 99"
)
STATUS_LINE = f"R#T1 {INVOICE} S1_1187.123456789(1002), status SUCCESS. {SN} . Sisa saldo 98"

JSON_BODY = json.dumps(
    {
        "invoice_number": INVOICE,
        "trx_id": "T1",
        "response_note": SN,
        "product": {"code": "S1_1187"},
        "user_input": {"user_id": "123456789", "server_id": "1002"},
        "status": "SUCCESS",
    }
)


def delivery_url(status: str = "SUCCESS", **values: str) -> str:
    fields = {
        "invoice_number": INVOICE,
        "trx_id": "T1",
        "status": status,
        "sn": SN.replace(" ", "%20"),
        "msg": STATUS_LINE.replace("SUCCESS", status).replace(" ", "%20").replace("#", "%23"),
        **values,
    }
    return "http://panel.test/cb?" + "&".join(f"{name}={value}" for name, value in fields.items())


def bought(*statuses: str) -> Bought:
    """The order's purchase, which went through these statuses."""
    history = [(float(at), status) for at, status in enumerate(statuses or ("PENDING", "SUCCESS"))]
    return Bought(
        invoice_number=INVOICE,
        product_code="S1_1187",
        dest="1234567891002",
        price_rp=1511,
        returned_rp=1511 if history[-1][1] in {"FAILED", "REFUNDED"} else 0,
        history=history,
    )


def row(number: int, status: str = "SUCCESS", state: str = "delivered") -> dict[str, Any]:
    return {"id": number, "status": status, "state": state, "url": delivery_url(status)}


def journal(status: str = "SUCCESS", **values: Any) -> dict[str, Any]:
    final_at = None if status == "PENDING" else "2026-11-22T17:00:00.000+00:00"
    return {
        "status": status,
        "final_at": final_at,
        "invoice_number": INVOICE,
        "callback_url": "http://panel.test/cb",
        **values,
    }


def clean() -> Case:
    """An order that was sent once, is pending, succeeds, and is told of at the second try."""
    return Case(
        reseller="toko",
        trx_id="T1",
        product_code="S1_1187",
        dest="1234567891002",
        answers=[
            Answer(asked_at=0, at=1, line=PENDING_LINE),
            Answer(asked_at=9, at=10, line=STATUS_LINE, status_request=True),
        ],
        heard=[
            Heard(at=5, url=delivery_url(), took=False),
            Heard(at=8, url=delivery_url(), took=True),
        ],
        journal=journal(),
        deliveries=[row(1)],
        requests=[Sent(began_at=0, ended_at=1)],
        bought=[bought()],
    )


def broken(case: Case) -> set[Promise]:
    return {violation.promise for violation in judge(Run(cases=[case], settle=40))}


def test_a_clean_case_passes() -> None:
    money = Money(account="k", opening_rp=5000, balance_rp=3489, bought=[bought()])
    assert judge(Run(cases=[clean()], money=[money])) == []


def test_what_was_refused_or_expired_passes() -> None:
    note = "EXPIRED - Transaksi tidak ditemukan di supplier sampai batas waktu."
    line = f"R#T1 S1_1187.1234567891002, status FAILED. {note} . Sisa saldo 99"
    said = f"R%23T1%20-%20S1_1187.1234567891002(),%20status%20FAILED.%20{note[:7]}"
    url = delivery_url("FAILED", invoice_number="", sn="EXPIRED", msg=said)
    case = Case(
        reseller="toko",
        trx_id="T1",
        product_code="S1_1187",
        dest="1234567891002",
        answers=[Answer(asked_at=0, at=1, line=line)],
        heard=[Heard(at=2, url=url, took=True)],
        journal=journal("FAILED", invoice_number=None),
        deliveries=[{"id": 1, "status": "FAILED", "state": "delivered", "url": url}],
        request_count=3,
    )
    assert judge(Run(cases=[case])) == []


def test_an_order_that_never_reached_us_passes() -> None:
    silent = Case(reseller="toko", trx_id="T1", product_code="P", dest="1")
    refused = replace(
        silent, answers=[Answer(asked_at=0, at=1, line="R#T1 P.1, status ERROR. BUSY - x")]
    )
    down = replace(
        silent,
        answers=[Answer(asked_at=0, at=1, line="R#T1 P.1, status ERROR. BUSY - x", http=503)],
    )
    assert judge(Run(cases=[silent, refused, down])) == []


def test_a_correction_of_what_the_upstream_said_passes() -> None:
    case = clean()
    case.bought = [bought("PENDING", "SUCCESS", "REFUNDED")]
    case.journal = journal("REFUNDED")
    case.deliveries = [row(1, state="superseded"), row(2, "REFUNDED")]
    case.answers.pop()
    case.heard = [
        Heard(at=5, url=delivery_url(), took=False),
        Heard(at=8, url=delivery_url("REFUNDED"), took=True),
    ]
    assert judge(Run(cases=[case])) == []


def test_a_refund_that_nobody_told_of_may_stay_unknown() -> None:
    case = clean()
    history = [(0.0, "PENDING"), (1.0, "SUCCESS"), (9.0, "REFUNDED")]
    case.bought = [replace(bought(), history=history, announced=False)]
    assert judge(Run(cases=[case])) == []
    case.bought = [replace(bought(), history=history)]
    assert broken(case) == {Promise.SETTLED}
    case.bought = [replace(bought(), history=[(0.0, "PENDING"), (9.0, "FAILED")], announced=False)]
    assert Promise.SETTLED in broken(case), "an open order is looked up until it is final"


# -- each promise, broken by hand


def bought_twice(case: Case) -> None:
    case.bought.append(replace(bought(), invoice_number="APIKUY_ML_1795366399_0009"))


def bought_other_thing(case: Case) -> None:
    case.bought = [replace(bought(), product_code="S1_9999")]


def bought_for_other_player(case: Case) -> None:
    case.bought = [replace(bought(), dest="999")]


def sent_four_times(case: Case) -> None:
    case.requests = [Sent(began_at=at, ended_at=at) for at in range(4)]


def counted_four_times(case: Case) -> None:
    case.requests, case.request_count = None, 4


def sent_while_under_way(case: Case) -> None:
    case.requests = [Sent(began_at=2, ended_at=3), Sent(began_at=0, ended_at=2.5)]


def sent_before_it_settled(case: Case) -> None:
    case.requests = [
        Sent(began_at=0, ended_at=1, closed_at=1),
        Sent(began_at=40.9, ended_at=41),
    ]


def sent_without_not_found(case: Case) -> None:
    case.requests = [Sent(began_at=0, ended_at=1), Sent(began_at=99, ended_at=99, allowed=False)]


def lost_though_answered(case: Case) -> None:
    case.journal, case.deliveries, case.heard, case.bought = None, [], [], []


def lost_though_bought(case: Case) -> None:
    case.journal, case.deliveries, case.heard, case.answers = None, [], [], []


def never_ended(case: Case) -> None:
    case.journal, case.deliveries, case.heard, case.answers = journal("PENDING"), [], [], []


def ended_otherwise(case: Case) -> None:
    case.bought = [bought("PENDING", "SUCCESS", "REFUNDED")]


def open_for_ever_though_never_bought(case: Case) -> None:
    case.bought, case.answers, case.heard, case.deliveries = [], [], [], []
    case.journal = journal("PENDING", invoice_number=None)


def failed_told(case: Case) -> None:
    case.heard = [Heard(at=5, url=delivery_url("FAILED"), took=True)]
    case.deliveries, case.journal = [row(1, "FAILED")], journal("FAILED")
    case.answers.pop()


def failed_answered(case: Case) -> None:
    case.answers = [replace(case.answers[0], line=PENDING_LINE.replace("PENDING", "FAILED"))]
    case.heard, case.deliveries = [], [row(1, state="dead")]


def failed_while_the_journal_is_away(case: Case) -> None:
    line = "R#T1 S1_1187.1234567891002, status FAILED. BUSY - x"
    case.answers.append(Answer(asked_at=11, at=12, line=line, http=503))


def failed_taken_back(case: Case) -> None:
    case.answers = [replace(case.answers[0], line=PENDING_LINE.replace("PENDING", "FAILED"))]


def success_never_said(case: Case) -> None:
    case.bought, case.journal = [bought("PENDING")], journal("PENDING")


def success_of_nothing(case: Case) -> None:
    case.bought = []


def partial_success_never_said(case: Case) -> None:
    case.heard.append(Heard(at=9, url=delivery_url("PARTIAL_SUCCESS"), took=True))


def refunded_never_said(case: Case) -> None:
    case.heard.append(Heard(at=9, url=delivery_url("REFUNDED"), took=True))


def strangers_sn_delivered(case: Case) -> None:
    strange = SN.replace("_0002", "_0003").replace(" ", "%20")
    case.heard.append(Heard(at=9, url=delivery_url(sn=strange), took=True))


def strangers_invoice_delivered(case: Case) -> None:
    url = delivery_url(invoice_number=INVOICE.replace("_0002", "_0003"))
    case.heard.append(Heard(at=9, url=url, took=True))


def strangers_nickname_answered(case: Case) -> None:
    line = STATUS_LINE.replace("123456789(1002) .", "555(1) .")
    case.answers[1] = replace(case.answers[1], line=line)


def strangers_ref_id_answered(case: Case) -> None:
    line = STATUS_LINE.replace("ML_1795366399_0002", "ML_1795366399_0007")
    case.answers[1] = replace(case.answers[1], line=line)


def strangers_invoice_journaled(case: Case) -> None:
    case.journal = journal(invoice_number="APIKUY_ML_1_0003")


def other_product_taken_for_it(case: Case) -> None:
    case.answers[0] = replace(case.answers[0], other=True)


def other_order_answered(case: Case) -> None:
    case.answers[0] = replace(case.answers[0], line=PENDING_LINE.replace("R#T1", "R#T2"))


def upstreams_name_answered(case: Case) -> None:
    case.answers[0] = replace(case.answers[0], line=PENDING_LINE.replace("R#T1", "R#toko-T1"))


def other_order_delivered(case: Case) -> None:
    case.heard.append(Heard(at=9, url=delivery_url(trx_id="T2"), took=True))


def no_line(case: Case) -> None:
    case.answers[0] = replace(case.answers[0], line="<html>")


def no_word(case: Case) -> None:
    case.answers[0] = replace(case.answers[0], line=PENDING_LINE.replace("PENDING", "SUKSES"))


def never_told(case: Case) -> None:
    case.deliveries, case.heard = [], []


def still_due(case: Case) -> None:
    case.deliveries = [row(1, state="due")]


def noted_but_never_taken(case: Case) -> None:
    case.heard.pop()


def superseded_by_nothing(case: Case) -> None:
    case.deliveries = [row(1, state="superseded")]


def an_older_status_last(case: Case) -> None:
    case.deliveries = [row(1), row(2, "REFUNDED")]
    case.bought = [bought("PENDING", "SUCCESS", "REFUNDED")]


def older_after_newer(case: Case) -> None:
    case.heard.append(Heard(at=9, url=delivery_url("REFUNDED"), took=True))
    case.heard.append(Heard(at=10, url=delivery_url(), took=True))


def pending_after_final(case: Case) -> None:
    case.answers.append(Answer(asked_at=11, at=12, line=PENDING_LINE))


def told_in_json_without_a_signature(case: Case) -> None:
    case.heard.append(Heard(at=9, url="http://panel.test/cb", took=True, body=JSON_BODY))
    case.forms |= {"json"}


def other_bytes(case: Case) -> None:
    case.heard[0] = replace(case.heard[0], url=f"{delivery_url()}&product_price=1")


BREAKS: dict[Promise, list[Callable[[Case], None]]] = {
    Promise.BOUGHT_ONCE: [bought_twice],
    Promise.AS_ASKED: [bought_other_thing, bought_for_other_player],
    Promise.THREE_SENDS: [sent_four_times, counted_four_times],
    Promise.NO_OVERLAP: [sent_while_under_way],
    Promise.SETTLES_FIRST: [sent_before_it_settled, sent_without_not_found],
    Promise.NOT_LOST: [lost_though_answered, lost_though_bought],
    Promise.SETTLED: [never_ended, ended_otherwise, open_for_ever_though_never_bought],
    Promise.NO_FALSE_FAILED: [failed_told, failed_answered, failed_while_the_journal_is_away],
    Promise.NO_FAILED_CORRECTED: [failed_taken_back],
    Promise.NO_FALSE_SUCCESS: [success_never_said, success_of_nothing, partial_success_never_said],
    Promise.NO_FALSE_REFUND: [refunded_never_said],
    Promise.NO_STRANGER: [
        strangers_sn_delivered,
        strangers_invoice_delivered,
        strangers_nickname_answered,
        strangers_ref_id_answered,
        strangers_invoice_journaled,
    ],
    Promise.ISOLATED: [
        other_product_taken_for_it,
        other_order_answered,
        upstreams_name_answered,
        other_order_delivered,
    ],
    Promise.READABLE: [no_line, no_word],
    Promise.DELIVERED: [
        never_told,
        still_due,
        noted_but_never_taken,
        superseded_by_nothing,
    ],
    Promise.NEVER_BACKWARDS: [older_after_newer, pending_after_final],
    Promise.SIGNED: [told_in_json_without_a_signature],
    Promise.SAME_BYTES: [other_bytes],
    Promise.BALANCE: [],  # of an account, see below
}


def test_every_promise_is_broken_once() -> None:
    assert BREAKS.keys() == set(Promise)


@pytest.mark.parametrize(
    ("promise", "breaks"),
    [(promise, breaks) for promise, all_breaks in BREAKS.items() for breaks in all_breaks],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_promise_is_seen(promise: Promise, breaks: Callable[[Case], None]) -> None:
    case = clean()
    breaks(case)
    assert promise in broken(case)


def test_the_last_thing_told_is_the_last_thing_true() -> None:
    case = clean()
    an_older_status_last(case)
    case.journal = journal("SUCCESS")
    assert {Promise.SETTLED, Promise.DELIVERED} <= broken(case)


def test_a_balance_that_does_not_add_up_is_seen() -> None:
    money = Money(account="k", opening_rp=5000, balance_rp=3490, bought=[bought()])
    (violation,) = judge(Run(cases=[], money=[money]))
    assert violation.promise is Promise.BALANCE
    assert str(violation) == "k: the balance adds up: wanted a balance of 3489, came 3490"


def test_what_nobody_ordered_is_seen() -> None:
    (violation,) = judge(Run(cases=[], strays=["toko-X"]))
    assert (violation.promise, violation.order) == (Promise.ISOLATED, "toko-X")


def test_an_unsettled_run_may_have_open_ends() -> None:
    case = clean()
    case.journal, case.deliveries = journal("PENDING"), [row(1, state="due")]
    assert judge(Run(cases=[case], settled=False)) == []
    assert {Promise.SETTLED, Promise.DELIVERED} <= broken(case)


def test_every_violation_is_counted_under_a_name() -> None:
    assert {promise for promises in FIGURES.values() for promise in promises} == set(Promise)
    case = clean()
    bought_twice(case)
    counted = count(judge(Run(cases=[case, case])))
    assert counted["bought twice"] == 2
    assert counted["books that do not add up"] == 0

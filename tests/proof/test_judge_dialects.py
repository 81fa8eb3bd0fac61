"""The judge sees in every dialect and form of delivery: a clean case passes, a lie is reported."""

import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from tests.proof.judge import Answer, Bought, Case, Heard, Promise, Run, judge
from tests.proof.reading import Dialect, read_answer

INVOICE = "APIKUY_ML_1795366399_0002"
STRANGERS = "APIKUY_ZZ_1795366399_000000007"
SN = "Nickname - 123456789(1002) . RefId: ML_1795366399_0002"
DEST, KEY = "1234567891002", "key-of-toko"
SUCCEEDS, FAILS = ("PENDING", "SUCCESS"), ("PENDING", "FAILED")
REFUNDED, PARTIAL = ("SUCCESS", "REFUNDED"), ("PENDING", "PARTIAL_SUCCESS")
NOTES = {
    "PENDING": "RefId : ML_1795366399_0002",
    "FAILED": "Transaksi ditolak oleh penyedia",
    "REFUNDED": "Transaksi dibatalkan",
}
SAID = {
    "PENDING": "akan diproses",
    "SUCCESS": f"SUKSES. SN: {SN}",
    "PARTIAL_SUCCESS": f"SUKSES SEBAGIAN. SN: {SN}",
    "FAILED": "GAGAL. Transaksi ditolak oleh penyedia",
    "REFUNDED": "GAGAL. Dana sudah dikembalikan - Transaksi dibatalkan",
}


def invoice(status: str, /, **values: Any) -> dict[str, Any]:
    return {
        "invoice_number": INVOICE,
        "trx_id": "T1",
        "response_note": NOTES.get(status, SN),
        "category": {"title": "x", "subtitle": None, "type": "game"},
        "product": {"name": "x", "code": "S1_1187", "price": 1511},
        "user_input": {"user_id": "123456789", "server_id": "1002", "nickname": None},
        "amount": 1511,
        "status": status,
        "voucher": None,
        "created_at": "2026-11-22T17:00:00.000Z",
        **values,
    }


def in_json(status: str, /, **values: Any) -> str:
    return json.dumps({"statusCode": 200, "message": "success", "data": invoice(status, **values)})


def envelope(message: str, http: int = 404) -> str:
    return json.dumps({"statusCode": http, "message": message, "error": "x"})


def native(status: str, trx_id: str = "T1") -> str:
    return f"R#{trx_id} S1_1187.{DEST} {SAID[status]}. Saldo 98"


def text(status: str, trx_id: str = "T1") -> str:
    note = NOTES.get(status, SN)
    return f"R#{trx_id} {INVOICE} S1_1187.123456789(1002), status {status}. {note} . Sisa saldo 98"


def url(**values: str) -> str:
    query = "&".join(f"{name}={quote(value)}" for name, value in values.items())
    return f"http://panel.test/cb?{query}"


def as_otomax(status: str, /, **values: str) -> Heard:
    code = "20" if status in {"SUCCESS", "PARTIAL_SUCCESS"} else "40"
    told = {"t": "7", "refid": "T1", "status": code, "price": "0", "message": native(status)}
    return Heard(at=5, url=url(**told | values), took=True)


def as_report(status: str, /, **values: str) -> Heard:
    sold = status in {"SUCCESS", "PARTIAL_SUCCESS"}
    told = {"serverid": "7", "clientid": "T1", "statuscode": "1" if sold else "2"}
    told |= {"kp": "S1_1187", "msisdn": DEST, "sn": SN if sold else "", "msg": native(status)}
    return Heard(at=5, url=url(**told | values), took=True)


def as_json(status: str, /, key: str = KEY, **values: Any) -> Heard:
    body = json.dumps(invoice(status, balance=98, **values))
    signature = hmac.digest(key.encode(), body.encode(), "sha256").hex()
    return Heard(at=5, url="http://panel.test/cb", took=True, body=body, signature=signature)


def as_toss(status: str, /, **values: str) -> Heard:
    told = {"invoice_number": INVOICE, "trx_id": "T1", "status": status}
    told |= {"sn": NOTES.get(status, SN), "msg": text(status)}
    return Heard(at=5, url=url(**told | values), took=True)


FORMS: dict[str, Callable[..., Heard]] = {
    "toss": as_toss,
    "otomax": as_otomax,
    "report": as_report,
    "json": as_json,
}
LINES: dict[Dialect, Callable[[str], str]] = {"text": text, "native": native, "json": in_json}
ENDINGS = [SUCCEEDS, FAILS, REFUNDED, PARTIAL]


def case_of(history: tuple[str, ...], heard: Heard, form: str) -> Case:
    """An order that is told of once, rightly or not."""
    last = history[-1]
    bought = Bought(
        invoice_number=INVOICE,
        product_code="S1_1187",
        dest=DEST,
        price_rp=1511,
        returned_rp=0,
        history=list(enumerate(history)),
    )
    row = {"id": 1, "status": last, "state": "delivered", "url": heard.url, "body": heard.body}
    journal = {"status": last, "final_at": "x", "invoice_number": INVOICE, "callback_url": "x"}
    return Case(
        reseller="toko",
        trx_id="T1",
        product_code="S1_1187",
        dest=DEST,
        heard=[heard],
        journal=journal,
        deliveries=[row],
        request_count=1,
        bought=[bought],
        forms=frozenset({form}),
        key=KEY,
    )


def broken(case: Case) -> set[Promise]:
    return {violation.promise for violation in judge(Run(cases=[case]))}


@pytest.mark.parametrize("history", ENDINGS, ids=lambda history: history[-1])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_told_rightly_passes(form: str, history: tuple[str, ...]) -> None:
    heard = FORMS[form](history[-1])
    assert broken(case_of(history, heard, form)) == set()


@pytest.mark.parametrize("history", ENDINGS, ids=lambda history: history[-1])
@pytest.mark.parametrize("dialect", LINES)
def test_what_is_answered_rightly_passes(dialect: Dialect, history: tuple[str, ...]) -> None:
    case = case_of(history, as_toss(history[-1]), "toss")
    case.answers = [
        Answer(asked_at=at, at=at + 0.5, line=LINES[dialect](status), dialect=dialect)
        for at, status in enumerate(history)
    ]
    assert broken(case) == set()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("history", "told", "promise"),
    [
        (("PENDING",), "SUCCESS", Promise.NO_FALSE_SUCCESS),
        (SUCCEEDS, "FAILED", Promise.NO_FALSE_FAILED),
        (SUCCEEDS, "REFUNDED", Promise.NO_FALSE_REFUND),
        (FAILS, "PARTIAL_SUCCESS", Promise.NO_FALSE_SUCCESS),
    ],
)
def test_a_lie_is_seen_in_each_form(
    form: str, history: tuple[str, ...], told: str, promise: Promise
) -> None:
    assert promise in broken(case_of(history, FORMS[form](told), form))


@pytest.mark.parametrize("dialect", LINES)
@pytest.mark.parametrize(
    ("history", "told", "promise"),
    [
        (("PENDING",), "SUCCESS", Promise.NO_FALSE_SUCCESS),
        (SUCCEEDS, "FAILED", Promise.NO_FALSE_FAILED),
        (SUCCEEDS, "REFUNDED", Promise.NO_FALSE_REFUND),
        (SUCCEEDS, "PENDING", Promise.NEVER_BACKWARDS),
    ],
)
def test_a_lie_is_seen_in_each_dialect(
    dialect: Dialect, history: tuple[str, ...], told: str, promise: Promise
) -> None:
    case = case_of(history, as_toss(history[-1]), "toss")
    line = LINES[dialect](told)
    case.answers = [Answer(asked_at=9, at=10, line=line, dialect=dialect)]
    assert promise in broken(case)


@pytest.mark.parametrize(
    ("heard", "form", "promise"),
    [
        (as_otomax("REFUNDED", status="20"), "otomax", Promise.READABLE),
        (as_report("REFUNDED", statuscode="1"), "report", Promise.READABLE),
        (as_otomax("REFUNDED", status="52"), "otomax", Promise.READABLE),
        (as_otomax("REFUNDED", message=native("PENDING")), "otomax", Promise.READABLE),
        (as_otomax("REFUNDED", refid="T2"), "otomax", Promise.ISOLATED),
        (as_report("REFUNDED", clientid="toko-T1"), "report", Promise.ISOLATED),
        (as_report("REFUNDED", sn=SN), "report", Promise.READABLE),
        (as_toss("REFUNDED", msg=text("SUCCESS")), "toss", Promise.READABLE),
        (as_json("REFUNDED", trx_id="toko-T1"), "json", Promise.ISOLATED),
        (as_json("REFUNDED", trx_id=None), "json", Promise.ISOLATED),
        (as_json("REFUNDED", key="the-upstreams-key"), "json", Promise.SIGNED),
        (replace(as_json("REFUNDED"), signature=None), "json", Promise.SIGNED),
        (replace(as_json("REFUNDED"), body="{}"), "json", Promise.READABLE),
        (as_json("REFUNDED", invoice_number=STRANGERS), "json", Promise.NO_STRANGER),
        (
            as_json("REFUNDED", user_input={"user_id": "9", "server_id": None}),
            "json",
            Promise.NO_STRANGER,
        ),
        (as_json("REFUNDED"), "toss", Promise.READABLE),
        (as_toss("REFUNDED"), "otomax", Promise.READABLE),
    ],
)
def test_what_is_told_wrongly_is_seen(heard: Heard, form: str, promise: Promise) -> None:
    assert promise in broken(case_of(REFUNDED, heard, form))


def test_partial_success_is_no_40() -> None:
    assert broken(case_of(PARTIAL, as_otomax("PARTIAL_SUCCESS", status="40"), "otomax")) == {
        Promise.READABLE
    }


def unnamed(heard: Heard, *lines: Answer) -> Case:
    case = case_of(SUCCEEDS, heard, "json")
    case.unnamed, case.answers = True, list(lines)
    return case


def test_what_has_no_trx_id_is_told_none() -> None:
    answers = [
        Answer(asked_at=0, at=1, line=in_json("PENDING", trx_id=None), dialect="json"),
        Answer(asked_at=9, at=10, line=text("SUCCESS", "-"), asked_id=INVOICE),
    ]
    assert broken(unnamed(as_json("SUCCESS", trx_id=None), *answers)) == set()
    assert broken(unnamed(as_json("SUCCESS", trx_id="auto-7"))) == {Promise.ISOLATED}
    for made in (
        Answer(asked_at=0, at=1, line=in_json("PENDING", trx_id="auto-7"), dialect="json"),
        Answer(asked_at=9, at=10, line=text("SUCCESS", "auto-7"), asked_id=INVOICE),
    ):
        assert broken(unnamed(as_json("SUCCESS", trx_id=None), made)) == {Promise.ISOLATED}


@pytest.mark.parametrize(
    ("message", "ordered", "word"),
    [
        ("PRODUCT_NOT_FOUND", True, "FAILED"),
        ("UPSTREAM_UNREACHABLE", True, "FAILED"),
        ("PRODUCT_NOT_FOUND", False, "ERROR"),
        ("DUPLICATE_TRX_ID", True, "ERROR"),
        ("SERVER_ERROR", True, "ERROR"),
    ],
)
def test_a_refusal_in_json_says_that_the_order_will_be_none(
    message: str,
    ordered: bool,  # noqa: FBT001  a case
    word: str,
) -> None:
    read = read_answer("json", 404, envelope(message), ordered=ordered)
    assert read is not None
    assert (read.word, read.names) == (word, False)


def test_a_refusal_of_what_was_bought_is_a_false_failed() -> None:
    case = case_of(SUCCEEDS, as_json("SUCCESS"), "json")
    refused = Answer(
        asked_at=0, at=1, http=404, line=envelope("PRODUCT_NOT_FOUND"), dialect="json"
    )
    case.answers = [refused]
    assert broken(case) == {Promise.NO_FAILED_CORRECTED}
    away = envelope("BUSY", 503)
    case.answers = [replace(refused, http=503, line=away)]
    assert broken(case) == set()
    case.answers = [replace(refused, http=503, line=envelope("EXPIRED", 503))]
    assert broken(case) == {Promise.NO_FALSE_FAILED}


@pytest.mark.parametrize(
    ("dialect", "http", "body"),
    [
        ("json", 200, "R#T1 S1.1, status PENDING. x"),
        ("json", 200, "[]"),
        ("json", 200, envelope("PRODUCT_NOT_FOUND", 200)),
        ("json", 404, in_json("SUCCESS")),
        ("json", 404, envelope("PRODUCT_NOT_FOUND", 400)),
        ("json", 200, in_json("DONE")),
        ("json", 200, in_json("SUCCESS", user_input=None)),
        ("native", 200, text("SUCCESS")),
        ("native", 200, f"R#T1 S1_1187.{DEST} SUKSES."),
        ("text", 200, native("SUCCESS")),
    ],
)
def test_what_is_no_answer_of_its_dialect_is_none(dialect: Dialect, http: int, body: str) -> None:
    assert read_answer(dialect, http, body, ordered=True) is None


# -- what is later than what


def answers(*spans: tuple[float, float, str]) -> list[Answer]:
    return [Answer(asked_at=asked, at=at, line=text(word)) for asked, at, word in spans]


def test_answers_that_overlapped_are_in_no_order() -> None:
    """Two requests at once: the PENDING was answered first, and heard last."""
    case = case_of(SUCCEEDS, as_toss("SUCCESS"), "toss")
    case.heard = [replace(case.heard[0], at=20)]
    case.answers = answers((0, 5, "SUCCESS"), (0, 6, "PENDING"), (7, 8, "SUCCESS"))
    assert broken(case) == set()


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 5, "SUCCESS"), (5.5, 6, "PENDING")],
        [(0, 5, "SUCCESS"), (4, 6, "PENDING"), (7, 8, "PENDING")],
        [(0, 5, "REFUNDED"), (5.5, 6, "SUCCESS")],
        [(0, 1, "SUCCESS"), (2, 3, "REFUNDED"), (4, 5, "SUCCESS")],
    ],
)
def test_answers_that_came_after_each_other_are(spans: list[tuple[float, float, str]]) -> None:
    case = case_of(REFUNDED, as_toss("REFUNDED"), "toss")
    case.heard = [replace(case.heard[0], at=20)]
    case.bought = [replace(case.bought[0], history=[(0, "SUCCESS"), (1, "REFUNDED")])]
    case.answers = answers(*spans)
    assert Promise.NEVER_BACKWARDS in broken(case)


def test_a_delivery_that_may_have_been_on_its_way_is_newer_than_no_answer() -> None:
    case = case_of(REFUNDED, as_toss("REFUNDED"), "toss")
    first = replace(as_toss("SUCCESS"), at=4, took=False)
    case.heard = [first, replace(case.heard[0], at=9)]
    older = {"id": 0, "url": first.url, "status": "SUCCESS", "state": "superseded"}
    case.deliveries.insert(0, {**case.deliveries[0], **older})
    case.answers = answers((1, 2, "REFUNDED"), (5, 6, "REFUNDED"))
    assert broken(case) == set()
    case.heard.append(replace(first, at=10))
    assert broken(case) == {Promise.NEVER_BACKWARDS}

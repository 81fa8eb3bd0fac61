"""The sandbox's books and lines, without a network: money, steps, isolation, exact bytes."""

from collections.abc import Iterator

import pytest

from gateway.sandbox.catalog import OTHER_PRICE_RP, Catalog
from gateway.sandbox.ledger import OPENING_BALANCE_RP, Ledger, Order, Purchase, Status
from gateway.sandbox.outcomes import DEFAULT, OUTCOMES, outcome_of, outcome_table
from gateway.sandbox.refusals import REFUSALS, RefusedError
from gateway.sandbox.wire import (
    callback_target,
    checked_callback_url,
    order_line,
    split_dest,
    status_line,
    user_line,
)

DOCUMENT_TIME = 1679528285.5


@pytest.fixture
def ledger() -> Ledger:
    ticks: Iterator[float] = (DOCUMENT_TIME + n for n in range(1000))
    return Ledger(lambda: next(ticks), {"key-a": 20_000, "key-b": 20_000})


def buy(ledger: Ledger, apikey: str = "key-a", trx_id: str | None = "t-1") -> Purchase:
    order = Order(trx_id, Catalog().sold("S1_1187"), "123456789", "1234", "http://127.0.0.1:9/cb")
    return ledger.buy(ledger.account(apikey), order)


def test_a_purchase_costs_its_price_and_keeps_its_times(ledger: Ledger) -> None:
    purchase = buy(ledger)
    assert ledger.balance("key-a") == 20_000 - 1511
    assert ledger.balance("key-b") == 20_000
    ledger.move(purchase, Status.SUCCESS)
    assert ledger.balance("key-a") == 20_000 - 1511
    assert [status for _, status in purchase.history] == [Status.PENDING, Status.SUCCESS]
    assert purchase.created_at < purchase.updated_at


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([Status.FAILED], 0),
        ([Status.REFUNDED], 0),
        ([Status.SUCCESS, Status.REFUNDED], 0),
        ([Status.PARTIAL_SUCCESS], 756),
        ([Status.PARTIAL_SUCCESS, Status.REFUNDED], 0),
    ],
)
def test_money_comes_back_with_the_status(ledger: Ledger, steps: list[Status], kept: int) -> None:
    purchase = buy(ledger)
    for status in steps:
        ledger.move(purchase, status)
    assert ledger.balance("key-a") == 20_000 - kept
    assert purchase.price_rp - purchase.returned_rp == kept


@pytest.mark.parametrize("final", [Status.FAILED, Status.REFUNDED])
@pytest.mark.parametrize("then", list(Status))
def test_an_end_is_an_end_and_pays_once(ledger: Ledger, final: Status, then: Status) -> None:
    purchase = buy(ledger)
    ledger.move(purchase, final)
    with pytest.raises(ValueError, match="cannot become"):
        ledger.move(purchase, then)
    assert purchase.status is final
    assert ledger.balance("key-a") == 20_000


def test_a_used_trx_id_is_refused_and_costs_nothing(ledger: Ledger) -> None:
    buy(ledger)
    with pytest.raises(RefusedError, match="DUPLICATE_TRX_ID"):
        buy(ledger)
    assert ledger.balance("key-a") == 20_000 - 1511
    buy(ledger, "key-b")
    assert len(ledger.purchases_of("t-1")) == 2
    assert len(ledger.purchases) == 2


def test_orders_without_a_trx_id_are_all_different(ledger: Ledger) -> None:
    first, second = buy(ledger, trx_id=None), buy(ledger, trx_id=None)
    assert first.invoice_number != second.invoice_number


def test_a_price_above_the_balance_is_refused_and_one_equal_to_it_is_not() -> None:
    ledger = Ledger(lambda: 0.0, {"poor": 1510, "exact": 1511})
    with pytest.raises(RefusedError, match="INSUFFICIENT_BALANCE"):
        buy(ledger, "poor")
    assert ledger.purchases == []
    assert ledger.balance("poor") == 1510
    buy(ledger, "exact")
    assert ledger.balance("exact") == 0


def test_accounts_are_open_to_all_unless_they_are_listed(ledger: Ledger) -> None:
    for unknown in ("key-c", ""):
        with pytest.raises(RefusedError, match="API_KEY_NOT_FOUND"):
            ledger.account(unknown)
    open_to_all = Ledger(lambda: 0.0)
    assert open_to_all.balance("anybody") == OPENING_BALANCE_RP
    with pytest.raises(RefusedError, match="API_KEY_NOT_FOUND"):
        open_to_all.account("")


def test_an_account_finds_its_own_purchases_only(ledger: Ledger) -> None:
    purchase = buy(ledger)
    owner, stranger = ledger.account("key-a"), ledger.account("key-b")
    assert ledger.by_invoice(owner, purchase.invoice_number) is purchase
    assert ledger.by_trx_id(owner, "t-1") is purchase
    assert ledger.find(owner, "t-1") is ledger.find(owner, purchase.invoice_number) is purchase
    for name in ("t-1", purchase.invoice_number):
        for look_up in (ledger.by_invoice, ledger.by_trx_id, ledger.find):
            with pytest.raises(RefusedError, match="INVOICE_NOT_FOUND"):
                look_up(stranger, name)


def test_requests_are_counted_by_trx_id(ledger: Ledger) -> None:
    ledger.count_order_request("t-1")
    ledger.count_order_request("t-1")
    assert (ledger.order_requests("t-1"), ledger.order_requests("t-2")) == (2, 0)


def test_no_key_in_what_is_printed(ledger: Ledger) -> None:
    assert "key-a" not in repr(buy(ledger)) + repr(ledger.account("key-a"))


@pytest.mark.parametrize(
    ("code", "price"),
    [
        ("S1_1187", 1511),
        ("S4_ML86", 18624),
        ("S1_10835", 11327),
        ("my.own-CODE_1", OTHER_PRICE_RP),
    ],
)
def test_prices(code: str, price: int) -> None:
    assert Catalog().sold(code).price_rp == price
    assert Catalog().sold(code).code == code


@pytest.mark.parametrize("code", ["", "a b", "a/b", "x" * 65, "S1\n", "\u0661"])
def test_codes_of_another_form_are_not_sold(code: str) -> None:
    with pytest.raises(RefusedError, match="PRODUCT_NOT_FOUND"):
        Catalog().sold(code)


def test_the_lines_are_the_documents(ledger: Ledger) -> None:
    purchase = buy(ledger, trx_id="1234243244")
    ref_id = "ML_1679528287_0001"
    assert purchase.invoice_number == f"APIKUY_{ref_id}"
    assert order_line(purchase) == (
        f"R#1234243244 S1_1187.123456789|1234, status PENDING. RefId : {ref_id} . Sisa saldo 18489"
    )
    ledger.move(purchase, Status.SUCCESS)
    assert status_line(purchase) == (
        f"R#1234243244 APIKUY_{ref_id} S1_1187.123456789(1234), status SUCCESS."
        f" Nickname - 123456789(1234) . RefId: {ref_id} . Sisa saldo 18489"
    )
    assert user_line(purchase.account) == (
        "TopupKuy. topupkuy@topupkuy.id. plan Platinum Member. balance 18489"
    )


def test_without_a_server_the_order_line_has_no_bar_and_the_status_line_has_empty_brackets(
    ledger: Ledger,
) -> None:
    order = Order("t-1", Catalog().sold("S1_1187"), "0812")
    purchase = ledger.buy(ledger.account("key-a"), order)
    assert " S1_1187.0812, status PENDING. " in order_line(purchase)
    assert " S1_1187.0812(), status PENDING. " in status_line(purchase)


@pytest.mark.parametrize(
    ("dest", "glued", "expected"),
    [
        (("1234567891234", ""), True, ("123456789", "1234")),
        (("123456789012", ""), True, ("12345678", "9012")),
        (("12345678901", ""), True, ("12345678901", "")),
        (("1234567891234", "77"), True, ("1234567891234", "77")),
        (("1234567891234", ""), False, ("1234567891234", "")),
        (("player-12345678", ""), True, ("player-12345678", "")),
        (("\u0661" * 13, ""), True, ("\u0661" * 13, "")),
    ],
)
def test_a_glued_destination_is_split_before_its_last_four_digits(
    dest: tuple[str, str], *, glued: bool, expected: tuple[str, str]
) -> None:
    assert split_dest(*dest, glued=glued) == expected


@pytest.mark.parametrize("dest", [("", "1234"), ("12\n3", ""), ("123", "\x00")])
def test_an_empty_or_unprintable_destination_is_refused(dest: tuple[str, str]) -> None:
    with pytest.raises(RefusedError, match="INVALID_USER_ID"):
        split_dest(*dest, glued=True)


@pytest.mark.parametrize("url", ["ftp://h/x", "/cb", "http://", "http://h:99999/", "javascript:1"])
def test_a_callback_url_that_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="INVALID_CALLBACK_URL"):
        checked_callback_url(url)


def test_the_callback_is_written_as_in_the_document(ledger: Ledger) -> None:
    purchase = buy(ledger, trx_id="1234243244")
    ledger.move(purchase, Status.SUCCESS)
    note = "Nickname%20-%20123456789(1234)%20.%20RefId:%20ML_1679528287_0001"
    assert str(callback_target(purchase, "https://your-website.com/callback")) == (
        "https://your-website.com/callback?invoice_number=APIKUY_ML_1679528287_0001"
        f"&trx_id=1234243244&status=SUCCESS&product_price=1511&sn={note}"
        "&msg=R#1234243244%20APIKUY_ML_1679528287_0001%20S1_1187.123456789(1234),"
        f"%20status%20SUCCESS.%20{note}%20.%20Sisa%20saldo%2018489"
    )


def test_a_callback_url_with_a_query_keeps_it_and_loses_its_fragment(ledger: Ledger) -> None:
    target = callback_target(buy(ledger), "http://h/cb?token=a%2Bb#part")
    assert target.raw_path_qs.startswith("/cb?token=a%2Bb&invoice_number=APIKUY_ML_")


def test_every_suffix_stands_once_in_the_table_and_chooses_its_row() -> None:
    assert len({outcome.suffix for outcome in OUTCOMES}) == len(OUTCOMES)
    for outcome in OUTCOMES:
        assert outcome_of(f"9{outcome.suffix}") is outcome
        assert f"{outcome.suffix}  {outcome.indonesian}" in outcome_table()
    refused = [outcome.refusal for outcome in OUTCOMES if outcome.refusal]
    assert refused == list(REFUSALS)
    assert [o.suffix for o in OUTCOMES if o.refusal] == [str(n) for n in range(101, 113)]
    for other in ("12345999", "01", "abc", ""):
        assert outcome_of(other) is DEFAULT

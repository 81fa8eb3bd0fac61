"""Any callback in, any delivery out: nothing breaks, and an independent reader reads the same."""

from urllib.parse import parse_qsl, quote, urlsplit

import yarl
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.clients.reseller import _BadUrlError, _checked, _parted
from gateway.domain.delivery import Message
from gateway.domain.evidence import Source, Status
from gateway.domain.order import Order
from gateway.protocol.callback import parse_callback, toss_message
from gateway.protocol.fields import is_callback_url
from gateway.protocol.text import parse_status, status_answer
from gateway.protocol.words import plain
from tests.domain.cases import Life
from tests.protocol.fuzz import ANY_TEXT, FUZZ, NICKNAMES, ORDERS, SALDO, WORDS, broken_rules
from tests.protocol.wire import T0, order

NAMES = ["invoice_number", "trx_id", "status", "sn", "msg", "product_price"]
WHAT_COMES = st.lists(
    st.tuples(st.sampled_from([*NAMES, "x", ""]), st.one_of(NICKNAMES, WORDS, st.just("%FF"))),
    max_size=9,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
RAW = st.one_of(
    ANY_TEXT,
    st.binary(max_size=60).map(lambda raw: raw.decode("ascii", "surrogateescape")),
    WHAT_COMES,
)
# Addresses as a reseller may write them: hosts and ports to be told apart, and queries to be kept.
URLS = st.one_of(
    st.tuples(
        st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "//", "http:", ""]),
        st.sampled_from(
            ["p.test", "P.Test.", "[2001:db8::9]", "0x7f.1", "u@p.test", "p.test\\@g", "p%2etest"]
        ),
        st.sampled_from(["", ":", ":80", ":0", ":0080", ":65535", ":65536", ":\u0668", ":8080:1"]),
        st.sampled_from(["", "/", "/cb", "//x", "/a/../b", "/%zz", "/\u00e9", "/@h", "\\@h"]),
        st.one_of(st.just(""), NICKNAMES.map("?{}".format), NICKNAMES.map("#{}".format)),
    ).map("".join),
    ANY_TEXT.map("http://{}".format),
    ANY_TEXT.map("http://p.test/{}".format),
)


def told_by(message: Message) -> list[tuple[str, str]]:
    """The parameters of a delivery, as urllib reads them."""
    query = urlsplit(message.url).query
    return parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")


@FUZZ
@given(RAW)
def test_no_callback_breaks_the_reader(raw: str) -> None:
    callback = parse_callback(raw)
    evidence = callback.evidence
    if evidence is None:
        return
    assert evidence.source is Source.CALLBACK
    assert isinstance(evidence.verdict, Status)
    assert f"{evidence.verdict}" in raw.replace("%", "") or "%" in raw
    assert set(evidence.callback_names.split(",")) <= set(NAMES)
    shown = f"{evidence.note}{evidence.invoice_number}"
    assert not [rule for rule in broken_rules(shown, "") if rule.startswith("U+")]


@FUZZ
@given(
    st.permutations(NAMES),
    st.sampled_from([Status.SUCCESS, Status.PARTIAL_SUCCESS]),
    NICKNAMES.map(lambda text: text.encode("utf-8", "ignore").decode()),
    st.integers(0, 10**15 - 1),
)
def test_what_the_upstream_calls_back_arrives_at_the_panel(
    names: list[str], status: Status, sn: str, price: int
) -> None:
    """Callback query, evidence, order, delivery, and its query read by another reader."""
    came = {
        "invoice_number": "INV_1",
        "trx_id": "toko-123424324",
        "status": status.value,
        "sn": sn,
        "msg": "R#x",
        "product_price": str(price),
    }
    heard = parse_callback("&".join(f"{name}={quote(came[name])}" for name in names))
    assert heard.trx_id == "toko-123424324"
    assert heard.evidence is not None
    evidence = replace(heard.evidence, asked_at=T0)
    change = Life(order(), T0 + 1).hears(
        evidence.source,
        evidence.verdict,
        note=evidence.note,
        invoice_number=evidence.invoice_number,
        product_price=evidence.product_price,
        callback_names=evidence.callback_names,
    )
    message = toss_message(change.order, 5)
    assert change.tell
    assert message is not None
    told = told_by(message)
    assert [name for name, _ in told] == names
    said = dict(told)
    assert said["trx_id"] == "123424324"
    assert (said["status"], said["invoice_number"]) == (status.value, "INV_1")
    assert said["product_price"] == str(price)
    assert said["sn"].replace("-", "") == plain(sn).replace("-", "")
    assert broken_rules(said["sn"], status.value) == []


@FUZZ
@given(ORDERS, SALDO)
@example(order(note="a&status=FAILED#x=%00+", status=Status.SUCCESS), None)
def test_a_delivery_is_read_by_others_as_it_was_meant(told: Order, saldo: int | None) -> None:
    message = toss_message(told, saldo)
    assert message is not None
    assert message.url.isascii()
    assert message.url.isprintable()
    assert " " not in message.url
    pairs = told_by(message)
    said = dict(pairs)
    assert len(said) == len(pairs)
    assert said["status"] == told.status.value == message.status
    assert said["trx_id"] == told.trx_id
    assert broken_rules(said["sn"], told.status.value) == []
    assert said["msg"] == status_answer(told, saldo)
    line = parse_status(said["msg"])
    assert line is not None
    assert (line.status, line.saldo) == (told.status.value, saldo)
    assert str(yarl.URL(message.url, encoded=True)) == message.url
    again = parse_callback(message.url.partition("?")[2])
    assert again.trx_id == told.trx_id
    assert again.evidence is not None
    assert (again.evidence.verdict, again.evidence.note) == (told.status, said["sn"])


@FUZZ
@given(URLS)
@example("http://p.test\\@g/")
@example("http://p.test:0/")
def test_where_a_delivery_goes_is_where_it_was_allowed_to_go(url: str) -> None:
    """What the check read out of an address, and what the client connects to, are one host."""
    if not is_callback_url(url, own={("gw.test", 80)}, hosts=()):
        return
    message = toss_message(order(callback_url=url, note="x"), None)
    assert message is not None
    assert message.url.isascii()
    try:
        target = _checked(_parted(message.url)[0])
    except _BadUrlError:
        return  # not tried at all
    assert target.raw_host is not None
    assert f"{target.raw_host.lower().rstrip('.')}:{target.port}" == message.host
    assert target.scheme in {"http", "https"}
    assert target.user is None


OWN_WORDS = NICKNAMES.map(
    lambda text: "".join(c for c in text if c.isprintable() and c not in " \\")
)


@FUZZ
@given(OWN_WORDS, OWN_WORDS)
def test_a_resellers_own_query_is_kept_and_takes_nothing_over(path: str, query: str) -> None:
    url = f"http://p.test/{path}?{query}"
    assume(is_callback_url(url, own=()))
    message = toss_message(order(callback_url=url, note="x", status=Status.SUCCESS), 5)
    assert message is not None
    ours = message.url.split("&")[-5:]
    ours[0] = ours[0].rpartition("?")[2]
    names = [part.partition("=")[0] for part in ours]
    assert names == NAMES[:5]
    assert "status=SUCCESS" in ours
    assert urlsplit(message.url).hostname == "p.test"
    assert urlsplit(message.url).fragment == ""


@FUZZ
@given(URLS, st.lists(st.sampled_from(["p.test", "gw.test", "127.0.0.1"]), max_size=2))
def test_no_address_breaks_the_check(url: str, hosts: list[str]) -> None:
    if is_callback_url(url, own={("p.test", 80)}, hosts=hosts):
        parts = urlsplit(url)
        assert parts.scheme in {"http", "https"}
        assert len(url) <= 2000
        assert parts.username is None
        host = (parts.hostname or "").rstrip(".")
        assert host
        assert not hosts or host in hosts
        default = 443 if parts.scheme == "https" else 80
        port = default if parts.port is None else parts.port
        assert (host, port) != ("p.test", 80)

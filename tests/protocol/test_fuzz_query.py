"""Any query at all: never an exception, never a guess, and read as another reader reads it."""

from urllib.parse import parse_qsl, quote, quote_plus

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.errors import Code, explain
from gateway.protocol.fields import glue, is_destination, is_identifier
from gateway.protocol.query import parse_query
from gateway.protocol.text import error_answer, parse_order, parse_order_request
from tests.protocol.fuzz import ANY_TEXT, DESTINATIONS, FUZZ, IDENTIFIERS, NICKNAMES, broken_rules

# As a server hands a request line on: bytes that are no ASCII as surrogates.
RAW = st.one_of(
    ANY_TEXT,
    st.binary(max_size=60).map(lambda raw: raw.decode("ascii", "surrogateescape")),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["apikey", "product_code", "user_id", "server_id", "trx_id", "callback_url", "x"]
            ),
            st.one_of(NICKNAMES, st.sampled_from(["%FF", "%", "%4", "%00", "A1", "123|45", ""])),
        ),
        max_size=8,
    ).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)
PAIRS = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=10).filter(lambda name: name.isprintable()),
        st.text(max_size=20),
    ),
    max_size=8,
)


@FUZZ
@given(RAW)
def test_no_query_breaks_the_reader(raw: str) -> None:
    query = parse_query(raw)
    assert not query.unreadable & query.values.keys()
    assert query.repeated <= query.values.keys() | query.unreadable
    for name in (*query.values, *query.unreadable):
        value = query.get(name)
        assert value is None or (name not in query.repeated and value == query.values[name])


@FUZZ
@given(PAIRS, st.sampled_from([quote, quote_plus]))
def test_what_another_writer_encodes_is_read_as_it_was(
    pairs: list[tuple[str, str]], encode: type
) -> None:
    query = parse_query("&".join(f"{encode(n)}={encode(v)}" for n, v in pairs))
    first: dict[str, str] = {}
    for name, value in pairs:
        first.setdefault(name, value)
    assert query.values == first
    assert query.unreadable == frozenset()
    names = [name for name, _ in pairs]
    assert query.repeated == {name for name in names if names.count(name) > 1}


@FUZZ
@given(RAW)
def test_what_is_read_another_reader_reads_too(raw: str) -> None:
    """Where the bytes are UTF-8, we and urllib agree; where they are not, we say so."""
    raw = raw.encode("utf-8", "replace").decode()
    query = parse_query(raw)
    read: dict[str, str] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True, errors="surrogateescape"):
        read.setdefault(name, value)
    for name, value in query.values.items():
        assert read.get(name, "") == value
    for name in query.unreadable:
        assert not read[name].isprintable()


@FUZZ
@given(RAW)
@example("trx_id=A1&product_code=P&user_id=%F0%9F%98%80&server_id=%E2%80%8B")
def test_any_order_request_has_one_line_for_an_answer(raw: str) -> None:
    asked = parse_order_request(raw)
    assert asked.trx_id is None or is_identifier(asked.trx_id)
    assert asked.product_code is None or is_identifier(asked.product_code)
    assert asked.user_id is None or is_destination(asked.user_id)
    if asked.fault is None:
        assert asked.product_code is not None
        assert asked.dest is not None
    for code in (Code.INVALID_PARAMETER, Code.DUPLICATE_TRX_ID):
        line = error_answer(asked, explain(code))
        read = parse_order(line)
        assert read is not None
        assert read.status == "ERROR"
        assert read.trx_id == (asked.trx_id or "-")
        head = f"{asked.product_code or '-'}."
        assert read.target.startswith(head)
        assert broken_rules(read.target[len(head) :], "ERROR") == []


@FUZZ
@given(IDENTIFIERS, IDENTIFIERS, DESTINATIONS, st.one_of(st.none(), DESTINATIONS))
def test_a_good_request_is_read_as_it_was_written(
    trx_id: str, product_code: str, user_id: str, server_id: str | None
) -> None:
    fields = {"product_code": product_code, "trx_id": trx_id, "user_id": user_id}
    if server_id is not None:
        fields["server_id"] = server_id
    asked = parse_order_request("&".join(f"{name}={quote(v)}" for name, v in fields.items()))
    assert (asked.malformed, asked.fault) == (None, None)
    assert (asked.trx_id, asked.product_code) == (trx_id, product_code)
    assert (asked.user_id, asked.server_id) == (user_id, server_id)
    assert asked.dest == glue(user_id, server_id)


@FUZZ
@given(st.text("0123456789|/() \u0661x", max_size=9), st.one_of(st.none(), DESTINATIONS))
def test_gluing_loses_no_digit_and_takes_only_a_separator(
    user_id: str, server_id: str | None
) -> None:
    glued = glue(user_id, server_id)
    if server_id is not None:
        assert glued == user_id + server_id
    elif glued != user_id:
        assert glued.isascii()
        assert glued.isdigit()
        assert [c for c in user_id if c.isdigit()] == list(glued)
        assert user_id[0] in "0123456789"


@FUZZ
@given(ANY_TEXT)
def test_what_an_identifier_is_no_alphabet_can_stretch(text: str) -> None:
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert is_identifier(text) == (0 < len(text) <= 64 and set(text) <= allowed)
    if is_destination(text):
        assert "," not in text
        assert not {"\n", "\r", "\x00", "\u2028", "\ud800", "\u200b"} & set(text)

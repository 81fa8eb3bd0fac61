"""The doors beside the wire: who calls, which token is genuine, what may be configured."""

import ipaddress
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.config import values
from gateway.config.lines import key_lines
from gateway.config.loader import ConfigError, load_settings
from gateway.vault import Vault
from gateway.web.gate import client_address
from tests.protocol.fuzz import ANY_TEXT, FUZZ, IDENTIFIERS, NICKNAMES

# who calls


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address


V4 = st.ip_addresses(v=4)
ADDRESSES = st.one_of(V4, st.ip_addresses(v=6))
PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
OUTSIDE = ADDRESSES.filter(lambda a: not any(_plain(a) in network for network in PROXIES))
INSIDE = st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/8"))
FORGED = st.lists(
    st.one_of(
        ANY_TEXT.map(lambda text: text.replace(",", " ")),
        ADDRESSES.map(str),
        st.sampled_from(
            ["unknown", "10.0.0.1", "_hidden", "[::1]:80", "1.1.1.1:x", "%", "[", "]"]
        ),
    ),
    max_size=4,
)


@st.composite
def _written(draw: st.DrawFn, whole: Any) -> str:
    """An address as proxies write it: with a port, in brackets, mapped, between spaces."""
    address = draw(whole)
    if address.version == 6:
        forms = [f"{address}", f"[{address}]", f"[{address}]:443", f"[{address.exploded}]:1"]
    else:
        forms = [f"{address}", f"{address}:8080", f"::ffff:{address}", f"[::ffff:{address}]:80"]
    return draw(st.sampled_from(["", " ", "\t"])) + draw(st.sampled_from(forms))


@FUZZ
@given(st.one_of(st.none(), ANY_TEXT, ADDRESSES.map(str)), FORGED)
def test_no_header_breaks_the_gate(peer: str | None, hops: list[str]) -> None:
    seen = client_address(peer, ",".join(hops), PROXIES)
    assert seen is None or ipaddress.ip_address(str(seen)) == seen
    assert getattr(seen, "ipv4_mapped", None) is None


@FUZZ
@given(OUTSIDE, FORGED)
def test_who_is_no_proxy_of_ours_is_whom_we_see(
    peer: ipaddress.IPv4Address, hops: list[str]
) -> None:
    assert client_address(str(peer), ",".join(hops), PROXIES) == _plain(peer)
    assert client_address(str(peer), ",".join(hops), ()) == _plain(peer)


@FUZZ
@given(INSIDE, FORGED, OUTSIDE.filter(lambda a: _plain(a) == a), st.data())
def test_behind_our_proxies_the_first_stranger_is_who_calls(
    peer: ipaddress.IPv4Address,
    hops: list[str],
    client: ipaddress.IPv4Address,
    data: st.DataObject,
) -> None:
    """Whatever a client writes before itself, and in whatever form our proxies note it."""
    through = data.draw(st.lists(_written(INSIDE), max_size=3))
    chain = [*hops, data.draw(_written(st.just(client))), *through]
    assert client_address(str(peer), ",".join(chain), PROXIES) == client


# whose token


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    made = Vault.open(tmp_path_factory.mktemp("vault") / "secret.key", sealed_exists=False)
    made.use_root(made.new_root())
    return made


NAMES = st.tuples(st.text(f"{digits}abcxyz", min_size=1, max_size=12), IDENTIFIERS).map("-".join)
BASE64 = f"{ascii_letters}{digits}-_"


@FUZZ
@given(
    st.one_of(
        ANY_TEXT,
        NICKNAMES,
        st.tuples(st.text(BASE64, min_size=24, max_size=24), NAMES).map(".".join),
        st.tuples(st.text(st.characters(), min_size=24, max_size=24), NAMES).map(".".join),
        NAMES,
    )
)
@example("A" * 24 + ".toko-\u0661")
@example("\u00e9" * 24 + ".toko-1")
def test_no_text_is_a_token_that_was_not_made(vault: Vault, text: str) -> None:
    assert vault.check_callback_token(text) is None


@FUZZ
@given(NAMES, NAMES, st.integers(0, 200), st.characters())
def test_only_the_genuine_token_passes(
    vault: Vault, name: str, other: str, at: int, character: str
) -> None:
    token = vault.callback_token(name)
    assert vault.check_callback_token(token) == name
    at %= len(token)
    spoiled = [
        token[:at] + character + token[at + 1 :],
        token[:at] + character + token[at:],
        token[:at] + token[at + 1 :],
        token[:24].swapcase() + token[24:],
        f"{token}\n",
        f" {token}",
        token.replace("-", "%2D"),
        token[:24] + vault.callback_token(other)[24:],
        vault.callback_token(other)[:24] + token[24:],
    ]
    for text in spoiled:
        genuine = text in (token, vault.callback_token(other))
        assert (vault.check_callback_token(text) is not None) == genuine


# what may be configured

KINDS = [
    *(values.Timeout, values.ReplyTimeout, values.Duration, values.Rate, values.LookUpSchedule),
    *(values.DeliverySchedule, values.Count, values.Flag, values.Networks, values.Listen),
    *(values.BaseAddress, values.StorageUrl, values.KeyFile, values.LogFormat, values.LogLevel),
]
CHECKS: list[TypeAdapter[Any]] = [TypeAdapter(kind) for kind in KINDS]
TEXTS = st.one_of(
    ANY_TEXT,
    NICKNAMES,
    st.text("0123456789.:/[]-+eEx@ ", max_size=30),
    st.tuples(
        st.sampled_from(["http://", "https://", "sqlite:///", "postgresql://", "[::1]:", ""]),
        ANY_TEXT,
    ).map("".join),
)
PLAIN = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(),
    st.integers(10**60, 10**400),
    st.floats(),
    st.datetimes(),
    st.none(),
)
ANYTHING = st.one_of(
    PLAIN, st.lists(PLAIN, max_size=3), st.dictionaries(st.text(max_size=3), PLAIN, max_size=2)
)


@FUZZ
@given(ANYTHING)
@example(10**400)
@example([[[]]])
def test_no_value_breaks_its_check(value: Any) -> None:
    for check in CHECKS:
        try:
            good = check.validate_python(value)
        except ValidationError as refused:
            said = refused.errors()[0]["msg"]
            assert len(said) < 400
            assert "wanted" in said
            assert said.isprintable()
        else:
            assert check.validate_python(good) == good


@FUZZ
@given(TEXTS, st.sampled_from([int, float, bool, str, tuple[float, ...], tuple[str, ...]]))
def test_no_variable_breaks_the_reader(text: str, kind: object) -> None:
    read = values.from_environment(text, kind)
    assert isinstance(read, str | int | float | bool | list)


TOML = st.lists(
    st.sampled_from(
        [
            *(
                "[server]",
                "[[server]]",
                "[a.'b']",
                'listen = "127.0.0.1:8080"',
                "x=[",
                "]",
                "{",
                "}",
            ),
            *(
                "server.listen = 5",
                '"',
                "'''",
                '"""',
                "\\",
                "=",
                "# x",
                "a = {b = 1}",
                ".",
                "true",
            ),
            *("schedule_s = [1, 2]", "[upstream]", 'timeout_s = "x"', "\u00e9", "\x00", "1e5"),
        ]
    ),
    max_size=8,
).map("\n".join)


@FUZZ
@given(st.one_of(TOML, ANY_TEXT))
@example("[" * 5000)
@example("a=" + "[" * 5000)
def test_no_file_breaks_the_finder_of_lines(text: str) -> None:
    found = key_lines(text)
    count = text.count("\n") + 2
    assert all(0 < line <= count for line in found.values())


@FUZZ
@given(st.one_of(TOML, ANY_TEXT.map(lambda text: text.encode("utf-8", "replace").decode())))
def test_no_file_breaks_the_loader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("config") / "config.toml"
    file.write_bytes(text.encode())
    with pytest.raises(ConfigError) as refused:
        load_settings(file, {})  # server.public_url is not in it: no text above is good
    assert refused.value.mistakes
    assert all(refused.value.mistakes)
    assert Path(file).read_bytes() == text.encode()

"""The scanner of lines agrees with tomllib about which keys there are, and finds their lines."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.lines import key_lines

DOCUMENT = '''\
# comment [not] = "a key"
top = 1
"quoted \\u006bey" = 2
server.listen = "a # no comment"
server . 'literal key' = \'\'\'
[no] header
no = "key"
\'\'\'
long = """
x = 1 \\""" still = 2
"""""
list = [
  "]", # ] in = a comment
  { inner = 1, deep = [ { deeper.still = 2 } ] },
]
inline = { a = 1, b = { c = "}" } }
date = 1979-05-27 07:32:00

[upstream]  # [comment]
callback_ips = [
  "1.2.3.4",
]
[ "sec tion" . sub ]
key='\\'
[[array]]
x = true
'''


def test_every_form_of_a_key_has_its_line() -> None:
    tomllib.loads(DOCUMENT)
    assert key_lines(DOCUMENT) == {
        ("top",): 2,
        ("quoted key",): 3,
        ("server",): 4,
        ("server", "listen"): 4,
        ("server", "literal key"): 5,
        ("long",): 9,
        ("list",): 12,
        ("list", "inner"): 14,
        ("list", "deep"): 14,
        ("list", "deep", "deeper"): 14,
        ("list", "deep", "deeper", "still"): 14,
        ("inline",): 16,
        ("inline", "a"): 16,
        ("inline", "b"): 16,
        ("inline", "b", "c"): 16,
        ("date",): 17,
        ("upstream",): 19,
        ("upstream", "callback_ips"): 20,
        ("sec tion",): 23,
        ("sec tion", "sub"): 23,
        ("sec tion", "sub", "key"): 24,
        ("array",): 25,
        ("array", "x"): 26,
    }


@given(st.text("[]{}\"'=.,#\\ \n\tab1", max_size=60))
def test_no_text_stops_it(text: str) -> None:
    lines = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@given(st.text("[]{}\"'=.,#\\ \nab1", max_size=40))
def test_it_finds_what_tomllib_finds(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except ValueError:
        return
    assert {key[0] for key in key_lines(text)} == set(document)


def test_deep_nesting_ends_quietly() -> None:
    assert key_lines("a = " + "[" * 100_000) == {("a",): 1}


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "a", "a =", '"a'])
def test_little_texts(text: str) -> None:
    assert len(key_lines(text)) <= 1

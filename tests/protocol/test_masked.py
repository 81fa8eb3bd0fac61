"""What was sent in confidence does not come back in an answer, in whichever form it stands."""

import json

import pytest

from gateway.protocol.upstream import masked

KEY = "kunci/supplier+9f81c2=ä"


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        "kunci%2Fsupplier%2B9f81c2%3D%C3%A4",
        "kunci%2fsupplier%2b9f81c2%3d%c3%a4",
        "kunci/supplier%2B9f81c2%3D%C3%A4",
        json.dumps(KEY, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    ],
)
def test_a_secret_is_masked_as_it_is_and_as_it_is_encoded(said: str) -> None:
    assert masked(f'{{"near":"{said}"}}'.encode(), (KEY,)) == b'{"near":"***"}'


def test_a_plain_secret_is_looked_for_as_it_is_and_a_short_one_not_at_all() -> None:
    assert masked(b"a token-12345 b token-12345", ("token-12345",)) == b"a *** b ***"
    assert masked(b"status 1234567", ("1234567",)) == b"status 1234567"
    assert masked(b"nothing of it", (KEY, "token-12345")) == b"nothing of it"

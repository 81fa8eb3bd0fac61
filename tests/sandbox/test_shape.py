"""The judge of shapes: what it takes for the same, and what it does not."""

import pytest

from tests.support.shape import differences, json_of, line_differences

ORDER_LINE = "R#1 S1.123|12, status PENDING. RefId : ML_1 . Sisa saldo 5"
STATUS_LINE = "R#1 APIKUY_1 S1.123(12), status SUCCESS. Nick - 123(12) . RefId: 1 . Sisa saldo 5"
USER_LINE = "TopupKuy. topupkuy@topupkuy.id. plan Platinum Member. balance 1234344"


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        (1, True),
        (True, 1),
        (1, 1.0),
        ("", 1),
        ([], {}),
        ([1], [1, "1"]),
        ({"a": {"b": 1}}, {"a": {}}),
        ({}, {"a": None}),
        ("2023-03-22T23:38:05.000Z", "2023-03-22 23:38:05"),
        ("d8ccc4ea-e19d-4255-a7d0-f85d6fad0d77", "17"),
    ],
)
def test_what_differs_in_shape(example: object, answer: object) -> None:
    assert len(differences(example, answer)) == 1


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        (None, 1),
        ({"a": 1}, {"a": None}),
        ([{"a": 1}], [{"a": 2}, {"a": None}]),
        ("SUCCESS", "PENDING"),
        ("2023-03-22T23:38:05.000Z", "2026-01-01T00:00:00.123Z"),
    ],
)
def test_what_has_the_same_shape(example: object, answer: object) -> None:
    assert differences(example, answer) == []


def test_comments_go_and_what_looks_like_one_in_a_string_stays() -> None:
    text = '{"a": "http://h/x", // one | two\n "b": "\\"// c" // "d"\n}'
    assert json_of(text) == {"a": "http://h/x", "b": '"// c'}


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        (ORDER_LINE, ORDER_LINE.replace("|12", "")),
        (ORDER_LINE, ORDER_LINE.replace("PENDING. RefId : ML_1", "FAILED. Gagal")),
        (STATUS_LINE, STATUS_LINE.replace("S1.123(12)", "S1.0812()")),
    ],
)
def test_lines_of_the_same_grammar(example: str, answer: str) -> None:
    assert line_differences(example, answer) == []


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        (ORDER_LINE, STATUS_LINE),
        (STATUS_LINE, ORDER_LINE),
        (ORDER_LINE, ORDER_LINE + "\n"),
        (ORDER_LINE, ORDER_LINE.replace("PENDING", "ERROR")),
        (ORDER_LINE, ORDER_LINE.replace("saldo 5", "saldo 5.000")),
        (ORDER_LINE, ORDER_LINE.replace(" . Sisa", ". Sisa")),
        (USER_LINE, USER_LINE.replace("balance", "saldo")),
    ],
)
def test_lines_of_another_grammar(example: str, answer: str) -> None:
    assert len(line_differences(example, answer)) == 1

"""The pages that are made are up to date, and every key has its Indonesian sentence."""

from pathlib import Path

import pytest

from gateway.config.keys import SECTIONS
from gateway.config.sentences import KEYS_ID, SECTIONS_ID
from gateway.protocol.expressions import TEXT, TEXT_USER
from tests.docs.generated import generated
from tests.docs.markdown import DOCS, blocks, read

KEYS = {f"{name}.{key}" for name, section in SECTIONS.items() for key in section.model_fields}


def test_every_key_has_an_indonesian_sentence() -> None:
    assert set(KEYS_ID) == KEYS
    assert set(SECTIONS_ID) == set(SECTIONS)


def test_no_sentence_is_a_stub_or_an_english_one() -> None:
    english = {
        field.description
        for section in SECTIONS.values()
        for field in section.model_fields.values()
    }
    assert not english & set(KEYS_ID.values())
    assert [key for key, text in KEYS_ID.items() if len(text) < 30 or not text.endswith(".")] == []


@pytest.mark.parametrize("page", generated(), ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_page_that_is_made_is_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == generated()[page], "run `make guide`"


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_expressions_of_the_panel_page_are_the_ones_that_are_printed(language: str) -> None:
    (shown,) = [
        block.lines
        for block in blocks(read(DOCS / language / "otomax-panel.md"))
        if block.lines[0].startswith("sukses: ")
    ]
    wanted = {**TEXT, "saldo (cek saldo)": TEXT_USER}
    assert dict(line.split(": ", 1) for line in shown) == wanted

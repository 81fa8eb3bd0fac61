"""What the guide tells to type does what the guide shows."""

from pathlib import Path

import pytest

from tests.docs.console import Step, agrees, steps
from tests.docs.markdown import DOCS, GUIDE, REFERENCE, ROOT, pages
from tests.docs.run_edit import edit
from tests.docs.story import Story

pytestmark = pytest.mark.timeout(600)  # on a machine that does much else


def test_a_trial_from_nothing_to_a_delivered_order(tmp_path: Path) -> None:
    wrong = Story(tmp_path, is_peopled=False).run([DOCS / "id" / "try.md"])
    assert not wrong, "\n\n".join(wrong)


def test_the_readme_is_run(tmp_path: Path) -> None:
    wrong = Story(tmp_path, is_peopled=False).run([ROOT / "README.md"])
    assert not wrong, "\n\n".join(wrong)


def test_every_page_with_commands_is_in_a_run() -> None:
    run = {ROOT / "README.md", *REFERENCE, *(DOCS / "id" / f"{name}.md" for name in GUIDE)}
    english = {DOCS / "en" / f"{name}.md" for name in GUIDE}
    assert {page for page in pages() if steps(page)} <= run | english


@pytest.mark.parametrize("name", GUIDE)
def test_both_languages_tell_to_type_the_same(name: str) -> None:
    indonesian, english = (
        [(step.told, step.expected, step.toml) for step in steps(DOCS / of / f"{name}.md")]
        for of in ("id", "en")
    )
    assert indonesian == english


def test_no_exception_hides_a_command_of_ours() -> None:
    ours = ("order show x", "reseller add x", "backup x", "restore x.gz", "serve", "admin add x")
    assert [said for said in ours if Step("", f"otomax-gateway {said}", "", "").left_out] == []
    assert Step("", "sudo apt install nginx", "", "").left_out


def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo a  # a remark\nb\n$ false\n$ echo c && true\nc\n```\n")
    wrong = Story(tmp_path, is_peopled=False).run([page])
    assert [each.splitlines()[0] for each in wrong] == [
        "page.md:2: echo a",
        "page.md:4: exit 1: false",
    ]


def test_an_output_is_compared_by_its_form() -> None:
    shown = "R#T1 RefId : ML_1795366176_0001 . Sisa saldo 9998489\n…\nok"
    assert agrees(shown, "R#T1 RefId : ML_1_2 . Sisa saldo 5\nany\nlines\nok\n")
    assert not agrees(shown, "R#T2 RefId : ML_1_2 . Sisa saldo 5\nok\n")
    assert not agrees(shown, "R#T1 RefId : ML_1_2 . Sisa saldo 5\nok\nmore\n")
    assert agrees("a … c", "a b c\n")
    assert not agrees("a b", "a b c\n")


def test_a_key_that_is_not_there_can_not_be_edited() -> None:
    text = '\n[server]\n# listen = "a"\n\n[admin]\n# listen = "b"\n'
    assert (
        edit(text, '[admin]\nlisten = "c"')
        == '\n[server]\n# listen = "a"\n\n[admin]\nlisten = "c"\n'
    )
    with pytest.raises(AssertionError, match=r"no server\.port"):
        edit(text, "[server]\nport = 1")

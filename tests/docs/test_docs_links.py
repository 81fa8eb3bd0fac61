"""Every relative link of every page leads somewhere, and every command and key it names exists."""

import re
from pathlib import Path

import click
import pytest

from gateway.cli.main import otomax_gateway
from gateway.config.keys import SECTIONS
from tests.docs.markdown import DOCS, ROOT, anchors, links, pages, prose, read, spans

PAGES = {page.relative_to(ROOT).as_posix(): page for page in pages()}
GROUPS = {"reseller", "order", "delivery", "alert", "secrets"}
"""Nouns of the command line that pages also name without the program before them."""
_KEY = re.compile(rf"({'|'.join(SECTIONS)})\.([a-z_]+)")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = PAGES[name]
    broken = []
    for line, target in links(read(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"https?:|mailto:", target):
            continue
        there = page if not path else (page.parent / path).resolve()
        if not there.exists() or (anchor and anchor not in anchors(read(there))):
            broken.append(f"{name}:{line}: {target}")
    assert broken == []


@pytest.mark.parametrize("name", [name for name in PAGES if name != "CHANGELOG.md"])
def test_every_command_that_is_named_exists(name: str) -> None:
    wrong = []
    for line, span in spans(read(PAGES[name])):
        words = span.removeprefix("otomax-gateway ").split()
        is_command = span.startswith("otomax-gateway ") or (len(words) > 1 and words[0] in GROUPS)
        if is_command and (said := _mistake(words)):
            wrong.append(f"{name}:{line}: {span}: {said}")
    assert wrong == []


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_no_code_runs_over_the_end_of_a_line(name: str) -> None:
    """It would be copied with the break in it, and looked at by no test."""
    odd = [f"{name}:{line}" for line, text in prose(read(PAGES[name])) if text.count("`") % 2]
    assert odd == []


def _mistake(words: list[str]) -> str:
    """Say what is wrong with a command line; empty where nothing is."""
    command: click.Command = otomax_gateway
    while words and isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", words[0]):
        if words[0].startswith("-"):
            break
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return "no such command"
        command, words = found, words[1:]
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = set(options) - known - {"--help", "--version"}
    return f"no option {', '.join(sorted(unknown))}" if unknown else ""


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_every_key_that_is_named_exists(name: str) -> None:
    wrong = [
        f"{name}:{line}: {span}"
        for line, span in spans(read(PAGES[name]))
        if (key := _KEY.fullmatch(span)) and key[2] not in SECTIONS[key[1]].model_fields
    ]
    assert wrong == []


def test_both_languages_have_the_same_pages() -> None:
    indonesian, english = ({page.name for page in (DOCS / of).iterdir()} for of in ("id", "en"))
    assert indonesian == english


@pytest.mark.parametrize("page", sorted(path.name for path in (DOCS / "id").iterdir()))
def test_each_page_leads_to_its_other_language_and_to_the_index(page: str) -> None:
    for of, other in (("id", "en"), ("en", "id")):
        targets = [target for _, target in links(read(DOCS / of / page))]
        assert f"../{other}/{page}" in targets, f"{of}/{page}"
        assert "../README.md" in targets, f"{of}/{page}"


def test_the_index_names_every_page() -> None:
    targets = {target for _, target in links(read(DOCS / "README.md"))}
    wanted = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"README.md"}
    assert wanted <= targets
    assert "docs/README.md" in {target for _, target in links(read(Path(ROOT / "README.md")))}

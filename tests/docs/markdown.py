"""Reads our Markdown as far as the tests ask: fences, links, headings, spans of code.

Pure. It knows what our own pages use, and no more of the language.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
GUIDE: Final = [
    *("try", "install", "first-reseller", "otomax-panel", "other-panels", "daily"),
    *("trouble", "alerts", "backup", "upgrade", "security", "configuration", "glossary"),
]
"""The guide's pages, in the order in which they are read."""
REFERENCE: Final = [ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
_FENCE: Final = re.compile(r"(?P<fence>`{3,})(?P<kind>\w*)")
_LINK: Final = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_HEADING: Final = re.compile(r"#{1,6} (.+)")
_SPAN: Final = re.compile(r"(?<!`)`([^`]+)`(?!`)")


class Block(NamedTuple):
    """What stands between two fences.

    Attributes:
        kind: the word behind the fence: console, toml, text …
        line: the number of its first line, from 1.
        lines: what stands there.
    """

    kind: str
    line: int
    lines: list[str]


def pages() -> list[Path]:
    """Return every Markdown file of the repository."""
    found = [*ROOT.glob("*.md")]
    for folder in ("docs", "contrib", "systemd", "gateway", "tests"):
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def read(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    found: list[Block] = []
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        if fence is None:
            if opened := _FENCE.fullmatch(line.strip()):
                fence = opened["fence"]
                found.append(Block(opened["kind"], number + 1, []))
        elif line.strip() == fence:
            fence = None
        else:
            found[-1].lines.append(line)
    assert fence is None, "a fence is not closed"
    return found


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that stand in no fence, with their numbers."""
    fenced = {
        number
        for block in blocks(text)
        for number in range(block.line - 1, block.line + len(block.lines) + 1)
    }
    for number, line in enumerate(text.splitlines(), 1):
        if number not in fenced:
            yield number, line


def links(text: str) -> list[tuple[int, str]]:
    """Return the targets of a page's links, with their lines."""
    return [
        (number, target)
        for number, line in prose(text)
        for target in _LINK.findall(_SPAN.sub("``", line))
    ]


def spans(text: str) -> list[tuple[int, str]]:
    """Return what stands in backticks in a page's sentences, with its lines."""
    return [(number, span) for number, line in prose(text) for span in _SPAN.findall(line)]


def anchors(text: str) -> set[str]:
    """Return what a link may say behind `#`: the headings as GitHub writes them."""
    found: set[str] = set()
    for _, line in prose(text):
        if heading := _HEADING.fullmatch(line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            names = (slug, *(f"{slug}-{n}" for n in range(1, 9)))
            found.add(next(name for name in names if name not in found))
    return found

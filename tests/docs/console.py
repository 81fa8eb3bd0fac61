r"""The `console` blocks of a page: what is typed, what must come, and what the run leaves out.

Pure. A line that begins with `$ ` is typed; `\` at its end, or a here-document, goes on in the
next lines. Everything else is output. `…` stands for anything, alone on a line for any lines;
numbers that differ each time (times, keys, invoices, saldi) are compared by their form.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.docs.markdown import ROOT, Block, blocks, read

EXCEPTIONS: Final = {
    r"apt |useradd |chown |ufw ": "changes the machine",
    r"git (?:clone|pull)|tar |rsync |scp ": "carries what is here already",
    r"python3 -m venv |\S*pip install ": "needs a package index, and has been done by `make`",
    r"cp secret.key /where": "a place that the reader has to choose",
    r"make ": "the tests themselves run under it",
    r"cp contrib/(?:caddy|nginx)|nano /etc/caddy|openssl req ": "tests/proxies does it",
    r"(?:until )?curl (?:-\w+ )?https?://(?!127\.|h2h\.toko\.id)": "not this machine",
    r"otomax-gateway bench --storage |PGPASSWORD=": "needs a PostgreSQL",
    r"systemctl kill -s USR1 ": "tests/journey/test_rolling_restart.py does it",
    r"podman |docker ": "needs a container engine",
    r"(?:sqlite3|litestream|pg_\w+|psql|createdb) ": "programs that need not be there",
    r"otomax-gateway restore (?:--mark|/tmp/)": "follows on what one of these has made",
    r"systemd-\w+ |timedatectl|systemctl .*(?:timer|socket)": "needs a running systemd",
}
"""What is not run, by how it begins, each with the reason."""

_LASTING: Final = {
    r"otomax-gateway sandbox ": "sandbox upstream:",
    r"python3 -m http\.server ": "Serving HTTP",
    r"otomax-gateway serve(?! .*&)": "gateway.started",
}
_VOLATILE: Final = (
    (r"otg_(\w+?)_[A-Za-z0-9_-]{43}", r"otg_\1_KEY"),
    (r"otg_(\w+?)_[A-Za-z0-9_-]{4}…", r"otg_\1_KEY…"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?", "TIME"),
    (r"\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d", "TIME"),
    (r"ML_\d+_\d+", "ML_N"),
    (r"(saldo |saldo%20|saldo +|[Ss]aldo |balance )\d+", r"\1N"),
    (r"\(\d+ ms\)", "(N ms)"),
    (r"otomax-gateway-\d{8}T[\d.]+Z", "otomax-gateway-TIME"),
    (r"\d+ bytes", "N bytes"),
    (r"\b(orders|deliveries|last order) \d+", r"\1 N"),
    (r"(?m)[ \t]+$", ""),
    (r"(?<=\S) {2,}", "  "),
)


class Step(NamedTuple):
    """One command of a page.

    Attributes:
        where: the page and the line, for who has to mend it.
        command: what is typed.
        expected: what must come, or "" where nothing is shown.
        toml: what an editor is told to write, from the block after it.
    """

    where: str
    command: str
    expected: str
    toml: str

    @property
    def told(self) -> str:
        """What is typed, without the remark behind it."""
        return re.sub(r"(?m) {2,}# .*$", "", self.command).strip()

    @property
    def left_out(self) -> str:
        """Why it is not run; empty where it is."""
        for begins, reason in EXCEPTIONS.items():
            if re.match(rf"(?:sudo (?:-u \S+ )?)?(?:{begins})", self.command):
                return reason
        return ""

    @property
    def ready(self) -> str:
        """What a command says that runs on, as soon as it works; empty where it ends by itself."""
        for begins, said in _LASTING.items():
            if re.match(begins, self.command):
                return said
        return ""


def steps(page: Path) -> list[Step]:
    """Return the commands of a page, in their order."""
    found = blocks(read(page))
    name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name
    return [
        Step(f"{name}:{line}", command, expected, _following_toml(found[n:]))
        for n, block in enumerate(found)
        if block.kind == "console"
        for line, command, expected in _typed(block)
    ]


def _following_toml(rest: list[Block]) -> str:
    return next(("\n".join(block.lines) for block in rest if block.kind == "toml"), "")


def _typed(block: Block) -> Iterator[tuple[int, str, str]]:
    """Yield line number, command and expected output of each command."""
    lines = list(enumerate(block.lines, block.line))
    while lines:
        number, first = lines.pop(0)
        assert first.startswith("$ "), f"line {number}: output without a command"
        typed = [first.removeprefix("$ ")]
        while lines and _goes_on(typed):
            typed.append(lines.pop(0)[1])
        shown = []
        while lines and not lines[0][1].startswith("$ "):
            shown.append(lines.pop(0)[1])
        yield number, "\n".join(typed), "\n".join(shown)


def _goes_on(typed: list[str]) -> bool:
    here = re.search(r"<<'?(\w+)'?", typed[0])
    if here is not None:
        return len(typed) == 1 or typed[-1] != here[1]
    return typed[-1].endswith("\\")


def agrees(expected: str, said: str) -> bool:
    """Tell whether the output is what the page shows."""
    pattern = ""
    for line in _masked(expected).splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += re.escape(line).replace("…", ".*") + r"\n"
    return re.fullmatch(pattern, _masked(said).rstrip("\n") + "\n") is not None


def _masked(text: str) -> str:
    for pattern, name in _VOLATILE:
        text = re.sub(pattern, name, text)
    return text

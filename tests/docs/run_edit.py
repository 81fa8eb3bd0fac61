"""Edits a configuration as the guide tells an operator to.

`python -m tests.docs.run_edit FILE TOML`. Each key of TOML takes the place of its line in FILE,
be it a comment or not. It fails where the file has no such key in that section, for then the
operator would not find it, too.
"""

import re
import sys
from pathlib import Path


def edit(text: str, wanted: str) -> str:
    """Return the file with these keys set.

    Args:
        text: the file, as `init` writes it.
        wanted: `[section]` and `key = value`, a line each.
    """
    section = ""
    for line in wanted.splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line.strip()):
            section = header[1]
        elif key := re.match(r"(\w+) = ", line):
            text = _put(text, section, key[1], line)
    return text


def _put(text: str, section: str, key: str, line: str) -> str:
    head, _, rest = text.partition(f"\n[{section}]\n")
    following = re.search(r"(?m)^\[\w+\]$", rest)
    body, tail = (
        (rest, "") if following is None else (rest[: following.start()], rest[following.start() :])
    )
    changed, count = re.subn(rf"(?m)^(?:# )?{key} = .*$", lambda _: line, body, count=1)
    assert count == 1, f"the file has no {section}.{key}"
    return f"{head}\n[{section}]\n{changed}{tail}"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(
        edit(file.read_text(encoding="utf-8"), Path(sys.argv[2]).read_text(encoding="utf-8")),
        encoding="utf-8",
    )

"""Asks the package index whether a hole is known in anything that constraints.txt pins.

`python -m tests.supply.run_audit`, a part of `make lint`. It exits 1 where one is known, and 0
where none is or where no index answers: then it says that it was not done, for a machine without a
network must be able to work. pip-audit itself says that nothing is known where an index has all
packages and tells of none of them (a mirror, say): that is not believed here.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

CONSTRAINTS: Final = Path(__file__).parents[2] / "constraints.txt"
ANSWER_S: Final = 10  # for one package
WHOLE_S: Final = 180  # for all; a few seconds where the index is near
ACCEPTED: Final[dict[str, str]] = {}
"""Advisories that do not concern this project, by their id, each with the reason."""

_PIP_AUDIT: Final = (
    *(sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS)),
    *("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"),
    *("--timeout", str(ANSWER_S)),
)


def audit() -> tuple[list[str], int]:
    """Return what is to be said, and the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told.json")
        try:
            done = subprocess.run(
                [*_PIP_AUDIT, "--output", str(told)],
                capture_output=True,
                text=True,
                timeout=WHOLE_S,
                check=False,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
        except subprocess.TimeoutExpired:
            return not_done(f"no answer in {WHOLE_S} s")
        if not told.exists():
            return not_done((done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1])
        return judged(json.loads(told.read_text(encoding="utf-8")))


def not_done(reason: str) -> tuple[list[str], int]:
    """Return the words for an audit that there was none."""
    return ["audit: NOT DONE, no index answered; known holes were not looked for", reason[:200]], 0


def judged(told: dict[str, Any]) -> tuple[list[str], int]:
    """Return what pip-audit's answer means."""
    lines, looked_at, code = [], 0, 0
    for package in told["dependencies"]:
        if "skip_reason" in package:
            lines.append(f"audit: {package['name']} was not looked at: {package['skip_reason']}")
            continue
        looked_at += 1
        for hole in package["vulns"]:
            name = f"{package['name']} {package['version']}: {hole['id']}"
            if hole["id"] in ACCEPTED:
                lines.append(f"audit: {name} does not concern us: {ACCEPTED[hole['id']]}")
                continue
            mended = ", ".join(hole["fix_versions"]) or "no version yet"
            lines.append(f"audit: {name}; mended in {mended}")
            code = 1
    if not looked_at:
        return not_done(lines[0] if lines else "no package was looked at")
    found = "HOLES ARE KNOWN" if code else "no hole is known"
    return [*lines, f"audit: {looked_at} packages looked at, {found}"], code


if __name__ == "__main__":
    said, exit_code = audit()
    sys.stdout.write("\n".join(said) + "\n")
    sys.exit(exit_code)

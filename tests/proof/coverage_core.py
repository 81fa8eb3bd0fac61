"""Branch coverage of what the promises hang on, by the tests that are about it: all, or what not.

    python -m tests.proof.coverage_core

What is measured: the state table and its neighbours, every parser and renderer of every dialect,
the price guard, who may ask and who may call back, the address guard, and the signature checks.
Only examples written by hand are run, none of hypothesis: a branch that nobody thought of is to
show here, not to be met by chance. One process, no network beyond loopback.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

HOUSE: Final = Path(__file__).parents[2]
# Whole files. A pattern that fits no file is an error, so that none is forgotten when one moves.
FILES: Final = (
    "gateway/domain/order.py",
    "gateway/domain/truth.py",
    "gateway/domain/schedule.py",
    "gateway/domain/evidence.py",
    "gateway/domain/delivery.py",
    "gateway/domain/backoff.py",
    "gateway/domain/reseller.py",
    "gateway/domain/restored.py",
    "gateway/domain/reconciling.py",
    "gateway/flow/price.py",
    "gateway/web/gate.py",
    "gateway/web/strangers.py",
    "gateway/web/callback.py",
    "gateway/protocol/*.py",
    "gateway/clients/guard.py",
)
# Of a file that does more than check signatures, only that.
FUNCTIONS: Final = {
    "gateway/vault.py": ("Vault.callback_token", "Vault.check_callback_token", "Vault._mac"),
}
TESTS: Final = (
    "tests/domain",
    "tests/protocol",
    "tests/clients/test_guard.py",
    "tests/config/test_vault.py",
    "tests/flow/test_flow_price.py",
    "tests/web/test_web_gate.py",
    "tests/web/test_web_callbacks.py",
    "tests/web/test_web_callback_doors.py",
    "tests/web/test_web_hints.py",
    "tests/web/test_web_webhooks.py",
    "tests/web/test_web_webhook_replays.py",
    "tests/hostile/test_hostile_keys.py",
    "tests/web/test_web_ops.py",
    "tests/web/test_web_native_doors.py",
    "tests/flow/test_flow_notices.py",
    "tests/flow/test_flow_catalog.py",
    "tests/web/test_web_json_catalog.py",
)
_PYTEST: Final = (
    *("-q", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider"),
    *("-m", "not hypothesis", "--no-header", "-W", "error"),
)
# Without `source`: what nobody imports has to be named by us, and the rest costs no time.
_RC: Final = """
[run]
branch = true
include = {include}
data_file = {data}
"""


def main() -> int:
    """Run the tests and judge what they reached; 0 where that is everything."""
    with tempfile.TemporaryDirectory(prefix="coverage-core-") as folder:
        work = Path(folder)
        files = _files()
        include = ",".join([*files, *FUNCTIONS])
        rc = work / "rc"
        rc.write_text(_RC.format(include=include, data=work / "data"), encoding="utf-8")
        ran = _coverage("run", rc, "-m", "pytest", *_PYTEST, *TESTS)
        if ran:
            return ran
        _coverage("json", rc, "-q", "-o", str(work / "report.json"))
        report = json.loads((work / "report.json").read_bytes())["files"]
    missing = [line for name in files for line in _missing(name, report.get(name))]
    missing += [
        line
        for name, functions in FUNCTIONS.items()
        for function in functions
        for line in _missing(f"{name} {function}", report[name]["functions"].get(function))
    ]
    branches = sum(report[name]["summary"]["num_branches"] for name in files)
    sys.stderr.writelines(f"{line}\n" for line in missing)
    verdict = "not all is reached" if missing else f"100 % of {branches} branches"
    sys.stdout.write(f"{len(files)} files and the signature checks: {verdict}\n")
    return 1 if missing else 0


def _files() -> list[str]:
    found: list[str] = []
    for pattern in FILES:
        fitting = sorted(str(path.relative_to(HOUSE)) for path in HOUSE.glob(pattern))
        if not fitting:
            raise SystemExit(f"{pattern} fits no file: mend {Path(__file__).name}")
        found += fitting
    return found


def _coverage(verb: str, rc: Path, *arguments: str) -> int:
    command = [sys.executable, "-m", "coverage", verb, f"--rcfile={rc}", *arguments]
    # The tests' own settings count, so nothing that makes them longer is handed on.
    environ = {name: value for name, value in os.environ.items() if name != "PROOF"}
    return subprocess.run(command, cwd=HOUSE, env=environ, check=False).returncode


def _missing(name: str, reached: dict[str, Any] | None) -> Iterator[str]:
    """Name what of one file or function no test reached."""
    if reached is None:
        yield f"{name}: nothing of it was run"
        return
    for line in reached["missing_lines"]:
        yield f"{name}:{line}: never run"
    for start, end in reached["missing_branches"]:
        where = f"to line {end}" if end > 0 else "out of the function"
        yield f"{name}:{start}: never went {where}"


if __name__ == "__main__":
    sys.exit(main())

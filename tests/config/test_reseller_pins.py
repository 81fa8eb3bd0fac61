"""`reseller … --pin P --password P --allow-pin --delivery D`, on a journal that nobody holds."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.reseller import reseller

PIN, PASSWORD = "483920", "kata-sandi-toko"
BOTH = ("--pin", PIN, "--password", PASSWORD)


@pytest.fixture(autouse=True)
def _a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OTOMAX_GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text('[server]\npublic_url = "https://gw.example.com"\n')


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(reseller, words, input=stdin)


def shown(code: str = "toko") -> tuple[bool, bool, str]:
    """Whether it has the native dialect, whether a pin is allowed, and the form of deliveries."""
    done = run("show", code, "--json")
    assert done.exit_code == 0
    assert not {PIN, PASSWORD} & set(done.output.split('"'))
    row = json.loads(done.stdout)
    return row["native"], row["allow_pin"], row["delivery"]


def test_added_with_them_and_changed() -> None:
    done = run("add", "toko", *BOTH, "--allow-pin", "--delivery", "otomax")
    assert done.exit_code == 0
    assert PASSWORD not in done.output
    assert shown() == (True, True, "otomax")
    assert run("set", "toko", "--no-allow-pin", "--delivery", "report").exit_code == 0
    assert shown() == (True, False, "report")
    assert run("set", "toko", "--name", "Toko").exit_code == 0
    assert shown() == (True, False, "report")
    assert run("set", "toko", "--pin", "", "--password", "").exit_code == 0
    assert shown() == (False, False, "report")


def test_what_stands_on_a_command_line_is_warned_of() -> None:
    seen = "is seen by everybody on this machine"
    done = run("add", "toko", *BOTH, "--key", "kunci-lama-toko-0123")
    assert [line.partition(":")[0] for line in done.stderr.splitlines() if seen in line] == [
        "--key",
        "--pin",
        "--password",
    ]
    assert done.stdout == "kunci-lama-toko-0123\n"
    stdin = run("set", "toko", "--pin", "-", "--password", "-", stdin=f"{PIN}\n{PASSWORD}\n")
    assert seen not in stdin.stderr
    assert seen not in run("set", "toko", "--pin", "", "--password", "").stderr
    taken = run("add", "lain", "--key", "-", stdin="kunci-lain-0123456\n")
    assert (taken.stdout, seen in taken.stderr) == ("kunci-lain-0123456\n", False)


def test_people_read_yes_and_no() -> None:
    run("add", "toko", *BOTH)
    sheet = {line.split()[0]: line.split()[1] for line in run("show", "toko").output.splitlines()}
    assert (sheet["native"], sheet["allow_pin"], sheet["delivery"]) == ("yes", "no", "toss")
    assert PASSWORD not in run("list").output


@pytest.mark.parametrize(
    "words", [("--pin", "-", "--password", "-"), ("--password", "-", "--pin", "-")]
)
def test_from_stdin_the_pin_comes_first(words: tuple[str, ...]) -> None:
    done = run("add", "toko", *words, stdin=f"{PIN}\n{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    changes = run("apply", _file(f'pin = "{PIN}"', f'password = "{PASSWORD}"'), "--dry-run")
    assert changes.output == "nothing to change\n"
    again = run("set", "toko", "--password", "-", stdin="lain\n")
    assert again.exit_code == 0
    changes = run("apply", _file(f'pin = "{PIN}"', 'password = "lain"'), "--dry-run")
    assert changes.output == "nothing to change\n"


def test_behind_the_keys_on_stdin() -> None:
    words = ("--upstream-key", "-", "--pin", "-", "--password", "-")
    done = run("add", "toko", *words, stdin=f"kunci-toss-games-1\n{PIN}\n{PASSWORD}\n")
    assert done.exit_code == 0
    assert json.loads(run("show", "toko", "--json").stdout)["upstream_key"] == "kun…"


def test_nothing_on_stdin_is_said() -> None:
    done = run("add", "toko", "--pin", "-", "--password", "-", stdin=f"{PIN}\n")
    assert done.exit_code == 2
    assert "--password -: nothing came on stdin" in done.output


def test_one_without_the_other_is_refused_in_one_line() -> None:
    done = run("add", "toko", "--pin", "-", stdin=PIN)
    assert (done.exit_code, done.stderr) == (
        1,
        "toko: pin and password go together: give both, or remove both\n",
    )
    assert run("add", "toko", "--delivery", "json").exit_code == 2


def _file(*lines: str) -> str:
    Path("resellers.toml").write_text("\n".join(("[[reseller]]", 'code = "toko"', *lines)))
    return "resellers.toml"


def test_a_file_has_the_same_keys() -> None:
    run("add", "toko")
    file = _file(
        f'pin = "{PIN}"', f'password = "{PASSWORD}"', "allow_pin = true", 'delivery = "otomax"'
    )
    done = run("apply", file)
    assert done.exit_code == 0
    assert PASSWORD not in done.output
    assert shown() == (True, True, "otomax")
    assert run("apply", _file()).exit_code == 0
    assert shown() == (True, False, "toss")


@pytest.mark.parametrize(
    "line", ["pin = 483920", 'allow_pin = "yes"', "delivery = 1", 'pin = "-"', "sign = 1"]
)
def test_a_file_with_a_wrong_value_changes_nothing(line: str) -> None:
    run("add", "toko")
    done = run("apply", _file(line))
    assert done.exit_code == 2
    assert done.output.startswith("resellers.toml: reseller 1: ")
    assert shown() == (False, False, "toss")

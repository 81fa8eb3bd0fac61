"""`otomax-gateway panel-setup CODE`: what it prints, in each form, and what it does not."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.panel_setup import panel_setup
from gateway.cli.reseller import reseller

KINDS = ["text", "otomax", "report", "program"]
WORDS = ["PENDING", "PAID", "SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED", "ERROR"]
FINAL = ["SUCCESS", "PARTIAL_SUCCESS", "FAILED", "REFUNDED"]


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in os.environ:
        if name.startswith("OTOMAX_GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text('[server]\npublic_url = "http://localhost:8080"\n')
    words = ("--pin", "483920", "--password", "kata-sandi-rahasia", "--allow-ip", "203.0.113.7")
    done = CliRunner().invoke(reseller, ["add", "toko", *words, "--upstream-key", "rahasia-toss"])
    assert done.exit_code == 0
    return done.stdout.strip()


def run(*words: str) -> Result:
    return CliRunner().invoke(panel_setup, words)


def sheets(*words: str) -> list[dict[str, Any]]:
    done = run("toko", "--json", *words)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["reseller"], told["url"]) == ("toko", "http://localhost:8080")
    found: list[dict[str, Any]] = told["sheets"]
    return found


def test_there_is_a_sheet_for_each_kind_of_panel() -> None:
    assert [sheet["kind"] for sheet in sheets()] == KINDS
    for kind in KINDS:
        (sheet,) = sheets("--for", kind)
        assert sheet["kind"] == kind
        assert list(sheet["samples"]) == WORDS
        assert list(sheet["callbacks"]) == FINAL


def test_urls_stand_in_the_panels_own_placeholders() -> None:
    text, native, *_ = sheets()
    order = text["settings"]["URL transaksi"]
    assert order == (
        "http://localhost:8080/v3/otomax/order?apikey=APIKEY"
        "&product_code=[kodeproduk]&user_id=[tujuan]&trx_id=[trxid]"
    )
    assert "/v1/otomax/status/[trxid]?apikey=APIKEY" in text["settings"]["URL cek status"]
    assert "/trx?memberID=TOKO&product=[kodeproduk]" in native["settings"]["URL transaksi"]
    assert "sign=[sign]" in native["settings"]["URL transaksi"]
    for sheet in (text, native):
        assert "127.0.0.1" in sheet["settings"]["IP gateway (izinkan di panel)"]
        assert sheet["settings"]["IP panel (diizinkan gateway)"] == "203.0.113.7"


def test_each_sample_is_found_by_its_own_expression() -> None:
    own = dict.fromkeys(("SUCCESS", "PARTIAL_SUCCESS"), "sukses")
    own |= dict.fromkeys(("FAILED", "REFUNDED"), "gagal")
    own |= dict.fromkeys(("PENDING", "PAID"), "pending") | {"ERROR": "ulang"}
    for sheet in sheets()[:3]:
        for word, line in sheet["samples"].items():
            kinds = ("sukses", "gagal", "pending", "ulang")
            found = [kind for kind in kinds if re.search(sheet["expressions"][kind], line)]
            assert found == [own[word]], (sheet["kind"], line)


def test_a_reseller_without_pin_is_told_what_is_missing() -> None:
    CliRunner().invoke(reseller, ["set", "toko", "--pin", "", "--password", ""])
    (sheet,) = sheets("--for", "otomax")
    assert "--pin" in sheet["notes"][0]


def test_who_may_show_a_pin_gets_a_template_with_one() -> None:
    CliRunner().invoke(reseller, ["set", "toko", "--allow-pin"])
    (sheet,) = sheets("--for", "otomax")
    assert sheet["settings"]["URL transaksi"].endswith("&pin=[pin]&password=[password]")


@pytest.mark.parametrize("form", [(), ("--format", "markdown"), ("--json",)])
def test_nothing_secret_is_printed(form: tuple[str, ...], key: str) -> None:
    done = run("toko", *form)
    assert done.exit_code == 0
    for secret in (key, "483920", "kata-sandi-rahasia", "rahasia-toss"):
        assert secret not in done.output


def test_people_read_text_or_markdown() -> None:
    text = run("toko").stdout
    assert "== OtomaX sebagai supplier HTTP (text)" in text
    assert "  sukses (transaksi berhasil, juga sebagian): ^R#" in text
    markdown = run("toko", "--format", "markdown").stdout
    assert markdown.startswith("# Panel toko\n")
    assert markdown.count("## ") >= len(KINDS)
    assert markdown.count("```text") == markdown.count("```") / 2


def test_nobody_by_that_code_is_said() -> None:
    done = run("nobody")
    assert done.exit_code == 1
    assert "there is no reseller nobody" in done.stderr

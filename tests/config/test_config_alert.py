"""The section [alert]: what may stand in it, and that no secret of it is ever shown."""

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.check_config import file_mistakes
from gateway.config import ConfigError, load_settings

TOKEN = "123456:AAH-canary_of_the_bot_token_xyz"
CHAT = 'telegram_chat = "1"\ntelegram_token_file = "t"'
PUBLIC = '[server]\npublic_url = "https://gw.example.com"\n'


def settings(folder: Path, lines: str) -> Any:
    path = folder / "config.toml"
    path.write_text(f"{PUBLIC}[alert]\n{lines}\n", encoding="utf-8")
    return load_settings(path, {})


def mistakes(folder: Path, lines: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(folder, lines)
    return str(caught.value)


@pytest.mark.parametrize("chat", ['"-1001234567890"', "-1001234567890", '"@toko_alerts"'])
def test_a_chat_is_a_number_or_a_name(tmp_path: Path, chat: str) -> None:
    alert = settings(tmp_path, f"telegram_chat = {chat}").alert
    assert alert.telegram_chat == chat.strip('"')


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("telegram_chat = true", "wanted one line"),
        (f'telegram_chat = "{"x" * 61}"', "wanted one line"),
        ("saldo_below = -1", "wanted a whole number from 0"),
        ("saldo_below = 1.5", "wanted a whole number from 0"),
        ("saldo_hours = 9000", "wanted hours, from 0 to 8760"),
        ('telegram_url = "api.telegram.org"', "wanted an address"),
        ('webhook_url = "ftp://x/canary-secret"', "wanted an address with http"),
        ('webhook_url = "http:///canary-secret"', "wanted an address with http"),
        ('telegram_token = "canary-secret with a space"', "not shown"),
        ("telegram_token = 5", "not shown"),
        (f'telegram_token_file = "{TOKEN}"', "looks like a token itself (not shown)"),
        ('webhook_secret_file = "folder/"', "wanted the name of a file"),
        ("reminders = 0", "wanted a whole number from 1"),
    ],
)
def test_mistakes_are_said_without_secrets(tmp_path: Path, line: str, said: str) -> None:
    text = mistakes(tmp_path, line)
    assert said.replace(" itself", "") in text
    assert f": alert.{line.split(maxsplit=1)[0]}: " in text
    assert "canary" not in text


def test_secrets_are_not_in_what_is_printed_of_settings(tmp_path: Path) -> None:
    lines = (
        f'telegram_token = "{TOKEN}"\nwebhook_url = "https://x/canary"\nwebhook_secret = "canary"'
    )
    assert "canary" not in repr(settings(tmp_path, lines))


@pytest.mark.parametrize(
    ("lines", "content", "found"),
    [
        ("", None, []),
        ('telegram_chat = "1"', None, ["alert.telegram_chat"]),
        ('telegram_chat = "1"\ntelegram_token_file = "t"', None, ["alert.telegram_token_file"]),
        (
            'telegram_chat = "1"\ntelegram_token_file = "t"',
            "two words",
            ["alert.telegram_token_file"],
        ),
        ('telegram_chat = "1"\ntelegram_token_file = "t"', f"{TOKEN}\n", []),
        ('webhook_url = "http://x"\nwebhook_secret_file = "t"', "", ["alert.webhook_secret_file"]),
    ],
)
def test_check_config_looks_at_the_files(
    tmp_path: Path, lines: str, content: str | None, found: list[str]
) -> None:
    if content is not None:
        (tmp_path / "t").write_text(content)
    said = list(file_mistakes(settings(tmp_path, lines)))
    assert [key for key, _ in said] == found
    assert "canary" not in str(said)

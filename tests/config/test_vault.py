"""The vault: key file, seals, hashes and tokens, with hostile input."""

import hmac
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.vault import (
    Vault,
    VaultError,
    _acl_opens_to_others,
    key_hint,
    new_reseller_key,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # surrogates too
TRX_IDS = st.from_regex(r"[a-z0-9]{1,12}-[A-Za-z0-9._-]{1,64}", fullmatch=True)


def _write_key(path: Path, *keys: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(b"# comment\n\n" + b"\n".join(keys) + b"\n")
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    made = Vault.open(tmp_path_factory.mktemp("vault") / "secret.key", sealed_exists=False)
    made.use_root(made.new_root())
    return made


def test_a_missing_file_is_made_private_and_used_again(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    old_mask = os.umask(0)
    try:
        sealed = Vault.open(path, sealed_exists=False).seal("rahasia ✓ \ud800")
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Vault.open(path, sealed_exists=True)
    assert again.unseal(sealed) == "rahasia ✓ \ud800"
    assert b"rahasia" not in sealed


def test_a_missing_file_is_not_made_when_something_is_sealed(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    with pytest.raises(VaultError, match=r"secret\.key is missing, and only its keys open"):
        Vault.open(path, sealed_exists=True)
    assert not path.exists()


def test_a_file_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be made: No such file or directory"):
        Vault.open(tmp_path / "absent" / "secret.key", sealed_exists=False)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = _write_key(tmp_path / "secret.key", Fernet.generate_key(), mode=mode)
    with pytest.raises(VaultError) as caught:
        Vault.open(path, sealed_exists=True)
    assert str(caught.value) == f"{path} can be used by others (mode {mode:03o}); chmod 600 {path}"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "{path} holds no key"),
        (b"# only a comment\n", "{path} holds no key"),
        (b"\n\nCANARYcanary\n", "{path}:3 is not a key: "),
        (b"A" * 43 + b"=\nCANARY\xff\xfe\n", "{path}:2 is not a key: "),
    ],
)
def test_a_malformed_file_is_refused_without_showing_it(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(VaultError) as caught:
        Vault.open(path, sealed_exists=False)
    assert str(caught.value).startswith(sentence.format(path=path))
    assert "CANARY" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_folder_and_a_pipe_are_no_key_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(VaultError, match="is not a file"):
            Vault.open(path, sealed_exists=False)


def test_rotating_the_key_file_opens_old_seals_and_changes_no_hash(tmp_path: Path) -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    before = Vault.open(_write_key(tmp_path / "a", old), sealed_exists=True)
    root, sealed = before.new_root(), before.seal("kunci")
    before.use_root(root)
    after = Vault.open(_write_key(tmp_path / "b", new, old), sealed_exists=True)
    after.use_root(root)
    assert after.unseal(sealed) == "kunci"
    assert after.hash_key("k") == before.hash_key("k")
    assert after.callback_token("kios-1") == before.callback_token("kios-1")
    only_new = Vault.open(_write_key(tmp_path / "c", new), sealed_exists=True)
    assert only_new.unseal(after.seal("baru")) == "baru", "the newest key seals"
    with pytest.raises(VaultError, match=r"no key in .* opens a value"):
        only_new.unseal(sealed)


def test_another_root_gives_other_hashes_and_tokens(tmp_path: Path) -> None:
    one = Vault.open(tmp_path / "k", sealed_exists=False)
    two = Vault.open(tmp_path / "k", sealed_exists=True)
    one.use_root(one.new_root())
    two.use_root(two.new_root())
    assert one.hash_key("k") != two.hash_key("k")
    assert two.check_callback_token(one.callback_token("kios-1")) is None


def test_hashes_need_a_root_and_a_root_is_not_text(tmp_path: Path) -> None:
    fresh = Vault.open(tmp_path / "k", sealed_exists=False)
    with pytest.raises(RuntimeError, match="use_root"):
        fresh.hash_key("k")
    with pytest.raises(RuntimeError, match="use_root"):
        fresh.check_callback_token(f"{'A' * 24}.kios-1")
    with pytest.raises(VaultError, match="is not a root"):
        fresh.use_root(fresh.seal("short"))
    with pytest.raises(VaultError, match="opens a value"):
        fresh.use_root(b"garbage")


@given(key=ANY_TEXT)
@example(key="\ud800")
def test_any_key_can_be_hashed(vault: Vault, key: str) -> None:
    digest = vault.hash_key(key)
    assert len(digest) == 32
    assert digest == vault.hash_key(key)
    assert digest != vault.hash_key(key + "x")


def test_keys_and_tokens_have_separate_subkeys(vault: Vault) -> None:
    assert vault._key_mac is not None
    assert vault._token_mac is not None
    keys, tokens = vault._key_mac.digest(), vault._token_mac.digest()
    assert keys != tokens
    assert len(keys) == len(tokens) == 32


def test_a_hash_is_the_hmac_under_the_subkey_whatever_was_hashed_before(vault: Vault) -> None:
    """RFC 2104; beginning it once for all must not change it."""
    root = b"r" * 32
    vault.use_root(vault._fernet.encrypt(root))
    subkey = hmac.digest(root, b"otomax-gateway/reseller-key/1", "sha256")
    for key in ("a", "b", "a"):
        assert vault.hash_key(key) == hmac.digest(subkey, key.encode(), "sha256")


@given(trx_id=TRX_IDS)
def test_a_token_is_path_safe_and_comes_back(vault: Vault, trx_id: str) -> None:
    token = vault.callback_token(trx_id)
    assert token.endswith(f".{trx_id}")
    assert len(token) == 25 + len(trx_id)
    assert not set(token) - set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
    )
    assert vault.check_callback_token(token) == trx_id


@given(trx_id=TRX_IDS, where=st.integers(0, 101), what=st.characters(exclude_categories=()))
def test_one_changed_character_spoils_a_token(
    vault: Vault, trx_id: str, where: int, what: str
) -> None:
    token = vault.callback_token(trx_id)
    at = where % len(token)
    changed = token[:at] + what + token[at + 1 :]
    assert (vault.check_callback_token(changed) is None) == (changed != token)


@given(token=ANY_TEXT)
@example(token="kios-1\ud800")
def test_hostile_tokens_are_nobodys(vault: Vault, token: str) -> None:
    assert vault.check_callback_token(token) is None
    assert vault.check_callback_token(f"{'A' * 24}.{token}") is None


@pytest.mark.parametrize("suffix", ["\n", " ", "\x00", "a", "/", ".", "%00", "\u0663"], ids=ascii)
def test_nothing_may_follow_a_token(vault: Vault, suffix: str) -> None:
    assert vault.check_callback_token(vault.callback_token("kios-1") + suffix) is None


@pytest.mark.parametrize(
    "wrong", ["", "kios", "KIOS-1", "kios-", "kios-1\n", "kios-\u0661", "a" * 13 + "-1"]
)
def test_no_token_for_what_is_no_upstream_trx_id(vault: Vault, wrong: str) -> None:
    with pytest.raises(ValueError, match="not an upstream_trx_id"):
        vault.callback_token(wrong)


def test_reseller_keys_are_long_random_and_named() -> None:
    key = new_reseller_key("kios1")
    prefix, random = key[:10], key[10:]
    assert prefix == "otg_kios1_"
    assert len(random) == 43
    assert key != new_reseller_key("kios1")
    for wrong in ("", "Kios", "a" * 13, "kios\n"):
        with pytest.raises(ValueError, match="code"):
            new_reseller_key(wrong)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("otg_kios1_" + "abcdefghij" * 4 + "xyz", "otg_kios1_abcd…"),
        ("otg_kios1_short", "***"),
        ("", "***"),
        ("fifteen-chars-x", "***"),
        ("sixteen-chars-xy", "six…"),
        ("\x1b\n\u202esixteen-chars", "???…"),
    ],
)
def test_hints_show_little(key: str, hint: str) -> None:
    assert key_hint(key) == hint


@given(key=ANY_TEXT)
def test_a_hint_of_a_foreign_key_holds_at_most_three_characters_of_it(key: str) -> None:
    hint = key_hint(key)
    assert hint == "***" or (hint.isprintable() and len(hint) == 4)


def test_no_secret_in_a_repr(tmp_path: Path, vault: Vault) -> None:
    path = tmp_path / "secret.key"
    opened = Vault.open(path, sealed_exists=False)
    key = path.read_text().splitlines()[-1]
    assert key not in repr(opened)
    assert repr(opened) == f"<Vault {path}>"


def _acl(*entries: tuple[int, int, int], version: int = 2) -> bytes:
    return struct.pack("<I", version) + b"".join(struct.pack("<HHI", *e) for e in entries)


NOBODY = 0xFFFFFFFF
CREDENTIAL = [(1, 4, NOBODY), (2, 4, 1000), (4, 0, NOBODY), (0x10, 4, NOBODY), (0x20, 0, NOBODY)]


@pytest.mark.parametrize(
    ("acl", "opens"),
    [
        (_acl(*CREDENTIAL), False),  # what systemd gives a service with User=
        (_acl(*CREDENTIAL, (2, 4, 1001)), True),  # a second user
        (_acl(*CREDENTIAL, (8, 4, 50)), True),  # a named group
        (_acl((1, 6, NOBODY), (4, 4, NOBODY), (0x20, 0, NOBODY)), True),  # the owning group
        (_acl((1, 6, NOBODY), (4, 0, NOBODY), (0x20, 4, NOBODY)), True),  # the world
        (_acl(*CREDENTIAL, version=3), True),
        (_acl(*CREDENTIAL)[:-1], True),
        (b"", True),
    ],
)
def test_an_access_list_counts_for_what_it_gives(acl: bytes, *, opens: bool) -> None:
    assert _acl_opens_to_others(acl, own_uid=1000) is opens


def test_a_credential_of_systemd_opens_although_its_mode_shows_a_group(tmp_path: Path) -> None:
    """As `LoadCredential=` lays it: 0400, and an access list that lets the service read."""
    path = _write_key(tmp_path / "secret.key", Fernet.generate_key(), mode=0o400)
    nobody = 0xFFFFFFFF
    entries = [
        (1, 4, nobody),
        (2, 4, os.geteuid()),
        (4, 0, nobody),
        (16, 4, nobody),
        (32, 0, nobody),
    ]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    with suppress(OSError):  # a file system may keep no access lists
        os.setxattr(path, "system.posix_acl_access", acl)
        assert stat.S_IMODE(path.stat().st_mode) == 0o440
    Vault.open(path, sealed_exists=True)
    path.chmod(0o444)
    with pytest.raises(VaultError, match="can be used by others"):
        Vault.open(path, sealed_exists=True)

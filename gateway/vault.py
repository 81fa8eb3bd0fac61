"""Secrets at rest: what is sealed, what is only hashed, and the tokens that prove a callback.

The key file opens the seals; everything that must keep its value for ever (hashes of reseller
keys, callback tokens) hangs on a random root that lies *sealed in the journal*. So the key file
can be rotated (new key on the first line, the old ones below) without changing one hash.

Nothing here knows HTTP or the journal, and no secret is ever part of a repr or of an error's text.
"""

import base64
import binascii
import errno
import hmac
import os
import re
import secrets
import stat
import struct
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

ROOT: Final = "root"  # the name under which a journal keeps the sealed root
ROOT_BYTES: Final = 32  # as wide as the SHA-256 that is keyed with it
KEY_RANDOM_BYTES: Final = 32  # 256 bits: 43 characters of base64url
TOKEN_MAC_BYTES: Final = 18  # 144 bits are beyond guessing, and 24 characters without padding
KEY_FILE_MAX_BYTES: Final = 65_536  # some 1,400 keys; more is not a key file
HINT_CHARS: Final = 4  # 24 of the 256 bits: 232 stay secret
FOREIGN_HINT_CHARS: Final = 3
FOREIGN_HINT_MIN_LENGTH: Final = 16  # a shorter key would lose too much with three characters
OTHERS: Final = 0o077  # any right of the group or of others

_CODE = re.compile(r"[a-z0-9]{1,12}")
_OUR_KEY = re.compile(r"(otg_[a-z0-9]{1,12}_)[A-Za-z0-9_-]{43}")
_UPSTREAM_TRX_ID = re.compile(r"[a-z0-9]{1,12}-[A-Za-z0-9._-]{1,64}")
_TOKEN = re.compile(r"([A-Za-z0-9_-]{24})\.([a-z0-9]{1,12}-[A-Za-z0-9._-]{1,64})")

# linux/posix_acl_xattr.h: a version, then entries of tag, rights and id, all little-endian.
_ACL_XATTR: Final = "system.posix_acl_access"
_ACL_VERSION: Final = 2
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_HEADER = struct.Struct("<I")
_ACL_USER, _ACL_MASK, _ACL_OWNER = 0x02, 0x10, 0x01


class VaultError(Exception):
    """The key file or a sealed value cannot be used; the text is one sentence for the operator."""


class Vault:
    """Seals and hashes with the keys that `Vault.open` read.

    Sealing works at once; hashes and tokens need `use_root` first, else they raise RuntimeError.
    """

    __slots__ = ("_fernet", "_key_mac", "_name", "_token_mac")

    def __init__(self, fernet: MultiFernet, name: str) -> None:
        self._fernet = fernet
        self._name = name
        self._key_mac: hmac.HMAC | None = None
        self._token_mac: hmac.HMAC | None = None

    def __repr__(self) -> str:
        return f"<Vault {self._name}>"

    @classmethod
    def open(cls, key_path: Path, *, sealed_exists: bool) -> "Vault":
        """Read the key file, or make it where nothing can be lost by that.

        Args:
            key_path: Fernet keys, one a line, newest first; `#` starts a comment line.
            sealed_exists: whether anything was sealed before. If so, a missing file is an error:
                a new key would open nothing.

        Raises:
            VaultError: The file is missing while sealed data exists, cannot be read or made, is
                malformed, or may be read by the group or by others.
        """
        try:
            text = _read_private(key_path)
        except FileNotFoundError:
            if sealed_exists:
                raise VaultError(
                    f"{key_path} is missing, and only its keys open the journal's seals; "
                    "put the file back from your backup"
                ) from None
            text = _create(key_path)
        return cls(_parse_keys(text, key_path), str(key_path))

    def seal(self, text: str) -> bytes:
        """Encrypt with the newest key; any str goes, the result is ASCII."""
        return self._fernet.encrypt(text.encode("utf-8", "surrogatepass"))

    def unseal(self, blob: bytes) -> str:
        """Decrypt what `seal` made under any key of the file.

        Raises:
            VaultError: No key of the file opens it.
        """
        try:
            return self._open_seal(blob).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise VaultError("a sealed value holds something else than text") from None

    def new_root(self) -> bytes:
        """Make a random root and return it sealed, for the journal to keep."""
        return self._fernet.encrypt(secrets.token_bytes(ROOT_BYTES))

    def use_root(self, sealed: bytes) -> None:
        """Take the journal's sealed root as the base of every hash and token from now on.

        Raises:
            VaultError: No key of the file opens it, or it is no root.
        """
        root = self._open_seal(sealed)
        if len(root) != ROOT_BYTES:
            raise VaultError("the journal's sealed root is not a root")
        self._key_mac = _mac_under(root, b"otomax-gateway/reseller-key/1")
        self._token_mac = _mac_under(root, b"otomax-gateway/callback-token/1")

    def hash_key(self, key: str) -> bytes:
        """Hash a reseller's key for looking it up.

        Args:
            key: whatever came as a key; any str, hostile ones too.

        Returns:
            32 bytes of HMAC-SHA256; the same for the same key and root.
        """
        return _digest(self._key_mac, key.encode("utf-8", "surrogatepass"))

    def account_id(self, upstream_key: str) -> str:
        """Name a key at the upstream, so that an order can keep under which it was bought.

        Args:
            upstream_key: printable ASCII; so the prefix keeps it apart from resellers' keys.

        Returns:
            32 hexadecimal digits, half of an HMAC-SHA256; the same for the same key and root.
        """
        return self.hash_key(f"account\0{upstream_key}").hex()[:32]

    def callback_token(self, upstream_trx_id: str) -> str:
        """Make the unguessable part of an order's callback URL.

        Args:
            upstream_trx_id: `<reseller code>-<trx_id>`; its characters need no encoding in a path.

        Returns:
            `<mac>.<upstream_trx_id>`, 24 characters of mac; the same at every call.

        Raises:
            ValueError: It is no upstream_trx_id.
        """
        if not _UPSTREAM_TRX_ID.fullmatch(upstream_trx_id):
            raise ValueError("not an upstream_trx_id")
        return f"{self._mac(upstream_trx_id)}.{upstream_trx_id}"

    def check_callback_token(self, token: str) -> str | None:
        """Tell whose order a token belongs to.

        Args:
            token: the path segment that came; hostile input of any kind is taken.

        Returns:
            The upstream_trx_id when the token is genuine, else None.
        """
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        mac, upstream_trx_id = match.groups()
        genuine = hmac.compare_digest(self._mac(upstream_trx_id).encode(), mac.encode())
        return upstream_trx_id if genuine else None

    def _mac(self, upstream_trx_id: str) -> str:
        digest = _digest(self._token_mac, upstream_trx_id.encode())
        return base64.urlsafe_b64encode(digest[:TOKEN_MAC_BYTES]).decode()

    def _open_seal(self, blob: bytes) -> bytes:
        try:
            return self._fernet.decrypt(blob)
        except InvalidToken:
            raise VaultError(
                f"no key in {self._name} opens a value that is sealed in the journal; "
                "put the file back that sealed it"
            ) from None


def new_reseller_key(code: str) -> str:
    """Make a reseller's key: `otg_<code>_<43 characters>`, 256 random bits behind the prefix.

    Raises:
        ValueError: The code is not `[a-z0-9]{1,12}`.
    """
    if not _CODE.fullmatch(code):
        raise ValueError("not a reseller's code")
    return f"otg_{code}_{secrets.token_urlsafe(KEY_RANDOM_BYTES)}"


def key_hint(key: str) -> str:
    """Shorten a key for a listing, so that its owner knows it again and nobody can use it.

    Returns:
        The prefix and four characters of a key of ours; at most three of a foreign one.
    """
    ours = _OUR_KEY.fullmatch(key)
    if ours:
        return f"{key[: ours.end(1) + HINT_CHARS]}…"
    if len(key) < FOREIGN_HINT_MIN_LENGTH:
        return "***"
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in key)
    return f"{shown[:FOREIGN_HINT_CHARS]}…"


def _mac_under(root: bytes, purpose: bytes) -> hmac.HMAC:
    """Make the beginning of every HMAC-SHA256 of one purpose; it is copied for each."""
    return hmac.new(hmac.digest(root, purpose, "sha256"), digestmod="sha256")


def _digest(begun: hmac.HMAC | None, text: bytes) -> bytes:
    if begun is None:
        raise RuntimeError("Vault.use_root must come first")
    mac = begun.copy()
    mac.update(text)
    return mac.digest()


def _read_private(path: Path) -> str:
    """Read the key file and look at the rights of the very file that was opened."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise VaultError(f"{path} cannot be read: {_reason(error)}") from None
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise VaultError(f"{path} is not a file")
        if _others_may(fd, mode):
            raise VaultError(
                f"{path} can be used by others (mode {stat.S_IMODE(mode):03o}); chmod 600 {path}"
            )
        return os.read(fd, KEY_FILE_MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise VaultError(f"{path} cannot be read: {_reason(error)}") from None
    finally:
        os.close(fd)


def _others_may(fd: int, mode: int) -> bool:
    """Whether anybody but the owner and ourselves has a right on the file.

    Where a file has an access list, its group bits are only the list's mask: a systemd credential
    (`LoadCredential=`) reads 0440 and yet is the service's alone (systemd/systemd#29435).
    """
    if not mode & OTHERS:
        return False
    try:
        acl = os.getxattr(fd, _ACL_XATTR)
    except (OSError, AttributeError):  # no such list, or no such call on this system
        return True
    return _acl_opens_to_others(acl, own_uid=os.geteuid())


def _acl_opens_to_others(acl: bytes, *, own_uid: int) -> bool:
    entries = acl[_ACL_HEADER.size :]
    if len(acl) < _ACL_HEADER.size or len(entries) % _ACL_ENTRY.size:
        return True
    if _ACL_HEADER.unpack_from(acl) != (_ACL_VERSION,):
        return True
    return any(
        rights and not (tag in (_ACL_OWNER, _ACL_MASK) or (tag == _ACL_USER and uid == own_uid))
        for tag, rights, uid in _ACL_ENTRY.iter_unpack(entries)
    )


def _create(path: Path) -> str:
    """Write a fresh key file, durable before it seals anything."""
    text = (
        "# otomax-gateway: opens the keys that are sealed in the journal. Keep a copy elsewhere.\n"
        f"{Fernet.generate_key().decode()}\n"
    )
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise VaultError(f"{path} cannot be made: {_reason(error)}") from None
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise VaultError(f"{path} cannot be written: {_reason(error)}") from None
    return text


def _sync_folder(folder: Path) -> None:
    """Make the file's name as durable as its bytes; some file systems cannot, and need not."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def _parse_keys(text: str, path: Path) -> MultiFernet:
    keys: list[Fernet] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        try:
            keys.append(Fernet(word))
        except (ValueError, binascii.Error):
            raise VaultError(
                f"{path}:{number} is not a key: wanted 44 characters of base64, "
                "as `otomax-gateway init` writes them"
            ) from None
    if not keys:
        raise VaultError(f"{path} holds no key")
    return MultiFernet(keys)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "not a path"

"""Secrets at rest: what is sealed, what is only hashed, and the tokens that prove a callback.

The key file opens the seals; everything that must keep its value for ever (hashes of reseller
keys, callback tokens) hangs on a random root that lies *sealed in the journal*. So the key file
can be rotated (new key on the first line, the old ones below) without changing one hash.

A rotation is safe against a crash because of its order: a new key is durable in the file before
anything is sealed under it, and an old one leaves the file after nothing is sealed under it.

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

    __slots__ = ("_fernet", "_key_mac", "_keys", "_path", "_token_mac")

    def __init__(self, keys: list[Fernet], path: Path) -> None:
        self._keys = keys
        self._fernet = MultiFernet(keys)
        self._path = path
        self._key_mac: hmac.HMAC | None = None
        self._token_mac: hmac.HMAC | None = None

    def __repr__(self) -> str:
        return f"<Vault {self._path}>"

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
        return cls(_parse_keys(text, key_path), key_path)

    def read_again(self) -> int:
        """Take over what stands in the key file now; returns how many keys that is.

        To be called before a rotation: somebody may have put a key there by hand.

        Raises:
            VaultError: as `open` does; the keys stay as they were.
        """
        self._take(_read(self._path))
        return len(self._keys)

    def add_key(self) -> int:
        """Put a new key first in the key file, durably, and seal with it from now on.

        Returns:
            How many keys there are now. A crash leaves the file as it was, or with the new key.

        Raises:
            VaultError: the file can not be read or written; nothing has changed.
        """
        lines = _read(self._path).splitlines()
        first = next(n for n, line in enumerate(lines) if _is_key(line))
        self._write([*lines[:first], Fernet.generate_key().decode(), *lines[first:]])
        return len(self._keys)

    def drop_old_keys(self) -> int:
        """Leave nothing but the newest key in the key file, durably; returns how many left.

        The caller has seen to it that nothing is sealed under the others.

        Raises:
            VaultError: the file can not be read or written; nothing has changed.
        """
        lines = _read(self._path).splitlines()
        old = [n for n, line in enumerate(lines) if _is_key(line)][1:]
        if old:
            self._write([line for n, line in enumerate(lines) if n not in old])
        return len(old)

    def _write(self, lines: list[str]) -> None:
        text = "\n".join(lines) + "\n"
        if len(text) > KEY_FILE_MAX_BYTES:
            raise VaultError(f"{self._path} holds too many keys; drop the old ones first")
        _parse_keys(text, self._path)
        _replace(self._path, text)
        self._take(text)

    def _take(self, text: str) -> None:
        self._keys = _parse_keys(text, self._path)
        self._fernet = MultiFernet(self._keys)

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

    def seal_anew(self, blob: bytes) -> bytes:
        """Return what a seal holds, sealed under the newest key; itself where it is already.

        Raises:
            VaultError: no key of the file opens it.
        """
        try:
            self._keys[0].decrypt(blob)
        except InvalidToken:
            return self._fernet.encrypt(self._open_seal(blob))
        return blob

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
                f"no key in {self._path} opens a value that is sealed in the journal; "
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


def _read(path: Path) -> str:
    """Read a key file that must be there."""
    try:
        return _read_private(path)
    except FileNotFoundError:
        raise VaultError(f"{path} is missing; put it back from your backup") from None


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


def _replace(path: Path, text: str) -> None:
    """Put a key file in the place of another, whole and durable, with the same owner.

    Links are followed, so that a link to a key file stays one. Root may do it for the service.
    """
    try:
        real = path.resolve(strict=True)
        fresh = real.with_name(f"{real.name}.new")
        fresh.unlink(missing_ok=True)  # of one who was killed while he wrote it
        about = real.stat()
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), about.st_uid, about.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(real)
        _sync_folder(real.parent)
    except OSError as error:
        raise VaultError(
            f"{path} can not be replaced: {_reason(error)}; where it is handed to the gateway by "
            "somebody else, put the new key on its first line there, and seal anew"
        ) from None


def _is_key(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("#")


def _parse_keys(text: str, path: Path) -> list[Fernet]:
    keys: list[Fernet] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.strip()
        if not _is_key(line):
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
    return keys


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "not a path"

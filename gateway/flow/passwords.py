"""Passwords of admins: hashed and compared with argon2, in threads, a few at one time.

A hash takes some 60 ms and 32 MiB on purpose, so that a stolen journal does not tell passwords.
Both would be a weapon in the hands of whoever sends a thousand log-ins at once: so there are two
at one time, and the others wait.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.errors import NotDone

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

MIN_CHARACTERS = 10  # with the delays at the log-in page beyond guessing; a sentence is best
MAX_CHARACTERS = 200  # nobody types more, and hashing it costs time
_AT_ONCE = 2
_MEMORY_KIB = 32 * 1024  # two at one time beside a gateway on a small machine
_ROUNDS = 3


class Passwords:
    """Hashes passwords, and compares with hashes."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._nobodys: str | None = None

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher  # imported when somebody logs in: a command needs none

        return PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=1)

    async def hash(self, password: str) -> str:
        """Return what is kept of a new password.

        Raises:
            NotDone: it is too short or too long.
        """
        if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
            raise NotDone(
                f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; "
                "a sentence is easy to remember and hard to guess"
            )
        return await self._in_thread(lambda: self._hasher.hash(_same(password)))

    async def is_right(self, kept: str | None, password: str) -> bool:
        """Whether this is the password of which that was kept.

        Where nothing is kept it takes as long: nothing shows whether there is such a name.
        """
        if len(password) > MAX_CHARACTERS:
            password = ""
        if kept is None and self._nobodys is None:
            self._nobodys = await self._in_thread(lambda: self._hasher.hash("nobody's password"))
        return await self._in_thread(lambda: self._verify(kept, password)) and kept is not None

    def _verify(self, kept: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(kept or self._nobodys or "", _same(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._places:
            return await asyncio.to_thread(work)


def _same(password: str) -> bytes:
    """Return one form of what keyboards write in several."""
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")

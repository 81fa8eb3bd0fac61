"""Sealing everything anew under another key: the rotation of the key file, a step a command.

Each step may be repeated, and none has a point at which a crash would leave a seal that no key in
the file opens: see `gateway.vault`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.domain.errors import NotDone
from gateway.store import Store
from gateway.vault import ROOT, Vault, VaultError


class Sealing:
    """The part of the desk that is about the key file.

    Args:
        store: what holds the seals.
        vault: what makes and opens them.
    """

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self.commands: dict[str, Callable[..., Any]] = {
            "secrets.rotate": self.rotate,
            "secrets.reseal": self.reseal,
            "secrets.drop_old": self.drop_old,
        }

    async def rotate(self) -> dict[str, int]:
        """Put a new key first in the key file, and seal everything anew under it.

        Returns:
            `keys` in the file, `sealed` values in all, `changed` of them now.

        Raises:
            NotDone: the key file can not be used; what was sealed opens as before.
        """
        keys = await self._on_file(self._vault.add_key)
        return {"keys": keys, **await self._seal_all()}

    async def reseal(self) -> dict[str, int]:
        """Seal everything anew under the key that stands first now; the rest is as above."""
        keys = await self._on_file(self._vault.read_again)
        return {"keys": keys, **await self._seal_all()}

    async def drop_old(self) -> dict[str, int]:
        """Leave the first key alone in the key file, once nothing is sealed under another.

        Returns:
            The same, and how many keys were `dropped`.

        Raises:
            NotDone: there is no other, or the key file can not be used.
        """
        resealed = await self.reseal()  # durable when it returns
        if resealed["keys"] == 1:
            raise NotDone(
                "the key file holds one key: nothing to drop; `secrets rotate` makes a new one"
            )
        dropped = await self._on_file(self._vault.drop_old_keys)
        return {**resealed, "keys": 1, "dropped": dropped}

    async def _on_file(self, work: Callable[[], int]) -> int:
        try:
            return await asyncio.to_thread(work)
        except VaultError as error:
            raise NotDone(str(error)) from None

    async def _seal_all(self) -> dict[str, int]:
        try:
            done = await self._store.seal_anew(self._vault.seal_anew, (ROOT,))
        except VaultError as error:
            raise NotDone(str(error)) from None
        return {"sealed": done.held, "changed": done.changed}

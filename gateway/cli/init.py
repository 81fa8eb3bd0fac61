"""`init [DIR]`: a configuration to edit and a key file, and the words that say what comes next.

Only the making of a fresh folder may live here. It overwrites nothing and leaves nothing half
made: either both files are there afterwards, or what was there before.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from gateway.cli.options import fail

CONFIG_NAME: Final = "config.toml"
KEY_NAME: Final = "secret.key"  # the default of secrets.key_file
NEXT_STEPS: Final = """\
Selesai: {config} dan {key} sudah dibuat (mode 0600).
Langkah berikutnya:
  1. Isi server.public_url di {config}: alamat gateway ini yang dipanggil upstream untuk callback.
     Kalau bukan Toss Games, ubah juga upstream.base_url.
  2. otomax-gateway check-config --config {config}
  3. otomax-gateway reseller add KODE --upstream-key - --config {config}
  4. otomax-gateway serve --config {config}
Simpan salinan {key} di tempat lain: tanpa file itu kunci reseller tidak bisa dibuka lagi.

Done: {config} and {key} are there (mode 0600).
What comes next:
  1. Fill in server.public_url in {config}: where the upstream reaches this gateway for callbacks.
     If it is not Toss Games, change upstream.base_url, too.
  2. otomax-gateway check-config --config {config}
  3. otomax-gateway reseller add CODE --upstream-key - --config {config}
  4. otomax-gateway serve --config {config}
Keep a copy of {key} elsewhere: without it the resellers' keys cannot be opened again."""


@click.command()
@click.argument(
    "folder",
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    default=Path(),
    required=False,
)
def init(folder: Path) -> None:
    """Write config.toml and a secret key file into DIR (default: here)."""
    from gateway.vault import VaultError

    config, key = folder / CONFIG_NAME, folder / KEY_NAME
    for path in (config, key):
        if os.path.lexists(path):
            fail(f"{path} is there already; nothing was written")
    try:
        _make(folder, config, key)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        fail(f"{config} cannot be written: {reason}; nothing was left behind")
    except VaultError as error:
        fail(f"{error}; nothing was left behind")
    click.echo(NEXT_STEPS.format(config=click.format_filename(config), key=key.name))


def _make(folder: Path, config: Path, key: Path) -> None:
    """Make folder, key and configuration, and take back what was made when one fails."""
    from gateway.config.template import render_template
    from gateway.vault import Vault

    absent = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    undo: list[Callable[[], None]] = [parent.rmdir for parent in reversed(absent)]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        Vault.open(key, sealed_exists=False)
        undo.append(key.unlink)
        _write_new(config, render_template())
    except BaseException:
        for step in reversed(undo):
            with contextlib.suppress(OSError):
                step()
        raise


def _write_new(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise

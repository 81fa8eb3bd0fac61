"""A gateway's folder for the bench: configuration, resellers, journal; and the gateway on it."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.bench.counterparty import HOST, Started
from gateway.bench.processes import START_S, BenchError, Child, child, until_ready
from gateway.web.listener import free_port

RESELLERS = 8
_KEY = "8dWc2vQmZr5TnXyB4LhKsJpG7fEaUo1i"  # as long as a key that the gateway makes

# As in production, but for what would end a run instead of being measured: the limits are checked
# for each order and never reached. Nobody calls back where orders alone are measured, so no
# look-up is due before the run is over.
_CONFIG = """\
[server]
listen = "{host}:{port}"
public_url = "http://{host}:{port}"

[admin]
listen = "{host}:0"

[upstream]
base_url = "http://{host}:{upstream}"
callback_ips = ["{host}"]

[storage]
url = "{storage}"

[recheck]
schedule_s = [{recheck_s}]

[delivery]
allow_private = true

[limits]
orders_per_s = 1000000
max_open_orders = 1000000

[log]
format = "json"
level = "info"
"""


@dataclass
class House:
    """A folder that a gateway runs in.

    Attributes:
        folder: empty, or not there yet.
        others: where upstream and panels listen.
        recheck_s: the schedule of look-ups.
        storage: the journal's URL, by default a file in the folder.
        like: another house's folder, whose journal is copied; its gateway does not run.
        keys: the resellers' keys, by code.
        port: where the gateway listens.
    """

    folder: Path
    others: Started
    recheck_s: str = "600"
    like: Path | None = None
    storage: str = "sqlite:///gateway.db"
    keys: dict[str, str] = field(init=False)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "config.toml"
        self.config.write_text(
            _CONFIG.format(
                host=HOST,
                port=self.port,
                upstream=self.others.upstream,
                recheck_s=self.recheck_s,
                storage=self.storage,
            ),
            encoding="utf-8",
        )
        self.keys = {f"toko{n}": f"toko{n}_{_KEY}" for n in range(RESELLERS)}
        if self.like is None:
            self._add_resellers()
        else:
            for name in ("gateway.db", "gateway.db-wal", "secret.key"):
                if (self.like / name).exists():
                    shutil.copy2(self.like / name, self.folder / name)

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / "gateway.db"

    def _add_resellers(self) -> None:
        """Have the product make the journal, with these resellers in it."""
        file = self.folder / "resellers.toml"
        tables = (
            f'[[reseller]]\ncode = "{code}"\nkey = "{key}"\nupstream_key = "bench-upstream-key"\n'
            f'callback_url = "http://{HOST}:{self.others.panels[number]}/callback"\n'
            for number, (code, key) in enumerate(self.keys.items())
        )
        file.write_text("".join(tables), encoding="utf-8")
        words = ("gateway", "reseller", "apply", str(file), "--yes", "--config", str(self.config))
        with child(words, self.folder / "apply.log") as applying:
            applying.finish(START_S)

    @contextlib.contextmanager
    def serving(
        self, loop: str = "shipped", before: Callable[[Child], object] = id
    ) -> Iterator[Child]:
        """Run the gateway, ready when this begins; `before` is called as soon as it runs."""
        words = ("gateway", "serve", "--config", str(self.config))
        with child(words, self.folder / "gateway.log", loop) as gateway:
            before(gateway)
            until_ready(gateway, f"http://{HOST}:{self.port}/readyz")
            try:
                yield gateway
            except BenchError as error:
                if gateway.ended:
                    raise BenchError(f"{error}; the gateway: {gateway.last_words()}") from None
                raise

    def status_targets(self) -> list[str]:
        """Return what panels ask for when they want a status, one of each reseller."""
        return [f"/v1/otomax/status/{{}}?apikey={key}" for key in self.keys.values()]

    def order_targets(self) -> list[str]:
        """Return what panels ask for when they order, one of each reseller."""
        return [
            f"/v3/otomax/order?apikey={key}&product_code=S1_1187&user_id=1234567891002&trx_id={{}}"
            for key in self.keys.values()
        ]

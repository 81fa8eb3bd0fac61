"""A gateway's folder with its operator: everything is done by the product's own commands."""

import json
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.store.open import running_gateway
from gateway.web.control import call_desk
from tests.journey.forks import Kill
from tests.journey.parties import UpstreamProcess, ask
from tests.journey.processes import (
    COMMAND,
    START_S,
    Done,
    Process,
    Processes,
    clean_environment,
    free_port,
)
from tests.proof.asking import Reseller

PRODUCT = "S1_1187"
REPLY_TIMEOUT_S = 8
# Members with OtomaX's own dialect, one for each form of deliveries.
PROFILES = {"asli1": "toss", "otomax1": "otomax", "report1": "report"}
NOTHING_ELSE: Mapping[str, str] = {}
SERVE = ("serve", "--config", "config.toml")

# What a test can wait for; otherwise the defaults.
SHORT = {
    "server.reply_timeout_s": str(REPLY_TIMEOUT_S),
    "admin.listen": "127.0.0.1:0",
    "upstream.callback_ips": "127.0.0.1",
    "recheck.schedule_s": "0.2,0.3,0.5",
    "recheck.settle_s": "1",
    "delivery.schedule_s": "0,0.2,0.5,0.5,1,1,2,2,5,5,10,10",
    "delivery.timeout_s": "5",
    "delivery.allow_private": "true",
    "limits.orders_per_s": "0",
    "log.format": "json",
}


def run(*words: str, folder: Path, stdin: str = "", **environment: str) -> Done:
    """Execute a command of the product to its end, as a shell does."""
    done = subprocess.run(
        [COMMAND, *words],
        cwd=folder,
        input=stdin,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def variables(settings: dict[str, str]) -> dict[str, str]:
    """Return the environment that sets these keys."""
    return {
        f"OTOMAX_GATEWAY_{key.replace('.', '__').upper()}": value
        for key, value in settings.items()
    }


@dataclass
class Office:
    """A folder as `init` makes it.

    Attributes:
        folder: where configuration, key file and journal lie.
        resellers: those that were added, by code.
        settings: what the environment sets over the file.
        executed: the gateway is started as an operator does; else it is a fork, which is quick.
    """

    processes: Processes
    folder: Path
    resellers: dict[str, Reseller]
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    executed: bool = False

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "server.listen": f"127.0.0.1:{self.port}",
            "server.public_url": self.url,
            **SHORT,
            **self.settings,
        }

    def copy(self, folder: Path, **settings: str) -> "Office":
        """Return an office of its own with the same resellers and another port."""
        shutil.copytree(self.folder, folder)
        mine = ("server.listen", "server.public_url")
        kept = {key: value for key, value in self.settings.items() if key not in mine}
        return Office(self.processes, folder, dict(self.resellers), {**kept, **settings})

    @property
    def keys(self) -> dict[str, str]:
        """The resellers' keys, by code."""
        return {code: reseller.key for code, reseller in self.resellers.items()}

    def run(self, *words: str, stdin: str = "") -> Done:
        """Run a command with this office's configuration."""
        named = (*words, "--config", "config.toml")
        return self.processes.done(named, self.folder, variables(self.settings), stdin)

    def json(self, *words: str) -> Any:
        """Return what a command prints with `--json`."""
        done = self.run(*words, "--json")
        assert (done.code, done.err) == (0, ""), done
        return json.loads(done.out)

    def add_reseller(self, code: str, upstream_key: str) -> None:
        done = self.run("reseller", "add", code, "--upstream-key", "-", stdin=upstream_key)
        assert done.code == 0, done
        key = done.out.strip()
        self.resellers[code] = Reseller(code=code, key=key, upstream_key=upstream_key)

    def add_member(self, reseller: Reseller) -> None:
        """Add a reseller who has OtomaX's own dialect and an address of their own, too."""
        assert reseller.callback_url is not None
        options = {
            "--upstream-key": reseller.upstream_key,
            "--key": reseller.key,
            "--callback-url": reseller.callback_url,
            "--pin": reseller.pin,
            "--password": reseller.password,
            "--delivery": reseller.profile,
        }
        words = [word for option in options.items() for word in option]
        may_show = "--allow-pin" if reseller.shows_pin else "--no-allow-pin"
        done = self.run("reseller", "add", reseller.code, *words, may_show)
        assert done.code == 0, done
        self.resellers[reseller.code] = reseller

    def begin_serving(self, **more: str) -> Process:
        """Start the gateway and do not wait for it."""
        environment = variables(self.settings) | more
        if self.executed:
            return self.processes.start([COMMAND, *SERVE], self.folder, "serve", **environment)
        return self.processes.fork(SERVE, self.folder, "serve", environment)

    async def serve(self) -> Process:
        """Start the gateway as it is; it listens when this returns."""
        process = self.begin_serving()
        await process.said('"gateway.started"')
        return process

    async def serve_watched(
        self,
        point: str,
        nth: int,
        settings: Mapping[str, str] = NOTHING_ELSE,
        sent: signal.Signals = signal.SIGKILL,
    ) -> Process:
        """Start a gateway that dies the nth time a point is passed; nth 0: never."""
        kill = Kill(point, nth, self.folder / "passed", sent)
        environment = variables({**self.settings, **settings})
        process = self.processes.fork(SERVE, self.folder, "watched", environment, kill)
        await process.said('"gateway.started"')
        return process

    def passed(self) -> list[str]:
        """Return the points that watched gateways passed."""
        file = self.folder / "passed"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    async def stop(self, process: Process) -> None:
        """End a gateway as a service manager does."""
        process.signal(signal.SIGTERM)
        assert await process.ended(REPLY_TIMEOUT_S + 5) == 0, process.last_words()

    async def order(
        self,
        trx_id: str,
        dest: str,
        callback_url: str,
        *,
        reseller: str = "toko1",
    ) -> str | None:
        """Order as a panel does; None where no whole answer came."""
        query = {"product_code": PRODUCT, "user_id": dest, "trx_id": trx_id}
        return await ask(
            f"{self.url}/v3/otomax/order",
            apikey=self.keys[reseller],
            callback_url=callback_url,
            **query,
        )

    async def status(self, name: str, *, reseller: str = "toko1") -> str | None:
        """Ask for an order's status as a panel does."""
        return await ask(f"{self.url}/v1/otomax/status/{name}", apikey=self.keys[reseller])

    async def desk(self, command: str, **values: Any) -> Any:
        """Do what a command does while the gateway runs, without the half second of its start."""
        control = running_gateway(self.folder / "gateway.db")["control"]
        return await call_desk(control, command, values)

    def logs(self) -> list[dict[str, Any]]:
        """Return every event that a gateway of this folder logged."""
        files = [*self.folder.glob("serve-*.err"), *self.folder.glob("watched-*.err")]
        lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
        return [json.loads(line) for line in lines]


def new_office(processes: Processes, folder: Path, upstream: UpstreamProcess) -> Office:
    """Return an office that `init` made, before it has any reseller."""
    done = run("init", folder.name, folder=folder.parent)
    assert done.code == 0, done
    return Office(processes, folder, {}, {"upstream.base_url": upstream.url})

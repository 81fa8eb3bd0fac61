"""Runs pages one after the other as one operator would, in a scratch folder, against a sandbox.

Everything is typed into one bash. What runs on (a sandbox, a panel, a gateway) has a terminal of
its own; a gateway's is closed at the end of its page. Addresses and absolute folders of the pages
stand for ports and folders of this run alone. The programs of `bin/` stand for those that need
root. Nothing leaves this machine.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.docs.console import Step, agrees, steps
from tests.docs.markdown import ROOT
from tests.journey.processes import free_port

WHOLE_S: Final = 560  # for one story; 40 s on two cores that have nothing else to do
_STDIN: Final = {
    "--pin - --password -": "1144\nabcd\n",
    "--upstream-key -": "sandbox-key\n",
    "--key -": "kunci-lama-toko2\n",
    "admin ": "kata sandi yang panjang\nkata sandi yang panjang\n",
}
_PEOPLE: Final = (
    "otomax-gateway sandbox --listen 127.0.0.1:8090",
    "mkdir -p /tmp/panel && touch /tmp/panel/callback",
    "python3 -m http.server 8099 --bind 127.0.0.1 --directory /tmp/panel",
)
_LIBRARY: Final = r"""
ready() {  # wait until what runs on says this
    n=0
    until grep -qs "$2" "$1"; do
        n=$((n + 1)); [ $n -lt 300 ] || return 1; sleep 0.1
    done
}
end() {  # close a terminal
    [ -f "$1" ] || return 0
    kill -TERM "$(cat "$1")" 2>/dev/null
    while kill -0 "$(cat "$1")" 2>/dev/null; do sleep 0.1; done
    rm -f "$1"
}
newest() {  # the backup that was made last
    ls -t "$DOCS_ROOT/var/lib/otomax-gateway/backups" | head -1
}
remember() {  # the key that was printed last
    grep -ohE 'otg_[a-z0-9]+_[A-Za-z0-9_-]{43}' "$1" | tail -1 >"$DOCS_WORK/key.new"
    [ ! -s "$DOCS_WORK/key.new" ] || cp "$DOCS_WORK/key.new" "$DOCS_WORK/key"
}
"""


class Story:
    """A run of pages.

    Args:
        folder: a fresh folder.
        is_peopled: an upstream and a panel are there from the beginning, and whatever is
            configured, the gateway's are these; else the pages start and name them.
    """

    def __init__(self, folder: Path, *, is_peopled: bool) -> None:
        self._work, self._root = folder / "work", folder / "root"
        self._is_peopled = is_peopled
        gateway, admin, upstream, panel, *others = (f"127.0.0.1:{free_port()}" for _ in range(6))
        self._places = {
            "127.0.0.1:8080": gateway,
            "127.0.0.1:8081": admin,
            "127.0.0.1:8090": upstream,
            "127.0.0.1:8099": panel,
            "127.0.0.1:8091": others[0],
            "127.0.0.1:8092": others[1],
            "http.server 8099": f"http.server {panel.partition(':')[2]}",
            "https://h2h.toko.id": f"http://{gateway}",
            "https://panel.toko.id": f"http://{panel}",
        }
        self._world = {
            "OTOMAX_GATEWAY_SERVER__LISTEN": gateway,
            "OTOMAX_GATEWAY_ADMIN__LISTEN": admin,
        }
        self._people = {
            "OTOMAX_GATEWAY_SERVER__PUBLIC_URL": f"http://{gateway}",
            "OTOMAX_GATEWAY_UPSTREAM__BASE_URL": f"http://{upstream}",
            "OTOMAX_GATEWAY_UPSTREAM__CALLBACK_IPS": "127.0.0.1",
            "OTOMAX_GATEWAY_DELIVERY__ALLOW_PRIVATE": "true",
            "OTOMAX_GATEWAY_RECHECK__SETTLE_S": "1",  # a restored journal asks for as long
        }

    def run(self, pages: Sequence[Path]) -> list[str]:
        """Run every command of these pages.

        Returns:
            What went wrong, a text each: the place, the command, what came, what was shown.
        """
        self._furnish()
        people = [Step(f"people:{n}", told, "", "") for n, told in enumerate(_PEOPLE)]
        told = [people] if self._is_peopled else []
        told += [[step for step in steps(page) if not step.left_out] for page in pages]
        script = self._work / "script"
        script.write_text(_LIBRARY + "".join(map(self._page, told)), encoding="utf-8")
        self._bash(script)
        return [wrong for found in told for step in found if (wrong := self._judge(step))]

    def _furnish(self) -> None:
        """Lay out the folders: the program where the guide puts it, and one to work in."""
        program = self._root / "opt/otomax-gateway"
        for folder in (self._work, self._root / "home", program / ".venv"):
            folder.mkdir(parents=True)
        for made in (
            "etc/systemd/system",
            "etc/caddy",
            "etc/nginx/conf.d",
            "usr/local/bin",
            "var/lib",
            "tmp",
        ):
            (self._root / made).mkdir(parents=True)
        for thing in ROOT.iterdir():
            if not thing.name.startswith("."):
                (program / thing.name).symlink_to(thing)
        (self._root / "home/.curlrc").write_text("silent\nshow-error\n")  # as on a terminal
        (program / ".venv/bin").symlink_to(Path(sys.executable).parent)

    def _page(self, found: list[Step]) -> str:
        """Return a page as a script; it begins in the program's folder, as a reader does."""
        world = {**self._world, **(self._people if self._is_peopled else {})}
        lines = ["(", f"cd {self._root}/opt/otomax-gateway"]
        lines += [f"export {name}={value}" for name, value in world.items()]
        lines += [line for step in found for line in self._typed(step)]
        return "\n".join([*lines, f"end {self._work}/serve.pid", ")\n"])

    def _typed(self, step: Step) -> list[str]:
        base = self._work / _slug(step.where)
        # In braces, for bash 5.2 takes the last part of `a && b` in a file for its own end.
        typed = step.command if step.ready else f"{{\n{step.command}\n}}"
        typed = re.sub(r"otomax-gateway-\d{8}T[\d.]+Z\.db\.gz", "$(newest)", self._here(typed))
        base.with_suffix(".cmd").write_text(typed, encoding="utf-8")
        base.with_suffix(".toml").write_text(self._here(step.toml), encoding="utf-8")
        stdin = next((text for part, text in _STDIN.items() if part in step.command), "")
        base.with_suffix(".in").write_text(stdin)
        source = f"{self._work}/key" if "read -r" in step.command else f"{base}.in"
        run = f". {base}.cmd >{base}.out 2>&1 <{source}"
        if not step.ready:
            return [
                f"export DOCS_TOML={base}.toml; {run}; echo $? >{base}.rc; remember {base}.out"
            ]
        name = "serve" if " serve" in step.command else _slug(step.told.split()[-1])
        return [
            f'( eval "exec $(cat {base}.cmd)" ) >{base}.out 2>&1 </dev/null &',
            f"echo $! >{self._work}/{name}.pid",
            f"ready {base}.out '{step.ready}'; echo $? >{base}.rc",
        ]

    def _here(self, text: str) -> str:
        """Return a text of a page with the places of this run."""
        for of_page, of_run in self._places.items():
            text = text.replace(of_page, of_run)
        text = text.replace("sqlite:////", f"sqlite:///{self._root}/")
        return re.sub(r"(?<![\w./:*}])/(?=(?:etc|opt|var|usr/local|tmp)/)", f"{self._root}/", text)

    def _bash(self, script: Path) -> None:
        env = {
            "PATH": f"{Path(__file__).parent / 'bin'}:{self._root}/usr/local/bin:"
            f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": f"{self._root}/home",
            "TZ": "WIB-7",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DOCS_PYTHON": sys.executable,
            "DOCS_WORK": str(self._work),
            "DOCS_ROOT": str(self._root),
        }
        with subprocess.Popen(["bash", str(script)], env=env, start_new_session=True) as shell:
            try:
                shell.wait(WHOLE_S)
            finally:
                with contextlib.suppress(ProcessLookupError):  # nothing runs on
                    os.killpg(shell.pid, signal.SIGKILL)

    def _judge(self, step: Step) -> str:
        base = self._work / _slug(step.where)
        if not base.with_suffix(".rc").exists():
            return f"{step.where}: not reached: {step.told}"
        said = base.with_suffix(".out").read_text(encoding="utf-8")
        code = base.with_suffix(".rc").read_text().strip()
        if code != "0":
            return f"{step.where}: exit {code}: {step.told}\n{said}"
        expected = self._here(step.expected)
        if expected and not agrees(expected, said):
            return f"{step.where}: {step.told}\n--- came\n{said}\n--- the page shows\n{expected}"
        return ""


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text)

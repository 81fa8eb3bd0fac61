"""The proxies in front, started with the very files of `contrib/`: ports, paths and addresses
are written anew, nothing else.
"""

import asyncio
import datetime as dt
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support import eventually, reserved_port

CONTRIB = Path(__file__).parents[2] / "contrib"
NAME = "gateway.example.id"
PANEL = "127.0.0.5"  # where each party's connections come from, as the proxy sees it
UPSTREAM = "127.0.0.7"
OPERATOR = "127.0.0.8"
STRANGER = "127.0.0.9"
PROXY = "127.0.0.1"  # as the gateway sees it


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everybody listens."""

    gateway: int
    gateway_admin: int
    public: int
    admin: int


@dataclass(frozen=True, slots=True)
class Front:
    """A running proxy."""

    kind: str
    ports: Ports
    folder: Path
    tls: ssl.SSLContext

    async def open(
        self, source: str, *, to_admin: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection from an address of this machine."""
        return await asyncio.open_connection(
            PROXY,
            self.ports.admin if to_admin else self.ports.public,
            ssl=self.tls,
            server_hostname=NAME,
            local_addr=(source, 0),
        )

    async def exchange(self, source: str, sent: bytes, *, to_admin: bool = False) -> bytes:
        """Send these bytes; returns everything until the proxy hangs up."""
        reader, writer = await self.open(source, to_admin=to_admin)
        try:
            async with asyncio.timeout(15):
                writer.write(sent)
                return await reader.read()
        finally:
            writer.close()

    async def get(self, source: str, target: str, *fields: str, to_admin: bool = False) -> str:
        """Ask for a target; returns the whole answer."""
        head = "\r\n".join((f"GET {target} HTTP/1.1", f"Host: {NAME}", *fields))
        sent = f"{head}\r\nConnection: close\r\n\r\n".encode()
        return (await self.exchange(source, sent, to_admin=to_admin)).decode()

    def written(self) -> str:
        """Everything that it wrote down, wherever."""
        files = [file for file in self.folder.rglob("*") if file.suffix in {".log", ".said"}]
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def certificate(folder: Path) -> None:
    """Make a certificate that signs itself; returns its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)  # noqa: TID251  of this very day
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "fullchain.pem", folder / "privkey.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def anew(text: str, changes: dict[str, str]) -> str:
    """Write parts of a file anew; each must be there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx(folder: Path, ports: Ports, changes: dict[str, str]) -> list[str]:
    """Write nginx's files; returns the command that runs it."""
    site = (CONTRIB / "nginx" / "otomax-gateway.conf").read_text(encoding="utf-8")
    site = anew(
        site,
        {
            "listen 443 ": f"listen {PROXY}:{ports.public} ",
            "listen [::]:443 ": f"listen 127.0.0.2:{ports.public} ",
            "listen 8443 ": f"listen {PROXY}:{ports.admin} ",
            "listen [::]:8443 ": f"listen 127.0.0.2:{ports.admin} ",
            "127.0.0.1:8080": f"{PROXY}:{ports.gateway}",
            "127.0.0.1:8081": f"{PROXY}:{ports.gateway_admin}",
            f"/etc/letsencrypt/live/{NAME}": str(folder),
            "/var/log/nginx": str(folder),
            "157.230.42.1": UPSTREAM,
            "192.0.2.0/24": OPERATOR,
            **changes,
        },
    )
    (folder / "site.conf").write_text(site, encoding="utf-8")
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = (
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid;"
        f"error_log {folder}/main.log; events {{ worker_connections 512; }}"
        f"http {{ {temporary} include {folder}/site.conf; }}"
    )
    (folder / "nginx.conf").write_text(main, encoding="utf-8")
    return ["nginx", "-p", str(folder), "-e", f"{folder}/main.log", "-c", f"{folder}/nginx.conf"]


def caddy(folder: Path, ports: Ports, changes: dict[str, str]) -> list[str]:
    """Write Caddy's file; returns the command that runs it."""
    cert, key = folder / "fullchain.pem", folder / "privkey.pem"
    site = (CONTRIB / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    off = "\tadmin off\n\tauto_https off"
    tls = f"\n\tbind {PROXY}\n\ttls {cert} {key}\n"
    site = anew(
        site,
        {
            "\tadmin off\n": f"{off}\n\tstorage file_system {folder}/store\n",
            f"\n{NAME} {{\n": f"\nhttps://{NAME}:{ports.public} {{{tls}",
            f"\n{NAME}:8443 {{\n": f"\nhttps://{NAME}:{ports.admin} {{{tls}",
            "127.0.0.1:8080": f"{PROXY}:{ports.gateway}",
            "127.0.0.1:8081": f"{PROXY}:{ports.gateway_admin}",
            "not remote_ip 157.230.42.1": f"not remote_ip {UPSTREAM}",
            "192.0.2.0/24": OPERATOR,
            **changes,
        },
    )
    (folder / "Caddyfile").write_text(site, encoding="utf-8")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


def haproxy(folder: Path, ports: Ports, changes: dict[str, str]) -> list[str]:
    """Write HAProxy's file, for one gateway; returns the command that runs it."""
    pem = folder / "both.pem"
    pem.write_bytes(
        (folder / "fullchain.pem").read_bytes() + (folder / "privkey.pem").read_bytes()
    )
    file = (CONTRIB / "haproxy" / "haproxy.cfg").read_text(encoding="utf-8")
    second = ("8080", "8081")
    file = anew(
        file,
        {
            "maxconn 20000": "maxconn 200",
            "log /dev/log local0": "log stdout format raw local0",
            "bind :443 ": f"bind {PROXY}:{ports.public} ",
            "bind :::443 v6only ": f"bind 127.0.0.2:{ports.public} ",
            "bind :8443 ": f"bind {PROXY}:{ports.admin} ",
            "/etc/haproxy/gateway.example.id.pem": str(pem),
            **{f"    server gateway2 192.0.2.12:{port}\n": "" for port in second},
            "192.0.2.11:8080": f"{PROXY}:{ports.gateway}",
            "192.0.2.11:8081": f"{PROXY}:{ports.gateway_admin}",
            "157.230.42.1 }": f"{UPSTREAM} }}",
            "192.0.2.0/24 }": f"{OPERATOR} }}",
            "default-server check": "default-server",  # a test counts every request
            **changes,
        },
    )
    (folder / "haproxy.cfg").write_text(file, encoding="utf-8")
    return ["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"]


WRITERS: dict[str, Callable[[Path, Ports, dict[str, str]], list[str]]] = {
    "nginx": nginx,
    "caddy": caddy,
    "haproxy": haproxy,
}


def program(kind: str) -> str | None:
    """Return where a proxy is installed; Debian has nginx outside an ordinary user's path."""
    return shutil.which(kind) or shutil.which(kind, path="/usr/sbin:/usr/local/sbin:/usr/bin")


@asynccontextmanager
async def front(
    kind: str, folder: Path, gateway: tuple[int, int], **changes: str
) -> AsyncIterator[Front]:
    """Run a proxy in front of these two ports.

    Args:
        kind: `nginx`, `caddy` or `haproxy`.
        folder: for its files.
        gateway: the gateway's port, and the operator's.
        changes: what else is written anew in its file, old text and new.
    """
    with ExitStack() as stack:
        ports = Ports(*gateway, *(stack.enter_context(reserved_port()) for _ in range(2)))
        command = prepared(kind, folder, ports, changes)
        out = stack.enter_context((folder / "out.said").open("wb"))
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        )
        tls = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        running = Front(kind, ports, folder, tls)

        async def answers() -> bool:
            assert process.returncode is None, running.written()
            try:
                _, writer = await running.open(STRANGER)
            except OSError:
                return False
            writer.close()
            return True

        try:
            await eventually(answers, within_s=20)
            yield running
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 15)


def prepared(kind: str, folder: Path, ports: Ports, changes: dict[str, str]) -> list[str]:
    """Write everything that a proxy needs; returns the command that runs it."""
    folder.mkdir()
    certificate(folder)
    command = WRITERS[kind](folder, ports, changes)
    return [program(kind) or kind, *command[1:]]

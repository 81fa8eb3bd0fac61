"""A panel's receiver as a process of its own: writes every request line down as it came.

`run_panel.py FILE` prints its URL, then appends one line of JSON to FILE for each request, before
it answers: `{"at": 1285.5, "answered": 200, "name": "T1", "line": "GET /T1?… HTTP/1.1"}`, with a
`body` and `signature` for a POST. The time is the machine's steady clock, which nobody sets. The
name is the path; at `/own/RESELLER` it is `RESELLER-` and the trx_id that stands in the query.
`POST /refuse/N/NAME` has the next N requests of this name answered with 500.
"""

import json
import sys
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

_IDS = ("trx_id", "refid", "clientid")


class _Panel(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    raw_requestline: bytes
    refusals: ClassVar[Counter[str]] = Counter()
    lock = Lock()
    file = Path()

    def do_GET(self) -> None:
        self._take({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode("utf-8")
        if not self.path.startswith("/refuse/"):
            self._take({"body": body, "signature": self.headers["x-signature"]})
            return
        _, _, count, name = self.path.split("/")
        with self.lock:
            self.refusals[name] += int(count)
        self._answer(HTTPStatus.OK)

    def _take(self, posted: dict[str, Any]) -> None:
        name = _name(self.path)
        with self.lock:
            refused = self.refusals[name] > 0
            self.refusals[name] -= refused
            status = HTTPStatus.INTERNAL_SERVER_ERROR if refused else HTTPStatus.OK
            line = self.raw_requestline.decode("latin-1").removesuffix("\r\n")
            told = {"at": time.monotonic(), "answered": int(status), "name": name, "line": line}
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(told | posted) + "\n")
        self._answer(status)

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


def _name(target: str) -> str:
    parts = urlsplit(target)
    folder, _, reseller = parts.path.strip("/").partition("/")
    if folder != "own":
        return parts.path.strip("/")
    query = parse_qs(parts.query)
    return f"{reseller}-{next((query[name][0] for name in _IDS if name in query), '')}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a gateway that is killed drops its connections."""


if __name__ == "__main__":
    _Panel.file = Path(sys.argv[1])
    server = _Server(("127.0.0.1", 0), _Panel)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()

"""A panel's receiver as a process of its own: writes every request line down as it came.

`run_panel.py FILE` prints its URL, then appends one line of JSON to FILE for each request, before
it answers: `{"at": 1679528285.5, "answered": 200, "line": "GET /T1?… HTTP/1.1"}`.
`POST /refuse/N/NAME` has the next N requests below `/NAME` answered with 500.
"""

import json
import sys
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import ClassVar


class _Panel(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    raw_requestline: bytes
    refusals: ClassVar[Counter[str]] = Counter()
    lock = Lock()
    file = Path()

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        with self.lock:
            refused = self.refusals[name] > 0
            self.refusals[name] -= refused
            status = HTTPStatus.INTERNAL_SERVER_ERROR if refused else HTTPStatus.OK
            line = self.raw_requestline.decode("latin-1").removesuffix("\r\n")
            told = {"at": time.time(), "answered": int(status), "line": line}
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")
        self._answer(status)

    def do_POST(self) -> None:
        _, _, count, name = self.path.split("/")
        with self.lock:
            self.refusals[name] += int(count)
        self._answer(HTTPStatus.OK)

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


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

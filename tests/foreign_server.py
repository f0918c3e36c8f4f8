"""A real HTTP server on loopback that answers as a foreign one would: exchanges, the National Bank, a shop's server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the server says: status, body, further headers, and how long it thinks first."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ForeignServer:
    """``answers`` maps a path's beginning to its Answer; ``asked`` holds every request in order."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(outer: ForeignServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805 — the handler's own self is inside
        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append(Asked(self.command, self.path, dict(self.headers), body))
                found = [key for key in outer.answers if self.path.startswith(key)]
                answer = outer.answers[max(found, key=len)] if found else Answer(status=404)
                outer.closing.wait(answer.delay_seconds)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = _answer  # noqa: N815 — http.server finds it by this name
            do_POST = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Quiet: the test reads ``asked``."""

        return Handler

    @contextmanager
    def running(self) -> Iterator[ForeignServer]:
        """Serve until the block ends."""
        thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@contextmanager
def dripping(first: bytes) -> Iterator[str]:
    """A server that says ``first`` and then one byte at a time, for much longer than any deadline of a test; its address."""
    listener, ended = socket.create_server(("127.0.0.1", 0)), threading.Event()
    # So that a missing deadline fails the test instead of stopping the run.
    patience = time.monotonic() + 10

    def drip() -> None:
        connection, _address = listener.accept()
        with connection:
            connection.sendall(first)
            while not ended.wait(0.05) and time.monotonic() < patience:
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    finally:
        ended.set()
        listener.close()
        thread.join(5)

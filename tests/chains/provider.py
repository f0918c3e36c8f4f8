"""A loopback JSON-RPC provider in front of a real EVM node, with a provider's manners: limits, refusals, gaps, oddities."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson

SLOW_SECONDS = 0.8


@dataclass(frozen=True)
class Refusal:
    """A JSON-RPC error in place of a result."""

    code: int
    message: str


# A call's method, parameters and true result (or Refusal) → what is answered instead.
Manner = Callable[[str, list[Any], Any], Any]


class Provider:
    """What it does may be set at any time.

    ``manner`` rewrites single answers. Batches with ``refused_method`` get HTTP 503, those of over ``calls_max`` calls HTTP 413,
    those of over ``calls_fast`` their answer after ``SLOW_SECONDS``. ``asked`` holds every batch.
    """

    def __init__(self, node_url: str) -> None:
        self.manner: Manner = lambda method, params, result: result
        self.calls_max = 10_000
        self.refused_method = ""
        self.calls_fast = 10_000
        self.asked: list[list[tuple[str, list[Any]]]] = []
        self._node_url = node_url
        self._client = httpx.Client(trust_env=False, timeout=10)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def asked_for(self, method: str) -> list[list[Any]]:
        """The parameters of every call of ``method``."""
        return [params for batch in self.asked for name, params in batch if name == method]

    def _handler(outer: Provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805 — the handler's own self is inside
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                status, body = outer._answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet: the test reads ``asked``."""

        return Handler

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        calls = orjson.loads(body)
        self.asked.append([(call["method"], call["params"]) for call in calls])
        if len(calls) > self.calls_fast:
            time.sleep(SLOW_SECONDS)
        if any(call["method"] == self.refused_method for call in calls):
            return 503, b"Service Unavailable"
        if len(calls) > self.calls_max:
            return 413, b"Request Entity Too Large"
        headers = {"Content-Type": "application/json"}
        answers = orjson.loads(self._client.post(self._node_url, content=body, headers=headers).content)
        told = {answer["id"]: answer for answer in answers}
        return 200, orjson.dumps([self._told(call, told[call["id"]]) for call in calls])

    def _told(self, call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        error = answer.get("error")
        truth = Refusal(error["code"], error["message"]) if error else answer["result"]
        result = self.manner(call["method"], call["params"], truth)
        if isinstance(result, Refusal):
            return {
                "jsonrpc": "2.0",
                "id": call["id"],
                "error": {"code": result.code, "message": result.message},
            }
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    @contextmanager
    def running(self) -> Iterator[Provider]:
        """Serve until the block ends."""
        thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._client.close()
            thread.join()

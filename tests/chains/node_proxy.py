"""A loopback proxy in front of a real node that can lie: it passes everything on and rewrites what a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson

# A call's method, parameters and true result → what is answered instead.
Rewrite = Callable[[str, list[Any], Any], Any]


def truth(method: str, params: list[Any], result: Any) -> Any:
    """Nothing is rewritten."""
    return result


class NodeProxy:
    """``url`` is the node's, with its user and password, through the proxy; ``rewrite`` may be set at any time."""

    def __init__(self, node_url: str, *, port: int = 0) -> None:
        target = httpx.URL(node_url)
        self.rewrite: Rewrite = truth
        self._client = httpx.Client(trust_env=False, timeout=10)
        self._target = str(target.copy_with(username=None, password=None))
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.port = self._server.server_port
        self.url = str(target.copy_with(port=self.port))

    def _handler(outer: NodeProxy) -> type[BaseHTTPRequestHandler]:  # noqa: N805 — the handler's own self is inside
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {"Content-Type": "application/json"}
                headers |= {
                    name: value for name, value in self.headers.items() if name.lower() == "authorization"
                }
                answer = outer._client.post(outer._target, content=body, headers=headers)
                told = outer._told(orjson.loads(body), answer.content)
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler

    def _told(self, calls: list[dict[str, Any]], content: bytes) -> bytes:
        asked = {call["id"]: call for call in calls}
        answers = orjson.loads(content)
        for answer in answers:
            if answer.get("error") is None:
                call = asked[answer["id"]]
                answer["result"] = self.rewrite(call["method"], call["params"], answer["result"])
        return orjson.dumps(answers)

    @contextmanager
    def running(self) -> Iterator[NodeProxy]:
        """Pass on until the block ends."""
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

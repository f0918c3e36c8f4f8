"""A stand-in for a shop's server: it receives the demo's webhooks, checks their signatures and shows the latest.

It verifies as a shop's plugin does: HMAC-SHA256 over the raw body, compared in constant time, before the body is read.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import html
import json
import threading
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from alatau_pay.embedded.ports import LOOPBACK

KEPT_MAX = 50
BODY_BYTES_MAX = 1_000_000
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><title>Webhooks seen by the shop</title>
<style>body{{font:1rem/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
td,th{{text-align:left;padding:.2rem 1rem .2rem 0}}
</style><h1>Webhooks seen by the shop</h1><p>Only those whose signature holds are accepted.</p>
<table><tr><th>Time (UTC)<th>Event<th>Invoice<th>Signature</tr>{rows}</table></html>"""


@dataclass(frozen=True)
class Delivery:
    """One request that the shop received."""

    received_at: str
    event: str
    invoice_id: str
    valid: bool


class Shop(ThreadingHTTPServer):
    """Receives at ``/webhook``, shows at ``/`` and, for programs, at ``/deliveries.json`` (newest first)."""

    daemon_threads = True

    def __init__(self, port: int, description: Path) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self._description = description
        self._deliveries: deque[Delivery] = deque(maxlen=KEPT_MAX)
        self._lock = threading.Lock()

    def receive(self, body: bytes, signature: str) -> Delivery:
        """Check one request's signature and remember the request."""
        expected = "sha256=" + hmac.new(self._secret(), body, hashlib.sha256).hexdigest()
        valid = hmac.compare_digest(expected, signature)
        event = json.loads(body) if valid else {}
        delivery = Delivery(
            received_at=datetime.now(UTC).isoformat(timespec="seconds"),
            event=str(event.get("type", "")),
            invoice_id=str(event.get("invoiceId", "")),
            valid=valid,
        )
        with self._lock:
            self._deliveries.appendleft(delivery)
        return delivery

    def deliveries(self) -> list[Delivery]:
        """The latest requests, newest first."""
        with self._lock:
            return list(self._deliveries)

    def _secret(self) -> bytes:
        # Read each time: the file is written when everything, this program included, is ready.
        secret: str = json.loads(self._description.read_text())["webhook_secret"]
        return secret.encode()


class _Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        if self.path == "/deliveries.json":
            self._answer(
                200, "application/json", json.dumps([asdict(item) for item in self.server.deliveries()])
            )
        elif self.path == "/":
            rows = "".join(map(_row, self.server.deliveries()))
            self._answer(200, "text/html; charset=utf-8", PAGE.format(rows=rows))
        else:
            self._answer(404, "text/plain", "not found")

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self.path != "/webhook" or size > BODY_BYTES_MAX:
            self._answer(404, "text/plain", "not found")
            return
        delivery = self.server.receive(self.rfile.read(size), self.headers.get("BTCPay-Sig", ""))
        self._answer(
            200 if delivery.valid else 401, "text/plain", "ok" if delivery.valid else "wrong signature"
        )

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing for each request; the page shows them."""

    def _answer(self, status: int, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _row(delivery: Delivery) -> str:
    cells = (
        delivery.received_at,
        delivery.event,
        delivery.invoice_id,
        "valid" if delivery.valid else "wrong, refused",
    )
    return "<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in cells) + "</tr>"


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="devnet.shop", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--description", type=Path, required=True, help="the demo.json that holds the webhook's secret"
    )
    arguments = parser.parse_args()
    Shop(arguments.port, arguments.description).serve_forever()


if __name__ == "__main__":
    main()

"""The whole gateway in a scratch directory, as a resident meets it: start, page weight, broadcast to "payment seen"."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.figures import Figure, at_most
from devnet.gateway import Gateway, Ports
from devnet.resident import Resident

PAYMENTS_EACH = 20
ASSETS = ("BTC", "ETH", "USDT")


def measure() -> Iterator[Figure]:
    """Start twice in one directory (the second start is the warm one), then pay by QR and look at the clock."""
    with tempfile.TemporaryDirectory(prefix="alatau-pay-bench-") as scratch:
        directory = Path(scratch)
        first_seconds, _ = _start_and_stop(directory)
        yield Figure("first start of the demo, everything installed", first_seconds, "s", "none", True)
        started_at = time.monotonic()
        with Gateway(directory, ports=Ports.anywhere(), say=lambda _: None) as gateway:
            yield at_most("warm start of the demo", time.monotonic() - started_at, "s", 10)
            yield from _payments(gateway.description)


def _start_and_stop(directory: Path) -> tuple[float, float]:
    started_at = time.monotonic()
    with Gateway(directory, ports=Ports.anywhere(), say=lambda _: None):
        started = time.monotonic()
    return round(started - started_at, 2), round(time.monotonic() - started, 2)


def _payments(description: dict[str, Any]) -> Iterator[Figure]:
    nodes = description["nodes"]
    resident = Resident(bitcoin_url=nodes["bitcoin"]["url"], evm_url=nodes["evm"]["url"])
    for asset in ASSETS:
        paid = [resident.pay(_checkout_url(description), asset) for _ in range(PAYMENTS_EACH)]
        seen = sorted(payment.seen_seconds for payment in paid)
        yield at_most(
            f"broadcast to payment seen on the page, {asset}, median of {len(seen)}",
            statistics.median(seen),
            "s",
            1,
        )
        yield Figure(
            f"broadcast to payment seen on the page, {asset}, slowest", round(seen[-1], 4), "s", "none", True
        )
        if asset == ASSETS[0]:
            heaviest = max(payment.bytes_loaded for payment in paid)
            yield at_most("checkout page with all it loads, over the wire", heaviest / 1000, "kB", 60)


def _checkout_url(description: dict[str, Any]) -> str:
    answer = httpx.post(
        f"{description['base_url']}/api/v1/stores/{description['store_id']}/invoices",
        json={"amount": "1500.00"},
        headers={"Authorization": f"token {description['api_key']}"},
        trust_env=False,
        timeout=30,
    )
    return str(answer.raise_for_status().json()["checkoutLink"])

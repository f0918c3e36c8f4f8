"""A whole gateway for these tests: every program of ``make demo`` on free ports, in a directory of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from devnet.gateway import Gateway, Ports
from devnet.resident import Resident


class RunningGateway:
    """The gateway under test with its supervisor at work, and the shop's way of asking it."""

    def __init__(self, gateway: Gateway, description: dict[str, Any]) -> None:
        self.gateway = gateway
        self.description = description
        nodes = description["nodes"]
        self.resident = Resident(bitcoin_url=nodes["bitcoin"]["url"], evm_url=nodes["evm"]["url"])

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask the API of the demo's first store."""
        return httpx.request(
            method,
            f"{self.description['base_url']}/api/v1/stores/{self.description['store_id']}/{path}",
            json=body,
            headers={"Authorization": f"token {self.description['api_key']}", **headers},
            trust_env=False,
            timeout=30,
        )

    def invoice(self, amount: str = "1500.00") -> str:
        """A new invoice's id."""
        answer = self.api("POST", "invoices", {"amount": amount})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def payment_link(self, invoice_id: str, asset: str) -> str:
        """The URI that the invoice's QR says for ``asset``."""
        methods = self.api("GET", f"invoices/{invoice_id}/payment-methods").raise_for_status().json()
        return str(next(row["paymentLink"] for row in methods if row["currency"] == asset))

    def status(self, invoice_id: str) -> str:
        """The invoice's status."""
        return str(self.api("GET", f"invoices/{invoice_id}").raise_for_status().json()["status"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with the demo's merchants; what dies is restarted as in ``make demo``."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), ports=Ports.anywhere(), say=lambda _: None)
    with gateway:
        ending = threading.Event()
        watching = threading.Thread(target=gateway.watch, args=(ending,), daemon=True)
        watching.start()
        try:
            yield RunningGateway(gateway, gateway.description)
        finally:
            ending.set()
            watching.join()

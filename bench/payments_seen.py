"""From broadcast, and from a mined transaction, to the row of the payment: 200 of each through a whole running gateway."""

from __future__ import annotations

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg

from bench.figures import Figure, at_most, noted
from bench.turns import percentile
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from devnet.gateway import Gateway, Ports
from devnet.process import JsonRpcClient
from devnet.resident import Resident

PAYMENTS = 200
PRICE_KZT = "1500.00"
# Between two payments; at random, so that they meet the watcher at every moment of its round.
PAUSE_SECONDS = (0.1, 0.5)
SILENCE_SECONDS_MAX = 30.0
BLOCK_INTERVAL_SECONDS = 1

# Tells of each payment when its database transaction commits.
TELL = """
CREATE FUNCTION tell_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('payment', encode(txid, 'hex')) FROM chains_transfer WHERE id = NEW.transfer_id;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_payment AFTER INSERT ON payments_payment FOR EACH ROW EXECUTE FUNCTION tell_payment();
"""
REQUESTED = """
SELECT address.address, quote.amount_minor
  FROM payments_quote AS quote JOIN chains_depositaddress AS address ON address.id = quote.deposit_address_id
 WHERE quote.invoice_id = %s AND quote.asset_id = %s
"""


@dataclass(frozen=True)
class Request:
    """Where to pay how much (satoshi, wei, or token units) in which asset."""

    asset: str
    address: str
    amount_minor: int


class PaymentRows:
    """Listens to the database for the rows of payments; a context manager."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._connection.execute(TELL)
        self._connection.execute("LISTEN payment")
        self._seen: dict[str, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def wait(self, txids: list[str]) -> dict[str, float]:
        """When the payment of each txid was committed (``time.perf_counter``). Raises TimeoutError."""
        deadline = time.monotonic() + SILENCE_SECONDS_MAX
        while missing := [txid for txid in txids if txid not in self._seen]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(missing)} of {len(txids)} payments have no row")
            time.sleep(0.05)
        return {txid: self._seen[txid] for txid in txids}

    def _listen(self) -> None:
        while not self._ending.is_set():
            for told in self._connection.notifies(timeout=0.5):
                self._seen.setdefault(told.payload, time.perf_counter())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        self._connection.close()


class BlockClock:
    """Notes when an EVM node first had each of its blocks, to the nearest hundredth of a second; a context manager."""

    def __init__(self, node_url: str) -> None:
        self.mined_at: dict[int, float] = {}
        self._call = JsonRpcClient(node_url).call
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ending.wait(0.01):
            height = int(self._call("eth_blockNumber"), 16)
            self.mined_at.setdefault(height, time.perf_counter())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()


def measure() -> Iterator[Figure]:
    """One gateway, invoices through its API, and a resident who pays them on the chains themselves."""
    with tempfile.TemporaryDirectory(prefix="alatau-pay-bench-") as scratch:
        with Gateway(Path(scratch), ports=Ports.anywhere(), say=lambda _: None) as gateway:
            description = gateway.description
            nodes = description["nodes"]
            Resident(bitcoin_url=nodes["bitcoin"]["url"], evm_url=nodes["evm"]["url"]).fund()
            with PaymentRows(description["database_url"]) as rows:
                yield from _broadcast(description, rows)
                yield from _mined(description, rows)


def _broadcast(description: dict[str, Any], rows: PaymentRows) -> Iterator[Figure]:
    node = description["nodes"]["bitcoin"]
    wallet = BitcoinWallet(JsonRpcClient(node["url"]).call)
    wallet.fund(coins=PAYMENTS + 10)
    requests = _requests(description, ["BTC"])
    coins = wallet.coins()[-PAYMENTS:]
    signed = [
        wallet.sign([(request.address, request.amount_minor)], coins=[coin])
        for request, coin in zip(requests, coins, strict=True)
    ]
    paid = _pay([lambda payment=payment: wallet.broadcast(payment) for payment in signed], rows)
    waits_ms = [(seen - sent) * 1000 for sent, seen in paid.values()]
    yield from _figures(f"broadcast to payment row, {node['kind']}", waits_ms, 500)


def _mined(description: dict[str, Any], rows: PaymentRows) -> Iterator[Figure]:
    """Blocks at an interval, as on a real network; before its block a payment waits in the mempool."""
    node_url = description["nodes"]["evm"]["url"]
    call = JsonRpcClient(node_url).call
    wallet = EvmWallet(call)

    def pay(request: Request) -> str:
        if request.asset == "ETH":
            return wallet.pay_coin(request.address, request.amount_minor)
        return wallet.pay_token(TOKEN_ADDRESS, request.address, request.amount_minor)

    requests = _requests(description, ["ETH", "USDT"])
    call("evm_setAutomine", False)
    call("evm_setIntervalMining", BLOCK_INTERVAL_SECONDS)
    with BlockClock(node_url) as clock:
        paid = _pay([lambda request=request: pay(request) for request in requests], rows)
        receipts = {txid: wallet.wait("0x" + txid) for txid in paid}
        time.sleep(0.1)  # for the clock to have noted the last block too
    mined = {txid: clock.mined_at[int(receipt["blockNumber"], 16)] for txid, receipt in receipts.items()}
    limit_ms = BLOCK_INTERVAL_SECONDS * 1000 + 500
    # Where the row was there before the block, because the watcher reads the mempool too, this is negative.
    after_block_ms = [(seen - mined[txid]) * 1000 for txid, (_, seen) in paid.items()]
    yield from _figures("mined transaction to payment row, anvil", after_block_ms, limit_ms)
    after_broadcast_ms = [(seen - sent) * 1000 for sent, seen in paid.values()]
    yield noted("broadcast to payment row, anvil, 99th percentile", percentile(after_broadcast_ms, 99), "ms")


def _figures(name: str, waits_ms: list[float], limit_ms: float) -> Iterator[Figure]:
    yield at_most(
        f"{name}, {len(waits_ms)} payments, 99th percentile", percentile(waits_ms, 99), "ms", limit_ms
    )
    yield noted(f"{name}, median", statistics.median(waits_ms), "ms")
    yield noted(f"{name}, slowest", max(waits_ms), "ms")


def _pay(payments: list[Callable[[], str]], rows: PaymentRows) -> dict[str, tuple[float, float]]:
    """Make ``payments`` one after the other: of each txid, when it was about to be sent and when its row was committed."""
    sent: dict[str, float] = {}
    for pay in payments:
        before = time.perf_counter()
        sent[pay().removeprefix("0x")] = before
        time.sleep(random.uniform(*PAUSE_SECONDS))
    seen = rows.wait(list(sent))
    return {txid: (before, seen[txid]) for txid, before in sent.items()}


def _requests(description: dict[str, Any], assets: list[str]) -> list[Request]:
    """What so many new invoices ask for, in ``assets`` by turns."""
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        psycopg.connect(description["database_url"]) as connection,
    ):
        return [
            _request(description, client, connection, assets[number % len(assets)])
            for number in range(PAYMENTS)
        ]


def _request(
    description: dict[str, Any], client: httpx.Client, connection: psycopg.Connection[Any], asset: str
) -> Request:
    answer = client.post(
        f"{description['base_url']}/api/v1/stores/{description['store_id']}/invoices",
        json={"amount": PRICE_KZT},
        headers={"Authorization": f"token {description['api_key']}"},
    )
    found = connection.execute(REQUESTED, [answer.raise_for_status().json()["id"], asset]).fetchone()
    assert found is not None
    return Request(asset, found[0], int(found[1]))

"""A resident with a phone: opens the checkout page, scans its QR, pays from a development wallet, watches the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from devnet.bitcoin_wallet import BitcoinWallet
from devnet.checkout import Checkout, CheckoutBroken
from devnet.evm_token import mint_token, token_balance
from devnet.evm_wallet import EvmWallet
from devnet.process import JsonRpcClient
from devnet.qr_reading import read_qr

# Enough for thousands of demo payments: one million test dollars, in millionths.
TOKEN_GRANT_UNITS = 1_000_000_000_000
COINS_MIN = 3
COINS_WANTED = 20
SILENCE_SECONDS_MAX = 30.0
MINE_AGAIN_SECONDS = 3.0


@dataclass(frozen=True)
class Paid:
    """How a payment went: the URI of the QR, the txid, bytes the phone loaded, and seconds from broadcast."""

    uri: str
    txid: str
    bytes_loaded: int
    seen_seconds: float
    settled_seconds: float


class Resident:
    """Pays on the development chains behind the two node addresses."""

    def __init__(self, *, bitcoin_url: str, evm_url: str) -> None:
        self._bitcoin = JsonRpcClient(bitcoin_url)
        self._evm = JsonRpcClient(evm_url)

    def fund(self) -> None:
        """Make sure of coins and tokens to pay with; mines what that needs."""
        wallet = BitcoinWallet(self._bitcoin.call)
        if len(wallet.coins()) < COINS_MIN:
            wallet.fund(coins=COINS_WANTED)
        owner = EvmWallet(self._evm.call).address
        if token_balance(self._evm.call, owner) < TOKEN_GRANT_UNITS // 2:
            mint_token(self._evm.call, owner, TOKEN_GRANT_UNITS)

    def pay(self, checkout_url: str, asset: str, *, say: Callable[[str], None] = lambda _: None) -> Paid:
        """Pay the invoice whole and wait until its page says paid.

        Raises:
            CheckoutBroken: the page is not there, cannot be paid so, or did not say paid.
        """
        self.fund()
        checkout = Checkout(checkout_url)
        try:
            checkout.load()
            uri = read_qr(checkout.qr_picture(asset))
            say(f"scanned   {uri}")
            statuses = checkout.statuses(seconds=SILENCE_SECONDS_MAX)
            next(statuses)
            started_at = time.monotonic()
            txid = self.broadcast(uri)
            say(f"broadcast {txid}")
            seen_seconds = _wait(statuses, {"seen", "confirming", "paid"}, started_at)
            say(f"seen      after {seen_seconds:.2f} s")
            self._mine(uri)
            settled_seconds = _wait(self._mining(uri, checkout), {"paid"}, started_at)
            say(f"paid      after {settled_seconds:.2f} s")
            return Paid(uri, txid, checkout.bytes_loaded, seen_seconds, settled_seconds)
        finally:
            checkout.close()

    def broadcast(self, uri: str) -> str:
        """Sign and send what the URI asks for; returns the txid."""
        if uri.startswith("bitcoin:"):
            return BitcoinWallet(self._bitcoin.call).pay(uri)
        return EvmWallet(self._evm.call).pay(uri)

    def mine(self) -> None:
        """One more block on each chain."""
        BitcoinWallet(self._bitcoin.call).mine(1)
        self._evm.call("evm_mine")

    def _mine(self, uri: str) -> None:
        if uri.startswith("bitcoin:"):
            BitcoinWallet(self._bitcoin.call).mine(1)
        else:
            self._evm.call("evm_mine")

    def _mining(self, uri: str, checkout: Checkout) -> Iterator[dict[str, Any]]:
        """The status again and again, with another block for each that is still missing."""
        deadline = time.monotonic() + SILENCE_SECONDS_MAX
        mined_at = time.monotonic()
        for status in _polled(checkout, until=deadline):
            yield status
            missing = [p for p in status["payments"] if p["confirmations"] < p["required"]]
            if missing and time.monotonic() - mined_at > MINE_AGAIN_SECONDS:
                self._mine(uri)
                mined_at = time.monotonic()


def _polled(checkout: Checkout, *, until: float) -> Iterator[dict[str, Any]]:
    url = checkout.url.rstrip("/") + "/status"
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < until:
            yield client.get(url).raise_for_status().json()
            time.sleep(0.05)


def _wait(statuses: Iterator[dict[str, Any]], phases: set[str], started_at: float) -> float:
    """Seconds from ``started_at`` until a status is in one of ``phases``."""
    last: dict[str, Any] = {}
    for status in statuses:
        last = status
        if status["phase"] in phases:
            return time.monotonic() - started_at
    raise CheckoutBroken(
        f"the page does not say {' or '.join(sorted(phases))}, but {last.get('phase', 'nothing')}"
    )

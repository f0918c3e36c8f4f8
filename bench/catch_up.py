"""Blocks a second with which one worker catches up after downtime, on bitcoind's regtest; every tenth block pays us."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import installation
from bench.figures import Figure, at_least
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.process import NodeProcess

SLUG = "bench-catch-up"
BLOCKS = 1_000
BLOCKS_PER_HIT = 10
AMOUNT_SAT = 20_000


def measure() -> Iterator[Figure]:
    """Let the worker see the tip, stop it, mine 1,000 blocks, and let it catch up; transfers are matched as well."""
    installation.start()
    with tempfile.TemporaryDirectory(prefix="alatau-pay-bench-") as scratch:
        make = BitcoindProcess if find_bitcoind() is not None else BitcoinNodeProcess
        with make(Path(scratch) / "node") as node:
            wallet = BitcoinWallet(node.rpc)
            wallet.fund(coins=BLOCKS // BLOCKS_PER_HIT)
            _make_network(node)
            _catch_up()
            _mine(wallet)
            started = time.perf_counter()
            blocks, transfers = _catch_up()
            seconds = time.perf_counter() - started
    hits = BLOCKS // BLOCKS_PER_HIT
    assert (blocks, transfers) == (BLOCKS, hits), f"{blocks} blocks, {transfers} transfers"
    name = "development node" if make is BitcoinNodeProcess else "bitcoind"
    yield at_least(
        f"catch-up after downtime, {name}, every tenth block with a hit", blocks / seconds, "blocks/s", 100
    )


def _catch_up() -> tuple[int, int]:
    """The blocks read and the transfers matched until the worker had all that the node had."""
    from django.utils import timezone

    from chains import watcher
    from chains.condition import StepStatus
    from payments import matching

    blocks, transfers = 0, 0
    while True:
        result = watcher.step(SLUG, now=timezone.now())
        assert result.status in {StepStatus.MORE, StepStatus.CURRENT}, result
        blocks += result.blocks
        transfers += matching.match_pending(now=timezone.now())
        if result.status is StepStatus.CURRENT:
            return blocks, transfers


def _mine(wallet: BitcoinWallet) -> None:
    from django.utils import timezone

    from chains import addresses
    from chains.models import Wallet

    ours = Wallet.objects.get(network_id=SLUG)
    for number in range(BLOCKS // BLOCKS_PER_HIT):
        address = addresses.allocate(wallet=ours, purpose=f"measured {number}", now=timezone.now()).address
        wallet.pay(address, AMOUNT_SAT)
        wallet.mine(BLOCKS_PER_HIT)


def _make_network(node: NodeProcess) -> None:
    from django.conf import settings
    from django.utils import timezone

    from chains import wallets
    from chains.models import Network, OnChainAsset

    settings.NODE_URLS = {**settings.NODE_URLS, SLUG: [node.url]}
    network = Network.objects.create(
        slug=SLUG,
        name="measured",
        kind="bitcoin",
        bitcoin_chain="regtest",
        anchor_hash_hex=node.rpc("getblockhash", 0),
    )
    OnChainAsset.objects.create(
        code="BENCH-BTC", symbol="BTC", name="Bitcoin", network=network, decimals=8, quote_decimals=8
    )
    wallets.import_wallet(
        network=network, label="measured", owner="", public_key=installation.BITCOIN_KEY, now=timezone.now()
    )

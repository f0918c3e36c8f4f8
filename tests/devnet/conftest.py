"""Both Bitcoin nodes, one after the other, behind one fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.process import NodeProcess

NODES = {"development": BitcoinNodeProcess, "bitcoind": BitcoindProcess}
NO_BITCOIND = "bitcoind not found: run make bitcoind"


@pytest.fixture(scope="module", params=list(NODES))
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BitcoinNodeProcess | BitcoindProcess]:
    """A regtest node of each kind; the tests of a module share it."""
    if request.param == "bitcoind" and find_bitcoind() is None:
        pytest.skip(NO_BITCOIND)
    with NODES[request.param](tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="module")
def funded(node: NodeProcess) -> BitcoinWallet:
    """The resident's wallet on the node, with coins that a reorg of a few blocks does not make immature."""
    wallet = BitcoinWallet(node.rpc)
    wallet.fund()
    return wallet


@pytest.fixture
def wallet(node: NodeProcess, funded: BitcoinWallet) -> BitcoinWallet:
    """The funded wallet over an empty mempool."""
    if node.rpc("getrawmempool"):
        funded.mine()
    return funded

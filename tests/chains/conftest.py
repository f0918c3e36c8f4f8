"""A Bitcoin and an EVM network with wallets, on real nodes; each test has addresses that no other test ever used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone
from embit.bip32 import HDKey
from embit.networks import NETWORKS

from chains import addresses, coin_checks, readers, wallets, watcher
from chains.condition import StepStatus
from chains.evm.forwarder import Forwarder
from chains.models import DepositAddress, Network, OnChainAsset, Transfer, Wallet
from devnet import evm_forwarder
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.evm_token import DECIMALS, TOKEN_ADDRESS, deploy_token, mint_token
from devnet.evm_wallet import EvmWallet
from devnet.process import NodeProcess, free_port

TOKEN_FUNDS_UNITS = 10**12


def new_account_key(chain: str) -> str:
    """The public key of a wallet that nobody has: BIP-32 over fresh random bytes."""
    version = NETWORKS["main" if chain == "main" else "test"]["xprv"]
    return str(
        HDKey.from_seed(os.urandom(32), version=version)
        .derive("m/84h/0h/0h")
        .to_public(version=_public(chain))
    )


def _public(chain: str) -> bytes:
    return bytes(NETWORKS["main" if chain == "main" else "test"]["xpub"])


@dataclass
class Watched:
    """A network under test: its row, its wallet, and the verbs a test uses on them."""

    slug: str
    wallet: Wallet

    @property
    def network(self) -> Network:
        return Network.objects.get(pk=self.slug)

    def address(self, purpose: str = "invoice 1", *, now: datetime | None = None) -> DepositAddress:
        return addresses.allocate(wallet=self.wallet, purpose=purpose, now=now or timezone.now())

    def step(self) -> watcher.StepResult:
        return watcher.step(self.slug, now=timezone.now())

    def catch_up(self, steps_max: int = 60) -> watcher.StepResult:
        """Step until the node has nothing that we have not."""
        for _ in range(steps_max):
            result = self.step()
            if result.status is not StepStatus.MORE:
                return result
        raise AssertionError(f"not current after {steps_max} steps: {result}")

    def transfers(self) -> list[Transfer]:
        return list(Transfer.objects.filter(network_id=self.slug).select_related("asset").order_by("id"))

    def only_transfer(self) -> Transfer:
        (transfer,) = self.transfers()
        return transfer


def make_bitcoin_network(node: NodeProcess, settings: Any, slug: str = "bitcoin") -> Watched:
    """The network's row and wallet; the node is the one of the settings."""
    settings.NODE_URLS = {**settings.NODE_URLS, slug: [node.url]}
    network = Network.objects.create(
        slug=slug,
        name="Bitcoin",
        kind="bitcoin",
        bitcoin_chain="regtest",
        anchor_height=0,
        anchor_hash_hex=node.rpc("getblockhash", 0),
        block_seconds=600,
    )
    OnChainAsset.objects.create(
        code="BTC", symbol="BTC", name="Bitcoin", network=network, decimals=8, quote_decimals=8
    )
    return Watched(slug, _wallet(network))


def make_evm_network(node: AnvilProcess, settings: Any, slug: str = "evm") -> Watched:
    """The network's row with its coin and the test token, and the wallet."""
    settings.NODE_URLS = {**settings.NODE_URLS, slug: [node.url]}
    network = Network.objects.create(
        slug=slug,
        name="Local EVM",
        kind="evm",
        chain_id=CHAIN_ID,
        anchor_height=0,
        anchor_hash_hex=node.rpc("eth_getBlockByNumber", "0x0", False)["hash"].removeprefix("0x"),
        block_seconds=12,
    )
    OnChainAsset.objects.create(
        code="ETH", symbol="ETH", name="Ether", network=network, decimals=18, quote_decimals=8
    )
    OnChainAsset.objects.create(
        code="USDT",
        symbol="USDT",
        name="Test Tether USD",
        network=network,
        contract=bytes.fromhex(TOKEN_ADDRESS[2:]),
        decimals=DECIMALS,
        quote_decimals=6,
    )
    return Watched(slug, _wallet(network))


def _wallet(network: Network) -> Wallet:
    return wallets.import_wallet(
        network=network,
        label="till",
        owner="",
        public_key=new_account_key("main" if network.kind == "evm" else network.bitcoin_chain),
        now=timezone.now(),
    )


@pytest.fixture(autouse=True)
def _forget_readers() -> Iterator[None]:
    """Connections and caches are per process; the next test has other nodes."""
    yield
    for slug in ("bitcoin", "evm"):
        readers.forget(slug)
        coin_checks.forget(slug)


@pytest.fixture(scope="module", params=["development node", "bitcoind"])
def bitcoin_node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeProcess]:
    """Both Bitcoin nodes, so that the watcher is held to the same answers on each."""
    if request.param == "bitcoind" and find_bitcoind() is None:
        pytest.skip("no bitcoind: BITCOIND is not set, none is on PATH, and make bitcoind was not run")
    make = BitcoindProcess if request.param == "bitcoind" else BitcoinNodeProcess
    directory = tmp_path_factory.mktemp("bitcoin")
    with make(directory, keep_mempool=False, zmq_port=free_port()) as node:
        yield node


@pytest.fixture(scope="module")
def resident(bitcoin_node: NodeProcess) -> BitcoinWallet:
    """A resident's Bitcoin wallet with plenty of coins to pay with."""
    wallet = BitcoinWallet(bitcoin_node.rpc)
    wallet.fund(coins=60)
    return wallet


@pytest.fixture(scope="module")
def evm_resident(anvil: AnvilProcess) -> EvmWallet:
    """A resident's EVM wallet with coin and test token."""
    deploy_token(anvil.rpc)
    wallet = EvmWallet(anvil.rpc)
    mint_token(anvil.rpc, wallet.address, TOKEN_FUNDS_UNITS)
    return wallet


@pytest.fixture
def bitcoin(bitcoin_node: NodeProcess, resident: BitcoinWallet, db: None, settings: Any) -> Watched:
    """The Bitcoin network, watched from the node's present tip on."""
    watched = make_bitcoin_network(bitcoin_node, settings)
    watched.catch_up()
    return watched


@pytest.fixture
def evm(anvil: AnvilProcess, evm_resident: EvmWallet, db: None, settings: Any) -> Iterator[Watched]:
    """The EVM network, watched from the node's present tip on; transactions wait until the test mines them."""
    anvil.rpc("evm_setAutomine", False)
    watched = make_evm_network(anvil, settings)
    watched.catch_up()
    yield watched
    anvil.rpc("evm_setAutomine", True)
    anvil.rpc("anvil_mine", "0x1")


@pytest.fixture
def mine(anvil: AnvilProcess) -> Callable[[int], None]:
    """Mine so many EVM blocks."""
    return lambda blocks=1: anvil.rpc("anvil_mine", hex(blocks))


@pytest.fixture
def contracts(anvil: AnvilProcess, evm: Watched) -> Forwarder:
    """The forwarder contracts of a new treasury, deployed on the EVM network."""
    anvil.rpc("evm_setAutomine", True)
    deployed = evm_forwarder.deploy(anvil.rpc, os.urandom(20))
    anvil.rpc("evm_setAutomine", False)
    return deployed


@pytest.fixture
def forwarded(evm: Watched, contracts: Forwarder) -> Watched:
    """The EVM network with a wallet whose deposit addresses are forwarders."""
    evm.wallet = wallets.import_wallet(
        network=evm.network, label="treasury", owner="", public_key=str(contracts), now=timezone.now()
    )
    evm.catch_up()
    return evm

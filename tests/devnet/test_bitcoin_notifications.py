"""What both nodes publish over ZeroMQ when the mempool and the chain change."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import zmq

from devnet.bitcoin_wallet import BitcoinWallet
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.process import NodeProcess, free_port
from tests.devnet.conftest import NO_BITCOIND, NODES

SHOP = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"
MINER = "2MvMhrRzhzPDeU9QvbpTmybKSBGjUmC6TTu"
QUIET_MS = 300


class Subscriber:
    """Everything that a node publishes, by topic."""

    def __init__(self, port: int) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self._socket.subscribe(b"")
        self.numbers: dict[str, list[int]] = {}

    def messages(self) -> dict[str, list[bytes]]:
        """What came since the last call, once it is quiet."""
        found: dict[str, list[bytes]] = {}
        while self._socket.poll(QUIET_MS):
            topic, body, number = self._socket.recv_multipart()
            found.setdefault(topic.decode(), []).append(body)
            self.numbers.setdefault(topic.decode(), []).append(int.from_bytes(number, "little"))
        return found

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture(scope="module", params=list(NODES))
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    if request.param == "bitcoind" and find_bitcoind() is None:
        pytest.skip(NO_BITCOIND)
    with NODES[request.param](tmp_path_factory.mktemp("node"), zmq_port=free_port()) as running:
        yield running


@pytest.fixture
def subscriber(node: BitcoindProcess, wallet: BitcoinWallet) -> Iterator[Subscriber]:
    """Subscribed, and shown to be by a first message that it was sent."""
    assert node.zmq_port is not None
    listening = Subscriber(node.zmq_port)
    deadline = time.monotonic() + 10
    while not listening.messages() and time.monotonic() < deadline:
        node.rpc("generatetoaddress", 1, MINER)
    yield listening
    listening.close()


def test_a_payment_its_replacement_and_its_block(
    node: NodeProcess, wallet: BitcoinWallet, subscriber: Subscriber
) -> None:
    number = node.rpc("getrawmempool", False, True)["mempool_sequence"]
    paid = wallet.pay(SHOP, 10_000)
    seen = subscriber.messages()
    assert seen == {
        "hashtx": [bytes.fromhex(paid)],
        "rawtx": [bytes.fromhex(node.rpc("getrawtransaction", paid))],
        "sequence": [bytes.fromhex(paid) + b"A" + number.to_bytes(8, "little")],
    }
    new = wallet.bump(paid, fee_rate=20)
    assert subscriber.messages()["sequence"] == [
        bytes.fromhex(paid) + b"R" + (number + 1).to_bytes(8, "little"),
        bytes.fromhex(new) + b"A" + (number + 2).to_bytes(8, "little"),
    ]
    block = wallet.mine()[0]
    mined = subscriber.messages()
    assert mined["sequence"] == [bytes.fromhex(block) + b"C"]
    assert mined["hashblock"] == [bytes.fromhex(block)]
    assert mined["rawblock"] == [bytes.fromhex(node.rpc("getblock", block, 0))]
    assert mined["hashtx"] == [bytes.fromhex(txid) for txid in node.rpc("getblock", block)["tx"]]


def test_a_reorg(node: NodeProcess, wallet: BitcoinWallet, subscriber: Subscriber) -> None:
    paid = wallet.pay(SHOP, 10_000)
    stale = wallet.mine()[0]
    subscriber.messages()
    number = node.rpc("getrawmempool", False, True)["mempool_sequence"]
    node.rpc("invalidateblock", stale)
    left = subscriber.messages()
    assert left["sequence"] == [
        bytes.fromhex(stale) + b"D",
        bytes.fromhex(paid) + b"A" + number.to_bytes(8, "little"),
    ]
    fresh = node.rpc("generatetoaddress", 2, MINER)
    joined = subscriber.messages()
    assert joined["sequence"] == [bytes.fromhex(hash_) + b"C" for hash_ in fresh]
    assert joined["hashblock"] == [bytes.fromhex(hash_) for hash_ in fresh]


def test_each_topic_counts_its_messages(
    node: NodeProcess, wallet: BitcoinWallet, subscriber: Subscriber
) -> None:
    wallet.pay(SHOP, 10_000)
    wallet.mine(3)
    subscriber.messages()
    for numbers in subscriber.numbers.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert set(subscriber.numbers) == {"rawtx", "hashtx", "rawblock", "hashblock", "sequence"}

"""CPU of the asking side to scan 1,000 blocks of 100 token transfers for 100,000 deposit addresses, beside web3.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import orjson

from bench import evm_answers, installation
from bench.evm_answers import BLOCKS, BLOCKS_PER_HIT, CHAIN_ID, CONTRACT
from bench.figures import Figure, against, noted, within
from bench.turns import cpu_seconds
from chains.evm.block_range import MOST
from chains.evm.rpc import EvmRpc
from chains.evm.transfers import TRANSFER_TOPIC
from chains.nodes import JsonRpcNode
from chains.observation import Position

SLUG = "bench-evm"
ADDRESSES = 100_000
ROUNDS = 3
HITS = BLOCKS // BLOCKS_PER_HIT


class RecordingNode(JsonRpcNode):
    """A node whose answers are kept as they came."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout_seconds=60)
        self.answers: list[bytes] = []

    def _post(self, body: bytes) -> bytes:
        self.answers.append(super()._post(body))
        return self.answers[-1]


def measure() -> Iterator[Figure]:
    """First a network on which only tokens are admitted, as the rival reads it; then with the coin, out of whole blocks."""
    installation.start()
    _make_network()
    with evm_answers.served() as url:
        yield from _tokens(url)
        yield from _tokens_and_coin(url)


def _tokens(url: str) -> Iterator[Figure]:
    answers = _recorded(url, reads_coin=False)
    node, web3 = JsonRpcNode(url, timeout_seconds=60), _web3(url)
    ours, rival, parsed = cpu_seconds(
        lambda: _scan(node, reads_coin=False),
        lambda: _scan_with_web3(web3),
        lambda: _parse(answers),
        rounds=ROUNDS,
    )
    name = "CPU to scan 1,000 EVM blocks of 100 token transfers for 100,000 addresses"
    yield against(
        name,
        ours,
        "s",
        rival="web3.py eth.get_logs with the same look-up",
        rival_value=rival,
        times_less=15,
    )
    yield within(name, ours, "s", rival="orjson.loads of the same bytes", rival_value=parsed, times=2.5)


def _tokens_and_coin(url: str) -> Iterator[Figure]:
    answers = _recorded(url, reads_coin=True)
    node = JsonRpcNode(url, timeout_seconds=60)
    ours, parsed = cpu_seconds(
        lambda: _scan(node, reads_coin=True),
        lambda: _parse(answers),
        rounds=ROUNDS,
    )
    yield noted("the same where the coin is admitted too, out of whole blocks", ours, "s")
    yield noted("the same, over orjson.loads of its bytes", ours / parsed, "times")


def _recorded(url: str, *, reads_coin: bool) -> list[bytes]:
    node = RecordingNode(url)
    _scan(node, reads_coin=reads_coin)
    return node.answers


def _parse(answers: list[bytes]) -> None:
    for answer in answers:
        orjson.loads(answer)


def _scan(node: JsonRpcNode, *, reads_coin: bool) -> None:
    from chains.evm.reader import EvmReader

    reader = EvmReader(
        EvmRpc(node),
        chain_id=CHAIN_ID,
        anchor=Position(0, bytes(32)),
        contracts={CONTRACT},
        reads_coin=reads_coin,
    )
    height, hits = 0, 0
    while height < BLOCKS:
        blocks = reader.blocks(height + 1, BLOCKS, _watched)
        height = blocks[-1].header.height
        hits += sum(len(block.transfers) for block in blocks)
    assert hits == HITS, f"{hits} of {HITS} transfers found"


def _web3(url: str) -> Any:
    from web3 import HTTPProvider, Web3

    return Web3(HTTPProvider(url, request_kwargs={"timeout": 60}))


def _scan_with_web3(web3: Any) -> None:
    contract = web3.to_checksum_address(CONTRACT)
    hits = 0
    for first in range(1, BLOCKS + 1, MOST):
        logs = web3.eth.get_logs(
            {
                "fromBlock": first,
                "toBlock": min(BLOCKS, first + MOST - 1),
                "address": [contract],
                "topics": [TRANSFER_TOPIC],
            }
        )
        recipients = [bytes(log["topics"][2][-20:]) for log in logs]
        ours = _watched(set(recipients))
        hits += sum(recipient in ours for recipient in recipients)
    assert hits == HITS, f"{hits} of {HITS} transfers found"


def _watched(keys: Collection[bytes]) -> set[bytes]:
    from chains import watched

    return watched.find(SLUG, keys)


def _make_network() -> None:
    from django.utils import timezone

    from chains import wallets
    from chains.models import Network

    network = Network.objects.create(
        slug=SLUG, name="measured", kind="evm", chain_id=CHAIN_ID, anchor_hash_hex="00" * 32, block_seconds=12
    )
    wallets.import_wallet(
        network=network, label="measured", owner="", public_key=installation.EVM_KEY, now=timezone.now()
    )
    installation.fill_addresses(SLUG, ADDRESSES, "substring(sha256(convert_to('ours ' || n, 'UTF8')) FOR 20)")

"""CPU to read a whole block of Bitcoin's main network, beside python-bitcoinlib and beside hashing its bytes.

The demands are for block 702861. Block 413567, which can always be fetched, is of an older style; it is measured and noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from bitcoin.core import CBlock

from bench.figures import Figure, against, within
from bench.turns import cpu_seconds
from chains.bitcoin.layout import compact_size, read_layout
from chains.bitcoin.transfers import HEADER_LENGTH, read_block, read_header
from devnet import mainnet_blocks

DEMANDED_HEIGHT = 702861
ROUNDS = 15


def measure() -> Iterator[Figure]:
    """Block 702861 where it has been laid out, and 413567, which is fetched if need be."""
    mainnet_blocks.fetch()
    for height, path in mainnet_blocks.available(DEMANDED_HEIGHT, mainnet_blocks.FETCHED_HEIGHT).items():
        for figure in _figures(height, path.read_bytes()):
            yield figure if height == DEMANDED_HEIGHT else replace(figure, demand="none", met=True)


def _figures(height: int, raw: bytes) -> Iterator[Figure]:
    block_hash = read_header(raw).hash
    count, position = compact_size(raw, HEADER_LENGTH)
    passed, checked, deserialised, hashed = cpu_seconds(
        lambda: read_layout(raw, position, count),
        lambda: read_block(raw, expected_hash=block_hash),
        lambda: CBlock.deserialize(raw),
        lambda: sha256(sha256(raw).digest()).digest(),
        rounds=ROUNDS,
    )
    rival = "python-bitcoinlib's deserialisation"
    yield against(
        f"CPU to find the outputs of block {height}, the pass alone",
        passed * 1000,
        "ms",
        rival=rival,
        rival_value=deserialised * 1000,
        times_less=30,
    )
    name = f"CPU to find them with every txid and the merkle root checked, block {height}"
    yield against(name, checked * 1000, "ms", rival=rival, rival_value=deserialised * 1000, times_less=12)
    yield within(
        name,
        checked * 1000,
        "ms",
        rival="hashlib's double SHA-256 of the block's bytes",
        rival_value=hashed * 1000,
        times=12,
    )

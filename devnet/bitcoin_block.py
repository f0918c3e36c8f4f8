"""Regtest blocks: reading them, and assembling one with its coinbase and witness commitment."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from devnet.bitcoin_transaction import (
    BitcoinTransaction,
    Reader,
    compact_size,
    display_hash,
    double_sha256,
)

REGTEST_BITS = 0x207FFFFF
REGTEST_TARGET = 0x7FFFFF << (8 * (0x20 - 3))
HALVING_INTERVAL = 150
INITIAL_SUBSIDY_SAT = 50 * 100_000_000
WORK_PER_BLOCK = (1 << 256) // (REGTEST_TARGET + 1)
BLOCK_VERSION = 0x20000000
MAX_BLOCK_WEIGHT = 4_000_000
#: Room left for the header, the count and the coinbase, as Core leaves it.
RESERVED_WEIGHT = 8_000

GENESIS_RAW = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f20020000000101000000010000000000000000000000000000000000000000"
    "000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c"
    "6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a0100000043"
    "4104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7"
    "ba0b8d578a4c702b6bf11d5fac00000000"
)


@dataclass
class RegtestBlock:
    """A parsed block with its place in the tree; ``work`` is the chain's total up to and with it."""

    raw: bytes
    version: int
    previous_hash: str
    merkle_root: str
    time: int
    bits: int
    nonce: int
    transactions: list[BitcoinTransaction]
    height: int = 0
    work: int = WORK_PER_BLOCK
    median_time: int = 0
    #: Per transaction, the coins that its inputs spent; empty until the block was once connected.
    spent_coins: list[list[Coin]] = field(default_factory=list)

    @classmethod
    def parse(cls, raw: bytes) -> RegtestBlock:
        """Parse a whole block. Raises ValueError on anything missing or left over."""
        reader = Reader(raw)
        version = reader.number(4)
        previous_hash, merkle_root = display_hash(reader.take(32)), display_hash(reader.take(32))
        time, bits, nonce = reader.number(4), reader.number(4), reader.number(4)
        transactions = [BitcoinTransaction.read(reader) for _ in range(reader.count())]
        if reader.offset != len(raw) or not transactions:
            raise ValueError("not one whole block")
        return cls(raw, version, previous_hash, merkle_root, time, bits, nonce, transactions)

    @cached_property
    def hash(self) -> str:
        """The block's hash, display order."""
        return display_hash(double_sha256(self.raw[:80]))

    @property
    def stripped_size(self) -> int:
        """Bytes without witnesses."""
        stripped = sum(len(transaction.stripped) for transaction in self.transactions)
        return 80 + len(compact_size(len(self.transactions))) + stripped

    @property
    def weight(self) -> int:
        """Weight units of BIP 141."""
        return 3 * self.stripped_size + len(self.raw)


@dataclass(frozen=True, slots=True)
class Coin:
    """An unspent output: satoshi, script, and where it was made."""

    amount_sat: int
    script_pubkey: bytes
    height: int
    is_coinbase: bool


def subsidy_sat(height: int) -> int:
    """What a block may create, halved every 150 blocks on regtest."""
    halvings = height // HALVING_INTERVAL
    return INITIAL_SUBSIDY_SAT >> halvings if halvings < 64 else 0


def merkle_root(digests: Sequence[bytes]) -> bytes:
    """The Merkle root of digests in internal byte order."""
    level = list(digests)
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [double_sha256(level[index] + level[index + 1]) for index in range(0, len(level), 2)]
    return level[0]


def _internal(display: str) -> bytes:
    return bytes.fromhex(display)[::-1]


def _height_push(height: int) -> bytes:
    """The height as BIP 34 wants it in front of the coinbase's script."""
    if height <= 16:
        return bytes([0x50 + height])
    number = height.to_bytes(height.bit_length() // 8 + 1, "little")
    return bytes([len(number)]) + number


def _output(amount_sat: int, script: bytes) -> bytes:
    return struct.pack("<q", amount_sat) + compact_size(len(script)) + script


def coinbase(
    *, height: int, reward_sat: int, reward_script: bytes, transactions: Sequence[BitcoinTransaction]
) -> BitcoinTransaction:
    """The coinbase that pays ``reward_script`` and commits to the witnesses of ``transactions``."""
    reserved_value = bytes(32)
    witness_root = merkle_root([bytes(32), *(_internal(transaction.wtxid) for transaction in transactions)])
    commitment = b"\x6a\x24\xaa\x21\xa9\xed" + double_sha256(witness_root + reserved_value)
    # The random bytes keep two blocks of one height apart, also when both pay the same address.
    script_sig = _height_push(height) + b"\x08" + os.urandom(8)
    raw = b"".join(
        [
            struct.pack("<I", 2) + b"\x00\x01" + b"\x01" + bytes(32) + b"\xff\xff\xff\xff",
            compact_size(len(script_sig)) + script_sig + b"\xff\xff\xff\xff",
            b"\x02" + _output(reward_sat, reward_script) + _output(0, commitment),
            b"\x01\x20" + reserved_value + bytes(4),
        ]
    )
    return BitcoinTransaction.parse(raw)


def mine_block(*, parent: RegtestBlock, now: int, transactions: Sequence[BitcoinTransaction]) -> RegtestBlock:
    """A block on ``parent`` with these transactions (the coinbase first) and a valid proof of work.

    ``now`` is in seconds; the block's time is at least one second past the parent's median time.
    """
    root = merkle_root([_internal(transaction.txid) for transaction in transactions])
    time = max(now, parent.median_time + 1)
    head = (
        struct.pack("<I", BLOCK_VERSION)
        + _internal(parent.hash)
        + root
        + struct.pack("<II", time, REGTEST_BITS)
    )
    nonce = 0
    while int.from_bytes(double_sha256(head + struct.pack("<I", nonce)), "little") > REGTEST_TARGET:
        nonce += 1
    body = compact_size(len(transactions)) + b"".join(transaction.raw for transaction in transactions)
    return RegtestBlock.parse(head + struct.pack("<I", nonce) + body)

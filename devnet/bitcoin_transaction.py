"""Bitcoin's wire formats that the development node needs: transactions, with and without witnesses."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

NULL_TXID = "00" * 32
COINBASE_INDEX = 0xFFFFFFFF


def double_sha256(payload: bytes) -> bytes:
    """SHA-256 applied twice, 32 bytes."""
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()


def display_hash(digest: bytes) -> str:
    """A hash as people and JSON-RPC write it: byte order reversed, hex."""
    return digest[::-1].hex()


def compact_size(number: int) -> bytes:
    """Bitcoin's variable-length count."""
    if number < 0xFD:
        return bytes([number])
    if number <= 0xFFFF:
        return b"\xfd" + struct.pack("<H", number)
    if number <= 0xFFFFFFFF:
        return b"\xfe" + struct.pack("<I", number)
    return b"\xff" + struct.pack("<Q", number)


@dataclass(frozen=True, slots=True, order=True)
class OutPoint:
    """An output named by its transaction (hex, display order) and its index."""

    txid: str
    index: int


class TransactionInput(NamedTuple):
    """An input with its witness stack (empty when there is none)."""

    previous: OutPoint
    script_sig: bytes
    sequence: int
    witness: tuple[bytes, ...]


class TransactionOutput(NamedTuple):
    """An output; the amount is in satoshi."""

    amount_sat: int
    script_pubkey: bytes


class Reader:
    """Reads little-endian fields from bytes; running past the end raises ValueError."""

    def __init__(self, payload: bytes, offset: int = 0) -> None:
        self.payload = payload
        self.offset = offset

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        end = self.offset + length
        if end > len(self.payload):
            raise ValueError("serialized data ends too early")
        piece = self.payload[self.offset : end]
        self.offset = end
        return piece

    def number(self, length: int) -> int:
        """The next ``length`` bytes as an unsigned integer."""
        return int.from_bytes(self.take(length), "little")

    def count(self) -> int:
        """The next compact size."""
        first = self.number(1)
        return first if first < 0xFD else self.number({0xFD: 2, 0xFE: 4, 0xFF: 8}[first])

    def field(self) -> bytes:
        """The next byte string with its compact size in front."""
        return self.take(self.count())


@dataclass(frozen=True)
class BitcoinTransaction:
    """A parsed transaction; ``raw`` is its serialization, with witnesses where it has any."""

    version: int
    inputs: tuple[TransactionInput, ...]
    outputs: tuple[TransactionOutput, ...]
    locktime: int
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> BitcoinTransaction:
        """Parse one whole transaction. Raises ValueError on anything missing or left over."""
        reader = Reader(raw)
        transaction = cls.read(reader)
        if reader.offset != len(raw):
            raise ValueError("trailing bytes after the transaction")
        return transaction

    @classmethod
    def read(cls, reader: Reader) -> BitcoinTransaction:
        """Read a transaction out of a stream, such as a block."""
        start = reader.offset
        version = reader.number(4)
        has_witness = reader.payload[reader.offset : reader.offset + 2] == b"\x00\x01"
        if has_witness:
            reader.take(2)
        bare_inputs = [
            (OutPoint(display_hash(reader.take(32)), reader.number(4)), reader.field(), reader.number(4))
            for _ in range(reader.count())
        ]
        outputs = tuple(TransactionOutput(reader.number(8), reader.field()) for _ in range(reader.count()))
        witnesses: Sequence[tuple[bytes, ...]] = [()] * len(bare_inputs)
        if has_witness:
            witnesses = [tuple(reader.field() for _ in range(reader.count())) for _ in bare_inputs]
            if not any(witnesses):
                raise ValueError("superfluous witness record")
        locktime = reader.number(4)
        inputs = tuple(
            TransactionInput(*bare, witness) for bare, witness in zip(bare_inputs, witnesses, strict=True)
        )
        return cls(version, inputs, outputs, locktime, reader.payload[start : reader.offset])

    @cached_property
    def has_witness(self) -> bool:
        """Whether any input carries a witness."""
        return any(item.witness for item in self.inputs)

    @cached_property
    def stripped(self) -> bytes:
        """The serialization without witnesses, the one that the txid commits to."""
        if not self.has_witness:
            return self.raw
        inputs = b"".join(
            bytes.fromhex(item.previous.txid)[::-1]
            + struct.pack("<I", item.previous.index)
            + compact_size(len(item.script_sig))
            + item.script_sig
            + struct.pack("<I", item.sequence)
            for item in self.inputs
        )
        outputs = b"".join(
            struct.pack("<Q", item.amount_sat) + compact_size(len(item.script_pubkey)) + item.script_pubkey
            for item in self.outputs
        )
        head = struct.pack("<I", self.version) + compact_size(len(self.inputs))
        return head + inputs + compact_size(len(self.outputs)) + outputs + struct.pack("<I", self.locktime)

    @cached_property
    def txid(self) -> str:
        """The identifier without witnesses, display order."""
        return display_hash(double_sha256(self.stripped))

    @cached_property
    def wtxid(self) -> str:
        """The identifier with witnesses, display order."""
        return display_hash(double_sha256(self.raw))

    @property
    def size(self) -> int:
        """Bytes, witnesses included."""
        return len(self.raw)

    @property
    def weight(self) -> int:
        """Weight units of BIP 141."""
        return 3 * len(self.stripped) + len(self.raw)

    @property
    def vsize(self) -> int:
        """Virtual bytes: the weight divided by four, rounded up."""
        return (self.weight + 3) // 4

    @property
    def is_coinbase(self) -> bool:
        """Whether this is a block's first transaction."""
        return len(self.inputs) == 1 and self.inputs[0].previous == OutPoint(NULL_TXID, COINBASE_INDEX)

    @property
    def output_total_sat(self) -> int:
        """The sum of the outputs in satoshi."""
        return sum(output.amount_sat for output in self.outputs)

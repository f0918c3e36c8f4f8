"""What a raw Bitcoin block or transaction pays, read in one pass over its bytes. Pure.

The header's hash and the merkle root are computed from the bytes, so a node cannot slip a payment into a block. Hashes are
big-endian, as explorers show them; amounts are satoshi.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

HEADER_LENGTH = 80
# P2WPKH, P2SH, P2PKH, P2WSH and P2TR. No other length is ever given out as a deposit address.
WATCHABLE_LENGTHS = frozenset({22, 23, 25, 34})

_UINT16 = struct.Struct("<H").unpack_from
_UINT32 = struct.Struct("<I").unpack_from
_UINT64 = struct.Struct("<Q").unpack_from


class BadBlock(Exception):
    """Bytes that are no block or transaction, or that contradict the hash they were asked by."""


@dataclass(frozen=True, slots=True)
class RawHeader:
    """An 80-byte header: ``time`` is in Unix seconds."""

    hash: bytes
    parent_hash: bytes
    merkle_root: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Output:
    """One output that a deposit address could be: its transaction's txid and raw bytes, number, satoshi and script."""

    txid: bytes
    raw: bytes
    index: int
    amount_sat: int
    script: bytes


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A checked block. ``scripts[n]`` belongs to ``outputs_of({…})``; the rest of the bytes is not copied."""

    header: RawHeader
    scripts: Sequence[bytes]
    _places: Sequence[tuple[int, int, int]]
    _spans: Sequence[tuple[int, int]]
    _txids: Sequence[bytes]
    _raw: bytes

    def outputs_of(self, wanted: set[bytes]) -> list[Output]:
        """Every output whose script is in ``wanted``, in the block's order."""
        return [
            self._output(script, place)
            for script, place in zip(self.scripts, self._places, strict=True)
            if script in wanted
        ]

    def _output(self, script: bytes, place: tuple[int, int, int]) -> Output:
        number, index, position = place
        start, end = self._spans[number]
        return Output(
            txid=self._txids[number][::-1],
            raw=self._raw[start:end],
            index=index,
            amount_sat=_UINT64(self._raw, position)[0],
            script=script,
        )


def read_header(raw: bytes) -> RawHeader:
    """The header in the first 80 bytes of ``raw``.

    Raises:
        BadBlock: there are fewer.
    """
    if len(raw) < HEADER_LENGTH:
        raise BadBlock("a header is 80 bytes")
    header = raw[:HEADER_LENGTH]
    return RawHeader(
        hash=_double_sha256(header)[::-1],
        parent_hash=header[4:36][::-1],
        merkle_root=header[36:68][::-1],
        time=_UINT32(header, 68)[0],
    )


def read_block(raw: bytes, *, expected_hash: bytes) -> RawBlock:
    """The outputs of the block ``expected_hash`` (big-endian).

    Raises:
        BadBlock: the bytes are no block, another block, or hold other transactions than the header says.
    """
    header = read_header(raw)
    if header.hash != expected_hash:
        raise BadBlock("the node answered with another block than it was asked for")
    try:
        count, position = _compact_size(raw, HEADER_LENGTH)
        txids, spans, scripts, places = _read_transactions(raw, position, count)
    except (IndexError, struct.error) as error:
        raise BadBlock("the block ends too early") from error
    if _merkle_root(txids)[::-1] != header.merkle_root:
        raise BadBlock("the transactions do not add up to the header's merkle root")
    return RawBlock(header, scripts, places, spans, txids, raw)


def read_transaction(raw: bytes, *, expected_txid: bytes) -> list[Output]:
    """The watchable outputs of one transaction asked for by its txid (big-endian).

    Raises:
        BadBlock: the bytes are no transaction, or another one.
    """
    try:
        txids, _, scripts, places = _read_transactions(raw, 0, 1)
    except (IndexError, struct.error) as error:
        raise BadBlock("the transaction ends too early") from error
    if txids[0][::-1] != expected_txid:
        raise BadBlock("the node answered with another transaction than it was asked for")
    return [
        Output(expected_txid, raw, index, _UINT64(raw, position)[0], script)
        for script, (_, index, position) in zip(scripts, places, strict=True)
    ]


def _double_sha256(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def _compact_size(raw: bytes, position: int) -> tuple[int, int]:
    """The number written at ``position`` in Bitcoin's variable-length form, and where the next byte is."""
    first = raw[position]
    if first < 0xFD:
        return first, position + 1
    if first == 0xFD:
        return _UINT16(raw, position + 1)[0], position + 3
    if first == 0xFE:
        return _UINT32(raw, position + 1)[0], position + 5
    return _UINT64(raw, position + 1)[0], position + 9


def _read_transactions(
    raw: bytes, position: int, count: int
) -> tuple[list[bytes], list[tuple[int, int]], list[bytes], list[tuple[int, int, int]]]:
    """One pass over ``count`` transactions: txids (as hashed), spans, watchable scripts, (transaction, output, value) places.

    Written flat on purpose: a mainnet block has some ten thousand inputs and outputs, and a Python call for each would
    cost more than all the rest. Slices of a memoryview copy nothing.
    """
    view = memoryview(raw)
    end = len(raw)
    txids: list[bytes] = []
    spans: list[tuple[int, int]] = []
    scripts: list[bytes] = []
    places: list[tuple[int, int, int]] = []
    for number in range(count):
        start = position
        position += 4
        has_witness = raw[position] == 0
        if has_witness:
            position += 2
        body = position
        input_count, position = _compact_size(raw, position)
        for _ in range(input_count):
            length = raw[position + 36]
            if length < 0xFD:
                position += 41 + length
            else:
                length, position = _compact_size(raw, position + 36)
                position += length + 4
        output_count, position = _compact_size(raw, position)
        for index in range(output_count):
            value_at = position
            length = raw[position + 8]
            position += 9
            if length >= 0xFD:
                length, position = _compact_size(raw, position - 1)
            if length in WATCHABLE_LENGTHS:
                scripts.append(raw[position : position + length])
                places.append((number, index, value_at))
            position += length
        body_end = position
        if has_witness:
            for _ in range(input_count):
                item_count, position = _compact_size(raw, position)
                for _ in range(item_count):
                    length = raw[position]
                    if length < 0xFD:
                        position += 1 + length
                    else:
                        length, position = _compact_size(raw, position)
                        position += length
        position += 4
        if position > end:
            raise IndexError(position)
        if has_witness:
            digest = sha256(view[start : start + 4])
            digest.update(view[body:body_end])
            digest.update(view[position - 4 : position])
        else:
            digest = sha256(view[start:position])
        txids.append(sha256(digest.digest()).digest())
        spans.append((start, position))
    if position != end:
        raise BadBlock("there are bytes behind the last transaction")
    return txids, spans, scripts, places


def _merkle_root(hashes: Sequence[bytes]) -> bytes:
    """The merkle root of ``hashes`` (as hashed, not reversed).

    Raises:
        BadBlock: no hashes, or two equal neighbours, by which a list with repeated transactions could pass (CVE-2012-2459).
    """
    if not hashes:
        raise BadBlock("a block has at least one transaction")
    level = list(hashes)
    while len(level) > 1:
        pairs = [level[n] + level[n + 1] for n in range(0, len(level) - 1, 2)]
        if any(pair[:32] == pair[32:] for pair in pairs):
            raise BadBlock("a transaction stands twice in the block")
        if len(level) % 2:
            pairs.append(level[-1] * 2)
        level = [sha256(sha256(pair).digest()).digest() for pair in pairs]
    return level[0]

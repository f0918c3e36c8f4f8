"""What a raw Bitcoin block or transaction pays, read in one pass over its bytes. Pure.

The header's hash and the merkle root are computed from the bytes, so a node cannot slip a payment into a block. Hashes are
big-endian, as explorers show them; amounts are satoshi.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import eq

from chains.bitcoin.layout import WATCHABLE_LENGTHS, Layout, compact_size, read_layout, watchable_outputs

__all__ = [
    "WATCHABLE_LENGTHS",
    "BadBlock",
    "Output",
    "RawBlock",
    "RawHeader",
    "read_block",
    "read_header",
    "read_transaction",
]

HEADER_LENGTH = 80

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
    """A checked block. Each of ``scripts`` can be asked for by ``outputs_of({…})``; the rest of the bytes is not copied."""

    header: RawHeader
    _layout: Layout
    _txids: Sequence[bytes]
    _raw: bytes

    @property
    def scripts(self) -> Sequence[bytes]:
        """The watchable scripts of all outputs, in the block's order."""
        return self._layout.scripts

    def outputs_of(self, wanted: set[bytes]) -> list[Output]:
        """Every output whose script is in ``wanted``, in the block's order."""
        if wanted.isdisjoint(self.scripts):
            return []
        ends = self._layout.ends
        paid = {bisect_right(ends, place) for place, script in enumerate(self.scripts) if script in wanted}
        return [
            output for number in sorted(paid) for output in self._outputs(number) if output.script in wanted
        ]

    def _outputs(self, number: int) -> list[Output]:
        start, body, _, end = self._layout.spans[number]
        return _outputs(self._raw[start:end], body - start, self._txids[number][::-1])


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
        count, position = compact_size(raw, HEADER_LENGTH)
        layout = read_layout(raw, position, count)
    except (IndexError, struct.error) as error:
        raise BadBlock("the block ends too early") from error
    if layout.end != len(raw):
        raise BadBlock("there are bytes behind the last transaction")
    txids = _txids(raw, layout)
    if _merkle_root(txids)[::-1] != header.merkle_root:
        raise BadBlock("the transactions do not add up to the header's merkle root")
    return RawBlock(header, layout, txids, raw)


def read_transaction(raw: bytes, *, expected_txid: bytes) -> list[Output]:
    """The watchable outputs of one transaction asked for by its txid (big-endian).

    Raises:
        BadBlock: the bytes are no transaction, or another one.
    """
    try:
        layout = read_layout(raw, 0, 1)
    except (IndexError, struct.error) as error:
        raise BadBlock("the transaction ends too early") from error
    if layout.end != len(raw):
        raise BadBlock("there are bytes behind the transaction")
    if _txids(raw, layout)[0][::-1] != expected_txid:
        raise BadBlock("the node answered with another transaction than it was asked for")
    return _outputs(raw, layout.spans[0][1], expected_txid)


def _outputs(raw: bytes, body: int, txid: bytes) -> list[Output]:
    """The watchable outputs of the transaction ``raw``, whose list of inputs begins at ``body``."""
    return [
        Output(txid, raw, index, _UINT64(raw, value_at)[0], script)
        for index, value_at, script in watchable_outputs(raw, body)
    ]


def _double_sha256(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def _txids(raw: bytes, layout: Layout) -> list[bytes]:
    """The txids as hashed, not reversed: over everything but the witness, its marker and its flag."""
    return [
        sha256(
            sha256(
                raw[start:end]
                if body == start + 4
                else raw[start : start + 4] + raw[body:body_end] + raw[end - 4 : end]
            ).digest()
        ).digest()
        for start, body, body_end, end in layout.spans
    ]


def _merkle_root(hashes: Sequence[bytes]) -> bytes:
    """The merkle root of ``hashes`` (as hashed, not reversed).

    Raises:
        BadBlock: no hashes, or two equal neighbours, by which a list with repeated transactions could pass (CVE-2012-2459).
    """
    if not hashes:
        raise BadBlock("a block has at least one transaction")
    level = list(hashes)
    while len(level) > 1:
        left, right = level[::2], level[1::2]
        if any(map(eq, left, right)):
            raise BadBlock("a transaction stands twice in the block")
        if len(left) > len(right):
            right.append(left[-1])
        level = [
            sha256(sha256(one + other).digest()).digest() for one, other in zip(left, right, strict=True)
        ]
    return level[0]

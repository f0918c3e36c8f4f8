"""What raw Bitcoin transactions spend, and which of them spend what somebody else's payment to us would. Pure.

Apart from ``chains.bitcoin.transfers``, whose pass over every block leaves the inputs unread: these are read for transactions
that pay us, and for blocks only while something of ours could be double-spent.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256

from chains.bitcoin.layout import compact_size
from chains.bitcoin.transfers import HEADER_LENGTH, BadBlock
from chains.observation import Outpoint

# BIP 125: an input with a lower sequence number says that its transaction may be replaced.
SEQUENCE_SIGNALS_BELOW = 0xFFFFFFFE

# More outpoints than this are looked for in one pass over the block.
SEARCHED_MAX = 32

_UINT32 = struct.Struct("<I").unpack_from
_NO_TXID = bytes(32)
_OUTPOINT_LENGTH = 36


@dataclass(frozen=True, slots=True)
class Spending:
    """The inputs of one transaction; a coinbase has none."""

    outpoints: tuple[Outpoint, ...]
    signals_replacement: bool
    is_coinbase: bool


def read_spending(raw: bytes) -> Spending:
    """The inputs of the transaction ``raw``.

    Raises:
        BadBlock: the bytes are no transaction.
    """
    try:
        found, sequences, _ = _read_inputs(raw, 4)
    except (IndexError, struct.error) as error:
        raise BadBlock("the transaction ends too early") from error
    outpoints = [_outpoint(serialised) for serialised in found]
    is_coinbase = len(outpoints) == 1 and outpoints[0].txid == _NO_TXID
    return Spending(
        outpoints=() if is_coinbase else tuple(outpoints),
        signals_replacement=not is_coinbase and min(sequences) < SEQUENCE_SIGNALS_BELOW,
        is_coinbase=is_coinbase,
    )


def txid_of(raw: bytes) -> bytes:
    """The txid (big-endian) of the transaction ``raw``, computed from its bytes.

    Raises:
        BadBlock: the bytes are no transaction.
    """
    try:
        outpoints, _, outputs_at = _read_inputs(raw, 4)
        body_end, end = _ends(raw, 0, outputs_at, len(outpoints))
    except (IndexError, struct.error) as error:
        raise BadBlock("the transaction ends too early") from error
    if end != len(raw):
        raise BadBlock("the bytes are not one transaction")
    return _txid(raw, body_end)


def double_spends(raw_block: bytes, wanted: Mapping[Outpoint, Collection[bytes]]) -> dict[bytes, bytes]:
    """Txid of ours \u2192 the other txid in the block that spent one of its outpoints; all big-endian.

    ``wanted`` maps an outpoint to the txids that would spend it. The block has been checked by ``read_block``. While they are
    few, a search for their 36 bytes comes first: a block without any, as nearly all are, costs no pass in Python.
    """
    serialised = {_serialised(outpoint): txids for outpoint, txids in wanted.items()}
    if len(serialised) <= SEARCHED_MAX:
        serialised = {outpoint: txids for outpoint, txids in serialised.items() if outpoint in raw_block}
    return _double_spends(raw_block, serialised) if serialised else {}


def _double_spends(raw: bytes, present: Mapping[bytes, Collection[bytes]]) -> dict[bytes, bytes]:
    rivals: dict[bytes, bytes] = {}
    count, position = compact_size(raw, HEADER_LENGTH)
    for _ in range(count):
        start = position
        outpoints, _, outputs_at = _read_inputs(raw, start + 4)
        body_end, position = _ends(raw, start, outputs_at, len(outpoints))
        hits = [outpoint for outpoint in outpoints if outpoint in present]
        if hits:
            txid = _txid(raw[start:position], body_end - start)
            rivals.update({ours: txid for hit in hits for ours in present[hit] if ours != txid})
    return rivals


def _read_inputs(raw: bytes, position: int) -> tuple[list[bytes], list[int], int]:
    """Serialised outpoints and sequence numbers of the transaction whose version ends at ``position``; where outputs start."""
    if raw[position] == 0:
        position += 2  # the marker of a transaction with witnesses
    count, position = compact_size(raw, position)
    outpoints, sequences = [], []
    for _ in range(count):
        outpoints.append(raw[position : position + _OUTPOINT_LENGTH])
        length, position = compact_size(raw, position + _OUTPOINT_LENGTH)
        sequences.append(_UINT32(raw, position + length)[0])
        position += length + 4
    if not outpoints:
        raise BadBlock("a transaction without inputs")
    return outpoints, sequences, position


def _ends(raw: bytes, start: int, outputs_at: int, input_count: int) -> tuple[int, int]:
    """Where the outputs end of the transaction that began at ``start``, and where it ends itself."""
    output_count, position = compact_size(raw, outputs_at)
    for _ in range(output_count):
        length, position = compact_size(raw, position + 8)
        position += length
    body_end = position
    if raw[start + 4] == 0:
        for _ in range(input_count):
            item_count, position = compact_size(raw, position)
            for _ in range(item_count):
                length, position = compact_size(raw, position)
                position += length
    return body_end, position + 4


def _txid(raw: bytes, body_end: int) -> bytes:
    """Of one whole transaction whose outputs end at ``body_end``: the hash without marker and witnesses, big-endian."""
    body_start = 6 if raw[4] == 0 else 4
    stripped = raw[:4] + raw[body_start:body_end] + raw[-4:]
    return sha256(sha256(stripped).digest()).digest()[::-1]


def _serialised(outpoint: Outpoint) -> bytes:
    return outpoint.txid[::-1] + struct.pack("<I", outpoint.index)


def _outpoint(serialised: bytes) -> Outpoint:
    return Outpoint(serialised[:32][::-1], _UINT32(serialised, 32)[0])

"""Where the parts of raw Bitcoin transactions lie: one pass over the bytes that computes no hash. Pure.

A mainnet block has some twenty thousand inputs, outputs and witness items, and a few Python steps for each would cost more
than all the hashing. So the shapes that nearly all of them have are regular expressions, matched by the interpreter's own
C code, a whole list of inputs, outputs or witnesses at a time. Whatever has another shape is read step by step. The two
ways cannot differ: in each list every element states its length before its bytes, so there is one way to read it at most.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter

# P2WPKH, P2SH, P2PKH, P2WSH and P2TR. No other length is ever given out as a deposit address.
WATCHABLE_LENGTHS = frozenset({22, 23, 25, 34})

_UINT16 = struct.Struct("<H").unpack_from
_UINT32 = struct.Struct("<I").unpack_from
_UINT64 = struct.Struct("<Q").unpack_from

# Up to so many elements are matched by one expression; longer lists are matched in portions of this many.
_PORTION = 8
# Lengths of scripts that spend: none (SegWit), P2SH-SegWit, one signature with its key, multi-signatures.
_SPENDING_LENGTHS = (0, 23, 106, 107, 105, 108, 35, 138, 139, 217, 216, 218, 219, 252)

# What follows a script's length of one byte.
_WITHOUT_LENGTH = itemgetter(slice(1, None))

_Match = Callable[[bytes, int], re.Match[bytes] | None]


@dataclass(frozen=True, slots=True)
class Layout:
    """A row of transactions that ends before position ``end``.

    ``spans`` holds four positions of each: its start, its list of inputs, the end of its outputs, its end. ``scripts`` are the
    watchable ones in order; those of transaction n are before ``ends[n]`` and not before ``ends[n - 1]``.
    """

    spans: list[tuple[int, int, int, int]]
    scripts: list[bytes]
    ends: list[int]
    end: int


def compact_size(raw: bytes, position: int) -> tuple[int, int]:
    """The number written at ``position`` in Bitcoin's variable-length form, and where the next byte is."""
    first = raw[position]
    if first < 0xFD:
        return first, position + 1
    if first == 0xFD:
        return _UINT16(raw, position + 1)[0], position + 3
    if first == 0xFE:
        return _UINT32(raw, position + 1)[0], position + 5
    return _UINT64(raw, position + 1)[0], position + 9


def read_layout(raw: bytes, position: int, count: int) -> Layout:
    """The layout of ``count`` transactions that begin at ``position``.

    Raises:
        IndexError, struct.error: the bytes end in the middle of something.
    """
    spans: list[tuple[int, int, int, int]] = []
    sized_scripts: list[bytes] = []
    ends: list[int] = []
    add_span, add_script, add_scripts, add_end = (
        spans.append,
        sized_scripts.append,
        sized_scripts.extend,
        ends.append,
    )
    for _ in range(count):
        start = position
        if found := _COMMONEST(raw, position):
            witness, first, last = found.group(1, 4, 5)
            if first:
                add_script(first)
            add_script(last)
            position = found.end()
            add_span((start, start + 6 if witness else start + 4, found.end(5), position))
            add_end(len(sized_scripts))
            continue
        has_witness = raw[position + 4] == 0
        position += 6 if has_witness else 4
        body = position
        input_count = raw[position]
        if input_count <= _PORTION and (found := _INPUTS[input_count](raw, position + 1)):
            position = found.end()
        else:
            input_count, position = compact_size(raw, position)
            position = _after_inputs(raw, position, input_count)
        output_count = raw[position]
        if output_count <= _PORTION and (found := _OUTPUTS[output_count](raw, position + 1)):
            add_scripts(found.groups())
            position = found.end()
        else:
            output_count, position = compact_size(raw, position)
            position = _after_outputs(raw, position, output_count, sized_scripts)
        body_end = position
        if has_witness:
            if input_count <= _PORTION and (found := _WITNESSES[input_count](raw, position)):
                position = found.end()
            else:
                position = _after_witnesses(raw, position, input_count)
        position += 4
        add_span((start, body, body_end, position))
        add_end(len(sized_scripts))
    if position > len(raw):
        raise IndexError(position)
    return Layout(spans, list(map(_WITHOUT_LENGTH, sized_scripts)), ends, position)


def watchable_outputs(raw: bytes, body: int) -> Iterator[tuple[int, int, bytes]]:
    """(output number, position of its 8-byte value, script) of each watchable output of the transaction at ``body``."""
    input_count, position = compact_size(raw, body)
    output_count, position = compact_size(raw, _after_inputs(raw, position, input_count))
    for index in range(output_count):
        length, script_at = compact_size(raw, position + 8)
        if length in WATCHABLE_LENGTHS:
            yield index, position, raw[script_at : script_at + length]
        position = script_at + length


def _after_inputs(raw: bytes, position: int, count: int) -> int:
    while count:
        portion = min(count, _PORTION)
        found = _INPUTS[portion](raw, position)
        if found is None:
            return _step_over_inputs(raw, position, count)
        position = found.end()
        count -= portion
    return position


def _after_outputs(raw: bytes, position: int, count: int, sized_scripts: list[bytes]) -> int:
    while count:
        portion = min(count, _PORTION)
        found = _OUTPUTS[portion](raw, position)
        if found is None:
            return _step_over_outputs(raw, position, count, sized_scripts)
        sized_scripts.extend(found.groups())
        position = found.end()
        count -= portion
    return position


def _after_witnesses(raw: bytes, position: int, count: int) -> int:
    while count:
        portion = min(count, _PORTION)
        found = _WITNESSES[portion](raw, position)
        if found is None:
            return _step_over_witnesses(raw, position, count)
        position = found.end()
        count -= portion
    return position


def _step_over_inputs(raw: bytes, position: int, count: int) -> int:
    for _ in range(count):
        length = raw[position + 36]
        if length < 0xFD:
            position += 41 + length
        else:
            length, position = compact_size(raw, position + 36)
            position += length + 4
    return position


def _step_over_outputs(raw: bytes, position: int, count: int, sized_scripts: list[bytes]) -> int:
    for _ in range(count):
        length = raw[position + 8]
        position += 9
        if length in WATCHABLE_LENGTHS:
            sized_scripts.append(raw[position - 1 : position + length])
        elif length >= 0xFD:
            length, position = compact_size(raw, position - 1)
        position += length
    return position


def _step_over_witnesses(raw: bytes, position: int, count: int) -> int:
    for _ in range(count):
        item_count = raw[position]
        position += 1
        if item_count >= 0xFD:
            item_count, position = compact_size(raw, position - 1)
        for _ in range(item_count):
            length = raw[position]
            if length < 0xFD:
                position += 1 + length
            else:
                length, position = compact_size(raw, position)
                position += length
    return position


def _one_of(*alternatives: bytes) -> bytes:
    return b"(?:" + b"|".join(alternatives) + b")"


def _sized(*lengths: int) -> bytes:
    """A byte that is one of ``lengths``, and so many bytes after it."""
    return _one_of(*(b"\\x%02x.{%d}+" % (length, length) for length in lengths))


def _matchers(element: bytes) -> list[_Match]:
    return [re.compile(element * count, re.DOTALL).match for count in range(_PORTION + 1)]


# A count with "+" is possessive: it matches the same bytes, and keeps no way back, which costs more than the bytes.
_SIGNATURE = _sized(71, 72, 70, 73)
_INPUT = (
    b".{36}+" + _one_of(_sized(*_SPENDING_LENGTHS), rb"\xfd(?:\xfd\x00.{253}+|\xfe\x00.{254}+)") + b".{4}+"
)
_WATCHABLE = b".{8}+(" + _sized(*sorted(WATCHABLE_LENGTHS)) + b")"
_WITNESS = _one_of(
    b"\\x02" + _SIGNATURE + b"\\x21.{33}+",  # P2WPKH
    b"\\x00",  # an input without one
    b"\\x01" + _sized(64, 65),  # P2TR by its key
    b"\\x04\\x00" + _SIGNATURE * 2 + _sized(105, 71),  # two of three keys, or two of two
    b"\\x03" + _SIGNATURE * 2 + _sized(71, 78, 105, 77),
)
_INPUTS, _OUTPUTS, _WITNESSES = _matchers(_INPUT), _matchers(_WATCHABLE), _matchers(_WITNESS)
# A whole transaction with one to three inputs, and one output or a payment and its change: nine in ten of all there are.
_COMMONEST = re.compile(
    b".{4}+(\\x00\\x01)?(?:\\x01|(\\x02)%(input)s|(\\x03)%(input)s%(input)s)%(input)s"
    b"(?:\\x02%(output)s|\\x01)%(output)s"
    b"(?(1)%(witness)s(?(2)%(witness)s)(?(3)%(witness)s%(witness)s)).{4}+"
    % {b"input": _INPUT, b"output": _WATCHABLE, b"witness": _WITNESS},
    re.DOTALL,
).match

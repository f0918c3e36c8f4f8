"""What scripts held at a block below a node's tip: the unspent outputs of now, and those that later blocks spent.

``scantxoutset`` reads the whole set of unspent outputs at the tip, so that an output which no watcher ever saw is found too.
It takes a node some seconds on a test network and some minutes on the main one; a node scans for one caller at a time.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chains.nodes import JsonRpcNode, NodeUnreachable
from chains.observation import Position

SCAN_SECONDS_MAX = 900.0
# Blocks that are read behind the asked height; a node that is further ahead of us is asked another time.
BLOCKS_AFTER_MAX = 150
_SATOSHI_PER_BTC = 100_000_000


@dataclass(frozen=True, slots=True)
class Output:
    """An output: the script that it pays, satoshi, and the height of its block."""

    script: bytes
    amount_sat: int
    height: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The unspent outputs of the asked scripts at the node's ``tip``."""

    tip: Position
    outputs: Sequence[Output]


def scan(node: JsonRpcNode, ranges: Mapping[str, int]) -> Scan:
    """The unspent outputs of descriptors, each over its first so many scripts, at the node's tip of that moment.

    Raises:
        NodeUnavailable: no usable answer. NodeError: the node scans for somebody else, or knows no such method.
    """
    objects = [{"desc": text, "range": [0, count - 1]} for text, count in ranges.items()]
    answer = node.call("scantxoutset", ["start", objects])
    try:
        tip = Position(int(answer["height"]), bytes.fromhex(answer["bestblock"]))
        outputs = [
            Output(bytes.fromhex(each["scriptPubKey"]), _satoshi(each["amount"]), int(each["height"]))
            for each in answer["unspents"]
        ]
    except (KeyError, TypeError, ValueError):
        raise NodeUnreachable(f"{node.name}: not the answer of a Bitcoin node") from None
    return Scan(tip, outputs)


def held_at(
    node: JsonRpcNode, found: Scan, height: int, ours: Container[bytes]
) -> tuple[Position, list[Output]]:
    """The outputs of scripts in ``ours`` that were unspent at ``height``, and the node's block there.

    Those of ``found`` that stood then, and those that the blocks after it spent: exact at that height, whatever happened since.

    Raises:
        NodeUnavailable, NodeError: as ``scan``; also when the chain moved away from under the scan, or is too far ahead.
    """
    if found.tip.height - height > BLOCKS_AFTER_MAX:
        raise NodeUnreachable(f"{node.name} is {found.tip.height - height} blocks past height {height}")
    hashes = _hashes(node, range(height, found.tip.height + 1))
    if hashes[-1] != found.tip.hash.hex():
        raise NodeUnreachable(f"{node.name}: the chain was reorganised during the scan")
    standing = [output for output in found.outputs if output.script in ours and output.height <= height]
    for block_hash in hashes[1:]:
        block = node.call("getblock", [block_hash, 3])
        spent = _spent_outputs(block, node.name)
        standing += [output for output in spent if output.script in ours and output.height <= height]
    return Position(height, bytes.fromhex(hashes[0])), standing


def _hashes(node: JsonRpcNode, heights: Sequence[int]) -> list[str]:
    results = node.batch([("getblockhash", [height]) for height in heights])
    if not all(isinstance(result, str) and len(result) == 64 for result in results):
        raise NodeUnreachable(f"{node.name}: a block of the chain just scanned is missing")
    return results


def _spent_outputs(block: Any, name: str) -> Iterator[Output]:
    """What the inputs of a block spent; a node says it of the blocks whose undo data it keeps, as it does of recent ones."""
    try:
        for transaction in block["tx"]:
            for spending in transaction["vin"]:
                if "coinbase" not in spending:
                    yield _output(spending["prevout"])
    except (KeyError, TypeError, ValueError):
        raise NodeUnreachable(f"{name}: does not say what a recent block spent") from None


def _output(previous: Mapping[str, Any]) -> Output:
    script = bytes.fromhex(previous["scriptPubKey"]["hex"])
    return Output(script, _satoshi(previous["value"]), int(previous["height"]))


def _satoshi(amount_btc: float | int) -> int:
    """An amount of the node's JSON, which has at most eight decimals, in satoshi: its shortest decimal text is exact."""
    return int((Decimal(repr(amount_btc)) * _SATOSHI_PER_BTC).to_integral_value())

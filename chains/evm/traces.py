"""Coin moved inside a transaction's calls, read from a node's traces in either of the two forms nodes give. Pure.

The transaction's own value is not in here: full blocks tell it. A call counts unless it, or one around it, failed; calls that
only run another's code (delegatecall, callcode) or read (staticcall) move nothing. Calls are numbered in the order in which they
were made among those of the transaction that moved coin, which is the same in both forms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chains.evm.addresses import checksum_address
from chains.observation import INSIDE_INDEX, FoundTransfer

Json = dict[str, Any]

# (sender, recipient, wei) of a call, or of what a contract leaves to an heir when it destroys itself.
_Move = tuple[str, str, int]


def of_trace_block(traces: Sequence[Json]) -> list[FoundTransfer]:
    """The transfers of a block's ``trace_block``: one flat list, each trace with its place among the calls."""
    moves: dict[str, list[_Move]] = {}
    failed: dict[str, list[list[int]]] = {}
    for trace in traces:
        txid, place = trace.get("transactionHash"), list(trace["traceAddress"])
        if txid is None:
            continue  # a block's reward
        failures = failed.setdefault(txid, [])
        if trace.get("error") is not None:
            failures.append(place)
        if not place or any(place[: len(outer)] == outer for outer in failures):
            continue
        move = _flat_move(trace)
        if move is not None:
            moves.setdefault(txid, []).append(move)
    return [transfer for txid, found in moves.items() for transfer in _transfers(txid, found)]


def of_call_tracer(results: Sequence[Json]) -> list[FoundTransfer]:
    """The transfers of a block's ``debug_traceBlockByHash`` with ``callTracer``: a tree of calls for each transaction."""
    found = []
    for entry in results:
        found += _transfers(entry["txHash"], list(_moves_below(entry["result"])))
    return found


def _flat_move(trace: Json) -> _Move | None:
    action = trace["action"]
    if trace["type"] == "suicide":
        return _move(action["address"], action["refundAddress"], action["balance"])
    if trace["type"] == "call" and action.get("callType", "call") == "call":
        return _move(action["from"], action["to"], action["value"])
    return None


def _moves_below(call: Json) -> Iterator[_Move]:
    if call.get("error") is not None:
        return
    for inner in call.get("calls") or ():
        if inner.get("error") is None and inner["type"] in ("CALL", "SELFDESTRUCT"):
            move = _move(inner["from"], inner.get("to"), inner.get("value"))
            if move is not None:
                yield move
        yield from _moves_below(inner)


def _move(sender: str, recipient: str | None, value: str | None) -> _Move | None:
    value_wei = int(value or "0x0", 16)
    return (sender, recipient, value_wei) if recipient and value_wei else None


def _transfers(txid: str, moves: Sequence[_Move]) -> list[FoundTransfer]:
    return [
        FoundTransfer(
            txid=bytes.fromhex(txid[2:]),
            index=INSIDE_INDEX - number,
            key=bytes.fromhex(recipient[2:]),
            contract=None,
            amount_minor=value_wei,
            sender=checksum_address(bytes.fromhex(sender[2:])),
        )
        for number, (sender, recipient, value_wei) in enumerate(moves)
    ]

"""Reading a range makes objects by the ten thousand; the collector of cycles looks through none of them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from chains.collector import collector_at_rest
from chains.evm.reader import EvmReader
from chains.evm.rpc import EvmRpc
from chains.nodes import JsonRpcNode, NodeUnreachable
from chains.observation import Position
from tests.foreign_server import Answer, ForeignServer

BLOCKS = 10


@contextmanager
def collections() -> Iterator[list[int]]:
    """The generation of each collection that begins meanwhile."""
    begun: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            begun.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    try:
        yield begun
    finally:
        gc.callbacks.remove(note)


def block(height: int) -> dict[str, Any]:
    payment = {"hash": "0x" + "cc" * 32, "from": "0x" + "aa" * 20, "to": "0x" + "bb" * 20, "value": "0x1"}
    return {
        "number": hex(height),
        "hash": f"0x{height:064x}",
        "parentHash": f"0x{height - 1:064x}",
        "timestamp": hex(1_700_000_000 + height),
        "logsBloom": "0x" + "00" * 256,
        # A list in each, as an access list is: without any, the collector has nothing to look through.
        "transactions": [payment | {"accessList": []} for _ in range(300)],
    }


def reader_of(server: ForeignServer) -> EvmReader:
    node = JsonRpcNode(server.url, timeout_seconds=5)
    return EvmReader(
        EvmRpc(node), chain_id=1, anchor=Position(0, bytes(32)), contracts=(), wants_traces=False
    )


def test_no_cycles_are_looked_for_while_a_range_is_read(foreign_server: ForeignServer) -> None:
    answers = [{"id": n, "result": block(n + 1)} for n in range(BLOCKS)]
    foreign_server.answers["/"] = Answer(orjson.dumps(answers))
    reader = reader_of(foreign_server)
    with collections() as begun:
        found = reader.blocks(1, BLOCKS, lambda keys: set())
        assert begun == []
    assert [each.header.height for each in found] == list(range(1, BLOCKS + 1))
    assert gc.isenabled()


def test_the_same_objects_made_without_rest_are_looked_through() -> None:
    content = orjson.dumps([block(n) for n in range(BLOCKS)])
    with collections() as begun:
        orjson.loads(content)
        assert len(begun) > 3


def test_a_range_that_could_not_be_read_leaves_the_collector_running(foreign_server: ForeignServer) -> None:
    foreign_server.answers["/"] = Answer(b"hello")
    with pytest.raises(NodeUnreachable):
        reader_of(foreign_server).blocks(1, BLOCKS, lambda keys: set())
    assert gc.isenabled()


def test_a_rest_within_a_rest_ends_with_the_outer_one() -> None:
    with collector_at_rest():
        with collector_at_rest():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()

"""Which blocks and logs of one answer belong together: the chain may move while a node answers."""

from __future__ import annotations

from collections.abc import Sequence

from chains.evm.rpc import Json, number


def until_gap(blocks: Sequence[Json | None], first: int, name: str) -> list[Json]:
    """The blocks up to the first that is missing or not the one asked for; ``first`` is the first one's height."""
    present: list[Json] = []
    for height, block in enumerate(blocks, start=first):
        if block is None or number(block.get("number"), name) != height:
            break
        present.append(block)
    return present


def cut_where_moved(blocks: list[Json], logs: Sequence[Json]) -> Sequence[Json]:
    """The logs of ``blocks``, which are cut before the first that has logs of another block at its height."""
    hashes = {block["hash"] for block in blocks}
    if hashes.issuperset(log["blockHash"] for log in logs):
        return logs
    heights = {block["number"]: n for n, block in enumerate(blocks)}
    foreign = {log["blockNumber"] for log in logs if log["blockHash"] not in hashes}
    del blocks[min((heights[height] for height in foreign if height in heights), default=len(blocks)) :]
    hashes = {block["hash"] for block in blocks}
    return [log for log in logs if log["blockHash"] in hashes]

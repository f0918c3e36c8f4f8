"""Blocks and logs of a range, as many at once as the node gives gladly."""

from __future__ import annotations

import time

from chains.evm.block_range import BlockRange, suggested_blocks
from chains.evm.rpc import EvmRpc, Json
from chains.nodes import NodeError, NodeUnreachable, TooMuchAtOnce


class RangeReading:
    """Reads ranges from one node and learns how long they may be. With ``full`` blocks hold whole transactions."""

    def __init__(self, rpc: EvmRpc, *, full: bool) -> None:
        self._rpc = rpc
        self._full = full
        self._range = BlockRange()

    def read(self, first: int, last: int, log_filter: Json | None) -> tuple[list[Json | None], list[Json]]:
        """Blocks from ``first`` on, at most up to ``last``, and their logs that pass ``log_filter``.

        Raises:
            NodeError: the node refuses even a single block. NodeUnreachable: no usable answer.
        """
        while True:
            asked = min(self._range.size, last - first + 1)
            asked_at = time.monotonic()
            try:
                answer = self._rpc.blocks_and_logs(first, first + asked - 1, log_filter, full=self._full)
            except (NodeError, TooMuchAtOnce) as error:
                # Nodes say "too much at once" in many ways; what is no such thing is still there with one block.
                if asked == 1:
                    raise
                self._range.refused(asked, suggested=suggested_blocks(str(error), first))
            except NodeUnreachable:
                # Too slow, perhaps: not again at once, the next step asks for less.
                self._range.timed_out(asked)
                raise
            else:
                self._range.answered(time.monotonic() - asked_at)
                return answer

"""Coin that contracts sent, from the traces of blocks, where the node has them.

Traces cost a node much more than blocks do. So they are asked for near the tip only, and a node that has none, or fails at them,
is left alone with it for a while; what they do not tell, the balances of the deposit addresses do (``chains.coin_checks``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from chains.evm import traces
from chains.evm.rpc import EvmRpc, Json
from chains.nodes import Call, NodeError, NodeUnavailable, NodeUnreachable
from chains.observation import FoundTransfer

# More blocks than this at once are a catch-up.
BLOCKS_MAX = 8
ASK_AGAIN_SECONDS = 600.0


def _trace_block(block: Json) -> Call:
    return "trace_block", [block["number"]]


def _call_tracer(block: Json) -> Call:
    return "debug_traceBlockByHash", [block["hash"], {"tracer": "callTracer"}]


_Form = tuple[Callable[[Json], Call], Callable[[Sequence[Any]], list[FoundTransfer]]]
_FORMS: tuple[_Form, ...] = (
    (_trace_block, traces.of_trace_block),
    (_call_tracer, traces.of_call_tracer),
)


class InsideCalls:
    """The traces of one node. ``missed``: blocks were read without them since ``forgive`` was last called."""

    def __init__(self, rpc: EvmRpc, *, wanted: bool) -> None:
        self.missed = not wanted
        self._rpc = rpc
        self._wanted = wanted
        self._form: _Form | None = None
        self._ask_at = 0.0

    def forgive(self) -> None:
        """The balances now tell what was missed so far."""
        self.missed = not self._wanted

    def of(self, blocks: Sequence[Json]) -> list[list[FoundTransfer]]:
        """What each of ``blocks`` moved inside calls; nothing where the node does not tell.

        Raises:
            NodeUnreachable: a trace is of another block; the chain moved, and the step is repeated.
        """
        if not self._wanted or not 0 < len(blocks) <= BLOCKS_MAX or not self._has_form(blocks[-1]):
            self.missed = True
            return [[] for _ in blocks]
        assert self._form is not None  # _has_form said so
        call, parse = self._form
        answers = self._answers([call(block) for block in blocks])
        if answers is None:
            self._give_up()
            return [[] for _ in blocks]
        for block, answer in zip(blocks, answers, strict=True):
            if any(trace.get("blockHash", block["hash"]) != block["hash"] for trace in answer):
                raise NodeUnreachable(f"{self._rpc.name}: the chain moved while it was read")
        return [parse(answer) for answer in answers]

    def _has_form(self, block: Json) -> bool:
        """Find out once which form of traces the node gives."""
        if self._form is None and time.monotonic() >= self._ask_at:
            self._form = next((form for form in _FORMS if self._answers([form[0](block)]) is not None), None)
            self._ask_at = time.monotonic() + ASK_AGAIN_SECONDS
        return self._form is not None

    def _answers(self, calls: Sequence[Call]) -> list[list[Json]] | None:
        try:
            answers = self._rpc.each(calls)
        except NodeUnavailable:
            return None
        failed = any(isinstance(answer, NodeError) or not isinstance(answer, list) for answer in answers)
        return None if failed else answers

    def _give_up(self) -> None:
        self._form, self.missed = None, True
        self._ask_at = time.monotonic() + ASK_AGAIN_SECONDS

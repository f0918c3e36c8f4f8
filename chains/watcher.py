"""Watching a network: ask the node, write down what it said, again and again.

A step reads outside any database transaction (``chains.reading``), then writes all it read in one (``chains.recording``).
Nothing is decided on what a node did not say: a node that is down, behind or contradicting itself writes nothing, and
``Network.observed_at`` stands still, so nothing expires either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from chains import (
    coin_checks,
    condition,
    halting,
    health,
    outgoing,
    readers,
    reading,
    recording,
    watch_lock,
    watched,
)
from chains.bitcoin.transfers import BadBlock
from chains.condition import StepStatus
from chains.models import Block, Network, Transfer, TransferState
from chains.node_state import Doubt
from chains.nodes import NodeError, NodeUnavailable, NodeWrongChain
from chains.observation import ChainReader, Position, Reading
from chains.reorg import ReorgTooDeep

PAUSE_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step did: how many blocks it added and transfers it changed; ``detail`` is for the log."""

    status: StepStatus
    blocks: int = 0
    transfers: int = 0
    detail: str = ""


def step(network_slug: str, *, now: datetime) -> StepResult:
    """Read what is new on the network and write it down. ``now`` is the instant before anything is asked.

    Guarantees: everything read is written together with the cursor, or nothing is; every transfer is one row whatever is
    repeated; no database transaction is open while a node is asked.
    """
    network = Network.objects.get(pk=network_slug)
    if network.halted_at is not None or not network.enabled:
        return StepResult(StepStatus.HALTED, detail=network.halted_reason)
    try:
        return _step_with_some_node(network, now)
    except (NodeWrongChain, ReorgTooDeep) as error:
        halting.halt(network_slug, reason=str(error), now=now)
        return StepResult(StepStatus.HALTED, detail=str(error))
    except (NodeUnavailable, NodeError, BadBlock) as error:
        return StepResult(StepStatus.NODE_DOWN, detail=str(error))


def follow(
    network_slug: str, *, until: datetime, clock: Callable[[], datetime], sleep: Callable[[float], object]
) -> int:
    """Step until ``until`` unless somebody else already follows the network. Returns the number of steps.

    Raises:
        OperationalError, InterfaceError: the database went away; whatever was not committed will be read again.
    """
    with watch_lock.held(network_slug) as is_ours:
        if not is_ours:
            return 0
        return _follow(network_slug, until, clock, sleep)


def _follow(
    network_slug: str, until: datetime, clock: Callable[[], datetime], sleep: Callable[[float], object]
) -> int:
    steps, pause = 0, settings.WATCH_INTERVAL_SECONDS
    while (now := clock()) < until:
        result = step(network_slug, now=now)
        steps += 1
        condition.note(network_slug, result.status, result.detail, at=now)
        if result.status is StepStatus.HALTED:
            break
        if result.status is StepStatus.MORE and result.blocks:
            continue  # catching up, without a cap
        if result.status is StepStatus.NODE_DOWN:
            pause = min(PAUSE_SECONDS_MAX, pause * 2)
            sleep(pause)
        else:
            pause = settings.WATCH_INTERVAL_SECONDS
            readers.wait_for_news(network_slug, pause, sleep)
    return steps


def _step_with_some_node(network: Network, now: datetime) -> StepResult:
    """A step with the first node that gives a usable answer and is not behind.

    Raises:
        NodeUnavailable, NodeError, BadBlock: what the last of them said. NodeWrongChain, ReorgTooDeep: at once.
    """
    choice, doubts = readers.choice_for(network), health.doubts(network)
    last_error: Exception | None = None
    behind: StepResult | None = None
    for reader in choice.in_order(doubts):
        try:
            if network.cursor_height is None:
                result = _begin(network, reader)
            else:
                result = _step(network, reader, doubts.get(reader.name), now)
        except (NodeUnavailable, NodeError, BadBlock) as error:
            choice.failed(reader, error)
            last_error = error
            continue
        choice.answered(reader)
        if result.status is not StepStatus.NODE_BEHIND:
            return result
        behind = behind or result
    if behind is not None:
        return behind
    assert last_error is not None  # there is at least one node
    raise last_error


def _begin(network: Network, reader: ChainReader) -> StepResult:
    """A network that was never read starts at the node's newest block: nobody was shown an address before."""
    headers = reading.first_headers(reader, window=recording.WINDOW)
    started = recording.begin(network, headers)
    return StepResult(StepStatus.MORE if started else StepStatus.OVERTAKEN)


def _step(network: Network, reader: ChainReader, doubt: Doubt | None, now: datetime) -> StepResult:
    assert network.cursor_height is not None and network.cursor_hash is not None
    cursor = Position(network.cursor_height, bytes(network.cursor_hash))
    heard = reading.read(
        reader,
        cursor,
        load_kept=lambda: _kept(network),
        watched=lambda keys: watched.find(network.slug, keys),
        unmined_txids=_unmined_txids(network),
        doubt=doubt.about if doubt else lambda tip: "",
    )
    changed = recording.write(network, cursor, heard, now=now)
    if changed is None:
        return StepResult(StepStatus.OVERTAKEN)
    reader.accept()
    changed += coin_checks.after_step(network.slug, reader, blocks=len(heard.blocks), now=now)
    return StepResult(_status(heard), len(heard.blocks), changed, heard.behind_reason)


def _status(heard: Reading) -> StepStatus:
    if heard.behind_reason and not heard.blocks:
        return StepStatus.NODE_BEHIND
    return StepStatus.CURRENT if heard.complete or heard.announced_only else StepStatus.MORE


def _kept(network: Network) -> list[tuple[int, bytes]]:
    rows = Block.objects.filter(network=network).order_by("height").values_list("height", "hash")
    return [(height, bytes(block_hash)) for height, block_hash in rows]


def _unmined_txids(network: Network) -> list[bytes]:
    rows = Transfer.objects.filter(network=network, state=TransferState.SEEN).values_list("txid", flat=True)
    return sorted({bytes(txid) for txid in rows} | outgoing.unmined_txids(network))

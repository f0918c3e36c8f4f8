"""Looking after a network's nodes: the only writer of NodeHealth.

Every so often each configured node is asked for its newest block and for the hashes of confirmed blocks. A node that does not
answer, whose newest block grows old or that falls behind the others is told by ``doubts`` and asked last. Nodes that disagree
about a confirmed block, or one that contradicts what it said before, stop the network.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from chains import halting
from chains.head import questions
from chains.models import Block, Network, NodeHealth
from chains.node_answers import (
    Answer,
    NamedNode,
    ask_all,
    disagreement,
    other_chain,
    self_contradiction,
)
from chains.node_state import Doubt, Limits, NodeFacts, NodeState
from chains.node_state import doubts as judge
from chains.nodes import JsonRpcNode, node_names
from chains.observation import Position

logger = logging.getLogger(__name__)

ASKED_EVERY = timedelta(seconds=10)
TIMEOUT_SECONDS_MAX = 5.0
BLOCKS_UNTIL_STUCK = 10
# Nodes that hear of a new block some seconds apart are not behind each other.
BEHIND_SECONDS = 60
BLOCKS_BEHIND_MIN = 2


def check(network_slug: str, *, now: datetime) -> bool:
    """Ask every node of the network how far it is, write it down, and stop the network when they contradict each other.

    Asks at most every ``ASKED_EVERY``; returns whether it did. The nodes are asked outside any database transaction.
    """
    network = Network.objects.get(pk=network_slug)
    if not network.enabled or not _claim(network, now):
        return False
    answers = _ask(network)
    if _contradiction(network, answers):
        # Blocks may have been replaced between two of the questions: what is true is still so a moment later.
        network.refresh_from_db()
        answers = _ask(network)
    _write(network, answers, now)
    reason = _contradiction(network, answers)
    if reason:
        halting.halt(network.slug, reason=reason, now=now)
    return True


def limits(network: Network) -> Limits:
    """When a head of the network is too old, and how many blocks a node may be behind the others."""
    blocks = timedelta(seconds=BLOCKS_UNTIL_STUCK * network.block_seconds)
    return Limits(
        head_age_max=max(blocks, timedelta(seconds=settings.NODE_STUCK_AFTER_SECONDS)),
        blocks_behind_max=max(BLOCKS_BEHIND_MIN, BEHIND_SECONDS // max(1, network.block_seconds)),
    )


def doubts(network: Network) -> Mapping[str, Doubt]:
    """Which nodes, by name, are not to be taken at their word, as last looked at."""
    return judge([facts(row) for row in NodeHealth.objects.filter(network=network)], limits(network))


def facts(row: NodeHealth) -> NodeFacts:
    """The row in the terms of the judgement."""
    head = None
    if row.head_height is not None and row.head_hash is not None:
        head = Position(row.head_height, bytes(row.head_hash))
    return NodeFacts(row.name, head, row.head_since, row.answered_at, is_down=bool(row.fault))


def _claim(network: Network, now: datetime) -> bool:
    """Whether it is our turn to ask. Rows of nodes that are not configured any more go; those of new ones come."""
    names = node_names(settings.NODE_URLS.get(network.slug, []))
    rows = NodeHealth.objects.filter(network=network)
    rows.exclude(name__in=names).delete()
    # The row count decides between two who come at once.
    if rows.filter(asked_at__lte=now - ASKED_EVERY).update(asked_at=now):
        return True
    if rows.count() == len(names):
        return False
    NodeHealth.objects.bulk_create(
        [
            NodeHealth(network=network, name=name, priority=place, asked_at=now)
            for place, name in enumerate(names)
        ],
        ignore_conflicts=True,
    )
    return True


def _ask(network: Network) -> list[Answer]:
    urls: Sequence[str] = settings.NODE_URLS.get(network.slug, [])
    timeout_seconds = min(TIMEOUT_SECONDS_MAX, settings.NODE_TIMEOUT_SECONDS)
    with ExitStack() as open_nodes:
        nodes = [
            open_nodes.enter_context(closing(JsonRpcNode(url, timeout_seconds=timeout_seconds, name=name)))
            for url, name in zip(urls, node_names(urls), strict=True)
        ]
        return ask_all(
            [NamedNode(node.name, questions(network, node)) for node in nodes],
            cursor_height=network.cursor_height,
            confirmations=network.confirmations_low_speed,
        )


def _contradiction(network: Network, answers: Sequence[Answer]) -> str:
    """Why nothing more may be read on the network; "" when nothing speaks against it."""
    heights = {height for answer in answers for height in answer.hashes}
    blocks = Block.objects.filter(network=network, height__in=heights).values_list("height", "hash")
    kept = {height: bytes(block_hash) for height, block_hash in blocks}
    return (
        other_chain(answers)
        or disagreement(answers)
        or self_contradiction(answers, cursor_hash=bytes(network.cursor_hash or b""), kept=kept)
    )


def _write(network: Network, answers: Sequence[Answer], now: datetime) -> None:
    with transaction.atomic():
        rows = {row.name: row for row in NodeHealth.objects.select_for_update().filter(network=network)}
        asked_before = [row for row in rows.values() if row.fault or row.answered_at]
        before = judge([facts(row) for row in asked_before], limits(network))
        for place, answer in enumerate(answers):
            row = rows.setdefault(answer.name, NodeHealth(network=network, name=answer.name))
            _take(row, answer, now)
            row.priority = place
            row.save()
        after = judge([facts(row) for row in rows.values()], limits(network))
    for name in rows:
        _log_change(network.slug, name, before.get(name), after.get(name), rows[name].fault)


def _take(row: NodeHealth, answer: Answer, now: datetime) -> None:
    """``answer`` into the row. A node that does not answer keeps the head that it last had."""
    row.asked_at, row.fault = now, answer.fault[:200]
    if answer.head is None:
        return
    position = answer.head.position
    if row.head_since is None or row.head_hash is None or bytes(row.head_hash) != position.hash:
        row.head_since = now
    row.head_height, row.head_hash, row.head_time = position.height, position.hash, answer.head.time
    row.answered_at = now


def _log_change(slug: str, name: str, before: Doubt | None, after: Doubt | None, fault: str) -> None:
    """Once when a node's state changes."""
    was = before.state if before else NodeState.FOLLOWING
    state = after.state if after else NodeState.FOLLOWING
    if state is was:
        return
    if after:
        logger.warning("node %s is %s: %s", name, state, fault or after.words(), extra={"network": slug})
    else:
        logger.warning("node %s is well again", name, extra={"network": slug})

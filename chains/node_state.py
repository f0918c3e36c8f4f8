"""How a network's nodes are doing, told by the age of their heads on our clock and by each other. Pure.

A node's own word (that it is synchronised, that it has peers) is never asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median_low

from chains.observation import Position


class NodeState(StrEnum):
    """How a node is doing."""

    FOLLOWING = "following"
    BEHIND = "behind"  # the other nodes know more blocks
    STUCK = "stuck"  # its newest block has been the same for too long
    DOWN = "down"  # its last answer was none


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is known of one node. ``head`` None: it never answered.

    ``head_since`` and ``answered_at`` are our clock's: since when the head is this one, and when it last answered.
    """

    name: str
    head: Position | None
    head_since: datetime | None
    answered_at: datetime | None
    is_down: bool

    @property
    def head_age(self) -> timedelta:
        """How long the head had not changed when the node last answered. Time in which nobody asked is not held against it."""
        if self.head_since is None or self.answered_at is None:
            return timedelta(0)
        return self.answered_at - self.head_since


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too old and too far behind on a network."""

    head_age_max: timedelta
    blocks_behind_max: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a node is not to be taken at its word even when it answers."""

    state: NodeState
    head: Position | None = None
    head_age: timedelta = timedelta(0)
    height_min: int = 0

    def about(self, tip: Position) -> str:
        """What speaks against ``tip`` as the node's newest block now; "" when the node has moved on since it was judged."""
        has_moved = tip.height >= self.height_min if self.state is NodeState.BEHIND else tip != self.head
        return "" if self.state is NodeState.DOWN or has_moved else self.words()

    def words(self) -> str:
        """The doubt as a sentence for a log."""
        if self.state is NodeState.STUCK:
            return f"the node has had no new block for {int(self.head_age.total_seconds() // 60)} minutes"
        if self.state is NodeState.BEHIND:
            return f"the node has not reached block {self.height_min}, which the other nodes are past"
        return "the node does not answer"


def doubts(nodes: Sequence[NodeFacts], limits: Limits) -> Mapping[str, Doubt]:
    """The nodes, by name, that are down, stuck or behind the others."""
    found = {node.name: _doubt(node, nodes, limits) for node in nodes}
    return {name: doubt for name, doubt in found.items() if doubt.state is not NodeState.FOLLOWING}


def _doubt(node: NodeFacts, nodes: Sequence[NodeFacts], limits: Limits) -> Doubt:
    if node.is_down or node.head is None:
        return Doubt(NodeState.DOWN)
    height_min = _height_of_others(node, nodes) - limits.blocks_behind_max
    if node.head.height < height_min:
        return Doubt(NodeState.BEHIND, node.head, node.head_age, height_min)
    if node.head_age > limits.head_age_max:
        return Doubt(NodeState.STUCK, node.head, node.head_age)
    return Doubt(NodeState.FOLLOWING)


def _height_of_others(node: NodeFacts, nodes: Sequence[NodeFacts]) -> int:
    """The height that the other nodes are at. The middle one, so that of several a single one cannot talk the rest down."""
    heights = [other.head.height for other in nodes if other is not node and other.head and not other.is_down]
    return median_low(heights) if heights else 0

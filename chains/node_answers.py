"""What all nodes of a network say at one moment, laid side by side.

A node is held only to blocks that are confirmed in its own chain and in ours, so that neither a block that two miners found
at once nor a node that hears of blocks late looks like a contradiction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from chains.head import Head, HeadQuestions
from chains.nodes import NodeError, NodeUnavailable, NodeWrongChain


@dataclass(frozen=True, slots=True)
class Answer:
    """What one node said: its head, and its hashes at confirmed heights. ``fault`` says why something is missing."""

    name: str
    head: Head | None = None
    confirmed_height: int = -1
    hashes: Mapping[int, bytes] = field(default_factory=dict)
    fault: str = ""
    is_of_other_chain: bool = False


@dataclass(frozen=True, slots=True)
class NamedNode:
    """A node to ask."""

    name: str
    questions: HeadQuestions


def ask_all(nodes: Sequence[NamedNode], *, cursor_height: int | None, confirmations: int) -> list[Answer]:
    """The answers in the order of ``nodes``, all of which are asked at once; takes as long as the slowest.

    ``confirmations`` is how many blocks must follow for a block to count as confirmed, ``cursor_height`` the last we read
    (None: none, so that there is nothing to compare).
    """
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        answers = list(pool.map(_ask_head, nodes))
        answers = [_with_height(answer, cursor_height, confirmations) for answer in answers]
        heights = sorted({answer.confirmed_height for answer in answers if answer.confirmed_height >= 0})
        return list(pool.map(lambda node, answer: _ask_hashes(node, answer, heights), nodes, answers))


def disagreement(answers: Sequence[Answer]) -> str:
    """Two nodes that have different blocks at the same confirmed height, in words; "" when there are none."""
    first: dict[int, tuple[bytes, str]] = {}
    for answer in answers:
        for height, block_hash in answer.hashes.items():
            known_hash, name = first.setdefault(height, (block_hash, answer.name))
            if known_hash != block_hash:
                return f"{name} and {answer.name} have different blocks at confirmed height {height}"
    return ""


def self_contradiction(answers: Sequence[Answer], *, cursor_hash: bytes, kept: Mapping[int, bytes]) -> str:
    """A node that names our newest block as its own, but another one below it than it gave us; "" when there is none.

    ``kept`` are our blocks' hashes by height: what is below a block never changes.
    """
    for answer in answers:
        if answer.head is None or answer.head.position.hash != cursor_hash:
            continue
        for height, block_hash in answer.hashes.items():
            if kept.get(height, block_hash) != block_hash:
                return f"{answer.name} has another block at height {height} than the one that was read"
    return ""


def other_chain(answers: Sequence[Answer]) -> str:
    """A node that follows another chain, in words; "" when there is none."""
    return next((answer.fault for answer in answers if answer.is_of_other_chain), "")


def _ask_head(node: NamedNode) -> Answer:
    try:
        return Answer(node.name, node.questions.head())
    except NodeWrongChain as error:
        return Answer(node.name, fault=str(error), is_of_other_chain=True)
    except (NodeUnavailable, NodeError) as error:
        return Answer(node.name, fault=str(error))


def _with_height(answer: Answer, cursor_height: int | None, confirmations: int) -> Answer:
    if answer.head is None or cursor_height is None:
        return answer
    return replace(answer, confirmed_height=min(cursor_height, answer.head.position.height) - confirmations)


def _ask_hashes(node: NamedNode, answer: Answer, heights: Sequence[int]) -> Answer:
    asked = [height for height in heights if height <= answer.confirmed_height]
    if not asked:
        return answer
    try:
        found = node.questions.hashes_at(asked)
    except (NodeUnavailable, NodeError) as error:
        return replace(answer, head=None, fault=str(error))
    hashes = {height: each for height, each in zip(asked, found, strict=True) if each is not None}
    return replace(answer, hashes=hashes)

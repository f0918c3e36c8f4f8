"""How nodes are judged: by the age of their heads on our clock and by each other, never by their own word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chains.head import Head
from chains.node_answers import Answer, disagreement, other_chain, self_contradiction
from chains.node_state import Doubt, Limits, NodeFacts, NodeState, doubts
from chains.nodes import node_names
from chains.observation import Position

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = Limits(head_age_max=timedelta(minutes=15), blocks_behind_max=2)


def node(name: str = "a", *, height: int = 100, age_minutes: int = 0, is_down: bool = False) -> NodeFacts:
    head = Position(height, height.to_bytes(32, "big"))
    return NodeFacts(name, head, NOW - timedelta(minutes=age_minutes), NOW, is_down)


def states(*nodes: NodeFacts) -> dict[str, str]:
    return {name: doubt.state.value for name, doubt in doubts(nodes, LIMITS).items()}


JUDGED = {
    "alone and well": ([node()], {}),
    "alone, its head just young enough": ([node(age_minutes=15)], {}),
    "alone, its head too old": ([node(age_minutes=16)], {"a": "stuck"}),
    "down": ([node(is_down=True)], {"a": "down"}),
    "never answered": ([NodeFacts("a", None, None, None, False)], {"a": "down"}),
    "a little behind the other": ([node(height=98), node("b")], {}),
    "too far behind the other": ([node(height=97), node("b")], {"a": "behind"}),
    "ahead of one that is down": ([node(height=97), node("b", is_down=True)], {"b": "down"}),
    "all stuck": ([node(age_minutes=60), node("b", age_minutes=61)], {"a": "stuck", "b": "stuck"}),
    "one stuck, the other a block further": ([node(age_minutes=60), node("b", height=101)], {"a": "stuck"}),
    "one of three claims a height nobody else has": (
        [node("a"), node("b"), node("liar", height=10**9)],
        {},
    ),
    "one of three is left behind": ([node("a"), node("b"), node("c", height=3)], {"c": "behind"}),
}


@pytest.mark.parametrize(("nodes", "expected"), JUDGED.values(), ids=JUDGED.keys())
def test_a_node_is_judged_by_its_heads_age_and_by_the_others(
    nodes: list[NodeFacts], expected: dict[str, str]
) -> None:
    assert states(*nodes) == expected


def test_time_in_which_nobody_asked_is_not_held_against_a_node() -> None:
    head = Position(100, bytes(32))
    asked_long_ago = NodeFacts(
        "a", head, NOW - timedelta(hours=5), NOW - timedelta(hours=4, minutes=55), False
    )
    assert asked_long_ago.head_age == timedelta(minutes=5)
    assert doubts([asked_long_ago], LIMITS) == {}


def test_a_doubt_ends_when_the_node_moves_on() -> None:
    stuck = Doubt(NodeState.STUCK, Position(100, b"h" * 32), timedelta(minutes=20))
    assert "no new block for 20 minutes" in stuck.about(Position(100, b"h" * 32))
    assert stuck.about(Position(101, b"i" * 32)) == ""
    behind = Doubt(NodeState.BEHIND, Position(90, b"h" * 32), height_min=98)
    assert "98" in behind.about(Position(97, b"i" * 32))
    assert behind.about(Position(98, b"i" * 32)) == ""
    assert Doubt(NodeState.DOWN).about(Position(1, b"i" * 32)) == ""


def answer(name: str, hashes: dict[int, bytes], *, head_hash: bytes = b"h" * 32) -> Answer:
    return Answer(name, Head(Position(106, head_hash), NOW), 100, hashes)


def test_nodes_are_compared_where_both_have_confirmed_blocks() -> None:
    first, second = answer("a", {100: b"1", 90: b"0"}), answer("b", {90: b"0"})
    assert disagreement([first, second]) == ""
    assert (
        disagreement([first, answer("b", {90: b"x"})])
        == "a and b have different blocks at confirmed height 90"
    )


def test_a_node_that_shares_our_newest_block_cannot_have_other_blocks_below() -> None:
    kept = {100: b"1"}
    assert self_contradiction([answer("a", {100: b"1"})], cursor_hash=b"h" * 32, kept=kept) == ""
    lying = [answer("a", {100: b"x"})]
    assert "another block at height 100" in self_contradiction(lying, cursor_hash=b"h" * 32, kept=kept)
    # A node on another branch may be right: the watcher follows it, or halts by its own rules.
    assert self_contradiction(lying, cursor_hash=b"o" * 32, kept=kept) == ""


def test_another_chain_is_told_in_the_nodes_words() -> None:
    assert other_chain([answer("a", {})]) == ""
    assert (
        other_chain([answer("a", {}), Answer("b", fault="b is of chain 5", is_of_other_chain=True)])
        == "b is of chain 5"
    )


def test_nodes_are_named_without_password_or_path() -> None:
    urls = [
        "http://user:secret@10.0.0.5:8332",
        "https://provider.example/v3/secret",
        "https://provider.example/v3/other",
    ]
    assert node_names(urls) == ["10.0.0.5:8332", "provider.example", "provider.example (2)"]

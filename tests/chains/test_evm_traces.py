"""Traces of blocks, in the forms that nodes give them: what counts as coin that moved."""

from __future__ import annotations

from typing import Any

import pytest

from chains.evm.traces import of_call_tracer, of_trace_block

TXID = "0x" + "aa" * 32
PAYER, CONTRACT, ALICE, BOB = ("0x" + f"{n:02x}" * 20 for n in (1, 2, 3, 4))


def flat(place: list[int], **fields: Any) -> dict[str, Any]:
    action = {"from": CONTRACT, "to": ALICE, "value": "0x5", "callType": "call"} | fields.pop("action", {})
    return {"type": "call", "action": action, "traceAddress": place, "transactionHash": TXID, **fields}


def tree(*calls: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    root = {"type": "CALL", "from": PAYER, "to": CONTRACT, "value": "0x9", "calls": list(calls), **fields}
    return [{"txHash": TXID, "result": root}]


def call(*calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "type": "CALL",
        "from": CONTRACT,
        "to": ALICE,
        "value": "0x5",
        **({"calls": list(calls)} if calls else {}),
        **fields,
    }


ROOT = flat([], action={"from": PAYER, "to": CONTRACT, "value": "0x9"})

# The same calls in both forms, and (recipient, wei) of what moved.
SAME: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[str, int]]]] = {
    "nothing inside": ([ROOT], tree(), []),
    "one call": ([ROOT, flat([0])], tree(call()), [(ALICE, 5)]),
    "no value": ([ROOT, flat([0], action={"value": "0x0"})], tree(call(value="0x0")), []),
    "another's code": (
        [ROOT, flat([0], action={"callType": "delegatecall"}), flat([1], action={"callType": "callcode"})],
        tree(call(type="DELEGATECALL"), call(type="CALLCODE")),
        [],
    ),
    "only read": ([ROOT, flat([0], action={"callType": "staticcall"})], tree(call(type="STATICCALL")), []),
    "a failed call": ([ROOT, flat([0], error="Reverted")], tree(call(error="execution reverted")), []),
    "inside a failed call": (
        [ROOT, flat([0], error="Reverted"), flat([0, 0]), flat([1], action={"to": BOB})],
        tree(call(call(), error="execution reverted"), call(to=BOB)),
        [(BOB, 5)],
    ),
    "the whole failed": (
        [{**ROOT, "error": "Out of gas"}, flat([0])],
        tree(call(), error="out of gas"),
        [],
    ),
    "deep inside, in order": (
        [
            ROOT,
            flat([0], action={"value": "0x1"}),
            flat([0, 0], action={"to": BOB, "value": "0x2"}),
            flat([1]),
        ],
        tree(call(call(to=BOB, value="0x2"), value="0x1"), call()),
        [(ALICE, 1), (BOB, 2), (ALICE, 5)],
    ),
    "an heir": (
        [
            ROOT,
            flat([0], type="suicide", action={"address": CONTRACT, "refundAddress": BOB, "balance": "0x7"}),
        ],
        tree(call(type="SELFDESTRUCT", to=BOB, value="0x7")),
        [(BOB, 7)],
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_both_forms_tell_the_same(name: str) -> None:
    flat_form, tree_form, moved = SAME[name]
    told = of_trace_block(flat_form)
    assert told == of_call_tracer(tree_form)
    assert [("0x" + transfer.key.hex(), transfer.amount_minor) for transfer in told] == moved
    assert [transfer.index for transfer in told] == [-100 - n for n in range(len(moved))]


def test_a_block_s_reward_is_no_transfer() -> None:
    reward = {"type": "reward", "action": {"author": ALICE, "value": "0x5"}, "traceAddress": []}
    assert of_trace_block([reward]) == []


def test_a_contract_that_is_made_with_coin_receives_none_that_counts() -> None:
    made = flat([0], type="create", action={"value": "0x5"})
    assert of_trace_block([ROOT, made]) == of_call_tracer(tree(call(type="CREATE"))) == []

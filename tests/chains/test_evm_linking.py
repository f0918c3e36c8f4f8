"""Which blocks and logs of one answer are believed, and whose transfers are made of them. Pure."""

from __future__ import annotations

from typing import Any

from chains.evm.linking import cut_where_moved, until_gap
from chains.evm.transfers import TRANSFER_TOPIC, coin_recipients, token_recipients, transfers_by_block

TOKEN = b"\x11" * 20
OURS, SOMEBODY = b"\xaa" * 20, b"\xbb" * 20

Json = dict[str, Any]


def block(height: int, transactions: list[Any] | None = None, *, label: str = "a") -> Json:
    return {"number": hex(height), "hash": f"{label}{height}", "transactions": transactions or []}


def log(height: int, recipient: bytes = OURS, *, label: str = "a", **changes: Any) -> Json:
    return {
        "address": "0x" + TOKEN.hex(),
        "topics": [TRANSFER_TOPIC, "0x" + "00" * 12 + SOMEBODY.hex(), "0x" + "00" * 12 + recipient.hex()],
        "data": f"0x{7:064x}",
        "blockNumber": hex(height),
        "blockHash": f"{label}{height}",
        "transactionHash": "0x" + "cd" * 32,
        "logIndex": "0x3",
        **changes,
    }


def coin(recipient: bytes | None = OURS, value: str = "0x9") -> Json:
    to = None if recipient is None else "0x" + recipient.hex()
    return {"to": to, "value": value, "hash": "0x" + "ef" * 32, "from": "0x" + SOMEBODY.hex()}


def test_blocks_count_up_to_the_first_that_is_missing_or_another() -> None:
    assert until_gap([block(5), block(6), None, block(8)], 5, "node") == [block(5), block(6)]
    assert until_gap([block(5), block(7)], 5, "node") == [block(5)]


def test_logs_of_the_blocks_read_are_all_believed() -> None:
    blocks, logs = [block(5), block(6)], [log(5), log(6), log(6)]
    assert cut_where_moved(blocks, logs) == logs
    assert blocks == [block(5), block(6)]


def test_blocks_are_cut_before_the_first_whose_logs_are_of_another_block() -> None:
    blocks = [block(5), block(6), block(7)]
    assert cut_where_moved(blocks, [log(5), log(6, label="b"), log(7)]) == [log(5)]
    assert blocks == [block(5)]


def test_a_log_of_a_height_that_was_not_read_cuts_nothing() -> None:
    blocks = [block(5)]
    assert cut_where_moved(blocks, [log(5), log(9, label="b")]) == [log(5)]
    assert blocks == [block(5)]


def test_recipients_are_those_of_logs_in_a_transfers_form_and_of_coin_that_moves() -> None:
    nft = log(5, topics=[TRANSFER_TOPIC, "0x00", "0x" + "00" * 12 + OURS.hex(), "0x01"])
    assert token_recipients([log(5), log(6), nft]) == {"0x" + "00" * 12 + OURS.hex(): OURS}
    assert coin_recipients([coin(), coin(SOMEBODY, "0x0"), coin(None)]) == {"0x" + OURS.hex(): OURS}


def test_transfers_are_made_of_what_pays_us_alone_each_in_its_block() -> None:
    blocks = [block(5, [coin(), coin(SOMEBODY)]), block(6)]
    logs = [log(5, SOMEBODY), log(6), log(6, data="0x" + "00" * 32), log(6, address="0x" + "22" * 20)]
    paying = {"0x" + OURS.hex(), "0x" + "00" * 12 + OURS.hex()}
    first, second = transfers_by_block(blocks, logs, {TOKEN}, paying)
    assert [(each.key, each.contract, each.amount_minor) for each in first] == [(OURS, None, 9)]
    assert [(each.key, each.contract, each.amount_minor) for each in second] == [(OURS, TOKEN, 7)]


def test_blocks_read_without_their_transactions_tell_of_tokens_only() -> None:
    paying = {"0x" + OURS.hex(), "0x" + "00" * 12 + OURS.hex()}
    ((transfer,),) = transfers_by_block([block(5, ["0x" + "ef" * 32])], [log(5)], {TOKEN}, paying)
    assert transfer.contract == TOKEN


def test_nothing_is_made_where_nobody_of_ours_is_paid() -> None:
    assert transfers_by_block([block(5, [coin()])], [log(5)], {TOKEN}, set()) == [[]]

"""What really arrived of a token: the event's value, or less where the token keeps a part of it.

A Transfer event is the token's own word, and one that takes a fee may log the full value while less arrives. So for each address
that was paid, its balance is asked for before and after the block, and no more is credited than it grew by, plus what left it in
the same block (an emptying), as far as events tell. A node that has forgotten the state of that block is taken at the event's
word; that is said in the log once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from chains.evm.rpc import EvmRpc, Json
from chains.evm.transfers import TRANSFER_TOPIC
from chains.nodes import Call
from chains.observation import FoundTransfer

logger = logging.getLogger(__name__)

# The first four bytes of keccak of balanceOf(address).
_BALANCE_OF = "0x70a08231"

# A token and an address that was paid in it.
_Account = tuple[bytes, bytes]


class Arrivals:
    """Checks payments of tokens against balances at one node."""

    def __init__(self, rpc: EvmRpc) -> None:
        self._rpc = rpc
        self._has_history = True

    def checked(
        self, blocks: Sequence[Json], hits: Sequence[list[FoundTransfer]]
    ) -> list[list[FoundTransfer]]:
        """``hits`` of each of ``blocks`` with the amounts that arrived; without those of which nothing did.

        Raises:
            NodeUnavailable: no usable answer.
        """
        accounts = [
            (place, account)
            for place, transfers in enumerate(hits)
            for account in sorted({_account(each) for each in transfers if each.contract is not None})
        ]
        growths = self._growths([(blocks[place], account) for place, account in accounts])
        checked = [list(transfers) for transfers in hits]
        for (place, account), growth in zip(accounts, growths, strict=True):
            if growth is not None:
                checked[place] = self._limited(blocks[place], checked[place], account, growth)
        return checked

    def _growths(self, questions: Sequence[tuple[Json, _Account]]) -> list[int | None]:
        """By how much each account grew over its block; None where the node does not say."""
        calls = [
            _balance_of(account, block_hash)
            for block, account in questions
            for block_hash in (block["parentHash"], block["hash"])
        ]
        balances = [_word(result) for result in self._rpc.each(calls)]
        pairs = list(zip(balances[::2], balances[1::2], strict=True))
        self._note_history(all(before is not None and after is not None for before, after in pairs))
        return [None if before is None or after is None else after - before for before, after in pairs]

    def _limited(
        self, block: Json, transfers: list[FoundTransfer], account: _Account, growth: int
    ) -> list[FoundTransfer]:
        told = sum(each.amount_minor for each in transfers if _account(each) == account)
        arrived = growth if growth >= told else growth + self._left(block, account)
        return share(transfers, account, arrived) if arrived < told else transfers

    def _left(self, block: Json, account: _Account) -> int:
        """What left the account in the block, by the token's events, in its smallest unit."""
        contract, key = account
        word = "0x" + key.rjust(32, b"\0").hex()
        log_filter = {"address": "0x" + contract.hex(), "topics": [TRANSFER_TOPIC, word]}
        logs = self._rpc.logs_by_block(log_filter, [block["hash"]])
        # To oneself is no departure, and no arrival either.
        return sum(
            int(log["data"], 16) for log in logs if len(log["topics"]) == 3 and log["topics"][2] != word
        )

    def _note_history(self, has_history: bool) -> None:
        if self._has_history and not has_history:
            logger.warning(
                "the node does not say balances at a block: token payments are credited by their events alone",
                extra={"node": self._rpc.name},
            )
        self._has_history = has_history


def share(transfers: Sequence[FoundTransfer], account: _Account, arrived: int) -> list[FoundTransfer]:
    """``transfers`` with those to ``account`` cut to ``arrived`` together, each in proportion, nothing lost to rounding."""
    told = sum(each.amount_minor for each in transfers if _account(each) == account)
    result, told_before = [], 0
    for each in transfers:
        if _account(each) != account:
            result.append(each)
            continue
        told_after = told_before + each.amount_minor
        amount_minor = max(0, arrived) * told_after // told - max(0, arrived) * told_before // told
        if amount_minor:
            result.append(replace(each, amount_minor=amount_minor))
        told_before = told_after
    return result


def _account(transfer: FoundTransfer) -> _Account:
    return transfer.contract or b"", transfer.key


def _balance_of(account: _Account, block_hash: str) -> Call:
    contract, key = account
    call = {"to": "0x" + contract.hex(), "data": _BALANCE_OF + key.rjust(32, b"\0").hex()}
    return "eth_call", [call, {"blockHash": block_hash}]


def _word(result: object) -> int | None:
    """The number in a 32-byte answer; None for an error or anything else."""
    if not isinstance(result, str) or len(result) != 66:
        return None
    try:
        return int(result, 16)
    except ValueError:
        return None

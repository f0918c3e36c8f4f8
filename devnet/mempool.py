"""The development node's mempool: who is in it, what a replacement needs, what a reorg brings back.

The rules and their names are Bitcoin Core's (version 31).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from devnet.bitcoin_block import Coin
from devnet.bitcoin_script import is_unspendable
from devnet.bitcoin_transaction import BitcoinTransaction, OutPoint
from devnet.kernel_chain import ChainChange, KernelChain
from devnet.lock_times import check_final, check_relative_locks
from devnet.relay_policy import (
    InputsMissingError,
    PoolRejectionError,
    check_fee,
    check_shape,
    check_standard,
    fee_for_size_sat,
    format_money,
    verify_scripts,
)

COINBASE_MATURITY = 100
MAX_CLUSTER_COUNT = 64
MAX_REPLACED = 100
#: An invalidation deeper than this gives up on returning what it disconnects, as Core does.
MAX_DISCONNECTED_TO_RETURN = 10


@dataclass
class PoolEntry:
    """A member of the mempool. ``time`` is in seconds, ``height`` that of the tip when it entered."""

    transaction: BitcoinTransaction
    fee_sat: int
    time: int
    height: int


@dataclass(frozen=True)
class PoolEvent:
    """A member that entered or left, under the number that Core's mempool_sequence gives it.

    One that left by being mined is no event: its block tells.
    """

    transaction: BitcoinTransaction
    sequence: int
    has_entered: bool


PoolChange = list[PoolEvent]


class Mempool:
    """Unconfirmed transactions, parents always before their children."""

    def __init__(self, chain: KernelChain) -> None:
        self._chain = chain
        self.entries: dict[str, PoolEntry] = {}
        self.spenders: dict[OutPoint, str] = {}
        #: The number that the next entry or removal gets: Core's mempool_sequence.
        self.sequence = 1

    def accept(self, transaction: BitcoinTransaction, *, now: int) -> PoolChange:
        """Take a transaction in, removing what it replaces. Raises PoolRejectionError and changes nothing."""
        fee_sat, replaced = self.check(transaction)
        change: PoolChange = []
        self._remove(replaced, change)
        self._add(PoolEntry(transaction, fee_sat, now, self._chain.height), change)
        return change

    def check(self, transaction: BitcoinTransaction) -> tuple[int, list[str]]:
        """The fee in satoshi and the members that would be replaced. Raises PoolRejectionError."""
        check_shape(transaction)
        check_standard(transaction)
        check_final(transaction, self._chain)
        if transaction.txid in self.entries:
            same = self.entries[transaction.txid].transaction.wtxid == transaction.wtxid
            raise PoolRejectionError(
                "txn-already-in-mempool" if same else "txn-same-nonwitness-data-in-mempool"
            )
        coins = self._coins_spent(transaction)
        check_relative_locks(transaction, coins, self._chain)
        fee_sat = self._fee_sat(transaction, coins)
        check_fee(transaction, fee_sat)
        replaced = self._check_replacement(transaction, fee_sat)
        self._check_cluster(transaction, replaced)
        verify_scripts(transaction, coins)
        return fee_sat, replaced

    def coin(self, outpoint: OutPoint) -> Coin | None:
        """An output that exists, confirmed or not, whether or not the mempool spends it; else None."""
        confirmed = self._chain.coins.get(outpoint)
        entry = self.entries.get(outpoint.txid)
        if confirmed or entry is None or outpoint.index >= len(entry.transaction.outputs):
            return confirmed
        output = entry.transaction.outputs[outpoint.index]
        if is_unspendable(output.script_pubkey):
            return None
        return Coin(output.amount_sat, output.script_pubkey, self._chain.height + 1, False)

    def follow(self, change: ChainChange, *, invalidated: bool = False) -> PoolChange:
        """Bring the mempool in line with a changed chain; disconnected transactions return if still valid."""
        result: PoolChange = []
        for block in change.connected:
            for transaction in block.transactions:
                self._forget_mined(transaction, result)
        if change.disconnected:
            blocks = change.disconnected[:MAX_DISCONNECTED_TO_RETURN] if invalidated else change.disconnected
            returning = [item for block in reversed(blocks) for item in block.transactions[1:]]
            self._rebuild(returning, result)
        return result

    def parents(self, txid: str) -> list[str]:
        """Members whose outputs this one spends."""
        inputs = self.entries[txid].transaction.inputs
        return list(
            dict.fromkeys(item.previous.txid for item in inputs if item.previous.txid in self.entries)
        )

    def children(self, txid: str) -> list[str]:
        """Members that spend this one's outputs."""
        count = len(self.entries[txid].transaction.outputs)
        spending = (self.spenders.get(OutPoint(txid, index)) for index in range(count))
        return list(dict.fromkeys(child for child in spending if child))

    def ancestors(self, txid: str) -> list[str]:
        """The member itself and all it depends on."""
        return self._reach([txid], self.parents)

    def descendants(self, txid: str) -> list[str]:
        """The member itself and all that depends on it."""
        return self._reach([txid], self.children)

    def _reach(self, start: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> list[str]:
        reached = dict.fromkeys(start)
        waiting = list(reached)
        while waiting:
            for neighbour in neighbours(waiting.pop()):
                if neighbour not in reached:
                    reached[neighbour] = None
                    waiting.append(neighbour)
        return list(reached)

    def _add(self, entry: PoolEntry, change: PoolChange) -> None:
        self._hold(entry)
        self._count(entry.transaction, change, has_entered=True)

    def _hold(self, entry: PoolEntry) -> None:
        txid = entry.transaction.txid
        self.entries[txid] = entry
        for item in entry.transaction.inputs:
            self.spenders[item.previous] = txid

    def _count(self, transaction: BitcoinTransaction, change: PoolChange, *, has_entered: bool) -> None:
        change.append(PoolEvent(transaction, self.sequence, has_entered))
        self.sequence += 1

    def _remove(self, txids: Iterable[str], change: PoolChange) -> None:
        for txid in txids:
            transaction = self.entries[txid].transaction
            self._drop(txid)
            self._count(transaction, change, has_entered=False)

    def _drop(self, txid: str) -> None:
        for item in self.entries.pop(txid).transaction.inputs:
            del self.spenders[item.previous]

    def _forget_mined(self, transaction: BitcoinTransaction, change: PoolChange) -> None:
        """Drop a mined member, and with their descendants the members that spend the same outputs."""
        if transaction.txid in self.entries:
            self._drop(transaction.txid)
        for item in transaction.inputs:
            rival = self.spenders.get(item.previous)
            if rival:
                self._remove(reversed(self._in_pool_order(self.descendants(rival))), change)

    def _in_pool_order(self, txids: Iterable[str]) -> list[str]:
        wanted = set(txids)
        return [txid for txid in self.entries if txid in wanted]

    def _rebuild(self, returning: list[BitcoinTransaction], change: PoolChange) -> None:
        """Admit again what came back and what was there, in order; fees and scripts are known to be good."""
        before = self.entries
        self.entries, self.spenders = {}, {}
        now = self._chain.tip.time
        for transaction in [*returning, *(entry.transaction for entry in before.values())]:
            old = before.get(transaction.txid)
            try:
                check_final(transaction, self._chain)
                coins = self._coins_spent(transaction)
                check_relative_locks(transaction, coins, self._chain)
                fee_sat = self._fee_sat(transaction, coins)
            except PoolRejectionError:
                if old:
                    self._count(transaction, change, has_entered=False)
                continue
            if old:
                self._hold(old)
            else:
                self._add(PoolEntry(transaction, fee_sat, now, self._chain.height), change)

    def _coins_spent(self, transaction: BitcoinTransaction) -> list[Coin]:
        coins = [self.coin(item.previous) for item in transaction.inputs]
        found = [coin for coin in coins if coin]
        if len(found) == len(coins):
            return found
        if any(
            OutPoint(transaction.txid, index) in self._chain.coins
            for index in range(len(transaction.outputs))
        ):
            raise PoolRejectionError("txn-already-known")
        raise InputsMissingError("bad-txns-inputs-missingorspent")

    def _fee_sat(self, transaction: BitcoinTransaction, coins: list[Coin]) -> int:
        for coin in coins:
            depth = self._chain.height + 1 - coin.height
            if coin.is_coinbase and depth < COINBASE_MATURITY:
                details = f"tried to spend coinbase at depth {depth}"
                raise PoolRejectionError("bad-txns-premature-spend-of-coinbase", details)
        total_in, total_out = sum(coin.amount_sat for coin in coins), transaction.output_total_sat
        if total_in < total_out:
            details = f"value in ({format_money(total_in)}) < value out ({format_money(total_out)})"
            raise PoolRejectionError("bad-txns-in-belowout", details)
        return total_in - total_out

    def _check_replacement(self, transaction: BitcoinTransaction, fee_sat: int) -> list[str]:
        """The members this one replaces, children last; full replace-by-fee, whatever they signal."""
        rivals = {
            self.spenders[item.previous] for item in transaction.inputs if item.previous in self.spenders
        }
        if not rivals:
            return []
        txid = transaction.txid
        replaced = self._in_pool_order(self._reach(rivals, self.children))
        if any(item.previous.txid in replaced for item in transaction.inputs):
            raise PoolRejectionError("bad-txns-spends-conflicting-tx")
        if len(replaced) > MAX_REPLACED:
            raise PoolRejectionError("too many potential replacements")
        old_fees = sum(self.entries[member].fee_sat for member in replaced)
        if fee_sat < old_fees:
            details = f"less fees than conflicting txs; {format_money(fee_sat)} < {format_money(old_fees)}"
            raise PoolRejectionError("insufficient fee", f"rejecting replacement {txid}, {details}")
        extra, needed = fee_sat - old_fees, fee_for_size_sat(transaction.vsize)
        if extra < needed:
            details = f"not enough additional fees to relay; {format_money(extra)} < {format_money(needed)}"
            raise PoolRejectionError("insufficient fee", f"rejecting replacement {txid}, {details}")
        for rival in (self.entries[member] for member in rivals):
            if fee_sat * rival.transaction.vsize <= rival.fee_sat * transaction.vsize:
                raise PoolRejectionError(
                    "replacement-failed", "insufficient feerate: does not improve feerate diagram"
                )
        return replaced

    def _check_cluster(self, transaction: BitcoinTransaction, replaced: list[str]) -> None:
        """Everything connected to the newcomer, in either direction, counts towards one limit."""
        parents = {item.previous.txid for item in transaction.inputs if item.previous.txid in self.entries}
        cluster = self._reach(parents, lambda member: [*self.parents(member), *self.children(member)])
        if len(set(cluster) - set(replaced)) + 1 > MAX_CLUSTER_COUNT:
            raise PoolRejectionError("too-large-cluster")

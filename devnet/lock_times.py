"""When a transaction may be mined at the earliest: its own lock time, and the age it asks of what it spends."""

from __future__ import annotations

from devnet.bitcoin_block import Coin
from devnet.bitcoin_transaction import BitcoinTransaction
from devnet.kernel_chain import KernelChain
from devnet.relay_policy import PoolRejectionError

#: A lock time below this is a height, above it a time in seconds.
LOCKTIME_THRESHOLD = 500_000_000
SEQUENCE_FINAL = 0xFFFFFFFF
SEQUENCE_DISABLED = 1 << 31
SEQUENCE_IS_TIME = 1 << 22
SEQUENCE_SPAN = 0xFFFF
#: A relative time counts in units of 512 seconds.
SEQUENCE_GRANULARITY = 9


def check_final(transaction: BitcoinTransaction, chain: KernelChain) -> None:
    """The absolute lock time, against the next block. Raises PoolRejectionError."""
    is_height = transaction.locktime < LOCKTIME_THRESHOLD
    limit = chain.height + 1 if is_height else chain.tip.median_time
    if transaction.locktime < limit or not transaction.locktime:
        return
    if any(item.sequence != SEQUENCE_FINAL for item in transaction.inputs):
        raise PoolRejectionError("non-final")


def check_relative_locks(transaction: BitcoinTransaction, coins: list[Coin], chain: KernelChain) -> None:
    """BIP 68: the age that each input asks of the coin it spends. Raises PoolRejectionError."""
    if transaction.version < 2:
        return
    for item, coin in zip(transaction.inputs, coins, strict=True):
        if not item.sequence & SEQUENCE_DISABLED and _is_locked(item.sequence, coin, chain):
            raise PoolRejectionError("non-BIP68-final")


def _is_locked(sequence: int, coin: Coin, chain: KernelChain) -> bool:
    span = sequence & SEQUENCE_SPAN
    if not sequence & SEQUENCE_IS_TIME:
        return coin.height + span > chain.height + 1
    before_coin = chain.blocks[chain.active[max(coin.height - 1, 0)]]
    return before_coin.median_time + (span << SEQUENCE_GRANULARITY) > chain.tip.median_time

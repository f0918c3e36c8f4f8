"""Whether a Bitcoin transaction may count before it is in a block, by what its bytes and its node say. Pure.

A node that runs with full replacement (``mempoolfullrbf``, the only way since Bitcoin Core 28) relays a replacement of any
transaction, so no signal is a guarantee. The signal decides here all the same: who gives it announces that a replacement may
follow, and who does not would have to cheat. A city that does not want to bear that risk asks for one confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass

SIGNALS_REPLACEMENT = "signals replacement"
FEE_BELOW_PROMPT = "fee below prompt block"
UNCONFIRMED_ANCESTOR = "unconfirmed ancestor"


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """What the node's mempool says of one transaction: its own fee, its size, and how many unmined ones it needs, itself too."""

    fee_sat: int
    vsize: int
    ancestor_count: int


def risks(*, signals_replacement: bool, entry: PoolEntry, prompt_sat_per_kvb: int) -> tuple[str, ...]:
    """What speaks against counting it now; empty when nothing does.

    ``prompt_sat_per_kvb`` is the fee rate, in satoshi per 1,000 virtual bytes, at which a transaction is mined promptly now.
    """
    found = {
        SIGNALS_REPLACEMENT: signals_replacement,
        FEE_BELOW_PROMPT: entry.fee_sat * 1000 < prompt_sat_per_kvb * entry.vsize,
        UNCONFIRMED_ANCESTOR: entry.ancestor_count > 1,
    }
    return tuple(name for name, is_so in found.items() if is_so)

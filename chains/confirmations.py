"""How often a transfer is confirmed, and how often is enough."""

from __future__ import annotations

from chains.models import Network, Transfer, TransferState

# Blocks that a block's own reward has to wait before the rules of the chain let it be spent.
COINBASE_MATURITY = 100

_FIELD_BY_SPEED_POLICY = {
    "HighSpeed": "confirmations_high_speed",
    "MediumSpeed": "confirmations_medium_speed",
    "LowMediumSpeed": "confirmations_low_medium_speed",
    "LowSpeed": "confirmations_low_speed",
}


def required(network: Network, speed_policy: str) -> int:
    """The confirmations that a payment needs on ``network`` under a store's speed policy.

    Raises:
        ValueError: there is no such policy.
    """
    field = _FIELD_BY_SPEED_POLICY.get(speed_policy)
    if field is None:
        raise ValueError(f"unknown speed policy: {speed_policy!r}")
    return int(getattr(network, field))


def of(transfer: Transfer, network: Network) -> int:
    """The blocks from the transfer's own to the last one read, both counted; 0 while it is in none.

    Counted against our cursor, not against the node's tip: a block that nobody has read confirms nothing. A block's own
    reward has none before it can be spent.
    """
    if (
        transfer.state != TransferState.MINED
        or transfer.block_height is None
        or network.cursor_height is None
    ):
        return 0
    confirmed = max(0, network.cursor_height - transfer.block_height + 1)
    return 0 if transfer.is_coinbase and confirmed < COINBASE_MATURITY else confirmed


def enough(transfer: Transfer, network: Network, required: int) -> bool:
    """Whether a transfer in a block is confirmed: ``required`` times (once at least), and not above what its network calls final.

    ``network`` is as last read from the database: a tag that no node has told of yet confirms nothing.
    """
    if of(transfer, network) < max(required, 1):
        return False
    if not network.finality_tag:
        return True
    assert transfer.block_height is not None  # it has confirmations
    return network.final_height is not None and transfer.block_height <= network.final_height


def counts_unconfirmed(transfer: Transfer) -> bool:
    """Whether a transfer may count that is in no block: somebody has looked, and nothing speaks against it."""
    return transfer.state == TransferState.SEEN and transfer.unconfirmed_risks == []

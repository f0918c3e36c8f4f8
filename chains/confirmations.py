"""How often a transfer is confirmed, and how often is enough."""

from __future__ import annotations

from chains.models import Network, Transfer, TransferState

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

    Counted against our cursor, not against the node's tip: a block that nobody has read confirms nothing.
    """
    if (
        transfer.state != TransferState.MINED
        or transfer.block_height is None
        or network.cursor_height is None
    ):
        return 0
    return max(0, network.cursor_height - transfer.block_height + 1)

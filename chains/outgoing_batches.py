"""Preparing one Bitcoin transaction for several destinations: the wallet's spendable coins, its change address, the PSBT.

A node is asked which coins are unspent, so never call this inside a database transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from chains import addresses, confirmations
from chains.bitcoin.unsigned import CannotPrepare, Coin, Prepared, prepare
from chains.models import Destination, Network, NetworkKind, Transfer, TransferState, Wallet
from chains.nodes import Call, NodeError
from chains.outgoing_fees import ask_bitcoin, satoshi

__all__ = ["CHANGE_PURPOSE", "CannotPrepare", "Prepared", "prepare_batch", "spendable"]

# The purpose of a change address: whatever arrives there is the operator's own, and nobody's payment.
CHANGE_PURPOSE = "change:"
# Older and larger ones first are asked about; a batch hardly needs more.
COINS_LOOKED_AT_MAX = 500
# Most signers take no more inputs at once gladly.
COINS_PER_BATCH_MAX = 200


def spendable(wallet: Wallet, *, reserved: Collection[tuple[bytes, int]] = ()) -> list[Coin]:
    """The wallet's confirmed coins that the node calls unspent, mempool included, without those in ``reserved`` (txid, index).

    Raises:
        NodeUnavailable, NodeWrongChain: no usable answer.
    """
    # As last read: how deep a coin lies is told by the network's cursor, which moves.
    network = Network.objects.get(pk=wallet.network_id)
    transfers = [
        transfer
        for transfer in Transfer.objects.filter(deposit_address__wallet=wallet, state=TransferState.MINED)
        .select_related("deposit_address")
        .order_by("-amount_minor", "id")[:COINS_LOOKED_AT_MAX]
        if confirmations.enough(transfer, network, network.confirmations_medium_speed)
        and (bytes(transfer.txid), transfer.index) not in reserved
    ]
    calls: list[Call] = []
    for transfer in transfers:
        txid, block = bytes(transfer.txid).hex(), bytes(transfer.block_hash or b"").hex()
        calls += [("gettxout", [txid, transfer.index, True]), ("getrawtransaction", [txid, 0, block])]
    answers = ask_bitcoin(network, calls) if calls else []
    coins = [
        coin
        for transfer, unspent, raw in zip(transfers, answers[::2], answers[1::2], strict=True)
        if (coin := _coin(transfer, unspent, raw)) is not None
    ]
    return coins[:COINS_PER_BATCH_MAX]


def prepare_batch(
    wallet: Wallet,
    payments: Sequence[tuple[Destination, int]],
    *,
    name: str,
    sat_per_vbyte: int,
    reserved: Collection[tuple[bytes, int]],
    now: datetime,
) -> Prepared:
    """A PSBT that pays each destination so many satoshi out of ``wallet``; its change goes to the wallet's next address.

    ``name`` is the batch's own: the same name again has the same change address.

    Raises:
        CannotPrepare: not a Bitcoin wallet, or see there. NodeUnavailable, NodeWrongChain: no usable answer.
    """
    if wallet.network.kind != NetworkKind.BITCOIN:
        raise CannotPrepare("only a Bitcoin wallet pays several people in one transaction")
    coins = spendable(wallet, reserved=reserved)
    change = addresses.allocate(wallet=wallet, purpose=f"{CHANGE_PURPOSE}{name}", now=now)
    return prepare(
        wallet.public_key,
        [(bytes(destination.key), amount_sat) for destination, amount_sat in payments],
        coins,
        change_index=change.derivation_index,
        sat_per_vbyte=sat_per_vbyte,
    )


def _coin(transfer: Transfer, unspent: Any, raw: Any) -> Coin | None:
    """The transfer as a coin; None where it is spent, or the node means another amount than we do."""
    if not isinstance(unspent, dict) or satoshi(unspent["value"]) != transfer.amount_minor:
        return None
    return Coin(
        txid=bytes(transfer.txid),
        index=transfer.index,
        amount_sat=transfer.amount_minor,
        derivation_index=transfer.deposit_address.derivation_index,
        raw=None if isinstance(raw, NodeError) or not isinstance(raw, str) else bytes.fromhex(raw),
    )

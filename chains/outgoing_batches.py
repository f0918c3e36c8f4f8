"""Preparing one Bitcoin transaction for several destinations: the wallet's spendable coins, its change address, the PSBT.

A node is asked which coins are unspent, so never call this inside a database transaction.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from chains import addresses, confirmations
from chains.bitcoin.unsigned import CannotPrepare, Coin, Prepared, TooLittle, prepare
from chains.models import Destination, Network, NetworkKind, Transfer, TransferState, Wallet
from chains.nodes import NodeError
from chains.outgoing_fees import ask_bitcoin, satoshi

__all__ = ["CHANGE_PURPOSE", "CannotPrepare", "Prepared", "prepare_batch", "spendable"]

# The purpose of a change address: whatever arrives there is the operator's own, and nobody's payment.
CHANGE_PURPOSE = "change:"
# What one question to a node is about.
COINS_ASKED_AT_ONCE = 500
# Most signers take no more inputs at once gladly.
COINS_PER_BATCH_MAX = 200


def spendable(wallet: Wallet, *, reserved: Collection[tuple[bytes, int]] = ()) -> Iterator[list[Coin]]:
    """The wallet's confirmed coins that the node calls unspent, mempool included, without those in ``reserved`` (txid, index).

    One list an answer of the node, the newest first: of years of coins nearly all are spent, and the old ones before the new.

    Raises:
        NodeUnavailable, NodeWrongChain: no usable answer.
    """
    # As last read: how deep a coin lies is told by the network's cursor, which moves.
    network = Network.objects.get(pk=wallet.network_id)
    mined = Transfer.objects.filter(deposit_address__wallet=wallet, state=TransferState.MINED)
    numbers = list(mined.order_by("-block_height", "id").values_list("pk", flat=True))
    for first in range(0, len(numbers), COINS_ASKED_AT_ONCE):
        asked = mined.filter(pk__in=numbers[first : first + COINS_ASKED_AT_ONCE])
        transfers = [
            transfer
            for transfer in asked.select_related("deposit_address").order_by("-amount_minor", "id")
            if confirmations.enough(transfer, network, network.confirmations_medium_speed)
            and (bytes(transfer.txid), transfer.index) not in reserved
        ]
        yield _unspent(network, transfers)


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
    change = addresses.allocate(wallet=wallet, purpose=f"{CHANGE_PURPOSE}{name}", now=now)
    pages = spendable(wallet, reserved=reserved)
    coins: list[Coin] = []
    while True:
        page = next(pages, None)
        coins += page or []
        try:
            return prepare(
                wallet.public_key,
                [(bytes(destination.key), amount_sat) for destination, amount_sat in payments],
                heapq.nlargest(COINS_PER_BATCH_MAX, coins, key=lambda coin: coin.amount_sat),
                change_index=change.derivation_index,
                sat_per_vbyte=sat_per_vbyte,
            )
        except TooLittle:
            if page is None:
                raise


def _unspent(network: Network, transfers: Sequence[Transfer]) -> list[Coin]:
    """Those of ``transfers`` that are coins still, with the transactions that made them as far as the node has them."""
    if not transfers:
        return []
    found = ask_bitcoin(
        network, [("gettxout", [bytes(each.txid).hex(), each.index, True]) for each in transfers]
    )
    kept = [(each, answer) for each, answer in zip(transfers, found, strict=True) if isinstance(answer, dict)]
    if not kept:
        return []
    raws = ask_bitcoin(
        network,
        [
            ("getrawtransaction", [bytes(each.txid).hex(), 0, bytes(each.block_hash or b"").hex()])
            for each, _ in kept
        ],
    )
    coins = [_coin(each, answer, raw) for (each, answer), raw in zip(kept, raws, strict=True)]
    return [coin for coin in coins if coin is not None]


def _coin(transfer: Transfer, unspent: dict[str, Any], raw: Any) -> Coin | None:
    """The transfer as a coin; None where the node means another amount than we do."""
    if satoshi(unspent["value"]) != transfer.amount_minor:
        return None
    return Coin(
        txid=bytes(transfer.txid),
        index=transfer.index,
        amount_sat=transfer.amount_minor,
        derivation_index=transfer.deposit_address.derivation_index,
        raw=None if isinstance(raw, NodeError) or not isinstance(raw, str) else bytes.fromhex(raw),
    )

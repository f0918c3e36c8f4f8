"""Sending approved refunds from a wallet that is not here: a QR code each, or one file for a batch to be signed.

Nothing is signed here and no key is known. Every way claims its refunds first, in a RefundBatch (this is the only writer of
those): from then on nobody else sends them or calls them off, until the batch is discarded. Bitcoin: a PSBT that pays many at
once. EVM: a file of calls, one a refund, in the form of Safe's transaction builder, which other signers read as well (``to``,
``value``, ``data``). Both: the code of one refund. What happened is told by the chain alone (``refund_watching``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from chains import outgoing_batches
from chains.evm.addresses import checksum_address
from chains.models import Network, NetworkKind, Wallet
from chains.nodes import NodeUnavailable, NodeWrongChain
from merchants.models import User
from payments import payment_uri, refunds
from payments.models import Refund, RefundBatch, RefundBatchKind, RefundStatus
from payments.refund_rows import RefundRefused, require_buried

# A batch is one chain transaction; a larger one is refused by some signers and most screens.
REFUNDS_PER_BATCH_MAX = 100

# The first four bytes of keccak of transfer(address,uint256).
_TRANSFER_SELECTOR = "0xa9059cbb"
_RELATED = (
    "destination",
    "batch",
    "payment__invoice__store__merchant",
    "payment__transfer__asset__network",
    "payment__transfer__deposit_address",
)


class SendingRefused(Exception):
    """No file can be made of these refunds. The message is for a person."""


def to_be_sent() -> QuerySet[Refund]:
    """Approved refunds that are in no batch, those approved first at the top."""
    waiting = Refund.objects.filter(status=RefundStatus.APPROVED, outgoing__isnull=True)
    return waiting.select_related(*_RELATED).order_by("approved_at", "pk")


def open_batches() -> QuerySet[RefundBatch]:
    """Batches of which the chain does not show everything yet."""
    return (
        RefundBatch.objects.filter(
            discarded_at__isnull=True, refunds__status=RefundStatus.SENDING, refunds__outgoing__isnull=True
        )
        .select_related("wallet__network", "made_by")
        .distinct()
    )


def uri(refund: Refund) -> str:
    """What the QR code of one refund says: BIP21 or EIP-681, for the cold wallet to scan.

    Raises:
        SendingRefused: nobody has given an address.
    """
    if refund.destination is None:
        raise SendingRefused("the refund has no address yet")
    asset, address = refund.asset, refund.destination.address
    if asset.network.kind == NetworkKind.BITCOIN:
        return payment_uri.bitcoin(address, refund.amount_minor)
    chain_id = asset.network.chain_id
    assert chain_id is not None  # the database holds it for every EVM network
    if asset.contract is None:
        return payment_uri.evm_coin(address, refund.amount_minor, chain_id=chain_id)
    contract = "0x" + bytes(asset.contract).hex()
    return payment_uri.evm_token(address, refund.amount_minor, chain_id=chain_id, contract=contract)


def make_calls(refund_ids: Collection[int], *, user: User, now: datetime) -> RefundBatch:
    """Claim these refunds, which all wait to be sent on one EVM network, and keep the file of calls that pays them.

    Raises:
        SendingRefused: not an EVM network, none, too many, or one is not to be sent there, or not yet (``make_code``).
    """
    waiting, wallet = _sendable(refund_ids)
    if wallet.network.kind != NetworkKind.EVM:
        raise SendingRefused("only an EVM network takes a file of calls")
    text = _calls_text(waiting, wallet.network, now=now)
    return _claim(waiting, wallet, RefundBatchKind.CALLS, user=user, now=now, calls=text)


def make_code(refund_id: int, *, user: User, now: datetime) -> RefundBatch:
    """Claim one refund, to be paid by scanning its code, and keep what the code says.

    Raises:
        SendingRefused: it does not wait to be sent any more, its payment is not deep enough, or its network is halted.
    """
    waiting, wallet = _sendable([refund_id])
    return _claim(waiting, wallet, RefundBatchKind.CODE, user=user, now=now, uri=uri(waiting[0]))


def make_batch(refund_ids: Collection[int], *, sat_per_vbyte: int, user: User, now: datetime) -> RefundBatch:
    """One PSBT for these refunds, which all wait to be sent from the operator's active wallet of one Bitcoin network.

    The node is asked for the wallet's unspent coins: never call this inside a database transaction.

    Raises:
        SendingRefused: see there, or the wallet's coins do not suffice, or no node answers.
    """
    waiting, wallet = _sendable(refund_ids)
    reserved = _reserved(wallet)
    try:
        prepared = outgoing_batches.prepare_batch(
            wallet,
            [(refund.destination, refund.amount_minor) for refund in waiting if refund.destination],
            # A batch that failed leaves its change address to the next one.
            name=f"refund batch {RefundBatch.objects.filter(kind=RefundBatchKind.PSBT).count() + 1}",
            sat_per_vbyte=sat_per_vbyte,
            reserved=reserved,
            now=now,
        )
    except (outgoing_batches.CannotPrepare, NodeUnavailable, NodeWrongChain) as error:
        raise SendingRefused(str(error)) from error
    return _keep(wallet, waiting, prepared, sat_per_vbyte=sat_per_vbyte, user=user, now=now)


def discard_batch(batch_id: int, *, user: User, now: datetime) -> int:
    """A person says that the batch was never sent and its file is thrown away: its refunds wait to be sent again.

    Returns how many. What the chain shows already stays as it is.

    Raises:
        SendingRefused: it was discarded before, or the chain shows it.
    """
    with transaction.atomic():
        batch = RefundBatch.objects.select_for_update(of=("self",)).get(pk=batch_id)
        # What the chain shows of one of them is written before or after this, never in between.
        list(batch.refunds.select_for_update(of=("self",)).order_by("pk").values_list("pk"))
        if not is_discardable(batch):
            raise SendingRefused("this batch was discarded before, or the chain shows it already")
        batch.discarded_at, batch.discarded_by = now, user
        batch.save(update_fields=["discarded_at", "discarded_by"])
        return refunds.take_out_of_batch(batch.pk)


def is_discardable(batch: RefundBatch) -> bool:
    """Whether a person may still say that it was never sent. Calls may be sent one by one: those that are not seen may."""
    if batch.discarded_at is not None:
        return False
    unseen = batch.refunds.filter(outgoing__isnull=True, status=RefundStatus.SENDING).exists()
    return unseen and (
        batch.kind == RefundBatchKind.CALLS or not batch.refunds.filter(outgoing__isnull=False).exists()
    )


@transaction.atomic
def _keep(
    wallet: Wallet,
    waiting: Sequence[Refund],
    prepared: outgoing_batches.Prepared,
    *,
    sat_per_vbyte: int,
    user: User,
    now: datetime,
) -> RefundBatch:
    # One batch of a wallet at a time: two that were prepared at once must not spend the same coins.
    Wallet.objects.select_for_update(no_key=True).get(pk=wallet.pk)
    spends = [(coin.txid, coin.index) for coin in prepared.coins]
    if _reserved(wallet).intersection(spends):
        raise SendingRefused("another batch was made at this moment with the same coins: try again")
    return _claim(
        waiting,
        wallet,
        RefundBatchKind.PSBT,
        user=user,
        now=now,
        psbt=prepared.psbt,
        txid=prepared.txid,
        spends=[f"{txid.hex()}:{index}" for txid, index in spends],
        fee_minor=prepared.fee_sat,
        sat_per_vbyte=sat_per_vbyte,
    )


@transaction.atomic
def _claim(
    waiting: Sequence[Refund],
    wallet: Wallet,
    kind: RefundBatchKind,
    *,
    user: User,
    now: datetime,
    **parts: Any,
) -> RefundBatch:
    """The batch with every one of ``waiting`` in it, or nothing at all. Their order is everybody's: no two claims deadlock."""
    batch = RefundBatch.objects.create(wallet=wallet, kind=kind, made_by=user, made_at=now, **parts)
    try:
        for refund in waiting:
            refunds.put_in_batch(refund.pk, batch.pk, user=user, now=now)
    except RefundRefused as error:
        raise SendingRefused("one of these refunds was changed at this moment: try again") from error
    return batch


def _sendable(refund_ids: Collection[int]) -> tuple[list[Refund], Wallet]:
    """The refunds of a batch in the order in which they are locked, and the operator's active wallet of their network."""
    waiting = list(to_be_sent().filter(pk__in=refund_ids))
    if not waiting or len(waiting) != len(set(refund_ids)):
        raise SendingRefused("some of these refunds do not wait to be sent any more: look at the list again")
    network = waiting[0].asset.network
    _require_sendable(waiting, network)
    if network.halted_at is not None:
        # What was paid there may be gone, and nobody would see what is sent.
        raise SendingRefused(f"the network is halted, nothing is sent there: {network.halted_reason}")
    wallet = Wallet.objects.select_related("network").filter(network=network, owner="", active=True).first()
    if wallet is None:
        raise SendingRefused("the operator has no wallet on this network")
    return waiting, wallet


def _reserved(wallet: Wallet) -> set[tuple[bytes, int]]:
    """The outputs that open batches of ``wallet`` are about to spend."""
    of_coins = open_batches().filter(wallet=wallet, kind=RefundBatchKind.PSBT)
    pairs = [text.split(":") for spends in of_coins.values_list("spends", flat=True) for text in spends or ()]
    return {(bytes.fromhex(txid), int(index)) for txid, index in pairs}


def _require_sendable(waiting: Sequence[Refund], network: Network) -> None:
    if not 0 < len(waiting) <= REFUNDS_PER_BATCH_MAX:
        raise SendingRefused(f"a batch is of 1 to {REFUNDS_PER_BATCH_MAX} refunds")
    for refund in waiting:
        if refund.status != RefundStatus.APPROVED or refund.asset.network_id != network.pk:
            raise SendingRefused("every refund of a batch waits to be sent, on the same network")
        try:
            require_buried(refund)
        except RefundRefused as error:
            raise SendingRefused(str(error)) from error


def _calls_text(waiting: Sequence[Refund], network: Network, *, now: datetime) -> str:
    content = {
        "version": "1.0",
        "chainId": str(network.chain_id),
        "createdAt": int(now.timestamp() * 1000),
        "meta": {
            "name": "Alatau Pay refunds",
            "description": ", ".join(refund.reference for refund in waiting),
        },
        "transactions": [_call(refund) for refund in waiting],
    }
    return json.dumps(content, indent=1) + "\n"


def _call(refund: Refund) -> dict[str, Any]:
    """One call: coin to the address, or the token's transfer to it."""
    assert refund.destination is not None  # the database holds it for an approved one
    asset, address = refund.asset, refund.destination.address
    if asset.contract is None:
        to, value, data = address, refund.amount_minor, "0x"
    else:
        words = [bytes(refund.destination.key).rjust(32, b"\0").hex(), f"{refund.amount_minor:064x}"]
        to, value = checksum_address(bytes(asset.contract)), 0
        data = _TRANSFER_SELECTOR + "".join(words)
    return {"to": to, "value": str(value), "data": data, "contractMethod": None, "contractInputsValues": None}

"""What a test says of refunds: an address of the resident, and what the chain shows of the coin that leaves."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db.models import F

from chains.models import Network, OutgoingTransfer, Wallet
from merchants.models import User
from payments import refund_watching, refunds
from payments.models import Payment, Refund
from tests.world import NOW

BITCOIN_ADDRESS = "bcrt1qqqqsyqcyq5rqwzqfpg9scrgwpugpzysnard0ew"
EVM_ADDRESS = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"


def address_for(payment: Payment) -> str:
    """An address of the resident's on the network that ``payment`` came on."""
    return EVM_ADDRESS if payment.transfer.network.kind == "evm" else BITCOIN_ADDRESS


def approved(payment: Payment, *, user: User, now: datetime = NOW, **what: object) -> Refund:
    """A refund of ``payment`` that waits to be sent."""
    how = {"basis": "Then", "reason": "goods came back", **what}
    refund = refunds.start(payment.pk, user=user, now=now, **how)  # type: ignore[arg-type]
    refunds.give_address(refund.pk, address=address_for(payment), now=now)
    return refunds.approve(refund.pk, user=user, now=now)


def bury() -> None:
    """Blocks on top of every payment, as many as its refund waits for before an officer may take it."""
    Network.objects.update(cursor_height=F("cursor_height") + F("confirmations_low_speed") - 1)


def leave(
    refund: Refund,
    *,
    at: datetime = NOW,
    height: int | None = 95,
    txid: bytes | None = None,
    index: int = 0,
    fee_minor: int | None = None,
    from_us: bool = True,
    amount_minor: int | None = None,
) -> OutgoingTransfer:
    """The coin of ``refund`` leaving a wallet of the operator's, as the watcher records it, in a block or (None) in none."""
    asset = refund.payment.transfer.asset
    assert refund.destination is not None
    return OutgoingTransfer.objects.create(
        network=asset.network,
        txid=txid or secrets.token_bytes(32),
        index=index,
        asset=asset,
        destination=refund.destination,
        amount_minor=refund.amount_minor if amount_minor is None else amount_minor,
        wallet=Wallet.objects.get(network=asset.network, owner="") if from_us else None,
        fee_minor=fee_minor,
        state="Seen" if height is None else "Mined",
        block_height=height,
        block_hash=None if height is None else bytes(32),
        seen_at=at,
    )


def place(row: OutgoingTransfer, state: str, *, height: int | None = None) -> None:
    """The chain moves ``row``: into a block (Mined, ``height``), out of it (Seen), or away (Gone)."""
    OutgoingTransfer.objects.filter(pk=row.pk).update(
        state=state,
        block_height=height,
        block_hash=None if height is None else bytes(32),
        pending=True,
    )


def send(refund: Refund, *, at: datetime = NOW, fee_minor: int | None = None, **how: object) -> Refund:
    """The whole way of an approved refund: it leaves, is confirmed, and is followed."""
    leave(refund, at=at, fee_minor=fee_minor, **how)  # type: ignore[arg-type]
    refund_watching.follow(now=at)
    refund.refresh_from_db()
    return refund

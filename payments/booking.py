"""Bringing the ledger to what a payment's booking should be: reverse what stands, post what should stand.

Nothing is edited. Each step has an idempotency key of the payment and a running number, so a decision that is taken again
posts nothing again.
"""

from __future__ import annotations

from datetime import datetime

from alatau_pay.assets import Asset
from payments import held_decisions, refundable, refunds
from payments.lifecycle import Booking
from payments.models import Payment
from settlements import fees, ledger
from settlements.entries import payment_held, payment_settled
from settlements.entry import Entry


def bring_to(payment: Payment, target: Booking, *, coin: Asset, merchant_id: str, now: datetime) -> None:
    """Make the ledger show ``payment`` as ``target``, inside the caller's database transaction.

    Raises:
        settlements.fees.FeeUnknown: no fee or VAT holds today; the caller's whole change is undone and tried again.
    """
    if payment.booked_as == str(target):
        return
    # What people decided about it, and what was to go back of it, falls with the booking that it was decided on.
    refunds.fall(payment, now=now)
    if refundable.of_held(payment) is None:
        # Else the coin has left or is leaving by that decision: undone, the same money would wait to be given once more.
        held_decisions.undo(payment, now=now)
    if payment.ledger_entry is not None:
        ledger.reverse(payment.ledger_entry, idempotency_key=_key(payment, "reversed"), now=now)
        payment.ledger_entry = None
    if target.stands:
        payment.bookings += 1
        payment.ledger_entry = ledger.post(
            _entry(payment, target, coin=coin, merchant_id=merchant_id, now=now),
            idempotency_key=_key(payment, "booked"),
            reference=f"payment:{payment.pk}",
            now=now,
        )
    payment.booked_as = str(target)
    payment.held_minor = payment.amount_minor - target.credited_minor if target.stands else 0
    payment.save(update_fields=["ledger_entry", "booked_as", "bookings", "held_minor"])


def _entry(payment: Payment, target: Booking, *, coin: Asset, merchant_id: str, now: datetime) -> Entry:
    wallet = wallet_of(payment)
    if not target.credited_tiyn:
        return payment_held(coin=coin, wallet=wallet, received_minor=payment.amount_minor)
    fee = fees.fee_for(
        merchant_id=merchant_id,
        asset_code=coin.code,
        gross_tiyn=target.credited_tiyn,
        on=ledger.business_date(now),
    )
    return payment_settled(
        merchant_id=merchant_id,
        coin=coin,
        wallet=wallet,
        received_minor=payment.amount_minor,
        credited_minor=target.credited_minor,
        gross_tiyn=target.credited_tiyn,
        fee=fee,
    )


def wallet_of(payment: Payment) -> str:
    """The ledger's word for the wallet that a payment lies in: "w7"."""
    return f"w{payment.transfer.deposit_address.wallet_id}"


def _key(payment: Payment, verb: str) -> str:
    return f"payment:{payment.pk}:{verb}:{payment.bookings}"

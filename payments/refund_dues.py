"""What a refund makes the ledger owe to the resident, and taking that back."""

from __future__ import annotations

from datetime import datetime

from merchants.models import User
from payments import held_decisions, refundable
from payments.models import HeldDecisionKind, Invoice, Refund, RefundSource
from payments.refund_rows import RefundRefused, require_closed
from settlements import ledger
from settlements.entries import held_refund_due, payable, payment_refund_due
from settlements.models import Account


def post(invoice: Invoice, refund: Refund, *, user: User, now: datetime) -> None:
    """Post that the coin is owed to the resident, by the merchant's means or out of what is held. All rows are locked.

    Sets ``due_entry`` and, of held money, ``held_decision``; the caller saves them.

    Raises:
        RefundRefused: the merchant is owed less than it would bear, or the payment changed since the refund was started.
    """
    payment, coin = refund.payment, refund.asset.asset
    if refund.source == RefundSource.HELD:
        entry = held_refund_due(coin=coin, refunded_minor=refund.amount_minor)
        reason = refund.reason or "the resident asked for it"
        assert refund.destination is not None  # the database holds it for this status
        if payment.held_minor != refund.amount_minor:
            raise RefundRefused("what is held of the payment has changed: call this off and start anew")
        require_closed(payment)
        try:
            held_decisions.require_undecided(payment)
        except held_decisions.DecisionRefused as error:
            raise RefundRefused(str(error)) from error
        decision = held_decisions.write(
            invoice,
            payment,
            HeldDecisionKind.REFUND,
            entry,
            user=user,
            reason=reason,
            now=now,
            address=refund.destination.address,
        )
        refund.due_entry, refund.held_decision = decision.ledger_entry, decision
        return
    _require_cover(invoice, refund)
    refund.due_entry = ledger.post(
        payment_refund_due(
            merchant_id=invoice.store.merchant_id,
            coin=coin,
            refunded_minor=refund.amount_minor,
            value_tiyn=refund.value_tiyn,
        ),
        idempotency_key=f"{refund.reference}:due",
        reference=refund.reference,
        now=now,
    )


def _require_cover(invoice: Invoice, refund: Refund) -> None:
    """Return when the payment was credited with so much, and the merchant is owed what it would bear."""
    credited = refundable.credited(refund.payment)
    if credited.given.amount_minor > credited.amount_minor or credited.given.value_tiyn > credited.value_tiyn:
        raise RefundRefused(
            "the payment is not credited to the store as it was: call this off and start anew"
        )
    merchant = invoice.store.merchant
    # Locked, so that a payout or another refund at this moment cannot take the same tenge.
    locked = Account.objects.select_for_update(no_key=True).filter(code=payable(merchant.pk).code)
    if not locked.exists() or ledger.owed_tiyn(merchant) < refund.value_tiyn:
        raise RefundRefused(
            "the store is owed less at the moment than this refund costs it: approve it after the next sales"
        )


def reverse(refund: Refund, *, now: datetime) -> None:
    """Nothing is owed any more for a refund that is called off; a decision about held money falls with it."""
    if refund.held_decision is not None:
        if refund.held_decision.reversed_at is None:
            held_decisions.undo(refund.payment, now=now)
    elif refund.due_entry is not None:
        ledger.reverse(refund.due_entry, idempotency_key=f"{refund.reference}:cancelled", now=now)

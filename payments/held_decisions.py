"""A decision about money held, as a row and an entry: what ``payments.held`` and ``payments.refunds`` both do.

The only writer of HeldDecision rows.
"""

from __future__ import annotations

from datetime import datetime

from merchants.models import User
from payments import telling
from payments.models import HeldDecision, HeldDecisionKind, Invoice, Payment
from settlements import ledger
from settlements.entry import Entry
from settlements.models import JournalEntry


class DecisionRefused(Exception):
    """The decision does not fit: nothing is held, somebody decided already, or its reason is missing."""


def lock(payment_id: int, *, reason: str) -> tuple[Invoice, Payment]:
    """The payment about which a decision may be made, and its invoice, both locked to the end of the database transaction.

    Raises:
        DecisionRefused: see there.
    """
    if not reason.strip():
        raise DecisionRefused("a decision has a reason")
    invoice_id = Payment.objects.values_list("invoice_id", flat=True).get(pk=payment_id)
    invoice = (
        Invoice.objects.select_for_update(of=("self",)).select_related("store__merchant").get(pk=invoice_id)
    )
    payment = (
        Payment.objects.select_for_update(of=("self",))
        .select_related("transfer__asset__network", "transfer__deposit_address", "quote")
        .get(pk=payment_id)
    )
    if payment.invoice_id != invoice_id:
        raise DecisionRefused("the payment was attached to another invoice at this moment")
    require_undecided(payment)
    # One row, one object: what is written to the invoice is then known wherever it is reached from.
    payment.invoice = invoice
    return invoice, payment


def require_undecided(payment: Payment) -> None:
    """Return when money of ``payment`` is held and nobody has accepted it or given it back.

    Raises:
        DecisionRefused: see there.
    """
    if payment.held_minor == 0:
        raise DecisionRefused("nothing of this payment is held")
    decided = standing(payment)
    if decided is not None and decided.kind != HeldDecisionKind.LEAVE:
        raise DecisionRefused("somebody decided about this payment already")


def standing(payment: Payment) -> HeldDecision | None:
    """The decision that holds now."""
    return payment.held_decisions.filter(reversed_at__isnull=True).first()


def write(
    invoice: Invoice,
    payment: Payment,
    kind: HeldDecisionKind,
    entry: Entry | None,
    *,
    user: User,
    reason: str,
    now: datetime,
    value_tiyn: int | None = None,
    address: str = "",
) -> HeldDecision:
    """Post ``entry`` and keep the decision instead of the one that stood. Both rows are locked (``lock``)."""
    payment.held_decisions.filter(reversed_at__isnull=True).update(reversed_at=now)
    number = payment.held_decisions.count() + 1
    posted: JournalEntry | None = None
    if entry is not None:
        posted = ledger.post(
            entry,
            idempotency_key=f"payment:{payment.pk}:held-decision:{number}",
            reference=f"payment:{payment.pk}",
            now=now,
        )
    decision = HeldDecision.objects.create(
        payment=payment,
        kind=kind,
        amount_minor=payment.held_minor,
        value_tiyn=value_tiyn,
        refund_address=address,
        reason=reason.strip(),
        actor=user,
        decided_at=now,
        ledger_entry=posted,
    )
    detail = {"payment": payment.pk, "amount_minor": str(payment.held_minor), "reason": decision.reason}
    telling.of_decision(invoice, f"HeldMoney{kind}", detail=detail, actor=user, now=now)
    return decision


def undo(payment: Payment, *, now: datetime) -> None:
    """What a person decided about the held part is no more: its entry is reversed, the money waits again."""
    decision = standing(payment)
    if decision is None:
        return
    if decision.ledger_entry is not None:
        ledger.reverse(
            decision.ledger_entry, idempotency_key=f"held-decision:{decision.pk}:reversed", now=now
        )
    decision.reversed_at = now
    decision.save(update_fields=["reversed_at"])

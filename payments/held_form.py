"""The buttons under held money, the same for a store's page and the city's admin: which verb each one calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from merchants.models import User
from payments import held, invoices
from payments.models import Payment

REFUSALS = (held.DecisionRefused, invoices.AttachRefused)
REASON_LENGTH_MAX = 300
ADDRESS_LENGTH_MAX = 100
# Which rate each of the two buttons takes.
ACCEPTED_AT = {"accept": held.AT_NOW, "accept-then": held.AT_THEN}


def decide(payment: Payment, typed: Mapping[str, str], *, user: User, now: datetime) -> None:
    """Do what the pressed button says: "decision" is accept, accept-then, attach, refund or leave, with "reason".

    "invoice" names the invoice that it shall count for (empty: the payment's own), "address" where a refund should go.

    Raises:
        REFUSALS: no reason, no such decision, or it does not fit.
        payments.quoting.RateUnavailable: accepting needs a price.
    """
    reason = typed.get("reason", "").strip()[:REASON_LENGTH_MAX]
    decision = typed.get("decision", "")
    if decision in ACCEPTED_AT:
        held.accept(payment.pk, user=user, reason=reason, now=now, rate=ACCEPTED_AT[decision])
    elif decision == "refund":
        address = typed.get("address", "").strip()[:ADDRESS_LENGTH_MAX]
        held.refund(payment.pk, address=address, user=user, reason=reason, now=now)
    elif decision == "leave":
        held.leave(payment.pk, user=user, reason=reason, now=now)
    elif decision == "attach":
        target_id = typed.get("invoice", "").strip() or payment.invoice_id
        invoices.attach(payment.pk, target_id=target_id, user=user, reason=reason, now=now)
    else:
        raise held.DecisionRefused("no such decision")

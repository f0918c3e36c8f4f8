"""What people decided about money that is held."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.fields import MinorAmountField
from payments.models.payments import Payment
from settlements.models import JournalEntry


class HeldDecisionKind(models.TextChoices):
    ACCEPT = "Accept", _("Accepted for the merchant at the current rate")
    REFUND = "Refund", _("To be refunded")
    LEAVE = "Leave", _("Left as it is")


class HeldDecision(models.Model):
    """What a person decided about money held of one payment, and why. Written by ``payments.held`` alone.

    ``amount_minor`` is the payment's whole held part at that moment. ``reversed_at`` is set when the chain took the payment
    away again: the entry has then been reversed, and the money, should it come back, waits for a new decision.
    """

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="held_decisions")
    kind = models.CharField(max_length=8, choices=HeldDecisionKind)
    amount_minor = MinorAmountField()
    value_tiyn = models.BigIntegerField(null=True)
    refund_address = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=300)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()
    ledger_entry = models.OneToOneField(JournalEntry, null=True, on_delete=models.PROTECT, related_name="+")
    reversed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-decided_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="held_decision_amount_positive"),
            models.CheckConstraint(condition=~Q(reason=""), name="held_decision_has_reason"),
            models.UniqueConstraint(
                fields=["payment"],
                name="one_standing_decision_per_payment",
                condition=Q(reversed_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(kind="Leave", ledger_entry__isnull=True)
                | (~Q(kind="Leave") & Q(ledger_entry__isnull=False)),
                name="held_decision_is_posted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor}"

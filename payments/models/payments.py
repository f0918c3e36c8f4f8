"""What arrived for an invoice, and how sure it must be before it counts."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.fields import MinorAmountField
from chains.models import Network, Transfer
from payments.models.invoices import Invoice, Quote
from settlements.models import JournalEntry


class PaymentStatus(models.TextChoices):
    PROCESSING = "Processing", _("Processing")
    SETTLED = "Settled", _("Settled")
    INVALID = "Invalid", _("Invalid")


class Payment(models.Model):
    """A transfer matched to an invoice: at most one per transfer. Written by ``payments.invoices`` alone.

    ``value_tiyn`` is what the transfer is worth at the quote's rate (``lifecycle.values_tiyn``). ``ledger_entry`` is the
    entry that stands for it now (null: nothing is booked, or what was booked has been reversed); ``bookings`` counts
    its entries.
    """

    transfer = models.OneToOneField(Transfer, on_delete=models.PROTECT, related_name="payment")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    # Null when the transfer's asset was never quoted for the invoice: such money is held, never credited.
    quote = models.ForeignKey(Quote, null=True, on_delete=models.PROTECT, related_name="payments")
    amount_minor = MinorAmountField()
    value_tiyn = models.BigIntegerField()
    status = models.CharField(max_length=12, choices=PaymentStatus, default=PaymentStatus.PROCESSING)
    reason = models.CharField(max_length=200, blank=True)
    confirmations = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    # A person let this payment count although it came late, or for another invoice than its address was given out for.
    accepted_at = models.DateTimeField(null=True)
    ledger_entry = models.OneToOneField(JournalEntry, null=True, on_delete=models.PROTECT, related_name="+")
    # What the standing entry says: "", "held", or "credited:<minor>:<tiyn>"; see lifecycle.Booking.
    booked_as = models.CharField(max_length=120, blank=True)
    bookings = models.PositiveIntegerField(default=0)
    # The part of the standing entry that is held for the resident, in smallest units.
    held_minor = MinorAmountField(default=0)

    class Meta:
        ordering: ClassVar = ["received_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(
                condition=Q(ledger_entry__isnull=True, booked_as="")
                | (Q(ledger_entry__isnull=False) & ~Q(booked_as="")),
                name="payment_booking_is_named",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="payment_unsettled", condition=Q(status="Processing")),
            models.Index(fields=["id"], name="payment_held", condition=Q(held_minor__gt=0)),
        ]

    def __str__(self) -> str:
        return f"payment {self.pk}"


class ConfirmationTier(models.Model):
    """For invoices of so many tiyn and more, at least so many confirmations, whatever speed the store chose."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="confirmation_tiers")
    from_amount_tiyn = models.BigIntegerField(_("for invoices from, tiyn"))
    confirmations = models.PositiveSmallIntegerField(_("confirmations"))

    class Meta:
        ordering: ClassVar = ["network", "from_amount_tiyn"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "from_amount_tiyn"], name="one_tier_per_network_and_amount"
            ),
            models.CheckConstraint(condition=Q(from_amount_tiyn__gte=0), name="tier_amount_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.network_id}: {self.confirmations} from {self.from_amount_tiyn} tiyn"


class UnclaimedTransfer(Transfer):
    """A transfer that belongs to no invoice: money at an address that was given out for something else."""

    class Meta:
        proxy = True

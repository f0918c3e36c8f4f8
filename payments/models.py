"""What a resident owes and has paid: invoices, quotes, payments, rates, and what went wrong after settlement."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.fields import MinorAmountField
from alatau_pay.identifiers import new_public_id
from chains.models import DepositAddress, Network, OnChainAsset, Transfer
from merchants.models import SpeedPolicy, Store
from settlements.models import JournalEntry


class InvoiceStatus(models.TextChoices):
    NEW = "New", _("New")
    PROCESSING = "Processing", _("Processing")
    SETTLED = "Settled", _("Settled")
    EXPIRED = "Expired", _("Expired")
    INVALID = "Invalid", _("Invalid")


class AdditionalStatus(models.TextChoices):
    NONE = "None", _("None")
    PAID_PARTIAL = "PaidPartial", _("Paid partially")
    PAID_OVER = "PaidOver", _("Paid over")
    PAID_LATE = "PaidLate", _("Paid late")
    MARKED = "Marked", _("Marked by hand")
    INVALID = "Invalid", _("Invalid")


class InvoiceSource(models.TextChoices):
    API = "api", "API"
    POINT_OF_SALE = "pos", _("Point of sale")
    DASHBOARD = "dashboard", _("Dashboard")


class Invoice(models.Model):
    """What a store asks a resident to pay, priced in tenge (``amount_tiyn``).

    ``status``, ``additional_status``, ``paid_tiyn`` and ``settled_at`` are written by ``payments.invoices`` alone and are
    always recomputed from the payments, never incremented.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_public_id, editable=False)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="invoices")
    amount_tiyn = models.BigIntegerField()
    status = models.CharField(max_length=12, choices=InvoiceStatus, default=InvoiceStatus.NEW)
    additional_status = models.CharField(
        max_length=12, choices=AdditionalStatus, default=AdditionalStatus.NONE
    )
    paid_tiyn = models.BigIntegerField(default=0)
    tolerance_basis_points = models.PositiveSmallIntegerField(default=0)
    speed_policy = models.CharField(max_length=16, choices=SpeedPolicy)
    source = models.CharField(max_length=12, choices=InvoiceSource)
    order_id = models.CharField(max_length=120, blank=True)
    description = models.CharField(max_length=300, blank=True)
    metadata = models.JSONField(default=dict)
    # The request's checkout and receipt objects as they were given, for the API's answer.
    checkout = models.JSONField(default=dict)
    receipt = models.JSONField(default=dict)
    search_terms = models.TextField(blank=True)
    language = models.CharField(max_length=2, default="kk")
    redirect_url = models.URLField(max_length=500, blank=True)
    redirect_automatically = models.BooleanField(default=False)
    idempotency_key = models.CharField(max_length=120, null=True)
    request_sha256 = models.BinaryField(max_length=32)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    monitoring_expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    # A person's word that overrides the payments: Settled or Invalid; empty when nobody said anything.
    marked_status = models.CharField(max_length=12, blank=True)
    archived = models.BooleanField(default=False)
    # Counts the changes of state, so that every event of an invoice has a name of its own.
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_tiyn__gt=0), name="invoice_amount_positive"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at"))
                & Q(monitoring_expires_at__gte=models.F("expires_at")),
                name="invoice_times_in_order",
            ),
            models.UniqueConstraint(
                fields=["store", "idempotency_key"], name="one_invoice_per_store_and_idempotency_key"
            ),
            models.CheckConstraint(
                condition=Q(marked_status__in=["", "Settled", "Invalid"]), name="invoice_mark"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["store", "-created_at"], name="invoice_by_store"),
            models.Index(fields=["store", "order_id"], name="invoice_by_order", condition=~Q(order_id="")),
            models.Index(fields=["expires_at"], name="invoice_expiry_queue", condition=Q(status="New")),
            models.Index(
                fields=["monitoring_expires_at"],
                name="invoice_processing_queue",
                condition=Q(status="Processing"),
            ),
        ]

    def __str__(self) -> str:
        return self.id


class Quote(models.Model):
    """The amount due in one asset, its rate, its deposit address and its expiry. Immutable; a re-quote is a new row.

    ``rate_tenge`` is tenge for one whole unit of the asset; ``rate_sources`` keeps each source's price and time.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="quotes")
    asset = models.ForeignKey(OnChainAsset, on_delete=models.PROTECT, related_name="+")
    deposit_address = models.ForeignKey(DepositAddress, on_delete=models.PROTECT, related_name="+")
    amount_minor = MinorAmountField()
    rate_tenge = models.DecimalField(max_digits=40, decimal_places=12)
    rate_sources = models.JSONField()
    position = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="quote_amount_positive"),
            models.CheckConstraint(condition=Q(rate_tenge__gt=0), name="quote_rate_positive"),
            models.UniqueConstraint(
                fields=["invoice", "asset", "created_at"], name="one_quote_per_asset_and_instant"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice_id} {self.asset_id}"


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


class InvoiceEvent(models.Model):
    """The history of an invoice, one row a change: what happened, when, by whom. Only ever added to."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="events")
    revision = models.PositiveIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    from_status = models.CharField(max_length=12, blank=True)
    to_status = models.CharField(max_length=12)
    additional_status = models.CharField(max_length=12)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invoice", "revision", "kind"], name="one_event_per_revision_and_kind"
            )
        ]

    def __str__(self) -> str:
        return self.kind


class Incident(models.Model):
    """A settled invoice that lost its payment. Open until a person closes it or the payment returns."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="incidents")
    opened_at = models.DateTimeField()
    description = models.CharField(max_length=300)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    resolution = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-opened_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invoice"], name="one_open_incident_per_invoice", condition=Q(closed_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.description


class RateObservation(models.Model):
    """One price that one source stated: one unit of ``base`` costs ``price`` units of ``quote``. Only ever added to."""

    source = models.CharField(max_length=40)
    base = models.CharField(max_length=16)
    quote = models.CharField(max_length=16)
    price = models.DecimalField(max_digits=40, decimal_places=12)
    # When the source says the price held (the end of the day for a daily rate).
    observed_at = models.DateTimeField()
    fetched_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-fetched_at", "-id"]
        constraints: ClassVar = [models.CheckConstraint(condition=Q(price__gt=0), name="rate_positive")]
        indexes: ClassVar = [
            models.Index(fields=["base", "quote", "source", "-observed_at"], name="rate_newest"),
            models.Index(fields=["observed_at"], name="rate_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} {self.price} ({self.source})"

"""What a resident is asked for: invoices, quotes, their history, and what went wrong after settlement."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.fields import MinorAmountField
from alatau_pay.identifiers import new_public_id
from chains.models import DepositAddress, OnChainAsset
from merchants.models import SpeedPolicy, Store


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
    keeps_excess = models.BooleanField(default=False)
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

    ``rate_tenge`` is tenge for one whole unit of the asset; ``rate_sources`` keeps how it came
    about, each source's price and time, in the shape of ``payments.rate_record``.
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

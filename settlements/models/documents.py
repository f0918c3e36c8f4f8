"""Registers, fee invoices and acts that are made in the background, and the files that came of it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.identifiers import new_public_id
from merchants.models import Merchant


class DocumentKind(models.TextChoices):
    REGISTER = "register", _("Register of operations")
    FEE_INVOICE = "fee_invoice", _("Fee invoice for a month")
    ACT = "act", _("Act of services for a month")


class DocumentFormat(models.TextChoices):
    PDF = "pdf", "PDF"
    XLSX = "xlsx", _("Excel (XLSX)")
    CSV = "csv", "CSV"
    STATEMENT_1C = "1c", _("Statement for 1C")


class ExportStatus(models.TextChoices):
    QUEUED = "Queued", _("Waiting")
    RUNNING = "Running", _("Being made")
    DONE = "Done", _("Ready")
    FAILED = "Failed", _("Failed")


class ExportFault(models.TextChoices):
    """Why no file came of it, for the person who asked."""

    REFUSED = "refused", _("This document cannot be made for that period.")
    TOO_LONG = "too_long", _("More operations than Excel holds: take CSV, or a shorter period.")
    GAVE_UP = "gave_up", _("It failed several times. Try a shorter period, or tell the operator.")


class DocumentExport(models.Model):
    """A document that somebody asked for and that is made in the background. Written by ``settlements.document_exports`` alone.

    ``done`` of ``total`` operations are written. A file is kept in parts (DocumentPart) until it is removed after some weeks.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_public_id, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="document_exports")
    kind = models.CharField(max_length=12, choices=DocumentKind)
    format = models.CharField(max_length=4, choices=DocumentFormat)
    language = models.CharField(max_length=2)
    first_day = models.DateField()
    last_day = models.DateField()
    status = models.CharField(max_length=8, choices=ExportStatus, default=ExportStatus.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    fault = models.CharField(max_length=12, choices=ExportFault, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    # Counts the attempts; a worker that was given up for dead may not overwrite what its successor made.
    attempts = models.PositiveSmallIntegerField(default=0)
    # When the worker last gave a sign of life.
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-requested_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="export_days_in_order"),
            models.CheckConstraint(condition=Q(language__in=["kk", "ru", "en"]), name="export_language"),
            models.CheckConstraint(
                condition=Q(status__in=["Queued", "Running"], finished_at__isnull=True)
                | Q(status__in=["Done", "Failed"], finished_at__isnull=False),
                name="export_finished_iff_over",
            ),
            models.CheckConstraint(
                condition=(Q(status="Failed") & ~Q(fault="")) | (~Q(status="Failed") & Q(fault="")),
                name="export_failed_iff_there_is_a_fault",
            ),
            # Long work must not take every worker away from payments.
            models.UniqueConstraint(
                fields=["status"], name="one_export_made_at_a_time", condition=Q(status="Running")
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["requested_at"], name="export_queue", condition=Q(status="Queued")),
            models.Index(fields=["merchant", "-requested_at"], name="export_by_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.first_day} – {self.last_day} {self.format}"


class DocumentPart(models.Model):
    """A piece of an export's file, in the order of ``position``: workers and web servers share no disk but the database."""

    export = models.ForeignKey(DocumentExport, on_delete=models.CASCADE, related_name="parts")
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["export", "position"], name="one_part_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.export_id} {self.position}"

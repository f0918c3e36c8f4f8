"""What two people decide about the reserve and the books: coins acquired, coins sold, and corrections.

One person prepares a document, another approves it; only the approval posts. Migration 0009 puts triggers on the rows: what
was prepared never changes, what was decided stays decided, nothing is deleted.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.assets import Asset
from alatau_pay.fields import MinorAmountField
from merchants.models import Merchant
from settlements.entry import AccountName
from settlements.models.ledger import AccountKind, JournalEntry, Side


class DocumentStatus(models.TextChoices):
    PREPARED = "Prepared", _("Waits for a second person")
    APPROVED = "Approved", _("Approved and posted")
    REFUSED = "Refused", _("Refused")


class TwoPersonDocument(models.Model):
    """What one person prepares and another approves. ``status`` is written by ``settlements.two_people`` alone."""

    document_number = models.CharField(_("document number"), max_length=80)
    document_date = models.DateField(_("document date"))
    reason = models.CharField(_("reason"), max_length=200)
    status = models.CharField(
        _("status"), max_length=8, choices=DocumentStatus, default=DocumentStatus.PREPARED, editable=False
    )
    prepared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("prepared by"),
    )
    prepared_at = models.DateTimeField(_("prepared at"), editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("approved by"),
    )
    approved_at = models.DateTimeField(_("approved at"), null=True, editable=False)
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("refused by"),
    )
    refused_at = models.DateTimeField(_("refused at"), null=True, editable=False)
    refusal_reason = models.CharField(_("reason of the refusal"), max_length=200, blank=True, editable=False)
    ledger_entry = models.OneToOneField(
        JournalEntry,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("ledger entry"),
    )

    class Meta:
        abstract = True
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("prepared_by")),
                name="%(class)s_takes_two_people",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="Approved",
                    approved_by__isnull=False,
                    approved_at__isnull=False,
                    ledger_entry__isnull=False,
                    refused_by__isnull=True,
                    refused_at__isnull=True,
                )
                | Q(
                    status="Refused",
                    refused_by__isnull=False,
                    refused_at__isnull=False,
                    approved_by__isnull=True,
                    approved_at__isnull=True,
                    ledger_entry__isnull=True,
                )
                & ~Q(refusal_reason="")
                | Q(
                    status="Prepared",
                    approved_by__isnull=True,
                    approved_at__isnull=True,
                    ledger_entry__isnull=True,
                    refused_by__isnull=True,
                    refused_at__isnull=True,
                ),
                name="%(class)s_is_decided_whole",
            ),
            models.CheckConstraint(
                condition=~Q(document_number="") & ~Q(reason=""), name="%(class)s_names_its_document"
            ),
        ]

    def __str__(self) -> str:
        return f"№{self.document_number} · {self.document_date:%d.%m.%Y}"

    @property
    def reference(self) -> str:
        """What the ledger calls it: "acquisition:7"."""
        return f"{self._meta.model_name}:{self.pk}"


class Coins(models.Model):
    """So many units of one coin, in a wallet of ours ("w7"; empty where it lies elsewhere)."""

    asset_code = models.CharField(_("asset"), max_length=32)
    asset_decimals = models.PositiveSmallIntegerField(editable=False)
    wallet = models.CharField(_("wallet"), max_length=20, blank=True)
    amount_minor = MinorAmountField()

    class Meta:
        abstract = True

    @property
    def asset(self) -> Asset:
        """The coin as the ledger knows it."""
        return Asset(code=self.asset_code, symbol=self.asset_code, decimals=self.asset_decimals)


class AcquisitionSource(models.TextChoices):
    PURCHASE = "purchase", _("Bought")
    SEIZURE = "seizure", _("Seized")
    OTHER = "other", _("Otherwise")


class ReserveSource(models.TextChoices):
    """Whence coins of the reserve came: by payments, or by an acquisition."""

    PAYMENTS = "payments", _("Settled payments")
    PURCHASE = AcquisitionSource.PURCHASE.value, AcquisitionSource.PURCHASE.label
    SEIZURE = AcquisitionSource.SEIZURE.value, AcquisitionSource.SEIZURE.label
    OTHER = AcquisitionSource.OTHER.value, AcquisitionSource.OTHER.label


class Acquisition(TwoPersonDocument, Coins):
    """Coins that came into the reserve otherwise than by payments. ``value_tiyn`` is what was paid, or the document's value."""

    source = models.CharField(_("source"), max_length=10, choices=AcquisitionSource)
    value_tiyn = models.BigIntegerField()

    class Meta(TwoPersonDocument.Meta):
        verbose_name = _("acquisition of coins")
        verbose_name_plural = _("acquisitions of coins")
        permissions: ClassVar = [("approve_acquisition", "Can approve an acquisition that another prepared")]
        constraints: ClassVar = [
            *TwoPersonDocument.Meta.constraints,
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="acquisition_amount_positive"),
            models.CheckConstraint(
                condition=Q(value_tiyn__gt=0) | Q(value_tiyn=0) & ~Q(source="purchase"),
                name="acquisition_value",
            ),
            models.CheckConstraint(
                condition=Q(source__in=AcquisitionSource.values), name="acquisition_source_known"
            ),
            models.UniqueConstraint(
                fields=["source", "document_number", "document_date", "asset_code", "wallet"],
                name="acquisition_entered_once",
                condition=~Q(status="Refused"),
            ),
        ]


class ReserveSale(TwoPersonDocument, Coins):
    """Coins of the reserve sold for tenge. ``cost_tiyn`` is their share of the position's cost, known at the approval."""

    source = models.CharField(_("source"), max_length=10, choices=ReserveSource)
    proceeds_tiyn = models.BigIntegerField()
    cost_tiyn = models.BigIntegerField(null=True, editable=False)

    class Meta(TwoPersonDocument.Meta):
        verbose_name = _("sale of reserve coins")
        verbose_name_plural = _("sales of reserve coins")
        permissions: ClassVar = [("approve_reservesale", "Can approve a sale that another prepared")]
        constraints: ClassVar = [
            *TwoPersonDocument.Meta.constraints,
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, proceeds_tiyn__gt=0), name="reserve_sale_positive"
            ),
            models.CheckConstraint(
                condition=Q(source__in=ReserveSource.values), name="reserve_sale_source_known"
            ),
            models.CheckConstraint(
                condition=Q(status="Approved", cost_tiyn__isnull=False)
                | ~Q(status="Approved") & Q(cost_tiyn__isnull=True),
                name="reserve_sale_has_cost_when_approved",
            ),
            models.UniqueConstraint(
                fields=["document_number", "document_date", "asset_code", "wallet", "source"],
                name="reserve_sale_entered_once",
                condition=~Q(status="Refused"),
            ),
        ]

    @property
    def difference_tiyn(self) -> int | None:
        """The realised difference: what was got beyond the cost; None before the approval."""
        return None if self.cost_tiyn is None else self.proceeds_tiyn - self.cost_tiyn


class Correction(TwoPersonDocument):
    """What two people found to be missing in the books: lines that balance, posted as one entry."""

    line_count = models.PositiveSmallIntegerField(editable=False)

    class Meta(TwoPersonDocument.Meta):
        verbose_name = _("correction of the books")
        verbose_name_plural = _("corrections of the books")
        permissions: ClassVar = [("approve_correction", "Can approve a correction that another prepared")]
        constraints: ClassVar = [
            *TwoPersonDocument.Meta.constraints,
            models.CheckConstraint(condition=Q(line_count__gte=2), name="correction_has_two_lines"),
        ]


class CorrectionLine(models.Model):
    """One line of a correction: an amount on one side of an account, which may be one that was never used before."""

    correction = models.ForeignKey(Correction, on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=16, choices=AccountKind)
    asset_code = models.CharField(max_length=32)
    asset_decimals = models.PositiveSmallIntegerField()
    merchant = models.ForeignKey(Merchant, null=True, on_delete=models.PROTECT, related_name="+")
    part = models.CharField(max_length=40, blank=True)
    side = models.CharField(_("side"), max_length=1, choices=Side)
    amount_minor = MinorAmountField()

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("line of a correction")
        verbose_name_plural = _("lines of corrections")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="correction_line_positive"),
            models.CheckConstraint(condition=Q(side__in=["D", "C"]), name="correction_line_side"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.amount_minor} {self.account.code}"

    @property
    def account(self) -> AccountName:
        """The ledger's account."""
        asset = Asset(code=self.asset_code, symbol=self.asset_code, decimals=self.asset_decimals)
        return AccountName(self.kind, asset, self.merchant_id or "", self.part)

"""The dated rows that fees and the VAT on them are worked out from. A row is replaced by a later one, never changed."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from merchants.models import Merchant
from settlements.fee_terms import FeeTerms
from settlements.models.ledger import JournalEntry


class FeeSchedule(models.Model):
    """The platform's fee from a date on.

    For one merchant or for everybody (null), for one asset or for all (""), from a volume on: ``volume_from_tiyn`` is the
    merchant's gross sales in the calendar month before. ``settlements.fees`` says which row holds.
    """

    merchant = models.ForeignKey(
        Merchant, null=True, blank=True, on_delete=models.PROTECT, related_name="fees"
    )
    asset_code = models.CharField(_("asset"), max_length=32, blank=True, default="")
    volume_from_tiyn = models.BigIntegerField(_("from sales of the month before, tiyn"), default=0)
    valid_from = models.DateField(_("valid from"))
    fee_basis_points = models.PositiveSmallIntegerField(_("fee, hundredths of a per cent"))
    fixed_tiyn = models.PositiveBigIntegerField(_("fixed part of each fee, tiyn"), default=0)
    minimum_tiyn = models.PositiveBigIntegerField(_("least fee, tiyn"), default=0)
    maximum_tiyn = models.PositiveBigIntegerField(_("greatest fee, tiyn"), null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["merchant", "asset_code", "-valid_from", "volume_from_tiyn"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant", "asset_code", "volume_from_tiyn", "valid_from"],
                name="one_fee_per_scope_and_date",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(fee_basis_points__lte=2000), name="fee_at_most_twenty_per_cent"
            ),
            models.CheckConstraint(condition=Q(volume_from_tiyn__gte=0), name="fee_volume_not_negative"),
            models.CheckConstraint(
                condition=Q(maximum_tiyn__isnull=True) | Q(maximum_tiyn__gte=models.F("minimum_tiyn")),
                name="fee_least_not_above_greatest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fee_basis_points / 100:.2f} % from {self.valid_from}"

    @property
    def terms(self) -> FeeTerms:
        """The row as the pure function wants it."""
        return FeeTerms(
            basis_points=self.fee_basis_points,
            fixed_tiyn=self.fixed_tiyn,
            minimum_tiyn=self.minimum_tiyn,
            maximum_tiyn=self.maximum_tiyn,
        )


class VatRate(models.Model):
    """The VAT on the platform's fee from a date on."""

    valid_from = models.DateField(_("valid from"), unique=True)
    rate_basis_points = models.PositiveSmallIntegerField(_("rate, hundredths of a per cent"))

    class Meta:
        ordering: ClassVar = ["-valid_from"]

    def __str__(self) -> str:
        return f"{self.rate_basis_points / 100:.2f} % from {self.valid_from}"

    def clean(self) -> None:
        """A rate begins after every day that has entries: their VAT was posted, and the month's documents name its rate."""
        if self.valid_from and JournalEntry.objects.filter(business_date__gte=self.valid_from).exists():
            raise ValidationError(
                {"valid_from": _("Entries of this day were posted at the rate before: begin on a later day.")}
            )

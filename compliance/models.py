"""What the city allows: admitted assets and the limits on paying with them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class AdmittedAsset(models.Model):
    """An asset that residents may pay with, from a date to a date, within limits in tiyn."""

    asset_code = models.CharField(_("asset"), max_length=32)
    admitted_from = models.DateTimeField(_("admitted from"))
    admitted_until = models.DateTimeField(_("admitted until"), null=True, blank=True)
    payment_min_tiyn = models.BigIntegerField(_("smallest payment, tiyn"), default=0)
    payment_max_tiyn = models.BigIntegerField(_("largest payment, tiyn"), null=True, blank=True)
    note = models.CharField(_("ground for admission"), max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
    )
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering: ClassVar = ["asset_code", "-admitted_from"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["asset_code", "admitted_from"], name="one_admission_per_asset_and_start"
            ),
            models.CheckConstraint(
                condition=models.Q(admitted_until__isnull=True)
                | models.Q(admitted_until__gt=models.F("admitted_from")),
                name="admission_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=models.Q(payment_min_tiyn__gte=0)
                & (
                    models.Q(payment_max_tiyn__isnull=True)
                    | models.Q(payment_max_tiyn__gte=models.F("payment_min_tiyn"))
                ),
                name="admission_limits_in_order",
            ),
        ]

    def __str__(self) -> str:
        return self.asset_code

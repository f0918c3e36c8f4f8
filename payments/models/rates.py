"""What the rate sources said."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


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

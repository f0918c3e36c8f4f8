"""What the rate sources said, how they do, and what a person must know about prices."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class RateObservation(models.Model):
    """One price that one source stated: one unit of ``base`` costs ``price`` units of ``quote``. Never changed.

    An official rate has its day (``rate_date``) and the day that it was asked for (``requested_date``); it is kept for ever.
    Of other prices one an hour is kept after some days (``payments.rate_retention``); the database refuses any other deletion.
    """

    source = models.CharField(max_length=40)
    base = models.CharField(max_length=16)
    quote = models.CharField(max_length=16)
    price = models.DecimalField(max_digits=40, decimal_places=12)
    # When the source says the price held (for an official rate, when its day began in Almaty).
    observed_at = models.DateTimeField()
    fetched_at = models.DateTimeField()
    rate_date = models.DateField(_("official for"), null=True)
    requested_date = models.DateField(_("asked for"), null=True)

    class Meta:
        ordering: ClassVar = ["-fetched_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(price__gt=0), name="rate_positive"),
            models.CheckConstraint(
                condition=Q(rate_date__isnull=True, requested_date__isnull=True)
                | Q(
                    rate_date__isnull=False,
                    requested_date__isnull=False,
                    requested_date__gte=models.F("rate_date"),
                ),
                name="official_rate_has_both_days",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["base", "quote", "source", "-observed_at"], name="rate_newest"),
            models.Index(fields=["observed_at"], name="rate_by_time"),
            models.Index(
                fields=["base", "-requested_date"],
                name="official_rate_by_day",
                condition=Q(rate_date__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} {self.price} ({self.source})"


class RateSourceState(models.Model):
    """How asking one source went last. Written by ``payments.observations`` alone.

    ``fault`` is why the last asking brought nothing ("" when it did). Until ``ask_again_at`` the source wants to be left alone.
    """

    source = models.CharField(primary_key=True, max_length=40)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    fault = models.CharField(max_length=300, blank=True)
    fault_since = models.DateTimeField(null=True)
    ask_again_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["source"]

    def __str__(self) -> str:
        return self.source


class RateAlarmKind(models.TextChoices):
    """The breaker's reasons; the values are those of ``payments.quoting.Stop``."""

    TOO_FEW_PATHS = "too-few-paths", _("too few fresh paths to tenge")
    PATHS_DIFFER = "paths-differ", _("the paths to tenge differ too much")
    DOLLAR_STRAYS = "dollar-strays", _("USDT/KZT strays too far from the official dollar")
    OFFICIAL_MISSING = "official-missing", _("no official dollar rate")


class RateAlarm(models.Model):
    """A symbol that is not quoted, from when the breaker stopped it until it was quoted again. Written by ``rate_alarms``.

    ``raised_told_at`` and ``cleared_told_at`` say when it was mailed: once each.
    """

    symbol = models.CharField(max_length=16)
    kind = models.CharField(max_length=20, choices=RateAlarmKind)
    detail = models.CharField(max_length=300, blank=True)
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    raised_told_at = models.DateTimeField(null=True)
    cleared_told_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-raised_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["symbol"], name="one_standing_alarm_per_symbol", condition=Q(cleared_at__isnull=True)
            ),
            models.CheckConstraint(
                condition=Q(cleared_at__isnull=True) | Q(cleared_at__gte=models.F("raised_at")),
                name="rate_alarm_times_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol}: {self.get_kind_display()}"

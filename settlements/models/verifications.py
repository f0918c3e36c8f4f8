"""What the nightly proof of the ledger found. ``settlements.night_verification`` alone writes it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class VerificationOutcome(models.TextChoices):
    RUNNING = "Running", _("being proved")
    PROVED = "Proved", _("proved")
    DIFFERS = "Differs", _("not what was posted")
    FAILED = "Failed", _("could not be proved")


class LedgerVerification(models.Model):
    """The proof of the whole ledger of one night, a business date in Almaty. One that failed is made again under the same row."""

    night = models.DateField(_("night of"), unique=True)
    outcome = models.CharField(_("outcome"), max_length=8, choices=VerificationOutcome)
    # The moment that the ledger was read at.
    started_at = models.DateTimeField(_("begun at"))
    # What was proved, in one line, or why nothing was.
    sentence = models.TextField(_("what was proved"), blank=True)
    finding_count = models.PositiveIntegerField(_("findings"), default=0)
    # The first of them, a line each.
    findings = models.TextField(_("what is wrong"), blank=True)
    last_day = models.DateField(_("last sealed day"), null=True)
    last_seal = models.BinaryField(max_length=32, null=True)
    told_at = models.DateTimeField(_("mailed at"), null=True)

    class Meta:
        ordering: ClassVar = ["-night"]
        verbose_name = _("verification of the ledger")
        verbose_name_plural = _("verifications of the ledger")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(outcome="Differs", finding_count__gt=0)
                | ~Q(outcome="Differs") & Q(finding_count=0, findings=""),
                name="verification_differs_by_findings",
            ),
            models.CheckConstraint(
                condition=Q(outcome="Running", sentence="", told_at__isnull=True)
                | ~Q(outcome="Running") & ~Q(sentence=""),
                name="verification_says_what_it_came_to",
            ),
            models.CheckConstraint(
                condition=Q(last_day__isnull=True, last_seal__isnull=True)
                | Q(last_day__isnull=False, last_seal__isnull=False),
                name="verification_seal_of_a_day",
            ),
        ]

    def __str__(self) -> str:
        return self.night.isoformat()

    @property
    def seal_hex(self) -> str:
        """The seal of the last sealed day, as it is noted elsewhere; empty where no day was sealed."""
        return bytes(self.last_seal).hex() if self.last_seal is not None else ""

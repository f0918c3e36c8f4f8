"""Compare the ledger with the payments, the payments with the chains and the payouts with the bank's statements, now."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from alatau_pay.money import format_minor
from payments.models import Comparison, Difference, ReconciliationRun
from payments.reconciliation import run


class Command(BaseCommand):
    """Changes nothing but its own rows. Ends with 1 where something differs or could not be compared."""

    help = "Compare the books with the payments, the chains and the bank, and say what differs."

    def handle(self, *args: Any, **options: Any) -> None:
        """One run, with what it came to on the standard output."""
        now = timezone.now()
        made = ReconciliationRun.objects.create(requested_at=now)
        if not run.perform(made, now=now):
            raise CommandError("another run is being made: its result stands in the admin")
        comparisons = list(made.comparisons.order_by("scope"))
        for comparison in comparisons:
            self.stdout.write(_told(comparison))
        standing = list(Difference.objects.filter(resolved_at__isnull=True))
        for difference in standing:
            days = difference.age(now).days
            self.stdout.write(
                f"  {difference}: {_side(difference, difference.left_minor)} and "
                f"{_side(difference, difference.right_minor)}, for {days} days. {difference.detail}".rstrip()
            )
        if standing or any(comparison.not_compared_reason for comparison in comparisons):
            sys.exit(1)


def _told(comparison: Comparison) -> str:
    if comparison.not_compared_reason:
        return f"{comparison.scope}: not compared: {comparison.not_compared_reason}"
    height = f" at height {comparison.height}" if comparison.height is not None else ""
    return f"{comparison.scope}: {comparison.checked_count} compared{height}, {comparison.difference_count} differ"


def _side(difference: Difference, amount_minor: int | None) -> str:
    if amount_minor is None:
        return "nothing"
    return f"{format_minor(amount_minor, difference.asset_decimals, trim=True)} {difference.asset_code}"

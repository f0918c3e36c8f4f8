"""Compare the ledger with the payments, the payments with the chains and the payouts with the bank's statements, now."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments.models import Difference, ReconciliationRun
from payments.reconciliation import lines, run


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
            self.stdout.write(lines.of_comparison(comparison))
        standing = list(Difference.objects.filter(resolved_at__isnull=True))
        for difference in standing:
            self.stdout.write(f"  {lines.of_difference(difference, now=now)}")
        if standing or any(comparison.not_compared_reason for comparison in comparisons):
            sys.exit(1)

"""``manage.py fetch_official_rates 2026-01-01 2026-01-31``: the official dollar of days on which nobody fetched it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from alatau_pay.http import ForeignServerError
from payments import observations
from payments.rate_paths import ALMATY
from payments.rates import RateRefused


class Command(BaseCommand):
    help = "Ask the National Bank for the official dollar of each day from FIRST to LAST, and keep it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Two days, both included."""
        parser.add_argument("first", type=date.fromisoformat, help="YYYY-MM-DD")
        parser.add_argument("last", type=date.fromisoformat, help="YYYY-MM-DD, today at the latest")

    def handle(self, *args: Any, first: date, last: date, **options: Any) -> None:
        """Fetch day by day; what was kept before stays. Ends at the first day that cannot be had, and names it."""
        now = timezone.now()
        if not first <= last <= now.astimezone(ALMATY).date():
            raise CommandError("FIRST is not after LAST, and LAST is not after today")
        day = first
        while day <= last:
            try:
                rate = observations.fetch_official(day, now=now)
            except (ForeignServerError, RateRefused) as error:
                raise CommandError(f"{day}: {error}") from error
            if rate is None:
                raise CommandError(f"{day}: no official source is set up")
            self.stdout.write(f"{day} {rate.price.normalize():f} (of {rate.rate_date})")
            day += timedelta(days=1)

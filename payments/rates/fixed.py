"""Prices set by hand, for the demo and the tests."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from payments.rate_paths import TENGE, Observation


class Fixed:
    """States the prices of ``FIXED_RATES`` at every moment."""

    name = "fixed"
    official = False
    interval = timedelta(0)

    def fetch(self, *, now: datetime) -> list[Observation]:
        """One observation in tenge a symbol."""
        return [
            Observation(self.name, symbol, TENGE, price, observed_at=now)
            for symbol, price in settings.FIXED_RATES.items()
        ]

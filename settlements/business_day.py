"""The calendar day in Almaty: the day on which the ledger counts a moment. Pure."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

ALMATY = ZoneInfo("Asia/Almaty")


def business_date(moment: datetime) -> date:
    """The calendar day in Almaty on which ``moment`` counts."""
    return moment.astimezone(ALMATY).date()

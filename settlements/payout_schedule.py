"""On which days a merchant is paid out, and for which days. Pure.

A business day pays out what was owed when the last day before it ended; so the morning after a holiday pays for the holiday
as well. A weekly payout whose day is off goes out on the business day after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, Protocol

Kind = Literal["daily", "weekly", "threshold", "manual"]
_DAY = timedelta(days=1)


class Calendar(Protocol):
    """Business days; see ``settlements.business_calendar``."""

    def is_business_day(self, day: date) -> bool:
        """True when banks work on ``day``."""
        ...

    def on_or_after(self, day: date) -> date:
        """``day``, or the first business day after it."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How a merchant wants to be paid: ``weekday`` as ``date.weekday`` counts, the sums in tiyn."""

    kind: Kind
    weekday: int = 0
    threshold_tiyn: int = 0
    minimum_tiyn: int = 0


def due_through(terms: Terms, today: date, calendar: Calendar) -> date | None:
    """The last day whose money a payout of ``today`` pays; None where none is due today.

    A weekly payout that was missed (the machine stood still) is due until the next one: it still pays what its own day
    would have paid, which is nothing when it was not missed.
    """
    if terms.kind == "manual" or not calendar.is_business_day(today):
        return None
    if terms.kind == "weekly":
        return _weekly_day(terms.weekday, today, calendar) - _DAY
    return today - _DAY


def is_enough(terms: Terms, amount_tiyn: int) -> bool:
    """True when ``amount_tiyn`` is worth a payout by these terms. Nothing, or a debt, never is."""
    least = terms.threshold_tiyn if terms.kind == "threshold" else 0
    return amount_tiyn >= max(least, terms.minimum_tiyn, 1)


def next_payout_day(terms: Terms, today: date, calendar: Calendar) -> date | None:
    """The first day after ``today`` on which the schedule looks whether to pay; None where the merchant asks by hand."""
    if terms.kind == "manual":
        return None
    day = calendar.on_or_after(today + _DAY)
    if terms.kind == "weekly":
        while _weekly_day(terms.weekday, day, calendar) != day:
            day = calendar.on_or_after(day + _DAY)
    return day


def _weekly_day(weekday: int, today: date, calendar: Calendar) -> date:
    """The latest weekly payout day that is not after ``today``, a business day."""
    return calendar.on_or_after(today - timedelta(days=(today.weekday() - weekday) % 7))

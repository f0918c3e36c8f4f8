"""Business days of Kazakhstan: Monday to Friday without its holidays, as the Government moved them.

The package ``holidays`` knows the law's holidays and the days off in lieu of those that fall on a weekend. What the
Government moves by decision of the year stands in the table of moved days (``CalendarDay``), which wins in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

from holidays import HolidayBase, country_holidays

from settlements.models import CalendarDay

# No run of days off is longer; a table of moved days that says so is a mistake.
DAYS_OFF_IN_A_ROW_MAX = 60
_DAY = timedelta(days=1)


class NoBusinessDay(Exception):
    """The table of moved days leaves no business day for two months: somebody typed it wrongly."""


class BusinessCalendar:
    """The calendar with ``moved`` days: True for a day that is worked, False for one that is not."""

    def __init__(self, moved: Mapping[date, bool]) -> None:
        self._moved = dict(moved)

    def is_business_day(self, day: date) -> bool:
        """True when banks work on ``day``."""
        moved = self._moved.get(day)
        return bool(_holidays().is_working_day(day)) if moved is None else moved

    def on_or_after(self, day: date) -> date:
        """``day``, or the first business day after it.

        Raises:
            NoBusinessDay: see there.
        """
        for _ in range(DAYS_OFF_IN_A_ROW_MAX):
            if self.is_business_day(day):
                return day
            day += _DAY
        raise NoBusinessDay(f"no business day for {DAYS_OFF_IN_A_ROW_MAX} days before {day}")

    def after(self, day: date) -> date:
        """The first business day after ``day``. Raises as ``on_or_after``."""
        return self.on_or_after(day + _DAY)


def current() -> BusinessCalendar:
    """The calendar with the days that are moved at this moment."""
    return BusinessCalendar(dict(CalendarDay.objects.values_list("date", "is_working")))


@cache
def _holidays() -> HolidayBase:
    # The package adds each year when it is first asked about.
    return country_holidays("KZ")

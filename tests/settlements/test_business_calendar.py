"""Business days of Kazakhstan, as the e-government calendar names them, with the table of moved days on top."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from settlements import business_calendar
from settlements.business_calendar import BusinessCalendar, NoBusinessDay
from settlements.models import CalendarDay

PLAIN = BusinessCalendar({})
DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    ("day", "following"),
    [
        # Nauryz: Saturday 21 to Monday 23 March, and two days in lieu.
        (date(2026, 3, 20), date(2026, 3, 26)),
        # Women's Day on a Sunday, Victory Day on a Saturday, Republic Day on a Sunday: the Monday after is off.
        (date(2026, 3, 6), date(2026, 3, 10)),
        (date(2026, 5, 8), date(2026, 5, 12)),
        (date(2026, 10, 23), date(2026, 10, 27)),
        (date(2025, 12, 31), date(2026, 1, 5)),
        (date(2026, 12, 15), date(2026, 12, 17)),
        (date(2027, 3, 12), date(2027, 3, 16)),
        (date(2026, 11, 23), date(2026, 11, 24)),
    ],
)
def test_the_next_business_day(day, following):
    assert PLAIN.is_business_day(day)
    assert PLAIN.after(day) == following


@pytest.mark.parametrize("day", [date(2026, 5, 11), date(2026, 10, 26), date(2026, 3, 24), date(2026, 3, 25)])
def test_days_in_lieu_are_off(day):
    assert not PLAIN.is_business_day(day)


def test_the_constitution_day_of_august_is_worked_from_2026_on():
    assert PLAIN.is_business_day(date(2027, 8, 30))


@pytest.mark.django_db
def test_moved_days_win_in_both_directions():
    CalendarDay.objects.create(date=date(2026, 11, 23), is_working=False, note="Decree No. 1")
    CalendarDay.objects.create(date=date(2026, 11, 21), is_working=True, note="Decree No. 1")
    calendar = business_calendar.current()
    assert not calendar.is_business_day(date(2026, 11, 23))
    assert calendar.is_business_day(date(2026, 11, 21))
    assert calendar.after(date(2026, 11, 21)) == date(2026, 11, 24)


# Weekends that the government made working days, as the package knows them.
WORKED_WEEKENDS = {date(2013, 12, 28), date(2025, 1, 5)}


@given(DAYS)
@example(date(2025, 1, 5))
def test_a_weekend_is_off_and_the_next_business_day_is_the_first_one(day):
    assert day in WORKED_WEEKENDS or not (day.weekday() >= 5 and PLAIN.is_business_day(day))
    following = PLAIN.after(day)
    assert PLAIN.is_business_day(following)
    between = [day + timedelta(days=step) for step in range(1, (following - day).days)]
    assert not any(PLAIN.is_business_day(other) for other in between)


@given(DAYS, st.dictionaries(DAYS, st.booleans(), max_size=40))
def test_a_moved_day_is_exactly_what_the_table_says_and_no_other_day_changes(day, moved):
    calendar = BusinessCalendar(moved)
    assert calendar.is_business_day(day) == moved.get(day, PLAIN.is_business_day(day))


def test_a_table_without_a_business_day_is_a_mistake_that_is_said():
    off = {date(2026, 1, 1) + timedelta(days=step): False for step in range(200)}
    with pytest.raises(NoBusinessDay):
        BusinessCalendar(off).after(date(2026, 1, 1))

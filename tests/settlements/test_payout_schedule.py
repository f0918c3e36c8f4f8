"""On which days a merchant is paid out, and for which days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlements.business_calendar import BusinessCalendar
from settlements.payout_schedule import Terms, due_through, is_enough, next_payout_day

PLAIN = BusinessCalendar({})
DAY = timedelta(days=1)
DAYS = st.dates(date(2025, 1, 1), date(2028, 12, 31))
WEEKDAYS = st.integers(0, 4)
CALENDARS = st.dictionaries(DAYS, st.booleans(), max_size=60).map(BusinessCalendar)


@pytest.mark.parametrize(
    ("terms", "today", "through"),
    [
        (Terms("daily"), date(2026, 3, 20), date(2026, 3, 19)),
        (Terms("daily"), date(2026, 3, 21), None),
        (Terms("daily"), date(2026, 3, 25), None),
        (Terms("daily"), date(2026, 3, 26), date(2026, 3, 25)),
        (Terms("threshold", threshold_tiyn=1), date(2026, 3, 26), date(2026, 3, 25)),
        (Terms("threshold", threshold_tiyn=1), date(2026, 3, 28), None),
        (Terms("manual"), date(2026, 3, 26), None),
        # Mondays: 23 March is Nauryz, so the payout of that week goes out on the 26th, for the days before it.
        (Terms("weekly", weekday=0), date(2026, 3, 16), date(2026, 3, 15)),
        (Terms("weekly", weekday=0), date(2026, 3, 20), date(2026, 3, 15)),
        (Terms("weekly", weekday=0), date(2026, 3, 23), None),
        (Terms("weekly", weekday=0), date(2026, 3, 26), date(2026, 3, 25)),
        (Terms("weekly", weekday=0), date(2026, 3, 27), date(2026, 3, 25)),
        (Terms("weekly", weekday=4), date(2026, 5, 8), date(2026, 5, 7)),
        (Terms("weekly", weekday=0), date(2026, 5, 12), date(2026, 5, 11)),
    ],
)
def test_what_is_due_on_a_day(terms, today, through):
    assert due_through(terms, today, PLAIN) == through


@pytest.mark.parametrize(
    ("terms", "today", "following"),
    [
        (Terms("daily"), date(2026, 3, 20), date(2026, 3, 26)),
        (Terms("threshold", threshold_tiyn=1), date(2026, 5, 8), date(2026, 5, 12)),
        (Terms("weekly", weekday=0), date(2026, 3, 16), date(2026, 3, 26)),
        (Terms("weekly", weekday=0), date(2026, 3, 24), date(2026, 3, 26)),
        (Terms("weekly", weekday=0), date(2026, 3, 26), date(2026, 3, 30)),
        (Terms("weekly", weekday=2), date(2026, 11, 23), date(2026, 11, 25)),
        (Terms("manual"), date(2026, 11, 23), None),
    ],
)
def test_when_the_schedule_looks_next(terms, today, following):
    assert next_payout_day(terms, today, PLAIN) == following


@pytest.mark.parametrize(
    ("terms", "amount_tiyn", "enough"),
    [
        (Terms("daily"), 1, True),
        (Terms("daily"), 0, False),
        (Terms("daily"), -5, False),
        (Terms("daily", minimum_tiyn=100), 99, False),
        (Terms("daily", minimum_tiyn=100), 100, True),
        # A threshold of another schedule says nothing.
        (Terms("daily", threshold_tiyn=500), 100, True),
        (Terms("threshold", threshold_tiyn=500, minimum_tiyn=100), 499, False),
        (Terms("threshold", threshold_tiyn=500, minimum_tiyn=100), 500, True),
        (Terms("threshold", threshold_tiyn=500, minimum_tiyn=700), 600, False),
    ],
)
def test_what_is_worth_a_payout(terms, amount_tiyn, enough):
    assert is_enough(terms, amount_tiyn) == enough


@given(DAYS, WEEKDAYS, CALENDARS)
def test_nothing_is_due_on_a_day_off_and_only_days_that_are_over_are_paid(today, weekday, calendar):
    for terms in (Terms("daily"), Terms("threshold"), Terms("weekly", weekday=weekday)):
        through = due_through(terms, today, calendar)
        assert (through is None) == (not calendar.is_business_day(today))
        assert through is None or through < today


@given(DAYS, CALENDARS)
def test_daily_payouts_pay_every_day_exactly_once(first, calendar):
    paid = []
    for step in range(30):
        today = first + step * DAY
        through = due_through(Terms("daily"), today, calendar)
        if through is not None:
            begin = paid[-1] + DAY if paid else through
            assert begin <= through
            paid += [begin + n * DAY for n in range((through - begin).days + 1)]
    assert paid == [paid[0] + n * DAY for n in range(len(paid))] if paid else True


@given(DAYS, WEEKDAYS, CALENDARS)
def test_a_weekly_payout_never_goes_back_and_never_splits_a_week(first, weekday, calendar):
    terms = Terms("weekly", weekday=weekday)
    throughs = [due_through(terms, first + step * DAY, calendar) for step in range(40)]
    due = [through for through in throughs if through is not None]
    assert due == sorted(due)
    # Two different ones are at least a business day apart, and the day after each is a business day: the payout's own.
    assert all(calendar.is_business_day(through + DAY) for through in due)


@given(DAYS, WEEKDAYS)
def test_the_day_that_is_announced_is_the_day_on_which_something_new_is_due(today, weekday):
    for terms in (Terms("daily"), Terms("weekly", weekday=weekday)):
        following = next_payout_day(terms, today, PLAIN)
        assert following > today
        assert due_through(terms, following, PLAIN) == following - DAY

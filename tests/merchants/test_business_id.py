"""БИН and ИИН: the published vectors, and every way to mistype one."""

import random
from datetime import date

import pytest

from merchants.business_id import BusinessIdRefused, Division, Fault, Kind, check_digit, parse

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("number", "kind", "division", "since"),
    [
        ("260140900012", Kind.COMPANY, Division.HEAD, date(2026, 1, 1)),
        ("260140900305", Kind.COMPANY, Division.HEAD, date(2026, 1, 1)),
        ("260140900317", Kind.COMPANY, Division.HEAD, date(2026, 1, 1)),
        ("260341900015", Kind.COMPANY, Division.BRANCH, date(2026, 3, 1)),
        ("260250900010", Kind.FOREIGN_COMPANY, Division.HEAD, date(2026, 2, 1)),
        ("971240001315", Kind.COMPANY, Division.HEAD, date(1997, 12, 1)),
        ("901041000015", Kind.COMPANY, Division.BRANCH, date(1990, 10, 1)),
        ("010203590013", Kind.PERSON, None, date(2001, 2, 3)),
        ("851123490011", Kind.PERSON, None, date(1985, 11, 23)),
    ],
)
def test_a_number_says_whose_it_is(number, kind, division, since):
    decoded = parse(number, today=TODAY)
    assert (decoded.number, decoded.kind, decoded.division, decoded.since) == (number, kind, division, since)
    assert not decoded.century_unknown


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("260140900010", Fault.CHECK_DIGIT),
        ("010203590010", Fault.CHECK_DIGIT),
        ("261340900012", Fault.DATE),
        ("010230590013", Fault.DATE),
        ("270203590013", Fault.DATE),  # a birth after today
        ("26014090001", Fault.LENGTH),
        ("2601409000120", Fault.LENGTH),
        ("", Fault.LENGTH),
        ("26014090О012", Fault.NOT_DIGITS),  # a Cyrillic О
        ("２60140900012", Fault.NOT_DIGITS),  # a full-width digit, which int() would take
        ("-60140900012", Fault.NOT_DIGITS),
        ("260170900012", Fault.TYPE),
        ("010203990013", Fault.TYPE),
    ],
)
def test_a_mistyped_number_is_refused_with_its_fault(text, fault):
    with pytest.raises(BusinessIdRefused) as refused:
        parse(text, today=TODAY)
    assert refused.value.fault == fault
    assert not text or text not in str(refused.value)


def test_spaces_are_left_out():
    assert parse(" 2601 4090 0012\n", today=TODAY).number == "260140900012"


@pytest.mark.parametrize("first_eleven", ["26014090038", "26014090119"])
def test_a_beginning_that_no_check_digit_fits_is_never_valid(first_eleven):
    assert check_digit(first_eleven) is None
    for last in "0123456789":
        with pytest.raises(BusinessIdRefused):
            parse(first_eleven + last, today=TODAY)


def test_the_eleventh_digit_is_not_covered_by_the_first_pass():
    assert all(parse(f"2601409000{digit}2", today=TODAY) for digit in range(10))


def test_a_foreigners_number_without_a_century_is_accepted_and_flagged():
    first_eleven = "90020300001"
    decoded = parse(f"{first_eleven}{check_digit(first_eleven)}", today=TODAY)
    assert decoded.century_unknown
    assert decoded.since == date(1990, 2, 3)


def test_two_digits_of_a_year_never_mean_the_future():
    first_eleven = "27014090000"
    assert parse(f"{first_eleven}{check_digit(first_eleven)}", today=TODAY).since.year == 1927


def test_of_ten_last_digits_at_most_one_fits():
    source = random.Random(20261123)
    for _ in range(500):
        first_eleven = "2601409" + "".join(source.choices("0123456789", k=4))
        fitting = [digit for digit in range(10) if check_digit(first_eleven) == digit]
        assert len(fitting) == (0 if check_digit(first_eleven) is None else 1)

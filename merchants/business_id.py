"""БИН and ИИН, the 12-digit numbers of businesses and persons in Kazakhstan. Pure.

БИН: YYMM of registration, type of entity (4, 5, 6), division (0..4), serial, check digit.
ИИН: YYMMDD of birth, a digit for century and sex, serial, check digit. An individual entrepreneur trades under an ИИН.
A right check digit proves little (the 11th digit is not covered by the first pass), so what the number says is shown to
the people who judge an application.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

WEIGHTS_FIRST = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
WEIGHTS_SECOND = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
DIGITS = "0123456789"


class Kind(StrEnum):
    """Whose number it is."""

    COMPANY = "company"
    FOREIGN_COMPANY = "foreign company"
    JOINT_ENTREPRENEUR = "joint entrepreneur"
    PERSON = "person"


class Division(StrEnum):
    """Which part of a business a БИН names."""

    HEAD = "head unit"
    BRANCH = "branch"
    REPRESENTATIVE = "representative office"
    FARM = "farm"
    OTHER = "other"


class Fault(StrEnum):
    """Why a number is refused."""

    NOT_DIGITS = "not digits"
    LENGTH = "length"
    DATE = "date"
    TYPE = "type"
    CHECK_DIGIT = "check digit"


class BusinessIdRefused(ValueError):
    """The text is not a БИН or ИИН; ``fault`` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"not a БИН or ИИН: {fault}")
        self.fault = fault


@dataclass(frozen=True, slots=True)
class BusinessId:
    """A number and what it says. ``since`` is the registration's month (its first day) or the day of birth.

    ``century_unknown`` marks an ИИН whose seventh digit is 0: said to exist for foreigners, so a person looks at it.
    """

    number: str
    kind: Kind
    division: Division | None
    since: date
    century_unknown: bool = False


_KINDS = {"4": Kind.COMPANY, "5": Kind.FOREIGN_COMPANY, "6": Kind.JOINT_ENTREPRENEUR}
_DIVISIONS = {
    "0": Division.HEAD,
    "1": Division.BRANCH,
    "2": Division.REPRESENTATIVE,
    "3": Division.FARM,
    "4": Division.FARM,
}
_CENTURIES = {"1": 1800, "2": 1800, "3": 1900, "4": 1900, "5": 2000, "6": 2000}


def parse(text: str, *, today: date) -> BusinessId:
    """The БИН or ИИН in ``text``, spaces around and between left out. ``today`` tells 1997 from 2097.

    Raises:
        BusinessIdRefused: not 12 ASCII digits, no such date, unknown type, wrong check digit.
    """
    number = "".join(text.split())
    if any(character not in DIGITS for character in number):
        raise BusinessIdRefused(Fault.NOT_DIGITS)
    if len(number) != 12:
        raise BusinessIdRefused(Fault.LENGTH)
    # The fifth digit begins a day (01..31) in an ИИН and is 4 or more in a БИН.
    decoded = _person(number, today) if number[4] in "0123" else _business(number, today)
    if check_digit(number[:11]) != int(number[11]):
        raise BusinessIdRefused(Fault.CHECK_DIGIT)
    return decoded


def check_digit(first_eleven: str) -> int | None:
    """The twelfth digit for ``first_eleven`` digits; None when no number begins so."""
    digits = [int(character) for character in first_eleven]
    remainder = _weighted(digits, WEIGHTS_FIRST)
    if remainder == 10:
        remainder = _weighted(digits, WEIGHTS_SECOND)
    return None if remainder == 10 else remainder


def _weighted(digits: list[int], weights: tuple[int, ...]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11


def _business(number: str, today: date) -> BusinessId:
    if number[4] not in _KINDS:
        raise BusinessIdRefused(Fault.TYPE)
    since = _day(_year_until(number[:2], today), int(number[2:4]), 1)
    return BusinessId(number, _KINDS[number[4]], _DIVISIONS.get(number[5], Division.OTHER), since)


def _person(number: str, today: date) -> BusinessId:
    century_unknown = number[6] == "0"
    if not century_unknown and number[6] not in _CENTURIES:
        raise BusinessIdRefused(Fault.TYPE)
    year = _year_until(number[:2], today) if century_unknown else _CENTURIES[number[6]] + int(number[:2])
    since = _day(year, int(number[2:4]), int(number[4:6]))
    if since > today:
        raise BusinessIdRefused(Fault.DATE)
    return BusinessId(number, Kind.PERSON, None, since, century_unknown)


def _year_until(two_digits: str, today: date) -> int:
    year = 2000 + int(two_digits)
    return year if year <= today.year else year - 100


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise BusinessIdRefused(Fault.DATE) from error

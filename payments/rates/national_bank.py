"""The National Bank of Kazakhstan's official rates.

``GET /rss/get_rates.cfm?fdate=dd.mm.yyyy`` answers XML: ``<rates>``, ``<date>`` of the rates, then ``<item>`` with
``<title>`` (currency), ``<description>`` (tenge) and ``<quant>`` (for how many units). A date without rates is answered with
HTTP 200 and ``<info>``. A rate is set on a working day for the next one and holds until there is another, so over weekends and
holidays the last one before counts: where the bank has nothing for a day, the days before are asked for.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from django.conf import settings

from alatau_pay.http import get_bytes
from payments.rate_paths import ALMATY, DOLLAR, TENGE, Observation
from payments.rates import TIMEOUT_SECONDS, RateRefused
from payments.rates.answers import price_of

DATE_FORMAT = "%d.%m.%Y"


class NationalBank:
    """The dollar in tenge, official for the day; the server's address is ``NATIONAL_BANK_URL``."""

    name = "national-bank"
    official = True
    interval = timedelta(minutes=15)

    def fetch(self, *, now: datetime) -> list[Observation]:
        """USD/KZT of today in Almaty. Raises as RateSource says; RateRefused also when the last rate is too old."""
        return [self.fetch_for(now.astimezone(ALMATY).date())]

    def fetch_for(self, day: date) -> Observation:
        """USD/KZT official on ``day``: of that day, or the last one before it, at most ``RATE_OFFICIAL_DAYS_MAX`` days older.

        Raises:
            As ``fetch``.
        """
        oldest = day - timedelta(days=settings.RATE_OFFICIAL_DAYS_MAX)
        asked = day
        while asked >= oldest:
            document = _ask(asked)
            if document.find("item") is not None:
                return self._observation(document, day=day, asked=asked, oldest=oldest)
            asked -= timedelta(days=1)
        raise RateRefused(f"national bank: no rates from {oldest:{DATE_FORMAT}} to {day:{DATE_FORMAT}}")

    def _observation(self, document: Element, *, day: date, asked: date, oldest: date) -> Observation:
        stated = _stated(document)
        if not oldest <= stated <= asked:
            raise RateRefused(
                f"national bank: asked for {asked:{DATE_FORMAT}}, answered for {stated:{DATE_FORMAT}}"
            )
        # Midnight in Almaty is when a day's rate begins to hold.
        since = datetime.combine(stated, time.min, tzinfo=ALMATY).astimezone(UTC)
        return Observation(
            self.name, DOLLAR, TENGE, _dollar(document), since, rate_date=stated, requested_date=day
        )


def _ask(day: date) -> Element:
    body = get_bytes(
        f"{settings.NATIONAL_BANK_URL}/rss/get_rates.cfm",
        params={"fdate": day.strftime(DATE_FORMAT)},
        timeout_seconds=TIMEOUT_SECONDS,
    )
    try:
        document = fromstring(body)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        # The last two: an encoding that there is not, or that expat does not read.
        raise RateRefused("national bank: the answer is not XML") from error
    if document.tag != "rates":
        raise RateRefused(f"national bank: the answer is <{document.tag}>, not <rates>")
    return document


def _stated(document: Element) -> date:
    text = (document.findtext("date") or "").strip()
    try:
        return datetime.strptime(text, DATE_FORMAT).replace(tzinfo=ALMATY).date()
    except ValueError as error:
        raise RateRefused("national bank: rates of no date") from error


def _dollar(document: Element) -> Decimal:
    for item in document.iter("item"):
        if (item.findtext("title") or "").strip() == DOLLAR:
            return price_of(_tenge_a_unit(item), "national bank USD/KZT")
    raise RateRefused("national bank: no dollar among the rates")


def _tenge_a_unit(item: Element) -> Decimal:
    try:
        return _decimal(item, "description") / _decimal(item, "quant")
    except ArithmeticError as error:
        raise RateRefused("national bank: a rate out of all reason") from error


def _decimal(item: Element, name: str) -> Decimal:
    try:
        number = Decimal((item.findtext(name) or "").strip().replace(",", "."))
    except InvalidOperation as error:
        raise RateRefused(f"national bank: {name} is not a number") from error
    if not number.is_finite() or number <= 0:
        raise RateRefused(f"national bank: {name} is not positive")
    return number

"""The National Bank of Kazakhstan's official rates.

``GET /rss/get_rates.cfm?fdate=dd.mm.yyyy`` answers XML: ``<rates>``, ``<date>`` of the rates, then ``<item>`` with
``<title>`` (currency), ``<description>`` (tenge) and ``<quant>`` (for how many units). A date without rates is answered with
HTTP 200 and ``<info>``. The rate of a day holds all that day in Almaty, weekends and holidays included.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element, ParseError
from zoneinfo import ZoneInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from django.conf import settings

from alatau_pay.http import get_bytes
from payments.quoting import DOLLAR, TENGE, Observation
from payments.rates import RateRefused

ALMATY = ZoneInfo("Asia/Almaty")


class NationalBank:
    """The dollar in tenge, official for the day; the server's address is ``NATIONAL_BANK_URL``."""

    name = "national-bank"
    official = True

    def fetch(self, *, now: datetime) -> list[Observation]:
        """USD/KZT of today in Almaty. Raises as RateSource says; RateRefused also when the answer is of another day."""
        today = now.astimezone(ALMATY).date()
        asked = today.strftime("%d.%m.%Y")
        document = _parse(
            get_bytes(f"{settings.NATIONAL_BANK_URL}/rss/get_rates.cfm", params={"fdate": asked})
        )
        stated = (document.findtext("date") or "").strip()
        if document.find("item") is None:
            raise RateRefused(f"national bank: no rates for {asked}")
        if stated != asked:
            raise RateRefused(f"national bank: asked for {asked}, answered for {stated or 'no date'}")
        # Midnight in Almaty is when the day's rate begins to hold.
        since = datetime.combine(today, time.min, tzinfo=ALMATY).astimezone(UTC)
        return [Observation(self.name, DOLLAR, TENGE, _dollar(document), observed_at=since)]


def _parse(body: bytes) -> Element:
    try:
        document = fromstring(body)
    except (ParseError, DefusedXmlException) as error:
        raise RateRefused("national bank: the answer is not XML") from error
    if document.tag != "rates":
        raise RateRefused(f"national bank: the answer is <{document.tag}>, not <rates>")
    return document


def _dollar(document: Element) -> Decimal:
    for item in document.iter("item"):
        if (item.findtext("title") or "").strip() == DOLLAR:
            return _decimal(item, "description") / _decimal(item, "quant")
    raise RateRefused("national bank: no dollar among the rates")


def _decimal(item: Element, name: str) -> Decimal:
    try:
        number = Decimal((item.findtext(name) or "").strip().replace(",", "."))
    except InvalidOperation as error:
        raise RateRefused(f"national bank: {name} is not a number") from error
    if not number.is_finite() or number <= 0:
        raise RateRefused(f"national bank: {name} is not positive")
    return number

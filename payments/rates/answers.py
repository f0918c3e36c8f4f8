"""Reading prices and instants out of what a server said, without a binary float and without believing much."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from payments.rate_paths import CLOCK_TOLERANCE, PRICE_DECIMALS
from payments.rates import RateRefused

_DECIMAL_TEXT = re.compile(r"^[0-9]{1,30}(\.[0-9]{1,30})?$", re.ASCII)
_STEP = Decimal(1).scaleb(-PRICE_DECIMALS)
# Nothing that is quoted costs as much in anything that it is quoted in.
PRICE_MAX = Decimal(10) ** 15


def price_of(value: object, what: str) -> Decimal:
    """A price as decimal text or as an exact JSON number, with at most twelve decimals.

    ``what`` names the source and the pair in the refusal.

    Raises:
        RateRefused: not a number, not positive, or out of all reason.
    """
    if isinstance(value, str) and _DECIMAL_TEXT.match(value):
        value = Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise RateRefused(f"{what}: not a price")
    if not 0 < value < PRICE_MAX:
        raise RateRefused(f"{what}: a price that is not positive, or too great")
    try:
        price = value.quantize(_STEP)
    except InvalidOperation as error:
        raise RateRefused(f"{what}: not a price") from error
    if price == 0:
        raise RateRefused(f"{what}: a price that is not positive")
    return price


def instant_of(value: object, what: str, *, now: datetime) -> datetime:
    """An instant as Unix seconds or as ISO 8601 text with an offset.

    Raises:
        RateRefused: not an instant, or ahead of our clock: then no age can be told of it.
    """
    try:
        at = datetime.fromtimestamp(value, tz=UTC) if type(value) is int else datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise RateRefused(f"{what}: not an instant") from error
    if at.tzinfo is None:
        raise RateRefused(f"{what}: an instant without an offset")
    if at > now + CLOCK_TOLERANCE:
        raise RateRefused(f"{what}: an instant ahead of our clock")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise RateRefused(f"{what}: an instant before all time") from error

"""Sources of prices behind one Protocol. A source asks one server and says what it was told, or why that is unusable."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Protocol, runtime_checkable

from payments.rate_paths import Observation

# A market that does not answer within this time is asked again soon; the others' prices are fresh meanwhile.
TIMEOUT_SECONDS = 5.0


class RateRefused(Exception):
    """The server answered, but not with a rate that may be used: garbage, another date, a price that is not one."""


class RateSource(Protocol):
    """A server that states prices.

    ``name`` is stored with every observation. ``official`` says that prices need this source's dollar rate beside them.
    ``interval`` is how long what it said need not be asked again: nothing for a market, minutes for a rate of the day.
    """

    name: str
    official: bool
    interval: timedelta

    def fetch(self, *, now: datetime) -> list[Observation]:
        """The prices that hold at ``now``; never empty. Uses no database: it runs in a thread of its own.

        Raises:
            alatau_pay.http.Unreachable: no usable connection; ask again later.
            alatau_pay.http.BadAnswer, RateRefused: the answer cannot be used.
        """
        ...


@runtime_checkable
class OfficialSource(Protocol):
    """A source that also says what was official on a past day."""

    def fetch_for(self, day: date) -> Observation:
        """The dollar in tenge that was official on ``day``. Raises as ``RateSource.fetch``."""
        ...

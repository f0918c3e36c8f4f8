"""Sources of prices behind one Protocol. A source asks one server and says what it was told, or why that is unusable."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from payments.quoting import Observation


class RateRefused(Exception):
    """The server answered, but not with a rate that may be used: garbage, another date, a price that is not one."""


class RateSource(Protocol):
    """A server that states prices.

    ``name`` is stored with every observation. ``official`` says that prices need this source's dollar rate beside them.
    """

    name: str
    official: bool

    def fetch(self, *, now: datetime) -> list[Observation]:
        """The prices that hold at ``now``; never empty.

        Raises:
            alatau_pay.http.Unreachable: no usable connection; ask again later.
            alatau_pay.http.BadAnswer, RateRefused: the answer cannot be used.
        """
        ...

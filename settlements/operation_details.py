"""What a register says of an operation beyond the ledger's figures: known only above (invoices, rates, transfers).

``payments`` provides it when the program starts; imports keep running downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from django.core.exceptions import ImproperlyConfigured

from settlements.operations import Operation


@dataclass(frozen=True, slots=True)
class OperationDetails:
    """What is known of an operation; "" and None where nothing is.

    ``rate_tenge`` is tenge for one whole coin, ``rate_sources`` what each source said of it in one line, ``official_rate`` the
    National Bank's tenge for a dollar that held then. ``happened_at`` is when the network first showed the money.
    """

    happened_at: datetime | None = None
    invoice_id: str = ""
    order_id: str = ""
    store_name: str = ""
    coin_symbol: str = ""
    network_name: str = ""
    txid: str = ""
    rate_tenge: Decimal | None = None
    rate_sources: str = ""
    official_rate: Decimal | None = None


NOTHING_KNOWN = OperationDetails()


class DetailsSource(Protocol):
    """Told by ``payments``."""

    def details_of(self, operations: Sequence[Operation]) -> dict[int, OperationDetails]:
        """Details by ``entry_id``, in a handful of queries however many there are; what it knows nothing of is left out."""
        ...


_provided: list[DetailsSource] = []


def provide(source: DetailsSource) -> None:
    """Say who knows; called once, from ``AppConfig.ready`` of the app that does."""
    _provided[:] = [source]


def current() -> DetailsSource:
    """Who was provided.

    Raises:
        ImproperlyConfigured: nobody was.
    """
    if not _provided:
        raise ImproperlyConfigured(
            "settlements.operation_details.provide was not called: is the payments app installed?"
        )
    return _provided[0]

"""What this installation offers a store: known only above (networks, admissions), needed here for a form and two API answers.

``payments`` provides it when the program starts; imports keep running downwards.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from django.core.exceptions import ImproperlyConfigured


class AssetChoice(NamedTuple):
    """An asset that a store may accept now: its code, what people read, and its name in the API ("BTC-CHAIN")."""

    code: str
    label: str
    payment_method_id: str


class Installation(Protocol):
    """Told by ``payments``."""

    def asset_choices(self, now: datetime) -> list[AssetChoice]:
        """The assets admitted at ``now``, in the order that the checkout page shows them."""
        ...

    def is_synchronised(self, now: datetime) -> bool:
        """True when every enabled network is being followed at ``now``: none halted, none behind."""
        ...


_provided: list[Installation] = []


def provide(installation: Installation) -> None:
    """Say what this installation offers; called once, from ``AppConfig.ready`` of the app that knows."""
    _provided[:] = [installation]


def current() -> Installation:
    """What was provided.

    Raises:
        ImproperlyConfigured: nothing was.
    """
    if not _provided:
        raise ImproperlyConfigured(
            "merchants.installation.provide was not called: is the payments app installed?"
        )
    return _provided[0]

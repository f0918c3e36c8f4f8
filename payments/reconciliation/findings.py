"""What one look at the books came to, before any of it is written. Plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from alatau_pay.assets import KZT, Asset
from chains.observation import Position


@dataclass(frozen=True, slots=True)
class Finding:
    """Two figures that should be one, in smallest units of ``asset``; None: that side is not there.

    ``kind`` is a DifferenceKind; ``subject`` is what it is about: "payment:12".
    """

    kind: str
    subject: str
    left_minor: int | None
    right_minor: int | None
    asset: Asset = KZT
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What a place held of an asset beside the books; see ``payments.models.PlaceBalance``."""

    wallet_id: int
    asset_code: str
    deposits_minor: int
    elsewhere_minor: int
    ledger_minor: int
    not_booked_minor: int
    not_buried_minor: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One part of a run. ``not_compared`` says why nothing can be said; then the rest is empty."""

    scope: str
    checked_count: int = 0
    findings: Sequence[Finding] = ()
    not_compared: str = ""
    position: Position | None = None
    held: Sequence[Held] = field(default=())

"""A merchant's stores and the settings that their invoices are made by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from merchants.models import ExcessPolicy, Merchant, MerchantStatus, SpeedPolicy, Store


class MerchantNotApproved(Exception):
    """Only an approved merchant opens a store."""


class NoAssetAccepted(ValueError):
    """A store accepts at least one asset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSettings:
    """A store's settings: times in minutes, the tolerated underpayment in hundredths of a per cent."""

    name: str
    accepted_assets: list[str]
    website: str = ""
    speed_policy: str = SpeedPolicy.MEDIUM
    invoice_minutes: int = 15
    monitoring_minutes: int = 1440
    tolerance_basis_points: int = 0
    excess_policy: str = ExcessPolicy.HOLD
    language: str = "kk"


def create_store(settings: StoreSettings, *, merchant: Merchant, now: datetime) -> Store:
    """A new store of an approved merchant.

    Raises:
        MerchantNotApproved: the merchant has not been approved, or is suspended.
        NoAssetAccepted: the list of accepted assets is empty.
    """
    if merchant.status != MerchantStatus.APPROVED:
        raise MerchantNotApproved
    _check(settings)
    return Store.objects.create(merchant=merchant, created_at=now, **asdict(settings))


def update_store(store: Store, settings: StoreSettings, *, archived: bool) -> Store:
    """The store with other settings; invoices that exist keep what they were made with.

    Raises:
        NoAssetAccepted: the list of accepted assets is empty.
    """
    _check(settings)
    values = asdict(settings) | {"archived": archived}
    for name, value in values.items():
        setattr(store, name, value)
    store.save(update_fields=list(values))
    return store


def is_trading(store: Store) -> bool:
    """True when the store may make invoices: its merchant is Approved and it is not archived."""
    return store.merchant.status == MerchantStatus.APPROVED and not store.archived


def _check(settings: StoreSettings) -> None:
    if not settings.accepted_assets:
        raise NoAssetAccepted

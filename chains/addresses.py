"""Giving out deposit addresses: the only writer of DepositAddress rows."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from chains import wallets
from chains.models import DepositAddress, Wallet


def allocate(*, wallet: Wallet, purpose: str, now: datetime) -> DepositAddress:
    """The deposit address of ``purpose`` (the caller's identifier) on the wallet's network: a new one the first time.

    Guarantees: the same purpose gets the same address, an address is given to one purpose only and never again, and
    indexes are used without gaps, so that a restored wallet finds every coin. The wallet's row is locked to the end of
    the caller's database transaction; show the address only after that has committed.

    Raises:
        ValueError: no purpose, or the wallet has no index left.
    """
    if not purpose:
        raise ValueError("an address is given out for a purpose")
    try:
        with transaction.atomic():
            return _allocate(wallet, purpose, now)
    except IntegrityError:
        # Another wallet of the network was asked for the same purpose at this moment, and was first.
        given = _given(wallet, purpose)
        if given is None:
            raise
        return given


def _allocate(wallet: Wallet, purpose: str, now: datetime) -> DepositAddress:
    given = _given(wallet, purpose)
    if given:
        return given
    locked = Wallet.objects.select_for_update(of=("self",)).select_related("network").get(pk=wallet.pk)
    given = _given(wallet, purpose)  # by whoever held the lock before
    if given:
        return given
    index = locked.next_index
    derived = wallets.derive(locked.network, locked.public_key, index)
    locked.next_index = index + 1
    locked.save(update_fields=["next_index"])
    return DepositAddress.objects.create(
        network=locked.network,
        wallet=locked,
        derivation_index=index,
        key=derived.key,
        address=derived.address,
        purpose=purpose,
        created_at=now,
    )


def _given(wallet: Wallet, purpose: str) -> DepositAddress | None:
    return DepositAddress.objects.filter(network_id=wallet.network_id, purpose=purpose).first()

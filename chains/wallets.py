"""Wallets by public key: the only writer of Wallet rows.

Two deposit methods behind one interface: ``hd``, addresses from an extended public key or descriptor, and, on EVM networks,
``forwarder``, CREATE2 addresses that can only be emptied into a treasury. The wallet's text says which it is.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import Max

from chains.derivation import (
    Derived,
    KeyRefused,
    derive_bitcoin,
    derive_evm,
    normalise_bitcoin,
    normalise_evm,
)
from chains.evm import forwarder
from chains.models import DepositAddress, Network, NetworkKind, Wallet

PREVIEW_COUNT = 3
# What most wallets use unless told otherwise (BIP-44).
GAP_LIMIT_USUAL = 20


class Method(StrEnum):
    """How a wallet's deposit addresses come about."""

    HD = "hd"
    FORWARDER = "forwarder"


def method(public_key: str) -> Method:
    """The deposit method of a wallet's text, as pasted or normalised."""
    return Method.FORWARDER if forwarder.is_forwarder(public_key) else Method.HD


def normalise(network: Network, public_key: str) -> str:
    """The one way of writing the key that a person pasted.

    Raises:
        KeyRefused: with a sentence for the person, in which nothing of the text is repeated.
    """
    if network.kind == NetworkKind.BITCOIN:
        return normalise_bitcoin(public_key, network.bitcoin_chain)
    if method(public_key) is Method.FORWARDER:
        return forwarder.normalise(public_key)
    return normalise_evm(public_key)


def derive(network: Network, public_key: str, index: int) -> Derived:
    """Deposit address number ``index`` of a normalised key."""
    if network.kind == NetworkKind.BITCOIN:
        return derive_bitcoin(public_key, index, network.bitcoin_chain)
    if method(public_key) is Method.FORWARDER:
        return forwarder.derive(public_key, index)
    return derive_evm(public_key, index)


def preview(network: Network, public_key: str) -> list[str]:
    """The first three addresses, for the owner to compare with the wallet before the key is used.

    Raises:
        KeyRefused: as ``normalise``.
    """
    normal = normalise(network, public_key)
    return [derive(network, normal, index).address for index in range(PREVIEW_COUNT)]


def highest_used_index(wallet: Wallet) -> int | None:
    """The highest derivation index that ever received anything: how far a wallet restored elsewhere must look."""
    used = DepositAddress.objects.filter(wallet=wallet, transfers__isnull=False)
    highest: int | None = used.aggregate(highest=Max("derivation_index"))["highest"]
    return highest


def gap_limit_min(wallet: Wallet) -> int:
    """The gap limit with which a wallet restored elsewhere finds every coin received so far, and every one still to come.

    Restored wallets stop after so many unused addresses in a row (usually 20); addresses shown for invoices that nobody paid are
    such. At least 1.
    """
    used = DepositAddress.objects.filter(wallet=wallet, transfers__isnull=False)
    indexes = used.order_by("derivation_index").values_list("derivation_index", flat=True).distinct()
    widest, before = 0, -1
    # An address given out and not paid yet may be paid at any time, so the last one given out counts as used.
    for index in (*indexes.iterator(chunk_size=10_000), wallet.next_index - 1):
        widest, before = max(widest, index - before - 1), max(before, index)
    return widest + 1


def import_wallet(*, network: Network, label: str, owner: str, public_key: str, now: datetime) -> Wallet:
    """The active wallet of ``owner`` ("" is the operator) on the network, from now on; the one before retires.

    Importing the same key again makes it the active one again and goes on counting where it stopped. No node is asked here:
    whoever lets a person import a forwarder wallet calls ``chains.evm.forwarder_check.verify`` first.

    Raises:
        KeyRefused: the key is private, damaged, of another network, or somebody else's. Nothing is written.
    """
    normal = normalise(network, public_key)
    with transaction.atomic():
        # One import at a time for a network: the two unique constraints are then met in order.
        Network.objects.select_for_update(no_key=True).get(pk=network.pk)
        known = Wallet.objects.filter(network=network, public_key=normal).first()
        if known and known.owner != owner:
            raise KeyRefused(
                "This key cannot be used here. Make a new account in your wallet and paste its key."
            )
        Wallet.objects.filter(network=network, owner=owner, active=True).exclude(public_key=normal).update(
            active=False
        )
        if known:
            known.label, known.active = label, True
            known.save(update_fields=["label", "active"])
            return known
        return Wallet.objects.create(
            network=network, label=label, owner=owner, public_key=normal, created_at=now
        )

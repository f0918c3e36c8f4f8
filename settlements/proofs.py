"""Inclusion proofs: what a merchant needs to check by itself that an entry stands in the sealed ledger, as it stands.

A proof holds the entry, the hashes from it up to its day's root, and the seals from that day to the last one. ``docs/
check_proof.py`` checks it without this program; docs/ledger_proof.md says how the bytes are made.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from merchants.models import Merchant
from settlements import seal
from settlements.models import DaySeal, JournalEntry
from settlements.sealed_entries import ENTRY, EntryRow

FORMAT = "alatau-pay inclusion proof 1"


class NotSealed(Exception):
    """The entry's day is not sealed yet: it is today, or the day was closed a moment ago."""


class NotTheirs(Exception):
    """The entry moves no account of the merchant, or one of another merchant as well."""


class NotAsSealed(Exception):
    """The entry is not what was sealed. ``verify_ledger`` says more."""


def proof_of(entry: JournalEntry, merchant: Merchant) -> dict[str, Any]:
    """The proof of ``entry`` for ``merchant``, ready for JSON; hashes are hexadecimal.

    Raises:
        NotTheirs: it would show what is not the merchant's.
        NotSealed: there is no seal to prove it by, yet.
        NotAsSealed: the ledger was bent.
    """
    owners = set(entry.postings.values_list("account__merchant_id", flat=True)) - {None}
    if owners != {merchant.pk}:
        raise NotTheirs(f"entry {entry.pk}")
    sealed = DaySeal.objects.filter(day_id=entry.business_date).first()
    if sealed is None:
        raise NotSealed(f"{entry.business_date} is not sealed")
    leaf = seal.leaf_bytes(_row(entry).leaf_entry)
    hashes = seal.split_hashes(bytes(sealed.leaf_hashes))
    if (hashed := seal.leaf_hash(leaf)) not in hashes:
        raise NotAsSealed(f"entry {entry.pk}")
    before = DaySeal.objects.defer("leaf_hashes").filter(day_id__lt=sealed.day_id).order_by("-day_id").first()
    return {
        "format": FORMAT,
        "leaf": leaf.decode(),
        "path": [[side, beside.hex()] for side, beside in seal.path_of(hashes, hashes.index(hashed))],
        "previous_seal": bytes(before.seal if before else seal.NO_SEAL).hex(),
        "days": _days_since(sealed),
    }


def _days_since(sealed: DaySeal) -> list[dict[str, str]]:
    """The roots and seals from the day on: whoever noted any later seal can check the entry against it."""
    rows = DaySeal.objects.filter(day_id__gte=sealed.day_id).order_by("day_id")
    return [
        {"day": day.isoformat(), "root": bytes(root).hex(), "seal": bytes(made).hex()}
        for day, root, made in rows.values_list("day_id", "root", "seal")
    ]


def _row(entry: JournalEntry) -> EntryRow:
    with connection.cursor() as cursor:
        cursor.execute(ENTRY, [entry.pk])
        return EntryRow._make(cursor.fetchone())

"""Business days that are over: closed to new entries, sealed, and each account's balance at their end.

All three only grow; migration 0006 puts the triggers on them. ``settlements.days`` alone writes them.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length

from alatau_pay.fields import MinorAmountField
from settlements.models.ledger import Account

models.BinaryField.register_lookup(Length)


class ClosedDay(models.Model):
    """A business day (Almaty) that takes no entry any more; the database refuses entries of it and of all days before."""

    day = models.DateField(primary_key=True)
    closed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-day"]

    def __str__(self) -> str:
        return self.day.isoformat()


class DaySeal(models.Model):
    """The Merkle root over a closed day's entries, chained to the day before; see ``settlements.seal`` for the bytes."""

    day = models.OneToOneField(ClosedDay, on_delete=models.PROTECT, primary_key=True, related_name="seal")
    entry_count = models.PositiveIntegerField()
    # SHA-256, 32 bytes each: the tree's root, and the seal of the day before (zeros for the first) with it.
    root = models.BinaryField(max_length=32)
    seal = models.BinaryField(max_length=32)
    # The entries' leaf hashes in the tree's order, 32 bytes each: a proof needs no other entry, and a change is located.
    leaf_hashes = models.BinaryField()
    sealed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-day_id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(root__length=32, seal__length=32), name="seal_is_sha256"),
            models.CheckConstraint(
                condition=Q(leaf_hashes__length=models.F("entry_count") * 32), name="seal_has_every_leaf"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day_id} {bytes(self.seal).hex()}"


class ClosingBalance(models.Model):
    """Debits less credits of an account at the end of a sealed day, for the days on which it moved."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="closing_balances", db_index=False
    )
    day = models.ForeignKey(ClosedDay, on_delete=models.PROTECT, related_name="closing_balances")
    balance_minor = MinorAmountField()

    class Meta:
        ordering: ClassVar = ["-day_id", "account_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "day"], name="one_closing_balance_per_day")
        ]

    def __str__(self) -> str:
        return f"{self.day_id} {self.balance_minor}"

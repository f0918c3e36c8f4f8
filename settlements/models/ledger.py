"""The ledger's rows: accounts, journal entries and postings.

Entries and postings only grow: migrations 0002 and 0006 put triggers on them that refuse UPDATE, DELETE and TRUNCATE, check
that every entry balances per asset, and refuse entries of a closed day. An account's name never changes.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.fields import MinorAmountField
from merchants.models import Merchant


class AccountKind(models.TextChoices):
    """``normal`` side: assets and the position's debit side on the left, what is owed and earned on the right."""

    RESERVE = "reserve", _("Reserve")
    POSITION = "position", _("Exchange position")
    PAYABLE = "payable", _("Merchant payable")
    HELD = "held", _("Held for residents")
    REFUND = "refund", _("Refunds due to residents")
    FEE_INCOME = "fee_income", _("Fee income")
    VAT_PAYABLE = "vat_payable", _("VAT payable")
    SCREENED = "screened", _("Stopped by screening")
    PAYOUT = "payout", _("Payouts in transit")
    BANK = "bank", _("Bank account")
    NETWORK_COST = "network_cost", _("Miners' fees and gas")
    EXCHANGE_DIFFERENCE = "exchange_diff", _("Realised exchange difference")
    FEE_RECEIVABLE = "fee_receivable", _("Fees that merchants owe")
    CAPITAL = "capital", _("Given over to the reserve")


class Account(models.Model):
    """A ledger account of one asset. ``code`` is "kind:asset[:merchant][:part]" and unique; see ``entry.AccountName``."""

    code = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=AccountKind)
    asset_code = models.CharField(max_length=32)
    asset_decimals = models.PositiveSmallIntegerField()
    merchant = models.ForeignKey(
        Merchant, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts"
    )
    part = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["code"]
        constraints: ClassVar = [
            # Where the database looks whether a posting names its account's asset.
            models.UniqueConstraint(fields=["id", "asset_code"], name="account_and_asset"),
            models.CheckConstraint(
                condition=Q(kind__in=["payable", "fee_receivable"], merchant__isnull=False)
                | (~Q(kind__in=["payable", "fee_receivable"]) & Q(merchant__isnull=True)),
                name="account_of_merchant_iff_theirs",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class JournalEntry(models.Model):
    """One balanced fact of the ledger. Inserted by ``settlements.ledger`` alone and never changed."""

    idempotency_key = models.CharField(max_length=120)
    content_sha256 = models.BinaryField(max_length=32)
    recipe = models.CharField(max_length=40)
    # The calendar day in Almaty on which the fact counts.
    business_date = models.DateField()
    # What caused it: "payment:123", "payout:7".
    reference = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    reverses = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversed_by"
    )
    posted_at = models.DateTimeField()
    # How many postings belong to it; the database refuses fewer and more.
    posting_count = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "journal entries"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(posting_count__gte=2), name="entry_has_two_sides"),
            # Not ``unique=True``: that would add an index for LIKE, which every entry would pay for and nobody reads.
            models.UniqueConstraint(fields=["idempotency_key"], name="one_entry_per_key"),
            # Finds a day's entries in their order.
            models.UniqueConstraint(fields=["business_date", "id"], name="entry_and_its_day"),
        ]
        indexes: ClassVar = [models.Index(fields=["reference"], name="entry_by_reference")]

    def __str__(self) -> str:
        return self.idempotency_key


class Side(models.TextChoices):
    DEBIT = "D", _("Debit")
    CREDIT = "C", _("Credit")


class Posting(models.Model):
    """A line of an entry: an unsigned amount on one side of one account, in the account's smallest unit.

    It repeats its account's asset and its entry's day, so that a balance at any day's end is read from one index. The database
    ties it to both as a foreign key would, once a statement (migration 0006).
    """

    entry = models.ForeignKey(
        JournalEntry, on_delete=models.PROTECT, related_name="postings", db_constraint=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="postings", db_constraint=False, db_index=False
    )
    business_date = models.DateField()
    asset_code = models.CharField(max_length=32)
    side = models.CharField(max_length=1, choices=Side)
    amount_minor = MinorAmountField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="posting_amount_positive"),
            models.CheckConstraint(condition=Q(side__in=["D", "C"]), name="posting_side"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "business_date", "entry"],
                include=["side", "amount_minor"],
                name="posting_by_account_and_day",
            )
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.amount_minor} {self.asset_code}"

"""What comparing the books with the payments, the chains and the bank found. Written by ``payments.reconciliation`` alone.

Nothing else is ever changed by a comparison: a difference is a row for people to look into.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.fields import MinorAmountField
from chains.models import OnChainAsset, Wallet


class RunStatus(models.TextChoices):
    REQUESTED = "Requested", _("Waits for a worker")
    RUNNING = "Running", _("Running")
    FINISHED = "Finished", _("Finished")
    FAILED = "Failed", _("Failed")


class ReconciliationRun(models.Model):
    """One comparison of everything, asked for by a person or due at night (``nightly_for``, a business date)."""

    status = models.CharField(_("status"), max_length=10, choices=RunStatus, default=RunStatus.REQUESTED)
    requested_at = models.DateTimeField(_("asked for at"))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("asked for by"),
    )
    nightly_for = models.DateField(_("night of"), null=True, unique=True)
    # The moment that the database's side is of; the chain's side has its height in Comparison.
    started_at = models.DateTimeField(_("begun at"), null=True)
    failure = models.CharField(_("failure"), max_length=300, blank=True)
    # Of a nightly run: when the city was told of it, or there was nothing to tell.
    told_at = models.DateTimeField(_("mailed at"), null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("reconciliation run")
        verbose_name_plural = _("reconciliation runs")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["status"], name="one_reconciliation_at_a_time", condition=Q(status="Running")
            ),
            models.CheckConstraint(
                condition=Q(status="Requested", started_at__isnull=True)
                | ~Q(status="Requested") & Q(started_at__isnull=False),
                name="reconciliation_started_when",
            ),
        ]

    def __str__(self) -> str:
        return f"№{self.pk}"


class Comparison(models.Model):
    """One part of a run: what was compared, or why it was not. A node that is down is no difference."""

    run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="comparisons")
    # "ledger", "ledger:payouts", "chain:<network>", "payouts".
    scope = models.CharField(_("what is compared"), max_length=60)
    checked_count = models.PositiveIntegerField(_("figures compared"), default=0)
    difference_count = models.PositiveIntegerField(_("of them differ"), default=0)
    not_compared_reason = models.CharField(_("why it was not compared"), max_length=300, blank=True)
    # Of a chain: the confirmed block at which balances were asked for.
    height = models.BigIntegerField(_("height"), null=True)
    block_hash = models.BinaryField(max_length=32, null=True)

    class Meta:
        ordering: ClassVar = ["-run", "scope"]
        verbose_name = _("part of a run")
        verbose_name_plural = _("parts of runs")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "scope"], name="one_comparison_of_a_scope_per_run"),
            models.CheckConstraint(
                condition=Q(not_compared_reason="") | Q(checked_count=0, difference_count=0),
                name="not_compared_has_no_figures",
            ),
            models.CheckConstraint(
                condition=Q(height__isnull=True, block_hash__isnull=True)
                | Q(height__isnull=False, block_hash__isnull=False),
                name="comparison_height_and_block",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run} {self.scope}"


class PlaceBalance(models.Model):
    """What a place of the operator's held of an asset at a run's height, beside the ledger's reserve of its wallets.

    A place is a wallet, or those wallets that share a treasury; ``wallet`` is the first of them. The books and the chain agree
    when ``expected_minor`` is what lay at the deposit addresses and elsewhere (treasury, change, addresses not given out).
    """

    run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="balances")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+", verbose_name=_("wallet"))
    asset = models.ForeignKey(
        OnChainAsset, on_delete=models.PROTECT, related_name="+", verbose_name=_("asset")
    )
    height = models.BigIntegerField(_("height"))
    deposits_minor = MinorAmountField()
    elsewhere_minor = MinorAmountField()
    ledger_minor = MinorAmountField()
    # Moved on the chain by that height, and not in the books: arrived (unclaimed, or not confirmed enough) less left.
    not_booked_minor = MinorAmountField()
    # Moved in the books, and not on the chain by that height: arrived less left.
    not_buried_minor = MinorAmountField()

    class Meta:
        ordering: ClassVar = ["-run", "wallet", "asset"]
        verbose_name = _("balance of a wallet")
        verbose_name_plural = _("balances of wallets")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "wallet", "asset"], name="one_balance_of_a_place_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.wallet} {self.asset_id}"

    @property
    def expected_minor(self) -> int:
        """What the books say that the chain holds at the height."""
        return self.ledger_minor + self.not_booked_minor - self.not_buried_minor

    @property
    def chain_minor(self) -> int:
        """What the node says."""
        return self.deposits_minor + self.elsewhere_minor


class DifferenceKind(models.TextChoices):
    PAYMENT_RESERVE = "payment_reserve", _("A payment's coins in the reserve")
    PAYMENT_POSITION = "payment_position", _("A payment's coins credited")
    PAYMENT_COST = "payment_cost", _("A payment's tenge credited")
    PAYMENT_HELD = "payment_held", _("A payment's coins held")
    PAYMENT_MERCHANT = "payment_merchant", _("Tenge of a payment at another merchant")
    PAYMENT_TRANSFER = "payment_transfer", _("A payment and its transfer")
    ENTRY_WITHOUT_PAYMENT = "entry_without_payment", _("An entry of a payment that is not there")
    RECEIVED_SUM = "received_sum", _("Everything received")
    HELD_SUM = "held_sum", _("Everything held for residents")
    REFUND_SUM = "refund_sum", _("Everything due to residents")
    PAYOUT_OWED = "payout_owed", _("A payout's tenge taken from what is owed")
    PAYOUT_RESERVED = "payout_reserved", _("A payout's tenge set aside")
    PAYOUT_PAID = "payout_paid", _("A payout's tenge paid by the bank")
    ENTRY_WITHOUT_PAYOUT = "entry_without_payout", _("An entry of a payout that is not there")
    ADDRESS_BALANCE = "address_balance", _("More on an address than arrived")
    PLACE_BALANCE = "place_balance", _("The reserve in a wallet")
    PAYOUT_WITHOUT_LINE = "payout_without_line", _("A completed payout that no statement shows")
    LINE_WITHOUT_PAYOUT = "line_without_payout", _("A statement's line that matches nothing")
    PAYOUT_AMOUNT = "payout_amount", _("A payout and its statement line")
    PAYOUT_OVERDUE = "payout_overdue", _("A payout at the bank for too long")


class Difference(models.Model):
    """Two figures that should be one. It keeps its row while it lasts: ``first_seen_at`` tells its age.

    What the two sides are is said by the kind (``payments.reconciliation.wording``); a side that is not there at all is null.
    """

    scope = models.CharField(_("what is compared"), max_length=60)
    kind = models.CharField(_("what differs"), max_length=24, choices=DifferenceKind)
    # What it is about: "payment:12", "address:7", "wallet:3", "payout:5".
    subject = models.CharField(max_length=100)
    asset_code = models.CharField(_("asset"), max_length=32)
    asset_decimals = models.PositiveSmallIntegerField()
    left_minor = MinorAmountField(null=True)
    right_minor = MinorAmountField(null=True)
    detail = models.CharField(_("more"), max_length=300, blank=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    resolved_at = models.DateTimeField(_("gone since"), null=True)
    first_run = models.ForeignKey(
        ReconciliationRun, on_delete=models.PROTECT, related_name="+", verbose_name=_("first run that saw it")
    )
    last_run = models.ForeignKey(
        ReconciliationRun,
        on_delete=models.PROTECT,
        related_name="differences",
        verbose_name=_("last run that saw it"),
    )

    class Meta:
        ordering: ClassVar = ["first_seen_at", "id"]
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject", "asset_code"],
                name="one_standing_difference",
                condition=Q(resolved_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(left_minor__isnull=True, right_minor__isnull=False)
                | Q(left_minor__isnull=False, right_minor__isnull=True)
                | Q(left_minor__isnull=False, right_minor__isnull=False) & ~Q(left_minor=F("right_minor")),
                name="difference_differs",
            ),
            models.CheckConstraint(
                condition=Q(last_seen_at__gte=F("first_seen_at"))
                & (Q(resolved_at__isnull=True) | Q(resolved_at__gte=F("last_seen_at"))),
                name="difference_times_in_order",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["scope"], name="difference_standing", condition=Q(resolved_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.subject}"

    def age(self, now: datetime) -> timedelta:
        """How long it has lasted: until now, or until it was gone."""
        return (self.resolved_at or now) - self.first_seen_at

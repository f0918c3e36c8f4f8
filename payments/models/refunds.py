"""What is given back to residents: refunds, how they are sent, and what sending them cost."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alatau_pay.fields import MinorAmountField
from alatau_pay.identifiers import new_public_id
from chains.models import Destination, Network, OnChainAsset, OutgoingTransfer, Wallet
from payments.models.held import HeldDecision
from payments.models.payments import Payment
from settlements.models import JournalEntry


class RefundStatus(models.TextChoices):
    AWAITING_ADDRESS = "AwaitingAddress", _("Waits for the resident's address")
    AWAITING_APPROVAL = "AwaitingApproval", _("Waits for the store's approval")
    APPROVED = "Approved", _("Approved, to be sent")
    SENDING = "Sending", _("On its way")
    COMPLETED = "Completed", _("Sent")
    CANCELLED = "Cancelled", _("Called off")


# What a refund may still be called off from: nothing has left the wallet.
UNSENT = (RefundStatus.AWAITING_ADDRESS, RefundStatus.AWAITING_APPROVAL, RefundStatus.APPROVED)


class RefundBasis(models.TextChoices):
    THEN = "Then", _("At the rate of the payment")
    NOW = "Now", _("At the rate of now")
    EXCESS = "Excess", _("What is held: the excess, or what came late, short or twice")
    AMOUNT = "Amount", _("A stated amount of the coin")


class RefundSource(models.TextChoices):
    """Whose the money is: credited to the merchant, who bears the refund, or held for the resident all along."""

    CREDITED = "Credited", _("of the store")
    HELD = "Held", _("held for the resident")


class RefundBatchKind(models.TextChoices):
    """How the wallet that is elsewhere learns what it pays."""

    PSBT = "psbt", _("PSBT")
    CALLS = "calls", _("File of calls")
    CODE = "code", _("Code to be scanned")


class RefundBatch(models.Model):
    """Refunds that one officer claimed in order to send them, so that nobody else sends or calls off the same ones.

    Of kind "psbt": several refunds of one Bitcoin wallet in one chain transaction. ``psbt`` is base64 (BIP-174); ``txid`` is
    known before signing where every input is SegWit, else null. ``spends`` names the outputs that it uses, "<txid>:<index>":
    no other open batch uses them. Of kind "calls": ``calls`` is the whole text of the JSON file. Of kind "code": ``uri`` is
    what the code of its one refund says. Written by ``payments.refund_sending`` alone.
    """

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=RefundBatchKind)
    psbt = models.TextField(null=True)
    txid = models.BinaryField(max_length=32, null=True)
    spends = ArrayField(models.CharField(max_length=80), null=True)
    fee_minor = MinorAmountField(null=True)
    sat_per_vbyte = models.PositiveIntegerField(null=True)
    calls = models.TextField(null=True)
    uri = models.CharField(max_length=300, null=True)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    # Thrown away by a person before anything was broadcast: its refunds are to be sent again.
    discarded_at = models.DateTimeField(null=True)
    discarded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name_plural = "refund batches"
        ordering: ClassVar = ["-made_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(fee_minor__gt=0), name="refund_batch_has_fee"),
            models.CheckConstraint(
                condition=Q(kind__in=RefundBatchKind.values), name="refund_batch_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind="psbt",
                    psbt__isnull=False,
                    spends__isnull=False,
                    fee_minor__isnull=False,
                    sat_per_vbyte__isnull=False,
                )
                | (
                    ~Q(kind="psbt")
                    & Q(
                        psbt__isnull=True,
                        txid__isnull=True,
                        spends__isnull=True,
                        fee_minor__isnull=True,
                        sat_per_vbyte__isnull=True,
                    )
                ),
                name="refund_batch_psbt_has_its_parts",
            ),
            models.CheckConstraint(
                condition=Q(kind="calls", calls__isnull=False) & ~Q(calls="")
                | (~Q(kind="calls") & Q(calls__isnull=True)),
                name="refund_batch_calls_has_its_file",
            ),
            models.CheckConstraint(
                condition=Q(kind="code", uri__isnull=False) & ~Q(uri="")
                | (~Q(kind="code") & Q(uri__isnull=True)),
                name="refund_batch_code_has_its_uri",
            ),
            models.CheckConstraint(
                condition=Q(discarded_at__isnull=True, discarded_by__isnull=True)
                | Q(discarded_at__isnull=False, discarded_by__isnull=False),
                name="refund_batch_discarded_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class RefundNetworkFee(models.Model):
    """What the network took for a chain transaction that paid refunds: posted once for it, however many refunds it paid."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="+")
    txid = models.BinaryField(max_length=32)
    coin = models.ForeignKey(OnChainAsset, on_delete=models.PROTECT, related_name="+")
    fee_minor = MinorAmountField()
    value_tiyn = models.BigIntegerField()
    ledger_entry = models.OneToOneField(JournalEntry, on_delete=models.PROTECT, related_name="+")
    posted_at = models.DateTimeField()
    # The chain took the transfer away again, and the entry was reversed.
    reversed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-posted_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "txid"],
                name="one_standing_network_fee",
                condition=Q(reversed_at__isnull=True),
            ),
            models.CheckConstraint(condition=Q(fee_minor__gt=0), name="network_fee_positive"),
        ]

    def __str__(self) -> str:
        return f"fee of {bytes(self.txid).hex()}"


class Refund(models.Model):
    """Coin of one payment that goes back to a resident. ``status`` is written by ``payments.refunds`` alone.

    ``amount_minor`` is what is sent, in the payment's own asset; ``value_tiyn`` what the merchant bears for it (of held money:
    what it was worth at the quote). ``link_id`` is the secret in the resident's link; the ledger knows a refund by its number.
    That the refunds of a payment together never exceed what it brought is held by the database (migration 0007).
    """

    link_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    source = models.CharField(max_length=8, choices=RefundSource)
    basis = models.CharField(max_length=8, choices=RefundBasis)
    amount_minor = MinorAmountField()
    value_tiyn = models.BigIntegerField()
    status = models.CharField(max_length=16, choices=RefundStatus)
    reason = models.CharField(max_length=300, blank=True)
    # Who started it; null: the resident asked for it, or the store's server did.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField()
    # Of a request that may come twice, by the API or from a form: its key, and the digest of what it asked.
    idempotency_key = models.CharField(max_length=120, null=True)
    request_sha256 = models.BinaryField(max_length=32, null=True)
    destination = models.ForeignKey(Destination, null=True, on_delete=models.PROTECT, related_name="+")
    address_given_at = models.DateTimeField(null=True)
    # Null with a time: approved when it was started, by the person who decided about held money.
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    approved_at = models.DateTimeField(null=True)
    # The entry by which the money is owed to the resident; of held money it is the decision's.
    due_entry = models.OneToOneField(JournalEntry, null=True, on_delete=models.PROTECT, related_name="+")
    held_decision = models.OneToOneField(
        HeldDecision, null=True, on_delete=models.PROTECT, related_name="refund"
    )
    batch = models.ForeignKey(RefundBatch, null=True, on_delete=models.PROTECT, related_name="refunds")
    outgoing = models.OneToOneField(
        OutgoingTransfer, null=True, on_delete=models.PROTECT, related_name="refund"
    )
    # The entry that stands for its being sent, and how often such an entry was made.
    sent_entry = models.OneToOneField(JournalEntry, null=True, on_delete=models.PROTECT, related_name="+")
    sendings = models.PositiveIntegerField(default=0)
    network_fee = models.ForeignKey(
        RefundNetworkFee, null=True, on_delete=models.PROTECT, related_name="refunds"
    )
    completed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    cancelled_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-requested_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(condition=Q(value_tiyn__gte=0), name="refund_value_not_negative"),
            models.CheckConstraint(
                condition=Q(status__in=["AwaitingAddress", "Cancelled"]) | Q(destination__isnull=False),
                name="refund_has_address",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["Approved", "Sending", "Completed"])
                | Q(approved_at__isnull=False, due_entry__isnull=False),
                name="refund_sent_only_when_approved_and_owed",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="Completed",
                    outgoing__isnull=False,
                    sent_entry__isnull=False,
                    completed_at__isnull=False,
                )
                | (~Q(status="Completed") & Q(sent_entry__isnull=True, completed_at__isnull=True)),
                name="refund_completed_by_a_transfer",
            ),
            models.CheckConstraint(
                condition=Q(status="Cancelled", cancelled_at__isnull=False, outgoing__isnull=True)
                | (~Q(status="Cancelled") & Q(cancelled_at__isnull=True)),
                name="refund_cancelled_unsent",
            ),
            models.UniqueConstraint(
                fields=["payment", "idempotency_key"], name="one_refund_per_payment_and_idempotency_key"
            ),
            # What is held of a payment goes back whole: there is one such refund, or none.
            models.UniqueConstraint(
                fields=["payment"],
                name="one_refund_of_held_money",
                condition=Q(source="Held") & ~Q(status="Cancelled"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["approved_at"], name="refund_to_be_sent", condition=Q(status="Approved")),
            models.Index(fields=["id"], name="refund_on_its_way", condition=Q(status="Sending")),
        ]

    def __str__(self) -> str:
        return f"refund {self.pk}"

    @property
    def reference(self) -> str:
        """What the ledger calls it."""
        return f"refund:{self.pk}"

    @property
    def asset(self) -> OnChainAsset:
        """The asset that it is paid in."""
        return self.payment.transfer.asset

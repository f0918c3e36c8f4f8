"""Payouts: tenge on its way to a merchant's bank account, the batches they travel in, and what they go by.

Statuses are written by ``settlements.payouts`` alone. Migration 0007 adds what a constraint cannot say: what a payout is
made of never changes, nobody approves what they prepared, and no payout leaves AwaitingApproval without an approved batch;
0013, that none joins a batch after its approval, and that a bank which a batch names stays as it is.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from merchants.models import Merchant
from settlements.bank_files.orders import REMITTANCE_TEMPLATE
from settlements.payout_purpose import PURPOSE_LENGTH_MAX


class PayoutStatus(models.TextChoices):
    """Of a payout and of a batch alike. A payout that the bank sent back is Cancelled, with ``returned_at``."""

    AWAITING_APPROVAL = "AwaitingApproval", _("Awaiting approval")
    AWAITING_PAYMENT = "AwaitingPayment", _("Awaiting payment")
    IN_PROGRESS = "InProgress", _("In progress")
    COMPLETED = "Completed", _("Completed")
    CANCELLED = "Cancelled", _("Cancelled")


class FileFormat(models.TextChoices):
    """The ways in which a bank takes a batch."""

    CLIENT_BANK_1C = "1C", _("1CClientBankExchange 2.00")
    MT100 = "MT100", _("MT100, one message each")
    MT102 = "MT102", _("MT102, one message for a bank")
    PAIN_001 = "pain.001", _("ISO 20022 pain.001.001.09")
    CSV = "CSV", _("CSV")


class FileEncoding(models.TextChoices):
    UTF_8 = "utf-8", _("UTF-8")
    WINDOWS_1251 = "windows-1251", _("windows-1251, Kazakh letters written with Russian ones")


class KnpCode(models.Model):
    """A code of the purpose of payment (КНП) with its meaning, in force from a day to a day."""

    code = models.CharField(_("КНП"), max_length=3)
    meaning = models.CharField(_("meaning"), max_length=300)
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid to"), null=True, blank=True)
    confirmed = models.BooleanField(_("wording confirmed by an official text"), default=False)

    class Meta:
        ordering: ClassVar = ["code", "-valid_from"]
        verbose_name = _("purpose code (КНП)")
        verbose_name_plural = _("purpose codes (КНП)")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(code__regex=r"^\d{3}$"), name="knp_is_three_digits"),
            models.UniqueConstraint(fields=["code", "valid_from"], name="one_knp_meaning_per_date"),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="knp_days_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.meaning}"


class ServicingBank(models.Model):
    """The operator's account at a bank that payouts are paid from, and how that bank wants to be told.

    Once a batch names it, only its last day changes: the batch's file is made from it again, byte for byte. Anything else is
    a new row from a later day on.
    """

    name = models.CharField(_("bank"), max_length=120)
    bic = models.CharField(_("BIC"), max_length=11)
    iban = models.CharField(_("the operator's account (IBAN)"), max_length=20)
    payer_name = models.CharField(_("payer"), max_length=200)
    payer_business_id = models.CharField(_("payer's БИН"), max_length=12)
    payer_kbe = models.CharField(_("payer's КОд"), max_length=2, default="17")
    chief_name = models.CharField(_("head of the organisation"), max_length=120, blank=True)
    accountant_name = models.CharField(_("chief accountant"), max_length=120, blank=True)
    knp = models.CharField(
        _("КНП of payouts"),
        max_length=3,
        default="190",
        help_text=_(
            "The bank has to confirm it; 190 is what daily settlements of card acquirers arrive under."
        ),
    )
    file_format = models.CharField(
        _("file"), max_length=16, choices=FileFormat, default=FileFormat.CLIENT_BANK_1C
    )
    file_encoding = models.CharField(
        _("encoding"), max_length=16, choices=FileEncoding, default=FileEncoding.UTF_8
    )
    remittance_template = models.CharField(
        _("КНП and КБе in pain.001"),
        max_length=140,
        blank=True,
        default=REMITTANCE_TEMPLATE,
        help_text=_(
            "In the remittance text; the bank may want it otherwise. "
            "{kod} {kbe} {knp} {currency} {payer_business_id} {payee_business_id}"
        ),
    )
    # The header of MT messages holds what the bank assigns: its customer's terminal, and the system the message goes to.
    mt_terminal = models.CharField(_("MT terminal"), max_length=30, blank=True)
    mt_system = models.CharField(
        _("MT system"),
        max_length=12,
        default="SCLEAR",
        help_text=_("SCLEAR for clearing, SGROSS for single payments."),
    )
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid to"), null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        verbose_name = _("servicing bank")
        verbose_name_plural = _("servicing banks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["iban", "valid_from"], name="one_servicing_bank_per_date"),
            models.CheckConstraint(
                condition=Q(iban__regex=r"^KZ\d{5}[A-Z0-9]{13}$"), name="servicing_bank_iban_of_kazakhstan"
            ),
            models.CheckConstraint(condition=Q(knp__regex=r"^\d{3}$"), name="servicing_bank_knp"),
            models.CheckConstraint(condition=Q(payer_kbe__regex=r"^[12]\d$"), name="servicing_bank_kbe"),
            models.CheckConstraint(
                condition=Q(payer_business_id__regex=r"^\d{12}$"), name="servicing_bank_payer_id"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="servicing_bank_days_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.iban}"


class PayoutSchedule(models.TextChoices):
    DAILY = "daily", _("Every business day")
    WEEKLY = "weekly", _("Once a week")
    THRESHOLD = "threshold", _("When a sum is reached")
    MANUAL = "manual", _("Only when I ask for it")


class Weekday(models.IntegerChoices):
    """As ``date.weekday`` counts. On a day off, the payout goes out on the business day after it."""

    MONDAY = 0, _("Monday")
    TUESDAY = 1, _("Tuesday")
    WEDNESDAY = 2, _("Wednesday")
    THURSDAY = 3, _("Thursday")
    FRIDAY = 4, _("Friday")


class PayoutPolicy(models.Model):
    """When a merchant is paid out. A merchant without a row is paid every business day; see ``payout_schedule``."""

    merchant = models.OneToOneField(
        Merchant, on_delete=models.PROTECT, related_name="payout_policy", verbose_name=_("merchant")
    )
    schedule = models.CharField(
        _("payouts"), max_length=12, choices=PayoutSchedule, default=PayoutSchedule.DAILY
    )
    weekday = models.PositiveSmallIntegerField(_("day of the week"), choices=Weekday, default=Weekday.MONDAY)
    threshold_tiyn = models.PositiveBigIntegerField(_("sum that starts a payout, tiyn"), default=0)
    minimum_tiyn = models.PositiveBigIntegerField(_("least payout, tiyn"), default=0)
    kbe = models.CharField(
        _("КБе"),
        max_length=2,
        blank=True,
        help_text=_("Empty: by the legal form."),
    )
    updated_at = models.DateTimeField(_("changed at"))
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("changed by"),
    )

    class Meta:
        verbose_name = _("payout policy")
        verbose_name_plural = _("payout policies")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(schedule__in=PayoutSchedule.values), name="payout_policy_schedule"
            ),
            models.CheckConstraint(condition=Q(weekday__lte=4), name="payout_policy_weekday"),
            models.CheckConstraint(
                condition=~Q(schedule="threshold") | Q(threshold_tiyn__gt=0),
                name="payout_policy_has_threshold",
            ),
            models.CheckConstraint(condition=Q(kbe="") | Q(kbe__regex=r"^[12]\d$"), name="payout_policy_kbe"),
        ]

    def __str__(self) -> str:
        return f"{self.merchant} · {self.schedule}"


class CalendarDay(models.Model):
    """A day that is not as the calendar says: the Government moved it. Wins over the calendar in both directions."""

    date = models.DateField(_("day"), unique=True)
    is_working = models.BooleanField(_("business day"))
    note = models.CharField(_("by what decision"), max_length=200)

    class Meta:
        ordering: ClassVar = ["-date"]
        verbose_name = _("moved day")
        verbose_name_plural = _("moved days")

    def __str__(self) -> str:
        return f"{self.date:%d.%m.%Y} · {_('business day') if self.is_working else _('day off')}"


class PayoutBatch(models.Model):
    """Payouts that go to one servicing bank as one file. What it holds never changes: it is approved or taken apart."""

    number = models.PositiveIntegerField(_("number"), unique=True)
    servicing_bank = models.ForeignKey(
        ServicingBank, on_delete=models.PROTECT, related_name="batches", verbose_name=_("from the account")
    )
    # The business day on which the bank shall pay.
    value_date = models.DateField(_("value date"))
    status = models.CharField(
        _("status"), max_length=16, choices=PayoutStatus, default=PayoutStatus.AWAITING_APPROVAL
    )
    payout_count = models.PositiveIntegerField(_("payouts"))
    total_tiyn = models.BigIntegerField(_("total, tiyn"))
    prepared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("prepared by")
    )
    prepared_at = models.DateTimeField(_("prepared at"))
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("approved by"),
    )
    approved_at = models.DateTimeField(_("approved at"), null=True)
    file_taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("file first taken by"),
    )
    file_taken_at = models.DateTimeField(_("file first taken at"), null=True)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("sent by"),
    )
    sent_at = models.DateTimeField(_("sent at"), null=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        verbose_name = _("payout batch")
        verbose_name_plural = _("payout batches")
        permissions: ClassVar = [
            ("prepare_payoutbatch", "Can prepare payouts and batches"),
            ("approve_payoutbatch", "Can approve a batch that another person prepared"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=PayoutStatus.values), name="payout_batch_status"),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("prepared_by")),
                name="payout_batch_takes_two_people",
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True, approved_at__isnull=True)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="payout_batch_approval_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["AwaitingApproval", "Cancelled"]) | Q(approved_by__isnull=False),
                name="payout_batch_is_approved",
            ),
            models.CheckConstraint(
                condition=Q(total_tiyn__gt=0, payout_count__gt=0), name="payout_batch_holds_something"
            ),
        ]

    def __str__(self) -> str:
        return f"№{self.number} · {self.value_date:%d.%m.%Y}"


class Payout(models.Model):
    """Tenge set aside for one merchant and sent to its bank account.

    The payee's data are copies of the moment of preparation. The figures are the register's over ``first_day`` to
    ``last_day``; ``other_tiyn`` is what the amount holds besides them: corrections, reversals, what an earlier payout left
    or the bank sent back. Ledger entries have the reference "payout:<id>".
    """

    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="payouts", verbose_name=_("merchant")
    )
    # Counted per merchant from 1: the number of the register that explains the payout.
    number = models.PositiveIntegerField(_("number"))
    status = models.CharField(
        _("status"), max_length=16, choices=PayoutStatus, default=PayoutStatus.AWAITING_APPROVAL
    )
    amount_tiyn = models.BigIntegerField()
    first_day = models.DateField()
    last_day = models.DateField()
    operation_count = models.PositiveIntegerField()
    gross_tiyn = models.BigIntegerField()
    fee_tiyn = models.BigIntegerField()
    vat_tiyn = models.BigIntegerField()
    refunds_tiyn = models.BigIntegerField()
    other_tiyn = models.BigIntegerField()
    iban = models.CharField(_("account (IBAN)"), max_length=20)
    bank_bic = models.CharField(_("BIC"), max_length=11)
    bank_name = models.CharField(_("bank"), max_length=120)
    payee_name = models.CharField(_("payee"), max_length=200)
    payee_business_id = models.CharField(_("payee's БИН or ИИН"), max_length=12)
    kbe = models.CharField(_("КБе"), max_length=2)
    purpose = models.CharField(_("purpose"), max_length=PURPOSE_LENGTH_MAX)
    batch = models.ForeignKey(
        PayoutBatch, null=True, on_delete=models.PROTECT, related_name="payouts", verbose_name=_("batch")
    )
    # Who asked for it; null where the schedule did.
    prepared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("prepared by"),
    )
    created_at = models.DateTimeField(_("prepared at"))
    completed_at = models.DateTimeField(_("paid at"), null=True)
    returned_at = models.DateTimeField(_("returned at"), null=True)
    bank_reference = models.CharField(_("bank's reference"), max_length=80, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("payout")
        verbose_name_plural = _("payouts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "number"], name="one_payout_per_number"),
            models.CheckConstraint(condition=Q(status__in=PayoutStatus.values), name="payout_status"),
            models.CheckConstraint(condition=Q(amount_tiyn__gt=0), name="payout_amount_positive"),
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="payout_days_in_order"),
            models.CheckConstraint(
                condition=Q(
                    amount_tiyn=F("gross_tiyn")
                    - F("fee_tiyn")
                    - F("vat_tiyn")
                    - F("refunds_tiyn")
                    + F("other_tiyn")
                ),
                name="payout_figures_add_up",
            ),
            models.CheckConstraint(
                condition=Q(iban__regex=r"^KZ\d{5}[A-Z0-9]{13}$"), name="payout_iban_of_kazakhstan"
            ),
            models.CheckConstraint(condition=Q(kbe__regex=r"^[12]\d$"), name="payout_kbe"),
            models.CheckConstraint(
                condition=Q(status__in=["AwaitingApproval", "Cancelled"]) | Q(batch__isnull=False),
                name="payout_travels_in_a_batch",
            ),
            models.CheckConstraint(
                condition=~Q(status="Completed") | Q(completed_at__isnull=False), name="payout_completed_when"
            ),
            models.CheckConstraint(
                condition=Q(returned_at__isnull=True) | Q(status="Cancelled"),
                name="payout_returned_is_cancelled",
            ),
            models.CheckConstraint(
                condition=~Q(status="Cancelled") | ~Q(reason=""), name="payout_cancelled_has_reason"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["created_at"],
                name="payout_open",
                condition=Q(status__in=["AwaitingApproval", "AwaitingPayment", "InProgress"]),
            )
        ]

    def __str__(self) -> str:
        return f"№{self.number} · {self.payee_name}"

    @property
    def fee_with_vat_tiyn(self) -> int:
        """What was withheld in all."""
        return self.fee_tiyn + self.vat_tiyn


def state_label(status: str) -> str:
    """A payout's status in words, in the active language; nothing for what came before the first."""
    return str(PayoutStatus(status).label) if status else ""


class PayoutEvent(models.Model):
    """The history of a payout: who moved it, when and why. Only ever added to; the database refuses a change."""

    payout = models.ForeignKey(
        Payout, on_delete=models.PROTECT, related_name="events", verbose_name=_("payout")
    )
    at = models.DateTimeField(_("time"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("who")
    )
    from_status = models.CharField(_("from"), max_length=16, blank=True)
    to_status = models.CharField(_("to"), max_length=16)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["at", "id"]
        verbose_name = _("payout's step")
        verbose_name_plural = _("payouts' steps")

    def __str__(self) -> str:
        return f"{state_label(self.from_status)} → {state_label(self.to_status)}"

"""What the bank's statements say: files as they came, and their lines, stored before anybody believes them.

Written by ``settlements.statements`` alone. Migration 0008 makes the database refuse any change of a file and of what a line
said; only what was decided about a line changes, and a matched line never again.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from settlements.models.payouts import Payout, ServicingBank


class StatementFormat(models.TextChoices):
    CLIENT_BANK_1C = "1C", _("1CClientBankExchange")
    CAMT_053 = "camt.053", _("ISO 20022 camt.053")
    CSV = "CSV", _("CSV")


class StatementColumns(models.Model):
    """The headings of a bank's CSV statement. Either one signed column of amounts, or one for each direction."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    servicing_bank = models.ForeignKey(
        ServicingBank, on_delete=models.PROTECT, related_name="+", verbose_name=_("account")
    )
    day = models.CharField(_("column of the day"), max_length=80)
    day_format = models.CharField(
        _("form of the day"), max_length=20, default="%d.%m.%Y", help_text=_("%d.%m.%Y for 23.11.2026")
    )
    amount = models.CharField(_("column of signed amounts"), max_length=80, blank=True)
    incoming = models.CharField(_("column of incoming amounts"), max_length=80, blank=True)
    outgoing = models.CharField(_("column of outgoing amounts"), max_length=80, blank=True)
    document_number = models.CharField(_("column of the document's number"), max_length=80, blank=True)
    reference = models.CharField(_("column of the reference"), max_length=80, blank=True)
    purpose = models.CharField(_("column of the purpose"), max_length=80, blank=True)
    counterparty_name = models.CharField(_("column of the other side's name"), max_length=80, blank=True)
    counterparty_business_id = models.CharField(
        _("column of the other side's БИН"), max_length=80, blank=True
    )
    counterparty_iban = models.CharField(_("column of the other side's account"), max_length=80, blank=True)
    counterparty_bic = models.CharField(_("column of the other side's bank"), max_length=80, blank=True)
    knp = models.CharField(_("column of the КНП"), max_length=80, blank=True)
    delimiter = models.CharField(
        _("delimiter"),
        max_length=1,
        default=";",
        choices=[(";", ";"), (",", ","), ("\t", _("tabulator"))],
    )
    encoding = models.CharField(
        _("encoding"),
        max_length=16,
        default="utf-8",
        choices=[("utf-8", "UTF-8"), ("windows-1251", "windows-1251"), ("kz1048", "KZ-1048")],
    )

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("columns of a CSV statement")
        verbose_name_plural = _("columns of CSV statements")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=(~Q(amount="") & Q(incoming="", outgoing=""))
                | (Q(amount="") & ~Q(incoming="") & ~Q(outgoing="")),
                name="statement_columns_have_amounts",
                violation_error_message=_(
                    "Name either one column of signed amounts, or one for each direction."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name


class BankStatement(models.Model):
    """A statement file as it came. ``doubts`` is a list of {"kind", "detail"}: what looked wrong about it."""

    format = models.CharField(_("format"), max_length=16, choices=StatementFormat)
    columns = models.ForeignKey(
        StatementColumns, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("columns")
    )
    file_name = models.CharField(_("file"), max_length=200)
    content = models.BinaryField()
    content_sha256 = models.BinaryField(max_length=32)
    doubts = models.JSONField(default=list)
    # How many lines the file has, and how many of them no earlier file had.
    line_count = models.PositiveIntegerField(_("lines"))
    new_line_count = models.PositiveIntegerField(_("new lines"))
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("brought by"),
    )
    imported_at = models.DateTimeField(_("brought at"))

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("bank statement")
        verbose_name_plural = _("bank statements")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["content_sha256"], condition=Q(columns__isnull=True), name="statement_file_once"
            ),
            # Read by other columns, the same table says other things.
            models.UniqueConstraint(
                fields=["content_sha256", "columns"],
                condition=Q(columns__isnull=False),
                name="statement_table_once",
            ),
            models.CheckConstraint(
                condition=Q(new_line_count__lte=F("line_count")), name="statement_line_counts"
            ),
        ]

    def __str__(self) -> str:
        return self.file_name


class BankStatementBalance(models.Model):
    """What a statement says about one account over some days, in tiyn; null where it does not say."""

    statement = models.ForeignKey(
        BankStatement, on_delete=models.PROTECT, related_name="balances", verbose_name=_("bank statement")
    )
    account_iban = models.CharField(_("account"), max_length=34)
    first_day = models.DateField(_("first day"), null=True)
    last_day = models.DateField(_("last day"), null=True)
    opening_tiyn = models.BigIntegerField(_("opening balance, tiyn"), null=True)
    incoming_tiyn = models.BigIntegerField(_("came in, tiyn"), null=True)
    outgoing_tiyn = models.BigIntegerField(_("went out, tiyn"), null=True)
    closing_tiyn = models.BigIntegerField(_("closing balance, tiyn"), null=True)

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("balance of a bank statement")
        verbose_name_plural = _("balances of bank statements")

    def __str__(self) -> str:
        return f"{self.account_iban} · {self.last_day}"


class LineDirection(models.TextChoices):
    IN = "in", _("incoming")
    OUT = "out", _("outgoing")


class LineStatus(models.TextChoices):
    """Open lines are what nobody has explained: they stay on the list until matched or set aside by a person."""

    OPEN = "Open", _("Not matched")
    MATCHED = "Matched", _("Matched")
    SET_ASIDE = "SetAside", _("Set aside")


class LineFault(models.TextChoices):
    """Why a line was not matched; see ``bank_statements.matching``."""

    NOT_NAMED = "not named", _("names no payout")
    NOT_A_RETURN = "not a return", _("incoming money that is no return")
    AMOUNT = "amount", _("the amount is not the payout's")
    COUNTERPARTY = "counterparty", _("the other side is not the payout's payee")
    ACCOUNT = "account", _("paid from another account than the batch's")
    AMBIGUOUS = "ambiguous", _("fits several payouts")
    NOT_APPROVED = "not approved", _("the payout was never approved")
    NOT_COMPLETED = "not completed", _("a return of a payout that is not completed yet")
    CANCELLED = "cancelled", _("the payout is cancelled")
    TAKEN = "taken", _("another line stands for this already")
    SUMS = "sums", _("a return, in a statement whose sums do not agree")
    REFUSED = "refused", _("the payout moved at the same moment")


class BankStatementLine(models.Model):
    """One movement on the operator's account, as the bank says. ``raw`` is a list of [key, value] as the file has them."""

    statement = models.ForeignKey(
        BankStatement, on_delete=models.PROTECT, related_name="lines", verbose_name=_("bank statement")
    )
    position = models.PositiveIntegerField(_("position in the file"))
    # The same for one movement in two overlapping files; see ``StatementFile.identities``.
    identity_sha256 = models.BinaryField(max_length=32, unique=True)
    account_iban = models.CharField(_("account"), max_length=34)
    direction = models.CharField(_("direction"), max_length=3, choices=LineDirection)
    amount_tiyn = models.BigIntegerField(_("amount, tiyn"))
    booked_on = models.DateField(_("day"))
    document_number = models.TextField(_("document's number"), blank=True)
    reference = models.TextField(_("reference"), blank=True)
    purpose = models.TextField(_("purpose"), blank=True)
    counterparty_name = models.TextField(_("other side"), blank=True)
    counterparty_business_id = models.TextField(_("other side's БИН"), blank=True)
    counterparty_iban = models.TextField(_("other side's account"), blank=True)
    counterparty_bic = models.TextField(_("other side's bank"), blank=True)
    knp = models.TextField(_("КНП"), blank=True)
    is_return = models.BooleanField(_("called a return"))
    raw = models.JSONField()

    status = models.CharField(_("status"), max_length=10, choices=LineStatus, default=LineStatus.OPEN)
    fault = models.CharField(_("why not matched"), max_length=16, choices=LineFault, blank=True)
    payout = models.ForeignKey(
        Payout, null=True, on_delete=models.PROTECT, related_name="statement_lines", verbose_name=_("payout")
    )
    # Who decided by hand, and why; nobody where the numbers agreed by themselves.
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-booked_on", "-id"]
        verbose_name = _("line of a bank statement")
        verbose_name_plural = _("lines of bank statements")
        permissions: ClassVar = [
            ("decide_bankstatementline", "Can match and set aside lines of bank statements")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["statement", "position"], name="statement_line_position"),
            models.UniqueConstraint(
                fields=["payout", "direction"],
                condition=Q(payout__isnull=False),
                name="one_line_pays_and_one_returns_a_payout",
            ),
            models.CheckConstraint(condition=Q(amount_tiyn__gt=0), name="statement_line_amount_positive"),
            models.CheckConstraint(
                condition=Q(direction__in=LineDirection.values), name="statement_line_direction"
            ),
            models.CheckConstraint(condition=Q(status__in=LineStatus.values), name="statement_line_status"),
            models.CheckConstraint(
                condition=Q(status="Matched", payout__isnull=False)
                | (~Q(status="Matched") & Q(payout__isnull=True)),
                name="statement_line_matched_iff_payout",
            ),
            models.CheckConstraint(
                condition=~Q(status="SetAside") | (Q(decided_by__isnull=False) & ~Q(reason="")),
                name="statement_line_set_aside_by_somebody",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["booked_on", "id"], name="statement_line_open", condition=Q(status="Open"))
        ]

    def __str__(self) -> str:
        return f"{self.booked_on:%d.%m.%Y} №{self.document_number}"

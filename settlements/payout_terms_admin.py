"""What payouts go by, in Django admin: the operator's banks, purpose codes, moved days, and how merchants want to be paid."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from merchants import bank_account
from settlements.models import CalendarDay, KnpCode, PayoutPolicy, ServicingBank


@admin.register(PayoutPolicy)
class PayoutPolicyAdmin(ReadOnlyAdmin):
    """How merchants want to be paid; their owners choose it."""

    list_display = ("merchant", "schedule", "weekday", "threshold_tiyn", "minimum_tiyn", "kbe", "updated_at")
    list_filter = ("schedule",)
    search_fields = ("merchant__legal_name",)
    list_select_related = ("merchant",)


@admin.register(CalendarDay)
class CalendarDayAdmin(admin.ModelAdmin):
    """Days that the Government moved, in both directions."""

    list_display = ("date", "is_working", "note")
    list_filter = ("is_working",)
    date_hierarchy = "date"


@admin.register(KnpCode)
class KnpCodeAdmin(admin.ModelAdmin):
    """Purpose codes with the days on which they are in force."""

    list_display = ("code", "meaning", "valid_from", "valid_to", "confirmed")
    list_filter = ("confirmed",)
    search_fields = ("code", "meaning")


class ServicingBankForm(forms.ModelForm):
    """A bank account of the operator, judged as a merchant's is; the КНП has to be in the table."""

    class Meta:
        model = ServicingBank
        fields: ClassVar = "__all__"

    def clean_iban(self) -> str:
        """The account number without spaces."""
        try:
            return bank_account.parse_iban(self.cleaned_data["iban"])
        except bank_account.BankAccountRefused as error:
            raise ValidationError(str(error)) from error

    def clean_bic(self) -> str:
        """The BIC in upper case."""
        try:
            return bank_account.parse_bic(self.cleaned_data["bic"])
        except bank_account.BankAccountRefused as error:
            raise ValidationError(str(error)) from error

    def clean_knp(self) -> str:
        """A code that the table knows."""
        code: str = self.cleaned_data["knp"]
        if not KnpCode.objects.filter(code=code).exists():
            raise ValidationError(_("This code is not in the table of purpose codes."))
        return code


@admin.register(ServicingBank)
class ServicingBankAdmin(admin.ModelAdmin):
    """Where payouts are paid from. Once a batch names a row, only its last day changes: files are made from it again."""

    form = ServicingBankForm
    list_display = ("name", "iban", "knp", "file_format", "file_encoding", "valid_from", "valid_to")

    def get_readonly_fields(self, request: HttpRequest, obj: ServicingBank | None = None) -> list[str]:
        """Everything but the last day, once a batch names the bank."""
        if obj is None or not obj.batches.exists():
            return []
        return [field.name for field in ServicingBank._meta.fields if field.name not in ("id", "valid_to")]

    def has_delete_permission(self, request: HttpRequest, obj: ServicingBank | None = None) -> bool:
        """A bank that no longer serves gets a last day."""
        return False

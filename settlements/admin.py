"""The ledger in Django admin: everything to be seen, nothing to be changed; fees and VAT as dated rows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from alatau_pay.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from alatau_pay.money import format_minor

# The other rooms' rows are registered by importing these.
from settlements import days_admin as days_admin
from settlements import document_admin as document_admin
from settlements import ledger
from settlements import payout_batches_admin as payout_batches_admin
from settlements import payout_terms_admin as payout_terms_admin
from settlements import payouts_admin as payouts_admin
from settlements import statement_lines_admin as statement_lines_admin
from settlements import statements_admin as statements_admin
from settlements import verifications_admin as verifications_admin
from settlements.models import Account, FeeSchedule, JournalEntry, Posting, VatRate


class PostingInline(ReadOnlyInline):
    model = Posting
    fields = ("account", "side", "amount")
    readonly_fields = fields

    @admin.display(description="amount")
    def amount(self, posting: Posting) -> str:
        return f"{format_minor(posting.amount_minor, posting.account.asset_decimals)} {posting.asset_code}"


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyAdmin):
    list_display = ("id", "business_date", "recipe", "reference", "reverses", "posted_at")
    list_filter = ("recipe", "business_date")
    search_fields = ("reference", "idempotency_key")
    exclude = ("content_sha256",)
    inlines = (PostingInline,)
    list_select_related = ("reverses",)


@admin.register(Posting)
class PostingAdmin(ReadOnlyAdmin):
    list_display = ("id", "entry", "account", "side", "amount_minor", "asset_code")
    list_filter = ("asset_code", "account__kind")
    search_fields = ("entry__reference", "account__code")
    list_select_related = ("entry", "account")


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("code", "kind", "asset_code", "merchant", "balance")
    list_filter = ("kind", "asset_code")
    search_fields = ("code", "merchant__legal_name")
    list_select_related = ("merchant",)

    @admin.display(description="debits less credits")
    def balance(self, account: Account) -> str:
        return format_minor(ledger.balance_minor(ledger.name_of(account)), account.asset_decimals)


class DatedRowAdmin(admin.ModelAdmin):
    """A rate that holds from a date on is replaced by a later row, never changed: entries were made by it."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(FeeSchedule)
class FeeScheduleAdmin(DatedRowAdmin):
    list_display = ("__str__", "merchant", "asset_code", "volume_from_tiyn", "valid_from", "fee_basis_points")
    list_filter = ("merchant",)
    autocomplete_fields = ("merchant",)


@admin.register(VatRate)
class VatRateAdmin(DatedRowAdmin):
    list_display = ("valid_from", "rate_basis_points")

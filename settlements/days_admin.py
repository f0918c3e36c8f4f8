"""Closed days, their seals and closing balances in Django admin: to be seen, never changed."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from alatau_pay.admin_readonly import ReadOnlyAdmin
from alatau_pay.money import format_minor
from settlements.models import ClosedDay, ClosingBalance, DaySeal


@admin.register(ClosedDay)
class ClosedDayAdmin(ReadOnlyAdmin):
    list_display = ("day", "closed_at", "is_sealed")
    date_hierarchy = "day"
    list_select_related = ("seal",)

    @admin.display(description="sealed", boolean=True)
    def is_sealed(self, closed: ClosedDay) -> bool:
        return hasattr(closed, "seal")


@admin.register(DaySeal)
class DaySealAdmin(ReadOnlyAdmin):
    list_display = ("day", "entry_count", "seal_hex", "sealed_at")
    fields = ("day", "entry_count", "root_hex", "seal_hex", "sealed_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[DaySeal]:
        """Without the leaf hashes: megabytes that no page shows."""
        return super().get_queryset(request).defer("leaf_hashes")

    @admin.display(description="seal")
    def seal_hex(self, sealed: DaySeal) -> str:
        return bytes(sealed.seal).hex()

    @admin.display(description="root")
    def root_hex(self, sealed: DaySeal) -> str:
        return bytes(sealed.root).hex()


@admin.register(ClosingBalance)
class ClosingBalanceAdmin(ReadOnlyAdmin):
    list_display = ("day", "account", "balance")
    list_filter = ("account__kind", "account__asset_code")
    search_fields = ("account__code",)
    list_select_related = ("account",)

    @admin.display(description="debits less credits")
    def balance(self, closing: ClosingBalance) -> str:
        return format_minor(closing.balance_minor, closing.account.asset_decimals)

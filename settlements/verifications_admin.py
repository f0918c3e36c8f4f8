"""The nightly proofs of the ledger in Django admin: to be seen, never changed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from settlements.models import LedgerVerification


@admin.register(LedgerVerification)
class LedgerVerificationAdmin(ReadOnlyAdmin):
    list_display = ("night", "outcome", "finding_count", "sentence", "told_at")
    list_filter = ("outcome",)
    fields = (
        "night",
        "outcome",
        "started_at",
        "sentence",
        "finding_count",
        "findings",
        "last_day",
        "noted_seal",
        "told_at",
    )
    readonly_fields = fields

    @admin.display(description=_("seal"))
    def noted_seal(self, row: LedgerVerification) -> str:
        return row.seal_hex

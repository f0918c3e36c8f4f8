"""Which assets the city admits, in Django admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from compliance.models import AdmittedAsset


@admin.register(AdmittedAsset)
class AdmittedAssetAdmin(admin.ModelAdmin):
    """An admission ends by its date; it is not deleted, since payments were taken under it."""

    list_display = (
        "asset_code",
        "admitted_from",
        "admitted_until",
        "payment_min_tiyn",
        "payment_max_tiyn",
        "created_by",
    )
    list_filter = ("asset_code",)
    readonly_fields = ("created_by", "created_at")

    def save_model(self, request: HttpRequest, obj: AdmittedAsset, form: Any, change: bool) -> None:
        """The officer who admits an asset is recorded with it."""
        if not change:
            obj.created_by_id = request.user.pk
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

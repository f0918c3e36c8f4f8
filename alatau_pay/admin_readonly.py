"""Django admin for rows that only verbs may write: everything can be looked at, nothing can be changed by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """No add, no change, no delete; viewing needs the view permission as usual."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    """Rows of a read-only model inside another's page."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def tenge_text(amount_tiyn: int) -> str:
    """ "12 500,00 ₸" for admin pages: no-break spaces between thousands, comma before tiyn."""
    sign, absolute = ("−" if amount_tiyn < 0 else ""), abs(amount_tiyn)
    whole = f"{absolute // 100:,}".replace(",", "\u00a0")
    return f"{sign}{whole},{absolute % 100:02d}\u00a0₸"

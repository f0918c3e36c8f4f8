"""Admin pages of rows that verbs write: to be looked at, not changed."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that verbs write: to be looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Made by verbs alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """History stays."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Changed by verbs alone; seeing needs the view permission."""
        return False


class ReadOnlyInline(admin.TabularInline):
    """Rows below another one, to be looked at."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Made by verbs alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Changed by verbs alone."""
        return False

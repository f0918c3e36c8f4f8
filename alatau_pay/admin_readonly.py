"""Django admin for rows that only verbs may write: everything can be looked at, nothing can be changed by hand."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db import models
from django.db.models import Model
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that verbs write: to be looked at."""

    # Django 5.2 warns until somebody says it, also on a page that shows no field to type in.
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}

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

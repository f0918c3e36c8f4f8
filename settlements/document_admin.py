"""Documents made in the background, in Django admin: which were asked for, and how it went."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest

from alatau_pay.admin_readonly import ReadOnlyAdmin
from settlements.models import DocumentExport, DocumentPart


@admin.register(DocumentExport)
class DocumentExportAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "merchant",
        "kind",
        "format",
        "first_day",
        "last_day",
        "status",
        "done",
        "total",
        "requested_at",
    )
    list_filter = ("status", "kind", "format")
    search_fields = ("id", "merchant__legal_name", "merchant__business_id")
    list_select_related = ("merchant",)


@admin.register(DocumentPart)
class DocumentPartAdmin(ReadOnlyAdmin):
    list_display = ("export", "position", "size_bytes")
    exclude = ("content",)
    list_select_related = ("export",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DocumentPart]:
        """Without the files themselves: a list of them would fill the memory."""
        return super().get_queryset(request).defer("content").annotate(size=Length("content"))

    @admin.display(description="bytes")
    def size_bytes(self, part: Any) -> int:
        return int(part.size)

"""The page of registers and documents: pick a period, take the file, or have it made in the background."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from alatau_pay.identifiers import is_public_id
from merchants.models import Store, User
from merchants.roles import store_for
from settlements import document_exports
from settlements.business_day import business_date
from settlements.document_form import DocumentForm, Span
from settlements.documents.catalogue import DocumentRefused, DocumentRequest, is_long, write_document
from settlements.documents.xlsx import TooManyRows
from settlements.fees import FeeUnknown
from settlements.models import DocumentExport, DocumentFormat, DocumentKind, ExportStatus
from settlements.operations import count_operations

EXPORTS_SHOWN_MAX = 20
# The colours that the dashboard has for such states.
_BADGES = {
    ExportStatus.QUEUED: "New",
    ExportStatus.RUNNING: "Processing",
    ExportStatus.DONE: "Settled",
    ExportStatus.FAILED: "Failed",
}


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def documents(request: HttpRequest, store_id: str) -> HttpResponseBase:
    """The form and what was made in the background; a POST answers with the file, or has it made."""
    store = store_for(request.user, store_id, "view_finance")
    today = business_date(timezone.now())
    if request.method == "POST":
        form = DocumentForm(request.POST, today=today)
        if form.is_valid() and (answer := _answer(request, store, form, today)):
            return answer
    else:
        form = DocumentForm(initial=_initial(today), today=today)
    context = {
        "store": store,
        "nav": "documents",
        "form": form,
        "exports": [shown(export) for export in _exports(store)[:EXPORTS_SHOWN_MAX]],
    }
    return render(request, "settlements/documents.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_GET
def export_status(request: HttpRequest, store_id: str, export_id: str) -> JsonResponse:
    """How far a document is, for the page's script."""
    store = store_for(request.user, store_id, "view_finance")
    export = _export(store, export_id)
    state = shown(export)
    return JsonResponse(
        {
            "status": export.status,
            "label": str(state["label"]),
            "done": export.done,
            "total": export.total,
            "over": state["over"],
        }
    )


@login_required
@never_cache
@require_GET
def export_file(request: HttpRequest, store_id: str, export_id: str) -> StreamingHttpResponse:
    """The file of a document that is ready."""
    store = store_for(request.user, store_id, "view_finance")
    export = _export(store, export_id, status=ExportStatus.DONE)
    wanted = document_exports.request_of(export)
    answer = StreamingHttpResponse(document_exports.content_of(export), content_type=wanted.content_type)
    answer["Content-Length"] = str(export.size_bytes)
    answer["Content-Disposition"] = f'attachment; filename="{wanted.file_name}"'
    return answer


def shown(export: DocumentExport) -> dict[str, Any]:
    """An export as the page lists it."""
    wanted = document_exports.request_of(export)
    over = export.status in (ExportStatus.DONE, ExportStatus.FAILED)
    return {
        "export": export,
        "file_name": wanted.file_name,
        "label": ExportStatus(export.status).label,
        "over": over,
        "ready": export.status == ExportStatus.DONE,
        "badge": _BADGES[ExportStatus(export.status)],
        # A bar without a length would run for ever.
        "steps": max(export.total, 1),
    }


def _exports(store: Store) -> Any:
    return DocumentExport.objects.filter(merchant_id=store.merchant_id).select_related("requested_by")


def _export(store: Store, export_id: str, **narrower: str) -> DocumentExport:
    # What is no identifier is not asked for: a NUL in the address would end in an error of the database.
    if not is_public_id(export_id):
        raise Http404("no such document")
    found: DocumentExport = get_object_or_404(_exports(store), pk=export_id, **narrower)
    return found


def _initial(today: date) -> dict[str, object]:
    return {
        "kind": DocumentKind.REGISTER,
        "span": Span.DAY,
        "day": today - timedelta(days=1),
        "format": DocumentFormat.PDF,
        "language": (get_language() or "en")[:2],
    }


def _answer(request: HttpRequest, store: Store, form: DocumentForm, today: date) -> HttpResponseBase | None:
    """The file, or the way back to the page where it is being made; None where the form now says why not."""
    wanted = form.wanted
    count = count_operations(store.merchant, wanted.first, wanted.last)
    if is_long(wanted, operation_count=count):
        return _ask_for(request, store, wanted, count)
    try:
        return _file(store, wanted, today)
    except (DocumentRefused, FeeUnknown, TooManyRows):
        form.add_error(None, _("This document cannot be made for that period."))
        return None


def _ask_for(request: HttpRequest, store: Store, wanted: DocumentRequest, count: int) -> HttpResponse:
    assert isinstance(request.user, User)
    try:
        document_exports.request(
            store.merchant, wanted, operation_count=count, user=request.user, now=timezone.now()
        )
        messages.success(
            request, _("This takes a little longer: the file is being made and will appear below.")
        )
    except document_exports.TooManyWaiting:
        messages.error(request, _("Several files are being made already. Wait until one is ready."))
    return redirect("documents", store.pk)


def _file(store: Store, wanted: DocumentRequest, today: date) -> FileResponse:
    # Closed by the answer, once it is sent.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        write_document(store.merchant, wanted, file, today=today)
    except (DocumentRefused, FeeUnknown, TooManyRows):
        file.close()
        raise
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=wanted.file_name, content_type=wanted.content_type)

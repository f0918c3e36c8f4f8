"""A store's invoices in the dashboard: the list, one invoice with everything known of it, and a form for a new one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from merchants.models import Store, User, WebhookDelivery
from merchants.roles import Action, store_for
from payments import invoices
from payments.invoice_search import found, page_of, totals_of
from payments.models import Incident, Invoice, InvoiceSource, InvoiceStatus
from payments.presentation import present
from payments.sale_form import InvoiceForm, make_invoice
from payments.wording import say

INCIDENTS_SHOWN_MAX = 5

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


def _day_field(label: StrPromise) -> forms.DateField:
    # Days that a calendar can still count on from; no invoice is older than Bitcoin.
    limits = [MinValueValidator(date(2009, 1, 1)), MaxValueValidator(date(2999, 12, 31))]
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(label=label, required=False, widget=widget, validators=limits)


class FilterForm(forms.Form):
    """The questions of the invoice list. What cannot be understood is said, and leaves the question open."""

    q = forms.CharField(label=gettext_lazy("Search"), max_length=120, required=False)
    status = forms.ChoiceField(
        label=gettext_lazy("Status"),
        choices=[("", gettext_lazy("All")), *InvoiceStatus.choices],
        required=False,
    )
    first_day = _day_field(gettext_lazy("From"))
    last_day = _day_field(gettext_lazy("To"))


@login_required
@never_cache
@require_GET
def invoice_list(request: HttpRequest, store_id: str) -> HttpResponse:
    """A store's invoices, newest first, with totals over everything that the filters leave."""
    store = store_for(request.user, store_id, "view_invoices")
    form = FilterForm(request.GET)
    form.is_valid()
    asked = form.cleaned_data
    matching = found(
        store,
        text=asked.get("q", ""),
        status=asked.get("status", ""),
        first_day=asked.get("first_day"),
        last_day=asked.get("last_day"),
    )
    page = page_of(matching, cursor=request.GET.get("after", ""))
    filters = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
    context = {
        "store": store,
        "nav": "invoices",
        "form": form,
        "page": page,
        "totals": totals_of(matching),
        "filtered": bool(filters),
        "later_url": "?" + urlencode(filters | {"after": page.next_cursor}) if page.next_cursor else "",
        "first_url": "?" + urlencode(filters) if request.GET.get("after") else "",
        "may_create": _may(request, store, "create_invoice"),
        "incidents": Incident.objects.filter(invoice__store=store, closed_at__isnull=True)[
            :INCIDENTS_SHOWN_MAX
        ],
    }
    return render(request, "payments/invoice_list.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def invoice_create(request: HttpRequest, store_id: str) -> HttpResponse:
    """A form for an invoice that is sent to a buyer as a link."""
    store = store_for(request.user, store_id, "create_invoice")
    form = InvoiceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        assert isinstance(request.user, User)
        source = InvoiceSource.DASHBOARD
        made = make_invoice(form, store=store, source=source, user=request.user, now=timezone.now())
        if made is not None:
            return redirect("invoice_detail", store.pk, made.pk)
    context = {"store": store, "nav": "invoices", "form": form}
    return render(request, "payments/invoice_create.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def invoice_detail(request: HttpRequest, store_id: str, invoice_id: str) -> HttpResponse:
    """Everything known of one invoice; a POST marks it by hand."""
    store = store_for(request.user, store_id, "view_invoices")
    invoice = get_object_or_404(
        Invoice.objects.select_related("store__merchant", "created_by"), pk=invoice_id, store=store
    )
    if request.method == "POST":
        return _mark(request, store, invoice)
    may_mark = _may(request, store, "mark_invoice")
    shown = present(invoice, now=timezone.now())
    return render(
        request, "payments/invoice_detail.html", _detail(request, invoice, store, shown, may_mark=may_mark)
    )


def _detail(
    request: HttpRequest, invoice: Invoice, store: Store, shown: Any, *, may_mark: bool
) -> dict[str, Any]:
    slowest = shown.slowest
    numbers = {"confirmations": slowest.confirmations, "required": slowest.required} if slowest else {}
    return {
        "store": store,
        "nav": "invoices",
        "invoice": invoice,
        "shown": shown,
        "words": say(shown.phase, **numbers),
        "quotes": invoice.quotes.select_related("asset__network", "deposit_address"),
        "events": invoice.events.select_related("actor"),
        "incidents": invoice.incidents.filter(closed_at__isnull=True),
        "deliveries": _deliveries(store, invoice) if _may(request, store, "manage_webhooks") else None,
        "marks": invoices.markable(invoice) if may_mark else [],
        "may_refund": may_mark and bool(shown.arrivals),
    }


def _deliveries(store: Store, invoice: Invoice) -> list[WebhookDelivery]:
    deliveries = WebhookDelivery.objects.filter(webhook__store=store, invoice_id=invoice.pk)
    return list(deliveries.select_related("webhook").order_by("created_at", "id")[:100])


def _mark(request: HttpRequest, store: Store, invoice: Invoice) -> HttpResponse:
    store_for(request.user, store.pk, "mark_invoice")
    assert isinstance(request.user, User)
    try:
        invoices.mark(
            invoice.pk, status=request.POST.get("status", ""), user=request.user, now=timezone.now()
        )
        messages.success(request, _("The invoice is marked."))
    except invoices.MarkRefused:
        messages.error(request, _("The invoice has changed meanwhile and cannot be marked so."))
    return redirect("invoice_detail", store.pk, invoice.pk)


def _may(request: HttpRequest, store: Store, action: Action) -> bool:
    """Whether this person may do ``action`` too; the store itself is known to be theirs."""
    try:
        store_for(request.user, store.pk, action)
    except PermissionDenied:
        return False
    return True

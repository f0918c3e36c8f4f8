"""The till: a cashier types an amount, shows the QR code, sees "paid", and takes the next customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from merchants.models import Store, User
from merchants.roles import store_for
from payments import invoices
from payments.checkout_page import page_context
from payments.models import Invoice, InvoiceSource, InvoiceStatus
from payments.presentation import Presentation, present
from payments.sale_form import SaleForm, make_invoice

TODAY_ROWS_MAX = 30


@dataclass(frozen=True, slots=True)
class Day:
    """A till's sales of one day: the newest of them, and totals over all. Amounts in tiyn."""

    sales: list[Invoice]
    paid_count: int
    paid_tiyn: int
    pending_count: int
    pending_tiyn: int


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def till(request: HttpRequest, store_id: str) -> HttpResponse:
    """The keypad with today's sales; a POST makes the invoice and goes to its page."""
    store = store_for(request.user, store_id, "create_invoice")
    form = SaleForm(request.POST or None)
    now = timezone.now()
    if request.method == "POST" and form.is_valid():
        assert isinstance(request.user, User)
        source = InvoiceSource.POINT_OF_SALE
        made = make_invoice(form, store=store, source=source, user=request.user, now=now)
        if made is not None:
            return redirect("pos_invoice", store.pk, made.pk)
    context = {"store": store, "nav": "till", "form": form, "day": day_of(store, now=now)}
    return render(request, "payments/till.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def invoice(request: HttpRequest, store_id: str, invoice_id: str) -> HttpResponse:
    """One sale: QR and live state. A POST cancels it while nothing has been paid."""
    store = store_for(request.user, store_id, "create_invoice")
    sale = get_object_or_404(Invoice.objects.select_related("store__merchant"), pk=invoice_id, store=store)
    now = timezone.now()
    shown = present(sale, now=now)
    if request.method == "POST":
        return _cancel(request, shown, now=now)
    context = page_context(shown, asset_code=request.GET.get("asset", ""))
    extra = {"store": store, "nav": "till", "at_till": True, "cancellable": is_cancellable(shown)}
    return render(request, "payments/till_invoice.html", context | extra)


def is_cancellable(shown: Presentation) -> bool:
    """Whether a cashier may still call the sale off: nobody has sent anything for it."""
    return shown.invoice.status == InvoiceStatus.NEW and not shown.arrivals


def day_of(store: Store, *, now: datetime) -> Day:
    """The till's sales of the day that ``now`` falls in, by the clock of Alatau."""
    midnight = datetime.combine(timezone.localdate(now), time.min, tzinfo=timezone.get_default_timezone())
    sales = Invoice.objects.filter(store=store, source=InvoiceSource.POINT_OF_SALE, created_at__gte=midnight)
    return Day(sales=list(sales.order_by("-created_at", "id")[:TODAY_ROWS_MAX]), **_totals(sales))


def _totals(sales: QuerySet[Invoice]) -> dict[str, int]:
    paid, pending = Q(status=InvoiceStatus.SETTLED), Q(status=InvoiceStatus.PROCESSING)
    return sales.aggregate(
        paid_count=Count("pk", filter=paid),
        paid_tiyn=Sum("amount_tiyn", filter=paid, default=0),
        pending_count=Count("pk", filter=pending),
        pending_tiyn=Sum("amount_tiyn", filter=pending, default=0),
    )


def _cancel(request: HttpRequest, shown: Presentation, *, now: datetime) -> HttpResponse:
    sale = shown.invoice
    if not is_cancellable(shown):
        return redirect("pos_invoice", sale.store_id, sale.pk)
    assert isinstance(request.user, User)
    # A payment that arrives from here on is kept and shown as not credited; the cashier's word stands.
    invoices.mark(sale.pk, status=InvoiceStatus.INVALID, user=request.user, now=now)
    return redirect("pos", sale.store_id)

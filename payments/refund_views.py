"""Pages of refunds: the resident's own, behind a secret link, and a store's list, start and decisions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from alatau_pay.money import format_minor
from merchants.models import Store, User
from merchants.post_only import post_from
from merchants.roles import can, membership_in, store_for
from payments import refund_form, refundable, refunds, visits
from payments.models import UNSENT, Invoice, Payment, Refund, RefundSource, RefundStatus
from payments.page_language import language_of
from payments.refund_wording import refusal, state_words

LISTED_MAX = 200
OPEN_TO_THE_RESIDENT = (RefundStatus.AWAITING_ADDRESS, RefundStatus.AWAITING_APPROVAL)


@never_cache
@require_http_methods(["GET", "POST"])
def resident(request: HttpRequest, link_id: str) -> HttpResponse:
    """What goes back and where it stands; while nobody has approved, a POST gives the address. No log-in: the link is the key."""
    refund = get_object_or_404(_refunds(), link_id=link_id)
    language = language_of(request, default=refund.payment.invoice.language)
    with translation.override(language):
        form = refund_form.AddressForm(request.POST or None)
        if request.method == "POST" and _take_address(request, refund, form):
            return redirect(f"{request.path}?lang={language}")
        context = {
            "refund": refund,
            "invoice": refund.payment.invoice,
            "shop": refund.payment.invoice.store,
            "asset": refund.asset,
            "words": state_words(refund.status),
            "open": refund.status in OPEN_TO_THE_RESIDENT,
            "form": form,
            "language": language,
            "store": None,
            "explorer_url": _explorer_url(refund),
        }
        response = render(request, "payments/refund.html", context, status=422 if form.errors else 200)
    response["Content-Language"] = language
    return response


@login_required
@never_cache
@require_GET
def refund_list(request: HttpRequest, store_id: str) -> HttpResponse:
    """A store's refunds, those that wait for it first."""
    store = store_for(request.user, store_id, "view_invoices")
    mine = _refunds().filter(payment__invoice__store=store)
    waiting = list(mine.filter(status__in=UNSENT).order_by("requested_at", "pk")[:LISTED_MAX])
    done = list(mine.exclude(status__in=UNSENT).order_by("-requested_at", "-pk")[:LISTED_MAX])
    context = {
        "store": store,
        "nav": "refunds",
        "waiting": [_row(refund) for refund in waiting],
        "done": [_row(refund) for refund in done],
        "may_decide": _may_decide(request, store),
    }
    return render(request, "payments/refund_list.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def refund_start(request: HttpRequest, store_id: str, invoice_id: str) -> HttpResponse:
    """A form that starts a refund of one of the invoice's payments."""
    store = store_for(request.user, store_id, "mark_invoice")
    invoice = get_object_or_404(Invoice, pk=invoice_id, store=store)
    payments = refund_form.payments_of(invoice.pk)
    form = refund_form.StartForm(request.POST or None, payments=payments)
    if request.method == "POST":
        assert isinstance(request.user, User)
        if refund_form.started(form, invoice.pk) or (
            form.is_valid() and refund_form.start(form, user=request.user, now=timezone.now())
        ):
            messages.success(request, _("The refund is started. Send its link to the buyer."))
            return redirect("refund_list", store.pk)
    context = {
        "store": store,
        "nav": "refunds",
        "invoice": invoice,
        "form": form,
        "choices": [_choice(payment) for payment in payments],
    }
    return render(request, "payments/refund_start.html", context, status=422 if form.errors else 200)


@login_required
@post_from("refund_list")
def refund_decide(request: HttpRequest, store_id: str, refund_id: int) -> HttpResponse:
    """The store approves a refund or calls it off."""
    store = store_for(request.user, store_id, "mark_invoice")
    refund = get_object_or_404(Refund, pk=refund_id, payment__invoice__store=store)
    assert isinstance(request.user, User)
    try:
        if request.POST.get("decision") == "approve":
            shown = request.POST.get("address", "")
            refunds.approve(refund.pk, user=request.user, now=timezone.now(), shown_address=shown)
            messages.success(request, _("Approved. The city's office sends the money."))
        elif request.POST.get("decision") == "cancel":
            reason = request.POST.get("reason", "")
            refunds.cancel(refund.pk, user=request.user, reason=reason, now=timezone.now())
            messages.success(request, _("The refund is called off."))
    except refunds.RefundRefused as error:
        messages.error(request, refusal(error))
    return redirect("refund_list", store.pk)


def _take_address(request: HttpRequest, refund: Refund, form: refund_form.AddressForm) -> bool:
    if not form.is_valid():
        return False
    if not visits.allowed(f"refund:{refund.link_id}"):
        form.add_error(None, _("Too many tries. Please wait a few minutes."))
        return False
    try:
        refunds.give_address(refund.pk, address=form.cleaned_data["address"], now=timezone.now())
    except refunds.AddressRefused as error:
        form.add_error("address", refusal(error))
    except refunds.RefundRefused as error:
        form.add_error(None, refusal(error))
    return not form.errors


def _refunds() -> QuerySet[Refund]:
    return Refund.objects.select_related(
        "destination",
        "outgoing__asset__network",
        "approved_by",
        "requested_by",
        "payment__invoice__store__merchant",
        "payment__transfer__asset__network",
    )


def _row(refund: Refund) -> dict[str, Any]:
    return {
        "refund": refund,
        "asset": refund.asset,
        "of_the_store": refund.source == RefundSource.CREDITED,
        "approvable": refund.status == RefundStatus.AWAITING_APPROVAL,
        "cancellable": refund.status in UNSENT and refund.batch_id is None,
        "explorer_url": _explorer_url(refund),
    }


def _choice(payment: Payment) -> dict[str, Any]:
    asset, left = payment.transfer.asset, refundable.credited(payment).left
    held_minor = refundable.held_minor(payment)
    return {
        "payment": payment,
        "asset": asset,
        "left": left if left.amount_minor else None,
        "left_text": f"{format_minor(left.amount_minor, asset.decimals, trim=True)} {asset.symbol}",
        "held_minor": held_minor,
        "in_time": refundable.in_time(payment, timezone.now()),
    }


def _explorer_url(refund: Refund) -> str:
    if refund.outgoing is None:
        return ""
    template = refund.asset.network.explorer_txid_url
    return template.replace("{txid}", refund.outgoing.txid_hex) if template else ""


def _may_decide(request: HttpRequest, store: Store) -> bool:
    membership = membership_in(request.user, store.merchant)
    return membership is not None and can(membership.role, "mark_invoice")

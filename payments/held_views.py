"""A store's page of held money: what waits for a decision, and the decisions that were made."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from alatau_pay.money import format_minor
from merchants.models import User
from merchants.post_only import post_from
from merchants.roles import can, membership_in, store_for
from payments import held, held_form, refundable
from payments.models import HeldDecision, Payment
from payments.quoting import RateUnavailable

LISTED_MAX = 200
WHY = {
    "late": gettext_lazy("came after the time was over"),
    "partial": gettext_lazy("less than the price"),
    "excess": gettext_lazy("more than the price"),
    "duplicate": gettext_lazy("paid a second time"),
    "unknown asset": gettext_lazy("in an asset that was not asked for"),
}


@login_required
@never_cache
@require_GET
def held_list(request: HttpRequest, store_id: str) -> HttpResponse:
    """What waits, oldest first, and the latest decisions."""
    store = store_for(request.user, store_id, "view_invoices")
    decisions = (
        HeldDecision.objects.filter(payment__invoice__store=store)
        .select_related("payment__transfer__asset", "payment__invoice", "actor")
        .order_by("-decided_at")[:LISTED_MAX]
    )
    membership = membership_in(request.user, store.merchant)
    context = {
        "store": store,
        "nav": "held",
        "rows": [_row(payment) for payment in held.waiting(store)[:LISTED_MAX]],
        "decisions": [
            {"decision": decision, "amount": _amount(decision.payment, decision.amount_minor)}
            for decision in decisions
        ],
        "may_decide": membership is not None and can(membership.role, "mark_invoice"),
    }
    return render(request, "payments/held_list.html", context)


@login_required
@post_from("held_list")
def held_decide(request: HttpRequest, store_id: str, payment_id: int) -> HttpResponse:
    """One decision about one payment: accept, attach, refund or leave, with its reason."""
    store = store_for(request.user, store_id, "mark_invoice")
    payment = get_object_or_404(Payment, pk=payment_id, invoice__store=store)
    assert isinstance(request.user, User)
    try:
        held_form.decide(payment, request.POST, user=request.user, now=timezone.now())
        messages.success(request, _("Decided."))
    except held_form.REFUSALS:
        messages.error(
            request,
            _(
                "This cannot be decided so: see that there is a reason, that an address is of the right network, "
                "and that nobody was faster."
            ),
        )
    except RateUnavailable:
        messages.error(
            request, _("There is no reliable exchange rate at the moment. Please try again in a minute.")
        )
    return redirect("held_list", store.pk)


def _row(payment: Payment) -> dict[str, Any]:
    why = held.describe(payment)
    return {
        "payment": payment,
        "amount": _amount(payment, payment.held_minor),
        "why": WHY[why],
        # An excess cannot count for an invoice whole, and an asset that was not asked for has no quote.
        "may_attach": why not in {"excess", "unknown asset"},
        "may_take_then": payment.quote_id is not None,
        "may_give_back": not refundable.counts_still(payment),
    }


def _amount(payment: Payment, amount_minor: int) -> str:
    asset = payment.transfer.asset
    return f"{format_minor(amount_minor, asset.decimals, trim=True)} {asset.symbol}"

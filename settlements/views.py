"""A merchant's page of payouts: what it is owed, what is on its way, when the next one comes, and all there were."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from merchants import bank_account_change
from merchants.bank_account_form import BankAccountForm
from merchants.models import Store, User
from merchants.post_only import post_from
from merchants.roles import can, membership_in, store_for
from settlements import payout_policy, payout_standing, payouts
from settlements.models import Payout, PayoutStatus
from settlements.payout_forms import PolicyForm

ROWS_A_PAGE = 50


@login_required
@never_cache
@require_GET
def payout_list(request: HttpRequest, store_id: str) -> HttpResponse:
    """What the merchant is owed now, what is in transit, the next payout, and every payout there was."""
    store = store_for(request.user, store_id, "view_finance")
    rows = Payout.objects.filter(merchant=store.merchant).order_by("-number")
    context = {
        "store": store,
        "nav": "payouts",
        "page": Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page")),
        "standing": payout_standing.owed_to(store.merchant, now=timezone.now()),
        "change": bank_account_change.waiting(store.merchant),
        "may_manage": _may_manage(request, store),
    }
    return render(request, "settlements/payout_list.html", context)


@login_required
@never_cache
@require_GET
def payout_detail(request: HttpRequest, store_id: str, number: int) -> HttpResponse:
    """One payout: its days and figures, where it goes, and how it went."""
    store = store_for(request.user, store_id, "view_finance")
    payout = get_object_or_404(Payout, merchant=store.merchant, number=number)
    # Only the payout's own moves: what officers note about batches may name other merchants.
    moves = payout.events.exclude(from_status=F("to_status"))
    came_back = payout.returned_at is not None
    events = [
        {"at": move.at, "label": _step(move.to_status, came_back=came_back)}
        for move in moves.order_by("at", "id")
    ]
    context = {
        "store": store,
        "nav": "payouts",
        "payout": payout,
        "events": events,
        # What takes away is shown as such: the column adds up to the amount.
        "fee_taken_tiyn": -payout.fee_tiyn,
        "vat_taken_tiyn": -payout.vat_tiyn,
        "refunds_taken_tiyn": -payout.refunds_tiyn,
    }
    return render(request, "settlements/payout_detail.html", context)


@login_required
@post_from("payouts")
def payout_request(request: HttpRequest, store_id: str) -> HttpResponse:
    """Ask for a payout of everything that is owed for the days that are over."""
    store = store_for(request.user, store_id, "manage_payouts")
    try:
        made = payouts.prepare(store.merchant, actor=_person(request), now=timezone.now())
    except payouts.NotPaidOut:
        messages.error(request, _("Payouts are paused while your business is suspended."))
    except payouts.NothingToPay:
        messages.error(request, _("Nothing is ready to be paid: today's sales can be paid out tomorrow."))
    else:
        messages.success(
            request, _("Payout №%(number)s is on its way to the city office.") % {"number": made.number}
        )
    return redirect("payouts", store.pk)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def payout_settings(request: HttpRequest, store_id: str) -> HttpResponse:
    """When the merchant is paid, and to which account."""
    store = store_for(request.user, store_id, "manage_payouts")
    merchant = store.merchant
    policy = payout_policy.policy_of(merchant)
    form = PolicyForm(request.POST or None, policy=policy, merchant=merchant)
    if form.is_bound and form.is_valid():
        payout_policy.change(
            merchant,
            form.terms(),
            kbe=form.cleaned_data["kbe"],
            actor=_person(request),
            now=timezone.now(),
        )
        messages.success(request, _("Saved."))
        return redirect("payouts", store.pk)
    return _settings_page(request, store, form=form, account_form=BankAccountForm())


@login_required
@never_cache
@post_from("payout_settings")
def account_change(request: HttpRequest, store_id: str) -> HttpResponse:
    """Ask to be paid to another account, 24 hours from now."""
    store = store_for(request.user, store_id, "manage_payouts")
    form = BankAccountForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            bank_account_change.request(
                store.merchant,
                iban=data["iban"],
                bank_bic=data["bank_bic"],
                actor=_person(request),
                now=timezone.now(),
            )
            messages.success(request, _("The new account counts in 24 hours. Every owner is told by e-mail."))
            return redirect("payouts", store.pk)
        except bank_account_change.SameAccount:
            form.add_error("iban", _("You are paid to this account already."))
        except bank_account_change.ChangeWaiting:
            form.add_error(None, _("Another change is waiting. Cancel it first."))
    policy = payout_policy.policy_of(store.merchant)
    policy_form = PolicyForm(None, policy=policy, merchant=store.merchant)
    return _settings_page(request, store, form=policy_form, account_form=form, status=422)


@login_required
@post_from("payouts")
def account_change_cancel(request: HttpRequest, store_id: str) -> HttpResponse:
    """Stop the change that is waiting."""
    store = store_for(request.user, store_id, "manage_payouts")
    change = bank_account_change.waiting(store.merchant)
    if change and bank_account_change.cancel(change, actor=_person(request), now=timezone.now()):
        messages.success(request, _("The change is cancelled: payouts go to the old account."))
    else:
        messages.error(request, _("There is no change to cancel: it has taken effect or was cancelled."))
    return redirect("payouts", store.pk)


def _step(status: str, *, came_back: bool) -> str:
    """A step of a payout in words; the end of one that the bank sent back says so."""
    if came_back and status == PayoutStatus.CANCELLED:
        return _("Returned by the bank")
    return str(PayoutStatus(status).label)


def _settings_page(
    request: HttpRequest, store: Store, *, form: PolicyForm, account_form: BankAccountForm, status: int = 200
) -> HttpResponse:
    context = {
        "store": store,
        "nav": "payouts",
        "form": form,
        "account_form": account_form,
        "change": bank_account_change.waiting(store.merchant),
    }
    return render(request, "settlements/payout_settings.html", context, status=status)


def _may_manage(request: HttpRequest, store: Store) -> bool:
    membership = membership_in(request.user, store.merchant)
    return membership is not None and can(membership.role, "manage_payouts")


def _person(request: HttpRequest) -> User:
    """The person who is logged in; only behind ``login_required``."""
    assert isinstance(request.user, User)
    return request.user

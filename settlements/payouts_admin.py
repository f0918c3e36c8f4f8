"""Payouts in Django admin: what merchants are owed, what awaits a batch, and what became of each.

Buttons call ``settlements.payouts``; nothing here writes a status. Batches are in ``payout_batches_admin``, and what payouts
go by (banks, codes, calendar, policies) in ``payout_terms_admin``.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from merchants.models import Merchant, MerchantStatus, User
from settlements import payout_standing, payouts
from settlements.models import AccountKind, Payout, PayoutEvent, PayoutStatus, ServicingBank
from settlements.models.payouts import state_label
from settlements.payout_checks import PREPARE, REASON_LENGTH_MAX
from settlements.templatetags.tenge import tenge

MERCHANTS_A_PAGE = 100


def officer_of(request: HttpRequest) -> User:
    """The city officer whose browser it is.

    Raises:
        PermissionDenied: somebody without the right to prepare payouts.
    """
    if not isinstance(request.user, User) or not request.user.has_perm(PREPARE):
        raise PermissionDenied
    return request.user


class WaitingFilter(admin.SimpleListFilter):
    """What an officer has to do something about."""

    title = _("to do")
    parameter_name = "todo"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("batch", _("Waits for a batch")),
            ("bank", _("Waits for the bank")),
            ("back", _("Came back")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payout]) -> QuerySet[Payout]:
        if self.value() == "batch":
            return queryset.filter(status=PayoutStatus.AWAITING_APPROVAL, batch=None)
        if self.value() == "bank":
            return queryset.filter(status=PayoutStatus.IN_PROGRESS)
        if self.value() == "back":
            return queryset.filter(returned_at__isnull=False)
        return queryset


class _InWords:
    """The two states of a step, as the rest of the page names them."""

    @admin.display(description=_("from"), ordering="from_status", empty_value="-")
    def from_state(self, step: PayoutEvent) -> str:
        return state_label(step.from_status)

    @admin.display(description=_("to"), ordering="to_status")
    def to_state(self, step: PayoutEvent) -> str:
        return state_label(step.to_status)


class ToStateFilter(admin.SimpleListFilter):
    """Steps that led to one state."""

    title = _("to")
    parameter_name = "to_status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The states in words."""
        return list(PayoutStatus.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[PayoutEvent]) -> QuerySet[PayoutEvent]:
        """Those that led there."""
        return queryset.filter(to_status=self.value()) if self.value() else queryset


class PayoutEventInline(_InWords, ReadOnlyInline):
    model = PayoutEvent
    fields = ("at", "from_state", "to_state", "actor", "reason")
    readonly_fields = fields


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    """Payouts, with an action that puts those that are ticked into a batch."""

    change_form_template = "admin/settlements/payout/change_form.html"
    change_list_template = "admin/settlements/payout/change_list.html"
    list_display = ("payee", "number", "amount", "days", "status", "batch", "iban")
    list_filter = (WaitingFilter, "status", "created_at")
    search_fields = ("payee_name", "payee_business_id", "iban", "bank_reference", "purpose")
    list_select_related = ("merchant", "batch")
    inlines = (PayoutEventInline,)
    actions = ("make_batch",)
    fields = (
        "merchant",
        "number",
        "status",
        "reason",
        "amount",
        "days",
        "figures",
        "purpose",
        "payee_name",
        "payee_business_id",
        "iban",
        "bank_name",
        "bank_bic",
        "kbe",
        "batch",
        "prepared_by",
        "created_at",
        "completed_at",
        "returned_at",
        "bank_reference",
    )
    readonly_fields = fields

    @admin.display(description=_("merchant"), ordering="payee_name")
    def payee(self, payout: Payout) -> str:
        """The merchant; whether it may be paid at all is seen at once."""
        merchant = payout.merchant
        may_be_paid = merchant.status == MerchantStatus.APPROVED
        return payout.payee_name if may_be_paid else f"{payout.payee_name} · {merchant.get_status_display()}"

    @admin.display(description=_("amount"), ordering="amount_tiyn")
    def amount(self, payout: Payout) -> str:
        return tenge(payout.amount_tiyn)

    @admin.display(description=_("days"), ordering="first_day")
    def days(self, payout: Payout) -> str:
        first, last = f"{payout.first_day:%d.%m.%Y}", f"{payout.last_day:%d.%m.%Y}"
        return first if first == last else f"{first} – {last}"

    @admin.display(description=_("figures"))
    def figures(self, payout: Payout) -> str:
        parts = [
            f"{_('sales')} {tenge(payout.gross_tiyn)}",
            f"{_('fee')} {tenge(-payout.fee_tiyn)}",
            f"{_('VAT')} {tenge(-payout.vat_tiyn)}",
            f"{_('refunds')} {tenge(-payout.refunds_tiyn)}",
            f"{_('other')} {tenge(payout.other_tiyn)}",
        ]
        return " · ".join(parts)

    def has_prepare_permission(self, request: HttpRequest) -> bool:
        """Whether this person sees the actions."""
        return bool(request.user.has_perm(PREPARE))

    def get_urls(self) -> list[URLPattern]:
        """The pages and buttons before the general addresses."""
        return [
            path("owed/", self.admin_site.admin_view(self.owed), name="settlements_payout_owed"),
            path(
                "<int:payout_id>/move/",
                self.admin_site.admin_view(self.move),
                name="settlements_payout_move",
            ),
            *super().get_urls(),
        ]

    @admin.action(description=_("Make a batch of the ticked payouts"), permissions=["prepare"])
    def make_batch(self, request: HttpRequest, queryset: QuerySet[Payout]) -> HttpResponse | None:
        """Ask for the bank, then put the payouts into one batch."""
        if "bank" not in request.POST:
            rows = queryset.select_related("merchant").order_by("pk")
            context = {
                **self.admin_site.each_context(request),
                "title": _("Make a batch"),
                "opts": self.opts,
                "rows": rows,
                "total": tenge(sum(row.amount_tiyn for row in rows)),
                "banks": payout_standing.banks_serving(now=timezone.now()),
            }
            return render(request, "admin/settlements/payout/make_batch.html", context)
        bank = get_object_or_404(ServicingBank, pk=request.POST["bank"])
        try:
            made = payouts.batch(queryset, bank=bank, actor=officer_of(request), now=timezone.now())
        except payouts.PayoutRefused as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        self.message_user(request, _("Batch made: a second person approves it."), messages.SUCCESS)
        return redirect("admin:settlements_payoutbatch_change", made.pk)

    def owed(self, request: HttpRequest) -> HttpResponse:
        """What every merchant is owed, and a button that prepares a payout by hand."""
        if request.method == "POST":
            return self._prepare(request)
        merchants = Merchant.objects.filter(accounts__kind=AccountKind.PAYABLE).order_by("legal_name", "pk")
        page = Paginator(merchants, MERCHANTS_A_PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Owed to merchants"),
            "opts": self.opts,
            "page": page,
            "rows": [payout_standing.owed_to(merchant, now=timezone.now()) for merchant in page],
            "may_prepare": self.has_prepare_permission(request),
        }
        return render(request, "admin/settlements/payout/owed.html", context)

    def _prepare(self, request: HttpRequest) -> HttpResponse:
        merchant = get_object_or_404(Merchant, pk=request.POST.get("merchant", ""))
        try:
            made = payouts.prepare(merchant, actor=officer_of(request), now=timezone.now())
            self.message_user(request, f"{made}: {tenge(made.amount_tiyn)}", messages.SUCCESS)
        except payouts.PayoutRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:settlements_payout_owed")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the moves that fit the payout's status."""
        payout = context.get("original")
        if isinstance(payout, Payout) and self.has_prepare_permission(request):
            context["may_cancel"] = payout.status == PayoutStatus.AWAITING_APPROVAL
            context["may_complete"] = payout.status in payouts.UNPAID
            context["may_return"] = payout.status in payouts.APPROVED
            context["reason_length_max"] = REASON_LENGTH_MAX
        return super().render_change_form(request, context, *args, **kwargs)

    def move(self, request: HttpRequest, payout_id: int) -> HttpResponse:
        """Do what the pressed button says (POST), then show the payout again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        officer = officer_of(request)
        payout = get_object_or_404(Payout, pk=payout_id)
        reason, move, now = request.POST.get("reason", ""), request.POST.get("move"), timezone.now()
        try:
            if move == "complete":
                reference = request.POST.get("bank_reference", "").strip()
                payouts.complete(payout, bank_reference=reference, actor=officer, reason=reason, now=now)
            elif move == "return":
                payouts.return_(payout, actor=officer, reason=reason, now=now)
            elif move == "cancel":
                payouts.cancel(payout, actor=officer, reason=reason, now=now)
            else:
                raise PermissionDenied
            self.message_user(request, _("Done."), messages.SUCCESS)
        except payouts.PayoutRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:settlements_payout_change", payout_id)


@admin.register(PayoutEvent)
class PayoutEventAdmin(_InWords, ReadOnlyAdmin):
    fields = ("payout", "at", "from_state", "to_state", "actor", "reason")
    readonly_fields = fields
    list_display = ("at", "payout", "from_state", "to_state", "actor", "reason")
    list_filter = (ToStateFilter, "at")
    search_fields = ("payout__payee_name", "reason")
    list_select_related = ("payout", "actor")

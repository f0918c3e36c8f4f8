"""Invoices, quotes, payments, rates and incidents in Django admin. Statuses are written by ``payments.invoices`` alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from alatau_pay.money import format_minor
from merchants.models import User
from payments import held, held_form, matching
from payments.amount_text import tenge_text
from payments.models import (
    ConfirmationTier,
    HeldDecision,
    Incident,
    Invoice,
    InvoiceEvent,
    Payment,
    Quote,
    UnclaimedTransfer,
)
from payments.quoting import RateUnavailable
from payments.rates_admin import RateObservationAdmin  # noqa: F401 — registers the models of rates
from payments.reconciliation_admin import ReconciliationRunAdmin  # noqa: F401 — registers those of reconciliation
from payments.refund_admin import RefundAdmin  # noqa: F401 — registers the pages of refunds
from payments.two_people_admin import AcquisitionAdmin  # noqa: F401 — registers the documents of two people

DECIDE = "payments.add_helddecision"


class QuoteInline(ReadOnlyInline):
    model = Quote
    fields = ("asset", "deposit_address", "amount", "rate_tenge", "created_at", "expires_at")
    readonly_fields = fields

    @admin.display(description=_("amount"))
    def amount(self, quote: Quote) -> str:
        return format_minor(quote.amount_minor, quote.asset.decimals, trim=True)


class PaymentInline(ReadOnlyInline):
    model = Payment
    fields = ("transfer", "amount", "value", "status", "reason", "confirmations", "booked_as", "received_at")
    readonly_fields = fields

    @admin.display(description=_("amount"))
    def amount(self, payment: Payment) -> str:
        return _amount(payment)

    @admin.display(description=_("value"))
    def value(self, payment: Payment) -> str:
        return _tenge(payment.value_tiyn)


class InvoiceEventInline(ReadOnlyInline):
    model = InvoiceEvent
    fields = ("at", "kind", "from_status", "to_status", "additional_status", "actor", "detail")
    readonly_fields = fields


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    list_display = ("id", "store", "amount", "status", "additional_status", "paid", "order_id", "created_at")
    list_filter = ("status", "additional_status", "source", "created_at")
    search_fields = ("id", "order_id", "store__name", "quotes__deposit_address__address")
    list_select_related = ("store",)
    exclude = ("request_sha256",)
    date_hierarchy = "created_at"
    inlines = (QuoteInline, PaymentInline, InvoiceEventInline)

    @admin.display(description=_("amount"), ordering="amount_tiyn")
    def amount(self, invoice: Invoice) -> str:
        return _tenge(invoice.amount_tiyn)

    @admin.display(description=_("paid"), ordering="paid_tiyn")
    def paid(self, invoice: Invoice) -> str:
        return _tenge(invoice.paid_tiyn)


class BookedFilter(admin.SimpleListFilter):
    """Money that was received but belongs to no merchant: held whole, or in part as an excess."""

    title = _("held for residents")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Held"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(held_minor__gt=0)


@admin.register(ConfirmationTier)
class ConfirmationTierAdmin(admin.ModelAdmin):
    list_display = ("network", "from_amount_tiyn", "confirmations")
    list_filter = ("network",)


class HeldDecisionInline(ReadOnlyInline):
    model = HeldDecision
    fk_name = "payment"
    fields = ("decided_at", "kind", "amount_minor", "value_tiyn", "reason", "actor", "reversed_at")
    readonly_fields = fields


@admin.register(HeldDecision)
class HeldDecisionAdmin(ReadOnlyAdmin):
    list_display = ("decided_at", "payment", "kind", "amount_minor", "reason", "actor", "reversed_at")
    list_filter = ("kind", "decided_at")
    search_fields = ("payment__invoice__id", "reason")
    list_select_related = ("payment", "actor")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("id", "invoice", "amount", "value", "status", "confirmations", "booked_as", "received_at")
    list_filter = ("status", BookedFilter, "transfer__network", "received_at")
    search_fields = ("invoice__id", "transfer__deposit_address__address")
    list_select_related = ("invoice", "transfer__asset")
    inlines = (HeldDecisionInline,)
    change_form_template = "admin/payments/payment/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        """The decision's address before the general ones."""
        decide = path(
            "<int:payment_id>/decide/",
            self.admin_site.admin_view(self.decide),
            name="payments_payment_decide",
        )
        return [decide, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons where money is held and this officer may decide about it."""
        payment = context.get("original")
        may_decide = request.user.has_perm(DECIDE)
        if isinstance(payment, Payment) and may_decide and held.waiting().filter(pk=payment.pk).exists():
            context["held_amount"] = format_minor(
                payment.held_minor, payment.transfer.asset.decimals, trim=True
            )
            context["held_why"] = held.describe(payment)
        return super().render_change_form(request, context, *args, **kwargs)

    def decide(self, request: HttpRequest, payment_id: int) -> HttpResponse:
        """Do what the pressed button says (POST), then show the payment again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not isinstance(request.user, User) or not request.user.has_perm(DECIDE):
            raise PermissionDenied
        payment = get_object_or_404(Payment, pk=payment_id)
        try:
            held_form.decide(payment, request.POST, user=request.user, now=timezone.now())
            self.message_user(request, _("Decided."), messages.SUCCESS)
        except (*held_form.REFUSALS, RateUnavailable) as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:payments_payment_change", payment_id)

    @admin.display(description=_("amount"))
    def amount(self, payment: Payment) -> str:
        return _amount(payment)

    @admin.display(description=_("value"), ordering="value_tiyn")
    def value(self, payment: Payment) -> str:
        return _tenge(payment.value_tiyn)


@admin.register(UnclaimedTransfer)
class UnclaimedTransferAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "network", "asset", "amount", "deposit_address", "state", "received_at")
    list_filter = ("network", "state")
    search_fields = ("deposit_address__address",)
    list_select_related = ("network", "asset__network", "deposit_address")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnclaimedTransfer]:
        """Only what nobody has claimed."""
        return matching.unclaimed()

    @admin.display(description=_("amount"))
    def amount(self, transfer: UnclaimedTransfer) -> str:
        return (
            f"{format_minor(transfer.amount_minor, transfer.asset.decimals, trim=True)} {transfer.asset_id}"
        )


@admin.register(Quote)
class QuoteAdmin(ReadOnlyAdmin):
    list_display = ("invoice", "asset", "amount_minor", "rate_tenge", "deposit_address", "created_at")
    list_filter = ("asset",)
    search_fields = ("invoice__id", "deposit_address__address")
    list_select_related = ("invoice", "asset", "deposit_address")


@admin.register(InvoiceEvent)
class InvoiceEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "invoice", "kind", "from_status", "to_status", "additional_status", "actor")
    list_filter = ("kind", "at")
    search_fields = ("invoice__id",)
    list_select_related = ("invoice", "actor")


@admin.register(Incident)
class IncidentAdmin(admin.ModelAdmin):
    """An officer closes an incident by saying how it was resolved; what happened is not edited."""

    list_display = ("opened_at", "invoice", "description", "closed_at", "closed_by")
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    fields = ("invoice", "opened_at", "description", "resolution", "closed_at", "closed_by")
    readonly_fields = ("invoice", "opened_at", "description", "closed_at", "closed_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Incident | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Incident | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.closed_at is None)

    def save_model(self, request: HttpRequest, obj: Incident, form: Any, change: bool) -> None:
        """A stated resolution closes the incident in the officer's name."""
        if obj.resolution:
            obj.closed_at = timezone.now()
            obj.closed_by_id = request.user.pk
        super().save_model(request, obj, form, change)


def _amount(payment: Payment) -> str:
    asset = payment.transfer.asset
    return f"{format_minor(payment.amount_minor, asset.decimals, trim=True)} {asset.code}"


def _tenge(amount_tiyn: int) -> str:
    return tenge_text(amount_tiyn, get_language() or "en")

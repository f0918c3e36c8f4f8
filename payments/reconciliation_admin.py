"""Reconciliation in Django admin: its runs, what they compared, the differences with their ages; and the reserve's page."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from alatau_pay.assets import KZT, Asset
from merchants.models import User
from payments import reserve_csv, reserve_pdf, reserve_wording
from payments.models import Comparison, Difference, PlaceBalance, ReconciliationRun
from payments.reconciliation import run
from payments.reconciliation.wording import PAGES, SIDES
from payments.reserve_report import Report, compile_report
from settlements.business_day import ALMATY, business_date

ASK = "payments.add_reconciliationrun"


class RunInline(ReadOnlyInline):
    """What belongs to a run is seen by whoever sees the run."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        user = request.user
        return isinstance(user, User) and user.has_perm("payments.view_reconciliationrun")


class ComparisonInline(RunInline):
    model = Comparison
    fields = ("scope", "checked_count", "difference_count", "not_compared_reason", "height")
    readonly_fields = fields


class PlaceBalanceInline(RunInline):
    model = PlaceBalance
    fields = ("wallet", "asset", "height", "books", "chain")
    readonly_fields = fields

    @admin.display(description=_("by the books"))
    def books(self, row: PlaceBalance) -> str:
        return reserve_wording.coins(row.expected_minor, row.asset.asset)

    @admin.display(description=_("on the chain"))
    def chain(self, row: PlaceBalance) -> str:
        return reserve_wording.coins(row.chain_minor, row.asset.asset)


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ReadOnlyAdmin):
    """Runs; above the list stand the button that asks for one, and the way to the reserve."""

    change_list_template = "admin/payments/reconciliationrun/change_list.html"
    list_display = ("__str__", "status", "started_at", "differing", "not_compared", "requested_by")
    list_filter = ("status", "started_at")
    list_select_related = ("requested_by",)
    inlines = (ComparisonInline, PlaceBalanceInline)

    def get_urls(self) -> list[URLPattern]:
        """The button and the reserve before the general addresses."""
        view = self.admin_site.admin_view
        return [
            path("ask/", view(self.ask), name="payments_reconciliation_ask"),
            path("reserve/", view(self.reserve), name="payments_reserve"),
            path("reserve.csv", view(self.reserve_csv), name="payments_reserve_csv"),
            path("reserve.pdf", view(self.reserve_pdf), name="payments_reserve_pdf"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say whether this person may ask for a run."""
        may_ask = isinstance(request.user, User) and request.user.has_perm(ASK)
        return super().changelist_view(request, {**(extra_context or {}), "may_ask": may_ask})

    def ask(self, request: HttpRequest) -> HttpResponse:
        """Ask for a run now (POST)."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not isinstance(request.user, User) or not request.user.has_perm(ASK):
            raise PermissionDenied
        run.request(user=request.user, now=timezone.now())
        self.message_user(request, _("A worker compares now; this takes some minutes."), messages.SUCCESS)
        return redirect("admin:payments_reconciliationrun_changelist")

    def reserve(self, request: HttpRequest) -> HttpResponse:
        """The reserve now, or at the end of a past day (``?on=2026-11-23``)."""
        report, on = self._report(request)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("The reserve on %(at)s") % {"at": reserve_wording.moment(report.at)},
            "opts": self.opts,
            "on": on.isoformat() if on else "",
            "today": business_date(timezone.now()).isoformat(),
            "place_headings": reserve_wording.place_headings(),
            "places": reserve_wording.place_rows(report),
            "coin_headings": reserve_wording.coin_headings(),
            "coins": reserve_wording.coin_rows(report),
            "worth_headings": reserve_wording.worth_headings(),
            "worth": reserve_wording.worth_rows(report),
            "notes": reserve_wording.notes(report),
        }
        return TemplateResponse(request, "admin/payments/reconciliationrun/reserve.html", context)

    def reserve_csv(self, request: HttpRequest) -> HttpResponse:
        """The same figures for a spreadsheet."""
        report, _on = self._report(request)
        return _file(reserve_csv.write_csv(report), "text/csv; charset=utf-8", report, "csv")

    def reserve_pdf(self, request: HttpRequest) -> HttpResponse:
        """The same figures on paper."""
        report, _on = self._report(request)
        return _file(reserve_pdf.write_pdf(report), "application/pdf", report, "pdf")

    def _report(self, request: HttpRequest) -> tuple[Report, date | None]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        now, on = timezone.now(), _day(request.GET.get("on", ""))
        if on is None or on >= business_date(now):
            return compile_report(at=now), None
        return compile_report(at=datetime.combine(on, time.max, tzinfo=ALMATY)), on

    @admin.display(description=_("differences"))
    def differing(self, row: ReconciliationRun) -> int:
        return sum(comparison.difference_count for comparison in row.comparisons.all())

    @admin.display(description=_("not compared"))
    def not_compared(self, row: ReconciliationRun) -> str:
        missed = [each.scope for each in row.comparisons.all() if each.not_compared_reason]
        return ", ".join(missed) or row.failure or reserve_wording.DASH

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReconciliationRun]:
        return super().get_queryset(request).prefetch_related("comparisons")


class StandingFilter(admin.SimpleListFilter):
    """What stands is shown unless somebody asks for what is over."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("over", _("Resolved")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        """The unnamed choice is what stands."""
        for number, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": _("Standing")} if number == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Difference]) -> QuerySet[Difference]:
        if self.value() == "all":
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() != "over")


@admin.register(Difference)
class DifferenceAdmin(ReadOnlyAdmin):
    list_display = ("kind", "about", "left", "right", "lasting", "detail")
    list_filter = (StandingFilter, "scope", "kind", "asset_code")
    search_fields = ("subject", "detail")
    fields = (
        "kind", "about", "left", "right", "lasting", "scope", "detail",
        "first_seen_at", "last_seen_at", "resolved_at", "first_run", "last_run",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description=_("about"), ordering="subject")
    def about(self, row: Difference) -> str:
        name, _colon, number = row.subject.partition(":")
        page = PAGES.get(name)
        if page is None or not number.isdigit():
            return row.subject
        return format_html('<a href="{}">{}</a>', reverse(page, args=[int(number)]), row.subject)

    @admin.display(description=_("one side"), ordering="left_minor")
    def left(self, row: Difference) -> str:
        return self._side(row, row.left_minor, 0)

    @admin.display(description=_("the other side"), ordering="right_minor")
    def right(self, row: Difference) -> str:
        return self._side(row, row.right_minor, 1)

    @admin.display(description=_("for"), ordering="first_seen_at")
    def lasting(self, row: Difference) -> str:
        return timesince(row.first_seen_at, row.resolved_at or timezone.now(), depth=1)

    @staticmethod
    def _side(row: Difference, amount_minor: int | None, number: int) -> str:
        return f"{_amount(row, amount_minor)} {SIDES[row.kind][number]}"


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    list_display = ("run", "scope", "checked_count", "difference_count", "not_compared_reason", "height")
    list_filter = ("scope",)
    search_fields: ClassVar = ["not_compared_reason"]
    exclude = ("block_hash",)
    list_select_related = ("run",)


@admin.register(PlaceBalance)
class PlaceBalanceAdmin(ReadOnlyAdmin):
    list_display = ("run", "wallet", "asset", "height", "expected_minor", "chain_minor")
    list_filter = ("asset", "wallet")
    list_select_related = ("run", "wallet", "asset")


def _amount(row: Difference, amount_minor: int | None) -> str:
    if amount_minor is None:
        return reserve_wording.DASH
    if row.asset_code == KZT.code:
        return reserve_wording.tenge(amount_minor)
    asset = Asset(row.asset_code, row.asset_code, row.asset_decimals)
    return f"{reserve_wording.coins(amount_minor, asset)} {row.asset_code}"


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _file(content: bytes, content_type: str, report: Report, suffix: str) -> HttpResponse:
    name = f"reserve-{report.at.astimezone(ALMATY):%Y-%m-%d-%H%M}.{suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)

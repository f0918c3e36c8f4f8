"""Lines of bank statements in Django admin: first of all those that nobody has explained, and what a person says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from merchants.models import User
from settlements import statements
from settlements.models import BankStatementLine, LineDirection, LineFault, LineStatus, Payout
from settlements.statements_admin import IMPORT
from settlements.templatetags.tenge import tenge

PAYOUTS_OFFERED_MAX = 50


class StatusFilter(admin.SimpleListFilter):
    """Open lines, where nothing else is asked for: they are what waits for a person."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("all", _("All")), (LineStatus.MATCHED, _("Matched")), (LineStatus.SET_ASIDE, _("Set aside"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[BankStatementLine]
    ) -> QuerySet[BankStatementLine]:
        value = self.value()
        return queryset if value == "all" else queryset.filter(status=value or LineStatus.OPEN)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Django's first choice means "any"; here it is the lines that wait."""
        any_of_them, *others = super().choices(changelist)
        yield {**any_of_them, "display": _("Not matched")}
        yield from others


@admin.register(BankStatementLine)
class BankStatementLineAdmin(ReadOnlyAdmin):
    """The box at the top of a line's page holds what a person can say of it."""

    change_list_template = "admin/settlements/bankstatementline/change_list.html"
    change_form_template = "admin/settlements/bankstatementline/change_form.html"
    list_display = ("booked_on", "incoming", "outgoing", "counterparty_name", "purpose", "outcome")
    list_filter = (StatusFilter, "direction", "fault", "booked_on")
    search_fields = ("purpose", "counterparty_name", "counterparty_iban", "document_number", "reference")
    list_select_related = ("statement", "payout")
    fields = (
        "status", "fault", "payout", "decided_by", "decided_at", "reason", "booked_on", "incoming", "outgoing",
        "account_iban", "document_number", "reference", "purpose", "counterparty_name", "counterparty_business_id",
        "counterparty_iban", "counterparty_bic", "knp", "is_return", "statement", "position", "as_written",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description=_("came in"), ordering="amount_tiyn")
    def incoming(self, line: BankStatementLine) -> str:
        return tenge(line.amount_tiyn) if line.direction == LineDirection.IN else ""

    @admin.display(description=_("went out"), ordering="amount_tiyn")
    def outgoing(self, line: BankStatementLine) -> str:
        return tenge(line.amount_tiyn) if line.direction == LineDirection.OUT else ""

    @admin.display(description=_("outcome"))
    def outcome(self, line: BankStatementLine) -> str:
        if line.status == LineStatus.OPEN:
            return str(LineFault(line.fault).label if line.fault else _("not looked at yet"))
        return str(line.payout) if line.payout else line.reason

    @admin.display(description=_("as the file has it"))
    def as_written(self, line: BankStatementLine) -> str:
        return "\n".join(f"{key}={value}" for key, value in line.raw)

    def get_urls(self) -> list[URLPattern]:
        """The decision's address before the general ones."""
        decide = path(
            "<int:line_id>/decide/",
            self.admin_site.admin_view(self.decide),
            name="settlements_bankstatementline_decide",
        )
        return [decide, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add the button that matches what can be matched by now."""
        return super().changelist_view(
            request, {**(extra_context or {}), "may_match": request.user.has_perm(IMPORT)}
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the payouts that this line may stand for, for who may decide."""
        line = context.get("original")
        may_decide = request.user.has_perm(statements.DECIDE)
        if isinstance(line, BankStatementLine) and line.status != LineStatus.MATCHED and may_decide:
            possible = statements.possible_payouts(line).select_related("merchant", "batch")
            context |= {
                "may_decide": True,
                "amount": tenge(line.amount_tiyn),
                "is_out": line.direction == LineDirection.OUT,
                "possible": possible[:PAYOUTS_OFFERED_MAX],
                "is_set_aside": line.status == LineStatus.SET_ASIDE,
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def decide(self, request: HttpRequest, line_id: int) -> HttpResponse:
        """Match by hand or set aside, as the pressed button says (POST); then show the line again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not isinstance(request.user, User):
            raise PermissionDenied
        line = get_object_or_404(BankStatementLine, pk=line_id)
        reason, officer, now = request.POST.get("reason", ""), request.user, timezone.now()
        try:
            if request.POST.get("decision") == "set_aside":
                statements.set_aside(line, actor=officer, reason=reason, now=now)
            else:
                chosen = request.POST.get("payout", "")
                payout = get_object_or_404(Payout, pk=int(chosen) if chosen.isdecimal() else 0)
                statements.match_by_hand(line, payout, actor=officer, reason=reason, now=now)
            self.message_user(request, _("Decided."), messages.SUCCESS)
        except statements.DecisionRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:settlements_bankstatementline_change", line_id)

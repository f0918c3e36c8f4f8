"""Bank statements in Django admin: brought by an officer, looked at with what each line would do, and then matched."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from merchants.models import User
from settlements import statements
from settlements.bank_statements.lines import DoubtKind
from settlements.models import (
    BankStatement,
    BankStatementBalance,
    BankStatementLine,
    LineDirection,
    LineFault,
    LineStatus,
    Payout,
    StatementColumns,
)

IMPORT = "settlements.add_bankstatement"
LINES_SHOWN = 100
DOUBTS = {
    DoubtKind.BALANCE: _("The balances do not add up"),
    DoubtKind.TURNOVER: _("The lines do not add up to the turnover"),
    DoubtKind.ENCODING: _("The file names another encoding than it has"),
    DoubtKind.NOT_BOOKED: _("Left out: the bank has not booked it"),
    DoubtKind.NOT_SPLIT: _("Kept as one line: its parts do not add up"),
    DoubtKind.EMPTY_SUM: _("Left out: a document of no sum"),
    DoubtKind.LEFT_OUT: _("Left out: a line without a day or a sum"),
}


class StatementForm(forms.Form):
    """A file, and the columns where it is a table."""

    file = forms.FileField(label=_("Statement"))
    columns = forms.ModelChoiceField(
        label=_("Kind"),
        queryset=StatementColumns.objects.all(),
        required=False,
        empty_label=_("1CClientBankExchange or camt.053"),
    )

    def clean_file(self) -> UploadedFile:
        """A file of a size that statements have."""
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > statements.CONTENT_BYTES_MAX:
            raise forms.ValidationError(_("The file is too long for a statement."))
        return file


@admin.register(BankStatement)
class BankStatementAdmin(ReadOnlyAdmin):
    """Files of the bank. Bringing one stores it; its page then shows what each line would do before anything is done."""

    change_list_template = "admin/settlements/bankstatement/change_list.html"
    change_form_template = "admin/settlements/bankstatement/change_form.html"
    list_display = (
        "file_name",
        "format",
        "line_count",
        "new_line_count",
        "open_lines",
        "imported_by",
        "imported_at",
    )
    list_filter = ("format", "imported_at")
    search_fields = ("file_name", "lines__purpose", "lines__counterparty_name")
    list_select_related = ("imported_by",)
    fields = ("format", "columns", "line_count", "new_line_count", "imported_by", "imported_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankStatement]:
        """Without the files themselves, with the count of lines that wait."""
        waiting = Count("lines", filter=Q(lines__status=LineStatus.OPEN), distinct=True)
        return super().get_queryset(request).defer("content").annotate(open_count=waiting)

    @admin.display(description=_("not matched"), ordering="open_count")
    def open_lines(self, statement: BankStatement) -> int:
        count: int = statement.open_count  # type: ignore[attr-defined]
        return count

    def get_urls(self) -> list[URLPattern]:
        """Bringing, matching and the file itself before the general addresses."""
        view = self.admin_site.admin_view
        return [
            path("bring/", view(self.bring), name="settlements_bankstatement_bring"),
            path("match/", view(self.match), name="settlements_bankstatement_match"),
            path("<int:statement_id>/file/", view(self.file), name="settlements_bankstatement_file"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add the button for who may bring statements."""
        return super().changelist_view(
            request, {**(extra_context or {}), "may_bring": request.user.has_perm(IMPORT)}
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the doubts, the balances, and every line with what matching it would do."""
        statement = context.get("original")
        if isinstance(statement, BankStatement):
            lines = statement.lines.select_related("payout__merchant", "decided_by").order_by("position")
            page = Paginator(lines, LINES_SHOWN).get_page(request.GET.get("page"))
            context |= {
                "may_match": request.user.has_perm(IMPORT),
                "doubts": [
                    {"title": DOUBTS[DoubtKind(doubt["kind"])], "detail": doubt["detail"]}
                    for doubt in statement.doubts
                ],
                "page": page,
                "rows": [_row(line) for line in page],
                "open_count": statement.lines.filter(status=LineStatus.OPEN).count(),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def bring(self, request: HttpRequest) -> HttpResponse:
        """The form (GET), or the file stored (POST) and shown with what it would do."""
        if not isinstance(request.user, User) or not request.user.has_perm(IMPORT):
            raise PermissionDenied
        form = StatementForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file: UploadedFile = form.cleaned_data["file"]
            now = timezone.now()
            try:
                statement = statements.import_(
                    file.read(),
                    file_name=file.name or "",
                    now=now,
                    actor=request.user,
                    columns=form.cleaned_data["columns"],
                )
            except statements.StatementRefused as error:
                form.add_error("file", gettext("Nothing was stored: %(why)s") % {"why": error})
            else:
                if statement.imported_at == now:
                    self.message_user(request, _stored(statement), messages.SUCCESS)
                else:
                    # The same file came before, perhaps by another officer: nothing was stored.
                    said = _("Every line of this file came with an earlier one.")
                    self.message_user(request, said, messages.WARNING)
                return redirect("admin:settlements_bankstatement_change", statement.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": _("Bring a statement"),
            "form": form,
        }
        return TemplateResponse(request, "admin/settlements/bankstatement/bring.html", context)

    def match(self, request: HttpRequest) -> HttpResponse:
        """Match every open line (POST), then show the statement, or the lines that are left."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(IMPORT):
            raise PermissionDenied
        done = statements.match(now=timezone.now())
        said = gettext(
            "Payouts completed: %(completed)d, returned: %(returned)d. Lines not matched: %(open)d."
        )
        figures = {"completed": done.completed, "returned": done.returned, "open": done.open}
        self.message_user(request, said % figures, messages.SUCCESS)
        statement_id = request.POST.get("statement", "")
        if statement_id.isdecimal():
            return redirect("admin:settlements_bankstatement_change", statement_id)
        return redirect("admin:settlements_bankstatementline_changelist")

    def file(self, request: HttpRequest, statement_id: int) -> HttpResponse:
        """The file as it came."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        statement = get_object_or_404(BankStatement, pk=statement_id)
        response = HttpResponse(bytes(statement.content), content_type="application/octet-stream")
        response["Content-Disposition"] = f'attachment; filename="statement_{statement.pk}"'
        return response


@admin.register(BankStatementBalance)
class BankStatementBalanceAdmin(ReadOnlyAdmin):
    list_display = (
        "account_iban", "first_day", "last_day", "opening_tiyn", "incoming_tiyn", "outgoing_tiyn", "closing_tiyn", "statement"
    )  # fmt: skip
    list_filter = ("account_iban",)
    search_fields = ("account_iban", "statement__file_name")
    list_select_related = ("statement",)


@admin.register(StatementColumns)
class StatementColumnsAdmin(admin.ModelAdmin):
    """The headings of banks' tables. What was read by them keeps them: they are not deleted."""

    list_display = ("name", "servicing_bank", "day", "amount", "incoming", "outgoing")
    search_fields = ("name",)
    list_select_related = ("servicing_bank",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _stored(statement: BankStatement) -> str:
    said = gettext("Lines stored: %(count)d, of which new: %(new)d. Nothing has been matched yet.")
    return said % {"count": statement.line_count, "new": statement.new_line_count}


def _row(line: BankStatementLine) -> dict[str, Any]:
    """A line with what matching it would do now: the payout that it proves, or why it proves none."""
    row: dict[str, Any] = {"line": line, "is_out": line.direction == LineDirection.OUT, "payout": line.payout}
    if line.status == LineStatus.OPEN:
        proposal = statements.proposal_for(line)
        row["fault"] = LineFault(proposal.fault.value).label if proposal.fault else ""
        if proposal.payout_id is not None:
            row["payout"] = Payout.objects.select_related("merchant").get(pk=proposal.payout_id)
    return row

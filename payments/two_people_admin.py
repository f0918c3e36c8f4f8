"""Acquisitions, reserve sales and corrections in Django admin: one officer prepares, another approves or refuses.

Here and not in ``settlements``, because assets and wallets are chosen from what ``chains`` knows.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from chains.models import Wallet
from merchants.models import User
from payments import reserve_wording
from payments.reserve_forms import AcquisitionForm, CorrectionForm, ReserveSaleForm
from settlements import acquisitions, corrections, reserve_sales, two_people
from settlements.models import (
    Acquisition,
    Correction,
    CorrectionLine,
    DocumentStatus,
    ReserveSale,
)
from settlements.two_people import REASON_LENGTH_MAX, DocumentRefused

_PAPER = ("document_number", "document_date", "reason")
_DECISION = ("status", "prepared_by", "prepared_at")
_APPROVAL = ("approved_by", "approved_at", "ledger_entry")
_REFUSAL = ("refused_by", "refused_at", "refusal_reason")


class TwoPeopleAdmin(ReadOnlyAdmin):
    """A document's pages: the list, the form that prepares one, and one with the box in which it is decided."""

    document_form: Any
    verbs: Any
    change_form_template = "admin/two_people/change_form.html"
    add_form_template = "admin/two_people/add_form.html"
    list_filter: ClassVar = ["status", "document_date"]
    search_fields: ClassVar = ["document_number", "reason"]
    list_select_related: ClassVar = ["prepared_by", "approved_by"]

    def get_urls(self) -> list[URLPattern]:
        """The decision's address before the general ones."""
        decide = path(
            "<int:document_id>/decide/", self.admin_site.admin_view(self.decide), name=f"{self._name}_decide"
        )
        return [decide, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Who may prepare one."""
        user = request.user
        return isinstance(user, User) and user.has_perm(f"settlements.add_{self.opts.model_name}")

    def may_decide(self, request: HttpRequest) -> bool:
        """Who may approve and refuse, if somebody else prepared it."""
        user = request.user
        return isinstance(user, User) and user.has_perm(f"settlements.approve_{self.opts.model_name}")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; what the verb refuses is told on it."""
        if not self.has_add_permission(request) or not isinstance(request.user, User):
            raise PermissionDenied
        form = self.document_form(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                made = form.prepare(user=request.user, now=timezone.now())
            except DocumentRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, _("Prepared. Another person approves it."), messages.SUCCESS)
                return redirect(f"admin:{self._name}_change", made.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Prepare: %(what)s") % {"what": self.opts.verbose_name},
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, self.add_form_template, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say what this officer may do with the document now."""
        document = context.get("original")
        if document is not None and document.status == DocumentStatus.PREPARED:
            is_own = isinstance(request.user, User) and document.prepared_by_id == request.user.pk
            may_decide = self.may_decide(request)
            context |= {
                "decide_url": f"admin:{self._name}_decide",
                "may_approve": may_decide and not is_own,
                "may_refuse": may_decide or is_own,
                "needs_another": is_own,
                "reason_length_max": REASON_LENGTH_MAX,
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def decide(self, request: HttpRequest, document_id: int) -> HttpResponse:
        """Approve or refuse (POST), then show the document again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        document = get_object_or_404(self.model, pk=document_id)
        decision, user, now = request.POST.get("decision"), request.user, timezone.now()
        is_own = isinstance(user, User) and getattr(document, "prepared_by_id", None) == user.pk
        if not isinstance(user, User) or not (self.may_decide(request) or (is_own and decision == "refuse")):
            raise PermissionDenied
        try:
            if decision == "approve":
                self.verbs.approve(document_id, user=user, now=now)
            elif decision == "refuse":
                reason = request.POST.get("reason", "")
                two_people.refuse(self.model, document_id, user=user, reason=reason, now=now)
            else:
                raise PermissionDenied
            self.message_user(request, _("Decided."), messages.SUCCESS)
        except DocumentRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        return redirect(f"admin:{self._name}_change", document_id)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Without what has not happened to the document."""
        shown = [*(self.fields or ()), *_PAPER, *_DECISION]
        status = getattr(obj, "status", "")
        if status == DocumentStatus.APPROVED:
            return [*shown, *_APPROVAL]
        return [*shown, *_REFUSAL] if status == DocumentStatus.REFUSED else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """All of them: only verbs write."""
        return self.get_fields(request, obj)

    @property
    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"


class CoinsAdmin(TwoPeopleAdmin):
    """A document about coins."""

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, document: Acquisition | ReserveSale) -> str:
        return f"{reserve_wording.coins(document.amount_minor, document.asset)} {document.asset_code}"

    @admin.display(description=_("wallet"), ordering="wallet")
    def lies_in(self, document: Acquisition | ReserveSale) -> str:
        number = document.wallet.removeprefix("w")
        wallet = Wallet.objects.filter(pk=int(number)).first() if number.isdigit() else None
        return wallet.label if wallet else document.wallet or str(_("In no wallet of ours"))


@admin.register(Acquisition)
class AcquisitionAdmin(CoinsAdmin):
    document_form = AcquisitionForm
    verbs = acquisitions
    list_display = (
        "document_number",
        "document_date",
        "source",
        "amount",
        "value",
        "status",
        "prepared_by",
    )
    fields = ("source", "amount", "lies_in", "value")

    @admin.display(description=_("value"), ordering="value_tiyn")
    def value(self, acquisition: Acquisition) -> str:
        return reserve_wording.tenge(acquisition.value_tiyn)


@admin.register(ReserveSale)
class ReserveSaleAdmin(CoinsAdmin):
    document_form = ReserveSaleForm
    verbs = reserve_sales
    list_display = (
        "document_number", "document_date", "amount", "proceeds", "difference", "status", "prepared_by"
    )  # fmt: skip
    fields = ("source", "amount", "lies_in", "proceeds", "cost", "difference")

    @admin.display(description=_("proceeds"), ordering="proceeds_tiyn")
    def proceeds(self, sale: ReserveSale) -> str:
        return reserve_wording.tenge(sale.proceeds_tiyn)

    @admin.display(description=_("cost"), ordering="cost_tiyn")
    def cost(self, sale: ReserveSale) -> str:
        return reserve_wording.tenge(sale.cost_tiyn)

    @admin.display(description=_("realised difference"))
    def difference(self, sale: ReserveSale) -> str:
        return reserve_wording.gained(sale.difference_tiyn)


class CorrectionLineInline(ReadOnlyInline):
    model = CorrectionLine
    fields = ("account_code", "side", "amount")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever sees a correction sees its lines: nobody approves what they cannot read."""
        user = request.user
        return isinstance(user, User) and user.has_perm("settlements.view_correction")

    @admin.display(description=_("account"))
    def account_code(self, line: CorrectionLine) -> str:
        return line.account.code

    @admin.display(description=_("amount"))
    def amount(self, line: CorrectionLine) -> str:
        return f"{reserve_wording.coins(line.amount_minor, line.account.asset)} {line.asset_code}"


@admin.register(Correction)
class CorrectionAdmin(TwoPeopleAdmin):
    document_form = CorrectionForm
    verbs = corrections
    add_form_template = "admin/two_people/add_correction.html"
    list_display = ("document_number", "document_date", "reason", "status", "prepared_by", "approved_by")
    fields = ()
    inlines = (CorrectionLineInline,)


@admin.register(CorrectionLine)
class CorrectionLineAdmin(ReadOnlyAdmin):
    list_display = ("correction", "kind", "asset_code", "merchant", "part", "side", "amount_minor")
    list_filter = ("kind", "asset_code")
    search_fields = ("correction__document_number",)
    list_select_related = ("correction", "merchant")

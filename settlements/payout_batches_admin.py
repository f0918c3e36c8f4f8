"""A batch in Django admin: looked at, approved by a second person, taken to the bank as a file, taken apart or cancelled."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from merchants.models import User
from settlements import payout_files, payouts
from settlements.models import FileEncoding, FileFormat, Payout, PayoutBatch, PayoutStatus
from settlements.payout_checks import APPROVE, PREPARE, REASON_LENGTH_MAX
from settlements.payouts_admin import officer_of
from settlements.templatetags.tenge import tenge


class BatchedPayoutInline(ReadOnlyInline):
    model = Payout
    fields = ("payee_name", "payee_business_id", "amount", "iban", "bank_name", "kbe", "purpose", "status")
    readonly_fields = fields
    show_change_link = True
    verbose_name_plural = _("payouts of this batch")

    @admin.display(description=_("amount"))
    def amount(self, payout: Payout) -> str:
        return tenge(payout.amount_tiyn)


@admin.register(PayoutBatch)
class PayoutBatchAdmin(ReadOnlyAdmin):
    """Batches; the box at the top of a batch's page holds what can be done with it now."""

    change_form_template = "admin/settlements/payoutbatch/change_form.html"
    list_display = (
        "number",
        "servicing_bank",
        "status",
        "payout_count",
        "total",
        "value_date",
        "prepared_by",
        "approved_by",
    )
    list_filter = ("status", "servicing_bank", "value_date")
    search_fields = ("number", "payouts__payee_name", "payouts__iban")
    list_select_related = ("servicing_bank", "prepared_by", "approved_by")
    inlines = (BatchedPayoutInline,)
    fields = (
        "number",
        "status",
        "servicing_bank",
        "value_date",
        "payout_count",
        "total",
        "prepared_by",
        "prepared_at",
        "approved_by",
        "approved_at",
        "file_taken_by",
        "file_taken_at",
        "sent_by",
        "sent_at",
        "reason",
    )
    readonly_fields = fields

    @admin.display(description=_("total"), ordering="total_tiyn")
    def total(self, batch: PayoutBatch) -> str:
        return tenge(batch.total_tiyn)

    def get_urls(self) -> list[URLPattern]:
        """The buttons and the file before the general addresses."""
        view = self.admin_site.admin_view
        return [
            path("<int:batch_id>/move/", view(self.move), name="settlements_payoutbatch_move"),
            path("<int:batch_id>/file/", view(self.file), name="settlements_payoutbatch_file"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add what this officer can do with the batch now."""
        batch = context.get("original")
        if isinstance(batch, PayoutBatch) and isinstance(request.user, User):
            context |= _possible(batch, request.user)
        return super().render_change_form(request, context, *args, **kwargs)

    def move(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """Do what the pressed button says (POST), then show the batch again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not isinstance(request.user, User):
            raise PermissionDenied
        batch, officer, now = get_object_or_404(PayoutBatch, pk=batch_id), request.user, timezone.now()
        reason, move = request.POST.get("reason", ""), request.POST.get("move")
        try:
            if move == "approve":
                payouts.approve(batch, actor=officer, now=now)
            elif move == "send":
                payouts.send(batch, actor=officer, now=now)
            elif move == "take_apart":
                payouts.take_apart(batch, actor=officer, reason=reason, now=now)
            elif move == "cancel":
                payouts.cancel_batch(batch, actor=officer, reason=reason, now=now)
            else:
                raise PermissionDenied
            self.message_user(request, _("Done."), messages.SUCCESS)
        except payouts.PayoutRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:settlements_payoutbatch_change", batch_id)

    def file(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The bank's file of an approved batch (POST: who took it first is noted), in the format and encoding asked for."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        officer = officer_of(request)
        batch = get_object_or_404(PayoutBatch.objects.select_related("servicing_bank"), pk=batch_id)
        file_format, encoding = request.POST.get("format", ""), request.POST.get("encoding", "")
        if file_format not in ("", *FileFormat.values) or encoding not in ("", *FileEncoding.values):
            raise PermissionDenied
        try:
            # Both or neither: what could not be made was not taken.
            with transaction.atomic():
                taken = payouts.take_file(batch, actor=officer, now=timezone.now())
                made = payout_files.render(taken, file_format, encoding)
        except (payouts.PayoutRefused, payout_files.OrderRefused) as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect("admin:settlements_payoutbatch_change", batch_id)
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
        return HttpResponse(made.content, content_type="application/octet-stream", headers=headers)


def _possible(batch: PayoutBatch, officer: User) -> dict[str, Any]:
    """What the template shows: buttons that fit the status and the person, and what the file would say otherwise."""
    prepares, approves = officer.has_perm(PREPARE), officer.has_perm(APPROVE)
    is_own = officer.pk == batch.prepared_by_id or batch.payouts.filter(prepared_by=officer).exists()
    unapproved = batch.status == PayoutStatus.AWAITING_APPROVAL
    waiting = batch.status == PayoutStatus.AWAITING_PAYMENT
    context: dict[str, Any] = {
        "total": tenge(batch.total_tiyn),
        "may_approve": unapproved and approves and not is_own,
        "needs_another": unapproved and is_own,
        "may_take_file": prepares and batch.status in payouts.APPROVED,
        "may_send": prepares and waiting,
        "may_take_apart": prepares and unapproved,
        "may_cancel": prepares and (unapproved or waiting),
        "formats": FileFormat.choices,
        "encodings": FileEncoding.choices,
        "reason_length_max": REASON_LENGTH_MAX,
        "warnings": [],
        "elsewise": [],
        "fault": "",
    }
    if unapproved or batch.status in payouts.APPROVED:
        # Who approves sees beforehand what cannot be written as given, and what no bank would take.
        try:
            context["warnings"] = [str(warning) for warning in payout_files.render(batch).warnings]
        except payout_files.OrderRefused as error:
            context["fault"] = str(error)
        else:
            context["elsewise"] = _in_other_encodings(batch)
    return context


def _in_other_encodings(batch: PayoutBatch) -> list[dict[str, Any]]:
    """What the encodings that are not the bank's own would rewrite, or cannot hold: they are to be chosen on the same page."""
    bank = batch.servicing_bank
    # pain.001 has one encoding alone.
    is_pain = bank.file_format == FileFormat.PAIN_001
    file_format = FileFormat.CLIENT_BANK_1C if is_pain else FileFormat(bank.file_format)
    own = FileEncoding.UTF_8 if is_pain else FileEncoding(bank.file_encoding)
    found = []
    for encoding in FileEncoding:
        if encoding == own:
            continue
        try:
            said = [str(warning) for warning in payout_files.render(batch, file_format, encoding).warnings]
        except payout_files.OrderRefused as error:
            said = [str(error)]
        if said:
            found.append({"encoding": encoding.label, "warnings": said})
    return found

"""Refunds in Django admin: what was asked, and the officer's page of what is to be sent. Nothing is signed here."""

from __future__ import annotations

import base64

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from alatau_pay.admin_readonly import ReadOnlyAdmin
from chains.models import OutgoingTransfer
from merchants.models import User
from payments import qr, refund_admin_rows, refund_sending, refund_watching, refunds
from payments.models import Refund, RefundBatch, RefundBatchKind, RefundNetworkFee

SEND = "payments.add_refundbatch"
SAT_PER_VBYTE_USUAL = 5


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("id", "store", "amount", "basis", "status", "destination", "requested_at", "completed_at")
    list_filter = ("status", "source", "payment__transfer__network", "requested_at")
    search_fields = ("payment__invoice__id", "destination__address", "reason")
    list_select_related = ("payment__invoice__store", "payment__transfer__asset", "destination")
    # Who has the link may say where the money goes.
    exclude = ("link_id", "request_sha256")
    change_list_template = "admin/payments/refund/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """The pages of sending before the general ones."""
        view = self.admin_site.admin_view
        pages = [
            path("sending/", view(self.sending), name="payments_refund_sending"),
            path("sending/batch/", view(require_POST(self.make_batch)), name="payments_refund_make_batch"),
            path("sending/confirm/", view(require_POST(self.confirm)), name="payments_refund_confirm"),
            path("sending/calls/", view(require_POST(self.make_calls)), name="payments_refund_make_calls"),
            path(
                "<int:refund_id>/code/", view(require_POST(self.make_code)), name="payments_refund_make_code"
            ),
            path("batch/<int:batch_id>/", view(self.batch), name="payments_refund_batch"),
            path("batch/<int:batch_id>.psbt", view(self.psbt), name="payments_refund_psbt"),
            path("batch/<int:batch_id>.json", view(self.calls), name="payments_refund_calls"),
            path("batch/<int:batch_id>.png", view(self.qr), name="payments_refund_qr"),
            path(
                "batch/<int:batch_id>/discard/",
                view(require_POST(self.discard)),
                name="payments_refund_discard",
            ),
        ]
        return [*pages, *super().get_urls()]

    def sending(self, request: HttpRequest) -> HttpResponse:
        """What is to be sent, network by network, the batches that wait for a signature, and transfers that nobody explains."""
        self._require(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Refunds to be sent"),
            "opts": self.opts,
            "networks": refund_admin_rows.by_network(),
            "batches": [refund_admin_rows.of_batch(batch) for batch in refund_sending.open_batches()],
            "unexplained": [refund_admin_rows.of_unexplained(row) for row in refund_watching.unexplained()],
            "sat_per_vbyte": SAT_PER_VBYTE_USUAL,
            "most": refund_sending.REFUNDS_PER_BATCH_MAX,
        }
        return TemplateResponse(request, "admin/payments/refund/sending.html", context)

    def make_batch(self, request: HttpRequest) -> HttpResponse:
        """A PSBT of the ticked refunds (POST). The node is asked, so no database transaction is open here."""
        user = self._pressed(request)
        rate = request.POST.get("sat_per_vbyte", "")
        try:
            if not rate.isascii() or not rate.isdigit() or len(rate) > 4:
                raise refund_sending.SendingRefused(
                    "a fee rate is a whole number of satoshi per virtual byte"
                )
            batch = refund_sending.make_batch(
                _ticked(request), sat_per_vbyte=int(rate), user=user, now=timezone.now()
            )
            self.message_user(
                request,
                _("Batch %(number)s is made: sign its file and broadcast it.") % {"number": batch.pk},
                messages.SUCCESS,
            )
        except refund_sending.SendingRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:payments_refund_sending")

    def make_calls(self, request: HttpRequest) -> HttpResponse:
        """The ticked refunds of an EVM network become this officer's to send (POST); then the page with their file."""
        user = self._pressed(request)
        try:
            batch = refund_sending.make_calls(_ticked(request), user=user, now=timezone.now())
        except refund_sending.SendingRefused as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect("admin:payments_refund_sending")
        return redirect("admin:payments_refund_batch", batch.pk)

    def make_code(self, request: HttpRequest, refund_id: int) -> HttpResponse:
        """One refund becomes this officer's to send (POST); then the page with its code."""
        user = self._pressed(request)
        try:
            batch = refund_sending.make_code(refund_id, user=user, now=timezone.now())
        except refund_sending.SendingRefused as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect("admin:payments_refund_sending")
        return redirect("admin:payments_refund_batch", batch.pk)

    def batch(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """One batch: who claimed it and when, its refunds, and what is scanned or signed while it is open."""
        self._require(request)
        found = get_object_or_404(
            RefundBatch.objects.select_related("wallet__network", "made_by", "discarded_by"), pk=batch_id
        )
        context = {
            **self.admin_site.each_context(request),
            "title": _("Batch %(number)s") % {"number": found.pk},
            "opts": self.opts,
            "row": refund_admin_rows.of_batch(found),
        }
        return TemplateResponse(request, "admin/payments/refund/batch.html", context)

    def discard(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The batch is thrown away (POST); its refunds wait to be sent again."""
        user = self._pressed(request)
        get_object_or_404(RefundBatch, pk=batch_id)
        try:
            count = refund_sending.discard_batch(batch_id, user=user, now=timezone.now())
            self.message_user(
                request, _("Refunds that wait again: %(count)s.") % {"count": count}, messages.SUCCESS
            )
        except refund_sending.SendingRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:payments_refund_sending")

    def confirm(self, request: HttpRequest) -> HttpResponse:
        """An officer says that a transfer is ours and pays a refund (POST)."""
        user = self._pressed(request)
        outgoing = get_object_or_404(OutgoingTransfer, pk=_number(request.POST.get("outgoing")))
        refund = get_object_or_404(Refund, pk=_number(request.POST.get("refund")))
        try:
            refund_watching.confirm_ours(outgoing.pk, refund_id=refund.pk, user=user, now=timezone.now())
            self.message_user(request, _("Confirmed: this transfer pays the refund."), messages.SUCCESS)
        except refunds.RefundRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:payments_refund_sending")

    def calls(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The file of unsigned calls of an open batch, the same whenever it is taken."""
        self._require(request)
        batch = get_object_or_404(refund_sending.open_batches(), pk=batch_id, kind=RefundBatchKind.CALLS)
        assert batch.calls is not None  # the database holds it for this kind
        name = f"refunds-{batch.wallet.network.slug}-batch-{batch.pk}.json"
        return _file(batch.calls.encode(), name, "application/json")

    def psbt(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The batch's PSBT as a file, in BIP-174's binary form; the page shows the same as text."""
        self._require(request)
        batch = get_object_or_404(
            RefundBatch, pk=batch_id, discarded_at__isnull=True, kind=RefundBatchKind.PSBT
        )
        assert batch.psbt is not None  # the database holds it for this kind
        content = base64.b64decode(batch.psbt)
        return _file(content, f"refunds-batch-{batch.pk}.psbt", "application/octet-stream")

    def qr(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The QR picture of a claimed refund, until the chain shows its transfer."""
        self._require(request)
        batch = get_object_or_404(refund_sending.open_batches(), pk=batch_id, kind=RefundBatchKind.CODE)
        assert batch.uri is not None  # the database holds it for this kind
        return HttpResponse(
            qr.png(batch.uri),
            content_type="image/png",
            headers={"Cache-Control": "no-store"},
        )

    def _require(self, request: HttpRequest) -> None:
        if not request.user.has_perm(SEND):
            raise PermissionDenied

    def _pressed(self, request: HttpRequest) -> User:
        self._require(request)
        assert isinstance(request.user, User)
        return request.user

    @admin.display(description=_("store"))
    def store(self, refund: Refund) -> str:
        return str(refund.payment.invoice.store)

    @admin.display(description=_("amount"))
    def amount(self, refund: Refund) -> str:
        return refund_admin_rows.amount(refund)


@admin.register(RefundBatch)
class RefundBatchAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "kind",
        "wallet",
        "fee_minor",
        "sat_per_vbyte",
        "made_by",
        "made_at",
        "discarded_at",
    )
    list_filter = ("kind", "wallet", "made_at")
    list_select_related = ("wallet", "made_by")
    exclude = ("txid",)


@admin.register(RefundNetworkFee)
class RefundNetworkFeeAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "network", "coin", "fee_minor", "value_tiyn", "posted_at", "reversed_at")
    list_filter = ("network", "posted_at")
    list_select_related = ("network", "coin")
    exclude = ("txid",)


def _file(content: str | bytes, name: str, content_type: str) -> HttpResponse:
    return HttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _ticked(request: HttpRequest) -> set[int]:
    texts = request.POST.getlist("refund")
    return {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= 18}


def _number(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404
    return int(text)

"""Refunds in Django admin: what was asked, and the officer's page of what is to be sent. Nothing is signed here."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

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
from alatau_pay.money import format_minor
from chains.models import Network, NetworkKind, OutgoingTransfer
from merchants.models import User
from payments import qr, refund_sending, refund_watching, refunds
from payments.models import Refund, RefundBatch, RefundNetworkFee

SEND = "payments.add_refundbatch"
SAT_PER_VBYTE_USUAL = 5


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("id", "store", "amount", "basis", "status", "destination", "requested_at", "completed_at")
    list_filter = ("status", "source", "payment__transfer__network", "requested_at")
    search_fields = ("payment__invoice__id", "destination__address", "reason")
    list_select_related = ("payment__invoice__store", "payment__transfer__asset", "destination")
    # Who has the link may say where the money goes.
    exclude = ("link_id",)
    change_list_template = "admin/payments/refund/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """The pages of sending before the general ones."""
        view = self.admin_site.admin_view
        pages = [
            path("sending/", view(self.sending), name="payments_refund_sending"),
            path("sending/batch/", view(require_POST(self.make_batch)), name="payments_refund_make_batch"),
            path("sending/confirm/", view(require_POST(self.confirm)), name="payments_refund_confirm"),
            path("sending/<slug:slug>/calls.json", view(self.calls), name="payments_refund_calls"),
            path("batch/<int:batch_id>.psbt", view(self.psbt), name="payments_refund_psbt"),
            path(
                "batch/<int:batch_id>/discard/",
                view(require_POST(self.discard)),
                name="payments_refund_discard",
            ),
            path("<int:refund_id>/qr.png", view(self.qr), name="payments_refund_qr"),
        ]
        return [*pages, *super().get_urls()]

    def sending(self, request: HttpRequest) -> HttpResponse:
        """What is to be sent, network by network, the batches that wait for a signature, and transfers that nobody explains."""
        self._require(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Refunds to be sent"),
            "opts": self.opts,
            "networks": _by_network(),
            "batches": [_batch_row(batch) for batch in refund_sending.open_batches()],
            "unexplained": [_unexplained_row(row) for row in refund_watching.unexplained()],
            "sat_per_vbyte": SAT_PER_VBYTE_USUAL,
        }
        return TemplateResponse(request, "admin/payments/refund/sending.html", context)

    def make_batch(self, request: HttpRequest) -> HttpResponse:
        """A PSBT of the ticked refunds (POST). The node is asked, so no database transaction is open here."""
        user = self._pressed(request)
        rate = request.POST.get("sat_per_vbyte", "")
        ids = {int(text) for text in request.POST.getlist("refund") if text.isascii() and text.isdigit()}
        try:
            if not rate.isascii() or not rate.isdigit() or len(rate) > 4:
                raise refund_sending.SendingRefused(
                    "a fee rate is a whole number of satoshi per virtual byte"
                )
            batch = refund_sending.make_batch(ids, sat_per_vbyte=int(rate), user=user, now=timezone.now())
            self.message_user(
                request,
                _("Batch %(number)s is made: sign its file and broadcast it.") % {"number": batch.pk},
                messages.SUCCESS,
            )
        except refund_sending.SendingRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return redirect("admin:payments_refund_sending")

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

    def calls(self, request: HttpRequest, slug: str) -> HttpResponse:
        """The file of unsigned calls for an EVM network."""
        self._require(request)
        network = get_object_or_404(Network, pk=slug, kind=NetworkKind.EVM)
        waiting = list(refund_sending.to_be_sent().filter(payment__transfer__network=network))
        now = timezone.now()
        try:
            text = refund_sending.calls_file(
                waiting[: refund_sending.REFUNDS_PER_BATCH_MAX], network, now=now
            )
        except refund_sending.SendingRefused as refusal:
            raise Http404(str(refusal)) from refusal
        return _file(text, f"refunds-{slug}-{_stamp(now)}.json", "application/json")

    def psbt(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The batch's PSBT as a file, in BIP-174's binary form; the page shows the same as text."""
        self._require(request)
        batch = get_object_or_404(RefundBatch, pk=batch_id, discarded_at__isnull=True)
        content = base64.b64decode(batch.psbt)
        return _file(content, f"refunds-batch-{batch.pk}.psbt", "application/octet-stream")

    def qr(self, request: HttpRequest, refund_id: int) -> HttpResponse:
        """The QR picture of one refund that is to be sent."""
        self._require(request)
        refund = get_object_or_404(refund_sending.to_be_sent(), pk=refund_id)
        return HttpResponse(
            qr.png(refund_sending.uri(refund)),
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
        return _amount(refund)


@admin.register(RefundBatch)
class RefundBatchAdmin(ReadOnlyAdmin):
    list_display = ("id", "wallet", "fee_minor", "sat_per_vbyte", "made_by", "made_at", "discarded_at")
    list_filter = ("wallet", "made_at")
    list_select_related = ("wallet", "made_by")
    exclude = ("txid",)


@admin.register(RefundNetworkFee)
class RefundNetworkFeeAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "network", "coin", "fee_minor", "value_tiyn", "posted_at", "reversed_at")
    list_filter = ("network", "posted_at")
    list_select_related = ("network", "coin")
    exclude = ("txid",)


def _by_network() -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for refund in refund_sending.to_be_sent():
        network = refund.asset.network
        group = groups.setdefault(
            network.pk,
            {"network": network, "is_bitcoin": network.kind == NetworkKind.BITCOIN, "rows": []},
        )
        group["rows"].append({"refund": refund, "amount": _amount(refund), "uri": refund_sending.uri(refund)})
    return [groups[slug] for slug in sorted(groups)]


def _batch_row(batch: RefundBatch) -> dict[str, Any]:
    rows = batch.refunds.select_related("payment__transfer__asset", "destination").order_by("pk")
    return {
        "batch": batch,
        "refunds": [
            {"address": refund.destination, "amount": _amount(refund), "seen": refund.outgoing_id is not None}
            for refund in rows
        ],
        "txid": bytes(batch.txid).hex() if batch.txid else "",
        "discardable": not any(refund.outgoing_id for refund in rows),
    }


def _unexplained_row(row: OutgoingTransfer) -> dict[str, Any]:
    candidates = Refund.objects.filter(
        status__in=refund_watching.OPEN,
        outgoing__isnull=True,
        destination=row.destination,
        payment__transfer__asset=row.asset,
    ).select_related("payment__transfer__asset", "payment__invoice__store")
    asset = row.asset
    return {
        "row": row,
        "amount": f"{format_minor(row.amount_minor, asset.decimals, trim=True)} {asset.code}",
        "candidates": [
            {"refund": refund, "amount": _amount(refund), "fits": refund.amount_minor == row.amount_minor}
            for refund in candidates
        ],
    }


def _amount(refund: Refund) -> str:
    asset = refund.asset
    return f"{format_minor(refund.amount_minor, asset.decimals, trim=True)} {asset.code}"


def _file(content: str | bytes, name: str, content_type: str) -> HttpResponse:
    return HttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _stamp(now: datetime) -> str:
    return timezone.localtime(now).strftime("%Y%m%d-%H%M")


def _number(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404
    return int(text)

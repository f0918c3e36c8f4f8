"""The pages of the admin that prepare emptying a forwarder wallet. They show a call; who sends it signs it elsewhere."""

from __future__ import annotations

import base64
import io
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from qrcode.constants import ERROR_CORRECT_L
from qrcode.main import QRCode

from chains import wallets
from chains.evm import flush, forwarder, holdings
from chains.evm.addresses import checksum_address
from chains.evm.unsigned_call import UnsignedCall
from chains.models import DepositAddress, OnChainAsset, Wallet
from chains.nodes import NodeUnavailable, NodeWrongChain

ADDRESSES_PER_PAGE = 200
# A denser code is no longer read from a screen.
QR_TEXT_LENGTH_MAX = 900


class EmptyingPages(admin.ModelAdmin):
    """What WalletAdmin shows of emptying: ``…/<wallet>/emptying/`` and the call as a file."""

    change_form_template = "admin/chains/wallet/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        """The emptying pages before the general ones."""
        view = self.admin_site.admin_view
        pages = [
            path("<int:wallet_id>/emptying/", view(self.emptying), name="chains_wallet_emptying"),
            path(
                "<int:wallet_id>/emptying/call.json",
                view(self.emptying_file),
                name="chains_wallet_emptying_file",
            ),
        ]
        return [*pages, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say whether the wallet can be emptied by a call."""
        wallet = context.get("original")
        context["can_be_emptied"] = isinstance(wallet, Wallet) and _is_forwarder(wallet)
        return super().render_change_form(request, context, *args, **kwargs)

    def emptying(self, request: HttpRequest, wallet_id: int) -> HttpResponse:
        """The addresses that hold money now, and the call that empties them. No database transaction is open here."""
        wallet = self._wallet(request, wallet_id)
        contracts = forwarder.parse(wallet.public_key)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Prepare emptying: %(wallet)s") % {"wallet": wallet.label},
            "opts": self.opts,
            "original": wallet,
            "treasury": checksum_address(contracts.treasury),
            "factory": checksum_address(contracts.factory),
        }
        try:
            context |= _held(wallet, before_index=_whole_number(request.GET.get("before")))
            context |= _call(wallet, context["holdings"])
        except (NodeUnavailable, NodeWrongChain, flush.FlushRefused) as error:
            context["error"] = str(error)
        return TemplateResponse(request, "admin/chains/wallet/emptying.html", context)

    def emptying_file(self, request: HttpRequest, wallet_id: int) -> HttpResponse:
        """The call for the addresses (``index``) and tokens (``token``) that the page named, as a file. Asks no node."""
        wallet = self._wallet(request, wallet_id)
        indexes = [_whole_number(text) for text in request.GET.getlist("index")]
        addresses = DepositAddress.objects.filter(wallet=wallet, derivation_index__in=indexes)
        tokens = OnChainAsset.objects.filter(network=wallet.network, code__in=request.GET.getlist("token"))
        try:
            call = flush.call_for(wallet, list(addresses.order_by("-derivation_index")), list(tokens))
        except flush.FlushRefused as refusal:
            raise Http404(str(refusal)) from refusal
        name = f"empty-wallet-{wallet.pk}.json"
        return HttpResponse(
            call.json(),
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _wallet(self, request: HttpRequest, wallet_id: int) -> Wallet:
        wallet = get_object_or_404(Wallet.objects.select_related("network"), pk=wallet_id)
        if not self.has_view_permission(request, wallet):
            raise PermissionDenied
        if not _is_forwarder(wallet):
            raise Http404("only a forwarder wallet is emptied by a call")
        return wallet


def _is_forwarder(wallet: Wallet) -> bool:
    return wallets.method(wallet.public_key) is wallets.Method.FORWARDER


def _held(wallet: Wallet, *, before_index: int | None) -> dict[str, Any]:
    """What the page shows once the node has answered."""
    addresses = flush.paid_addresses(wallet, before_index=before_index, count_max=ADDRESSES_PER_PAGE)
    assets = list(OnChainAsset.objects.filter(network=wallet.network))
    held = holdings.read(wallet.network, addresses, assets)
    older = addresses[-1].derivation_index if len(addresses) == ADDRESSES_PER_PAGE else None
    return {"holdings": held, "looked_at": len(addresses), "older_before": older}


def _call(wallet: Wallet, held: list[holdings.Holding]) -> dict[str, Any]:
    """What the page shows of the call that empties them."""
    if not held:
        return {}
    call, count = flush.prepare_largest(wallet, held)
    return {
        "call": call,
        "count": count,
        "left": len(held) - count,
        "file_url": _file_url(wallet, held[:count]),
        "qr": _qr(call),
    }


def _file_url(wallet: Wallet, emptied: list[holdings.Holding]) -> str:
    tokens = {asset.code for holding in emptied for asset, _amount in holding.amounts if asset.contract}
    named = [("index", str(holding.address.derivation_index)) for holding in emptied]
    named += [("token", code) for code in sorted(tokens)]
    return f"{reverse('admin:chains_wallet_emptying_file', args=[wallet.pk])}?{urlencode(named)}"


def _qr(call: UnsignedCall) -> str:
    """The call's URI as a picture in a data: URL; "" when it is too long to be scanned."""
    if not call.uri or len(call.uri) > QR_TEXT_LENGTH_MAX:
        return ""
    code = QRCode(error_correction=ERROR_CORRECT_L, box_size=4, border=4)
    code.add_data(call.uri)
    code.make(fit=True)
    picture = io.BytesIO()
    code.make_image().save(picture)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"


def _whole_number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return int(text)

"""Importing a wallet in the admin, in two steps: paste its public key; find its first three addresses in the wallet itself."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chains import wallets
from chains.emptying_admin import EmptyingPages
from chains.evm import forwarder_check
from chains.forms import WalletForm
from chains.models import Network, Wallet


class CheckedRequest(HttpRequest):
    """A request of which is known why the wallet in it must not be imported ("": nothing speaks against it)."""

    contract_fault: str


class ImportPages(EmptyingPages):
    """The adding of a wallet as WalletAdmin shows it."""

    form = WalletForm

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The second step, where it is due, before the admin's own adding.

        A forwarder's contracts are looked at here, on their network, before the admin opens its database transaction.
        """
        if request.method != "POST" or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        network = Network.objects.filter(pk=request.POST.get("network", "")).first()
        if network is not None:
            fault = forwarder_check.fault(network, request.POST.get("public_key", ""))
            cast(CheckedRequest, request).contract_fault = fault
        form = self.get_form(request)(request.POST)
        if form.is_valid() and not form.is_confirmed:
            return self._confirmation(request, form)
        return super().add_view(request, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[WalletForm]:
        """The form knows what ``add_view`` found."""
        form = cast(type[WalletForm], super().get_form(request, obj, change, **kwargs))
        form.contract_fault = getattr(request, "contract_fault", "")
        return form

    def save_model(self, request: HttpRequest, obj: Wallet, form: Any, change: bool) -> None:
        """The verb makes the row (the operator's wallet); the form's unsaved one only takes its key."""
        if not form.is_confirmed:
            raise PermissionDenied("the first addresses were not confirmed")
        saved = wallets.import_wallet(
            network=obj.network,
            label=obj.label,
            owner="",
            public_key=form.cleaned_data["public_key"],
            now=timezone.now(),
        )
        obj.pk = saved.pk
        obj.refresh_from_db()

    def _confirmation(self, request: HttpRequest, form: WalletForm) -> HttpResponse:
        network = form.cleaned_data["network"]
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Does the wallet show these addresses?"),
            "opts": self.opts,
            "form": form,
            "network": network,
            "retiring": Wallet.objects.filter(network=network, owner="", active=True).first(),
            "is_forwarder": wallets.method(form.cleaned_data["public_key"]) is wallets.Method.FORWARDER,
        }
        return TemplateResponse(request, "admin/chains/wallet/confirm.html", context)

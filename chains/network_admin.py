"""How the admin adds networks and assets: nodes are asked first, outside the database transaction of the admin's page."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from chains import networks
from chains.evm.token_contract import Token, TokenRefused
from chains.models import Network, OnChainAsset
from chains.network_forms import NetworkForm, OnChainAssetForm
from chains.networks import Anchor, NetworkRefused
from chains.nodes import NodeError, NodeUnavailable
from chains.presets import PRESETS

_Context = dict[str, Any] | None


class _AskedRequest(HttpRequest):
    """A request of which is known what the nodes say to it."""

    anchor: Anchor | None
    token: Token | None
    fault: str


class NetworkAdding(admin.ModelAdmin):
    """Adds a network known by name through ``networks.add_network``."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: _Context = None
    ) -> HttpResponse:
        """Ask the network's nodes which chain they follow."""
        asked = cast(_AskedRequest, request)
        asked.anchor, asked.fault = None, ""
        preset = PRESETS.get(request.POST.get("preset", ""))
        if preset is not None and self.has_add_permission(request):
            slug = request.POST.get("wanted_slug", "").strip() or preset.slug
            try:
                asked.anchor = networks.read_anchor(slug, preset)
            except (NetworkRefused, NodeUnavailable, NodeError) as error:
                asked.fault = str(error)
        return super().add_view(request, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        """On the page that adds one: the choice of a network, which knows what ``add_view`` found."""
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        form = super().get_form(request, obj, change, **{**kwargs, "form": NetworkForm, "fields": []})
        adding = cast(type[NetworkForm], form)
        adding.anchor = getattr(request, "anchor", None)
        adding.node_fault = getattr(request, "fault", "")
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ("preset", "wanted_slug", "wanted_name", "confirmed")})]

    def save_model(self, request: HttpRequest, obj: Network, form: Any, change: bool) -> None:
        """A new network is made by the verb; the form's unsaved one only takes its key."""
        if change:
            super().save_model(request, obj, form, change)
            return
        cleaned = form.cleaned_data
        saved = networks.add_network(
            PRESETS[cleaned["preset"]],
            slug=cleaned["wanted_slug"],
            name=cleaned["wanted_name"],
            anchor=form.anchor,
        )
        obj.pk = saved.pk
        obj.refresh_from_db()


class AssetAdding(admin.ModelAdmin):
    """Adds a token through ``networks.add_token`` once its contract has said the same as the person."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: _Context = None
    ) -> HttpResponse:
        """Ask the contract what it says of itself."""
        asked = cast(_AskedRequest, request)
        asked.token, asked.fault = None, ""
        network = Network.objects.filter(pk=request.POST.get("network", "")).first()
        address = request.POST.get("contract_address", "").strip()
        if network is not None and address and self.has_add_permission(request):
            try:
                asked.token = networks.look_at_token(network, address)
            except (NetworkRefused, TokenRefused, NodeUnavailable) as error:
                asked.fault = str(error)
        return super().add_view(request, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        """The form knows what ``add_view`` found."""
        form = super().get_form(request, obj, change, **kwargs)
        adding = cast(type[OnChainAssetForm], form)
        adding.token = getattr(request, "token", None)
        adding.token_fault = getattr(request, "fault", "")
        return form

    def save_model(self, request: HttpRequest, obj: OnChainAsset, form: Any, change: bool) -> None:
        """A new token is made by the verb; the form's unsaved one only takes its key."""
        if change or form.token is None:
            super().save_model(request, obj, form, change)
            return
        saved = networks.add_token(
            obj.network,
            form.token,
            code=obj.code,
            symbol=obj.symbol,
            name=obj.name,
            quote_decimals=obj.quote_decimals,
        )
        obj.pk = saved.pk
        obj.refresh_from_db()

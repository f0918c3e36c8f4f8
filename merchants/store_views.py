"""Pages of a store: its creation, settings and API keys."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from merchants import api_keys, installation, stores, wording
from merchants.forms import KeyForm, StoreForm
from merchants.models import ApiKey, MerchantStatus, User
from merchants.roles import merchants_where, store_for


@login_required
@require_http_methods(["GET", "POST"])
def store_create(request: HttpRequest) -> HttpResponse:
    """A new store of the person's approved merchant; without one, how the application stands."""
    assert isinstance(request.user, User)
    able = merchants_where(request.user, "manage_store")
    approved = [merchant for merchant in able if merchant.status == MerchantStatus.APPROVED]
    if not approved:
        return redirect("application")
    merchant, now = approved[0], timezone.now()
    choices = installation.current().asset_choices(now)
    form = StoreForm(request.POST or None, asset_choices=choices)
    if form.is_bound and form.is_valid():
        store = stores.create_store(form.store_settings(), merchant=merchant, now=now)
        messages.success(request, _("The store is open."))
        return redirect("invoice_list", store.pk)
    first = not merchant.stores.exists()
    return render(
        request, "merchants/store_create.html", {"form": form, "merchant": merchant, "first": first}
    )


@login_required
@require_http_methods(["GET", "POST"])
def store_settings(request: HttpRequest, store_id: str) -> HttpResponse:
    """A store's settings; an invoice that exists keeps what it was made with."""
    store = store_for(request.user, store_id, "manage_store")
    choices = installation.current().asset_choices(timezone.now())
    form = StoreForm(request.POST or None, asset_choices=choices, store=store)
    if form.is_bound and form.is_valid():
        stores.update_store(store, form.store_settings(), archived=form.cleaned_data["archived"])
        messages.success(request, _("Saved."))
        return redirect("store_settings", store.pk)
    return render(request, "merchants/store_settings.html", {"store": store, "nav": "settings", "form": form})


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest, store_id: str) -> HttpResponse:
    """A store's API keys. A new key is shown in the answer to its making, and never again."""
    store = store_for(request.user, store_id, "manage_keys")
    form, new_key = KeyForm(request.POST or None), ""
    if form.is_bound and form.is_valid():
        assert isinstance(request.user, User)
        _row, new_key = api_keys.create(
            store=store,
            label=form.cleaned_data["label"],
            permissions=form.cleaned_data["permissions"],
            user=request.user,
            now=timezone.now(),
        )
        form = KeyForm()
    rows = [
        {"key": row, "permissions": [wording.PERMISSIONS.get(name, name) for name in row.permissions]}
        for row in ApiKey.objects.filter(store=store).select_related("created_by")
    ]
    context = {"store": store, "nav": "keys", "form": form, "new_key": new_key, "rows": rows}
    return render(request, "merchants/api_keys.html", context)


@login_required
@require_POST
def key_revoke(request: HttpRequest, store_id: str, key_id: int) -> HttpResponse:
    """From now on the key opens nothing."""
    store = store_for(request.user, store_id, "manage_keys")
    api_keys.revoke(get_object_or_404(ApiKey, store=store, pk=key_id), now=timezone.now())
    messages.success(request, _("The key is revoked."))
    return redirect("api_keys", store.pk)

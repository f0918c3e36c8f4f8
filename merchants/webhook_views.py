"""Pages of a store's webhooks: where they go, what was delivered, and delivering it again."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alatau_pay.identifiers import is_public_id
from merchants import webhooks
from merchants.forms import WebhookForm
from merchants.models import Store, Webhook, WebhookDelivery
from merchants.roles import store_for

DELIVERIES_SHOWN = 50


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def webhook_list(request: HttpRequest, store_id: str) -> HttpResponse:
    """A store's webhooks. A new one's secret is shown in the answer to its making, and never again."""
    store = store_for(request.user, store_id, "manage_webhooks")
    form, made, secret = WebhookForm(request.POST or None), None, ""
    if form.is_bound and form.is_valid():
        made, secret = webhooks.create_webhook(store=store, now=timezone.now(), **form.cleaned_data)
        form = WebhookForm()
    context = {
        "store": store,
        "nav": "webhooks",
        "form": form,
        "made": made,
        "secret": secret,
        "webhooks": Webhook.objects.filter(store=store, deleted_at__isnull=True),
    }
    return render(request, "merchants/webhooks.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def webhook_detail(request: HttpRequest, store_id: str, webhook_id: str) -> HttpResponse:
    """One webhook: its settings and its last deliveries."""
    store, webhook = _found(request, store_id, webhook_id)
    form = WebhookForm(request.POST or None, webhook=webhook)
    if form.is_bound and form.is_valid():
        webhooks.update_webhook(webhook, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("webhook_detail", store.pk, webhook.pk)
    context = {
        "store": store,
        "nav": "webhooks",
        "webhook": webhook,
        "form": form,
        "deliveries": webhook.deliveries.defer("body")[:DELIVERIES_SHOWN],
    }
    return render(request, "merchants/webhook_detail.html", context)


@login_required
@require_POST
def webhook_delete(request: HttpRequest, store_id: str, webhook_id: str) -> HttpResponse:
    """Nothing is sent there any more."""
    store, webhook = _found(request, store_id, webhook_id)
    webhooks.delete_webhook(webhook, now=timezone.now())
    messages.success(request, _("The webhook is deleted."))
    return redirect("webhooks", store.pk)


@login_required
@require_GET
def delivery_detail(request: HttpRequest, store_id: str, webhook_id: str, delivery_id: str) -> HttpResponse:
    """One delivery: what was sent, and how it ended."""
    store, webhook = _found(request, store_id, webhook_id)
    delivery = _delivery(webhook, delivery_id)
    context = {
        "store": store,
        "nav": "webhooks",
        "webhook": webhook,
        "delivery": delivery,
        "body": bytes(delivery.body).decode(),
    }
    return render(request, "merchants/delivery_detail.html", context)


@login_required
@require_POST
def delivery_redeliver(
    request: HttpRequest, store_id: str, webhook_id: str, delivery_id: str
) -> HttpResponse:
    """Send the same event once more."""
    store, webhook = _found(request, store_id, webhook_id)
    webhooks.redeliver(
        get_object_or_404(WebhookDelivery, webhook=webhook, pk=delivery_id), now=timezone.now()
    )
    messages.success(request, _("It is being delivered again."))
    return redirect("webhook_detail", store.pk, webhook.pk)


def _found(request: HttpRequest, store_id: str, webhook_id: str) -> tuple[Store, Webhook]:
    store = store_for(request.user, store_id, "manage_webhooks")
    if not is_public_id(webhook_id):
        raise Http404("no such webhook")
    return store, get_object_or_404(Webhook, store=store, pk=webhook_id, deleted_at__isnull=True)


def _delivery(webhook: Webhook, delivery_id: str) -> WebhookDelivery:
    if not is_public_id(delivery_id):
        raise Http404("no such delivery")
    return get_object_or_404(WebhookDelivery, webhook=webhook, pk=delivery_id)

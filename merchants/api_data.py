"""Rows as the Greenfield API shows them: times in Unix seconds, durations in seconds."""

from __future__ import annotations

from typing import Any

from merchants.models import DeliveryStatus, Store, Webhook, WebhookDelivery

LANGUAGE_TAGS = {"kk": "kk-KZ", "ru": "ru-RU", "en": "en"}


def store_data(store: Store) -> dict[str, Any]:
    """A store's settings. ``paymentTolerance`` is a percentage."""
    whole, rest = divmod(store.tolerance_basis_points, 100)
    return {
        "id": store.pk,
        "name": store.name,
        "website": store.website or None,
        "defaultCurrency": "KZT",
        "invoiceExpiration": store.invoice_minutes * 60,
        "monitoringExpiration": store.monitoring_minutes * 60,
        "speedPolicy": store.speed_policy,
        "paymentTolerance": whole if rest == 0 else store.tolerance_basis_points / 100,
        "defaultLang": LANGUAGE_TAGS[store.language],
        "archived": store.archived,
    }


def webhook_data(webhook: Webhook) -> dict[str, Any]:
    """A webhook without its secret."""
    return {
        "id": webhook.pk,
        "enabled": webhook.enabled,
        "automaticRedelivery": webhook.automatic_redelivery,
        "url": webhook.url,
        "authorizedEvents": {"everything": not webhook.event_types, "specificEvents": webhook.event_types},
    }


def delivery_data(delivery: WebhookDelivery) -> dict[str, Any]:
    """How a delivery went: HttpSuccess, HttpError (an answer other than 2xx), Failed (no answer) or Pending (not tried)."""
    if delivery.status == DeliveryStatus.DELIVERED:
        status = "HttpSuccess"
    elif delivery.last_status_code is not None:
        status = "HttpError"
    else:
        status = "Failed" if delivery.last_error else "Pending"
    return {
        "id": delivery.pk,
        "timestamp": int(delivery.created_at.timestamp()),
        "httpCode": delivery.last_status_code,
        "errorMessage": delivery.last_error or None,
        "status": status,
    }

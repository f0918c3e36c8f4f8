"""Telling a store's server what happened: an outbox in the database, delivered later, repeated, redeliverable.

``record`` writes rows inside the caller's database transaction and posts nothing. ``deliver_due`` claims rows by pushing
their next attempt ahead (a lease: the row of a killed worker is due again when it ends), posts outside any database transaction,
and writes the result. One webhook has at most one first attempt under way, so its events arrive in the order they
happened; an event that failed once no longer holds the following ones back.
"""

from __future__ import annotations

import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q

from alatau_pay.identifiers import new_public_id
from alatau_pay.secret_box import SealBroken, seal, unseal
from alatau_pay.wake import wake
from merchants import outgoing, webhook_message
from merchants.models import DeliveryStatus, Store, Webhook, WebhookDelivery, WebhookEventType

DELIVER_TASK = "merchants.tasks.deliver_webhooks"
SECRET_BYTES = 32
SECRET_LENGTH_MAX = 200
BATCH = 16
# Longer than any exchange may take, so that no row is posted twice at once.
LEASE_MARGIN = timedelta(seconds=50)


class EventTypeUnknown(ValueError):
    """An event name that this installation does not send."""


class WebhookGone(Exception):
    """The webhook was deleted."""


def create_webhook(
    *,
    store: Store,
    url: str,
    event_types: list[str],
    now: datetime,
    secret: str | None = None,
    enabled: bool = True,
    automatic_redelivery: bool = True,
) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is shown once. An empty list of event types means every event.

    Raises:
        outgoing.AddressRefused: the address may not be posted to.
        EventTypeUnknown: an unknown event name.
    """
    _check(url, event_types)
    secret = secret or new_secret()
    webhook = Webhook.objects.create(
        store=store,
        url=url,
        secret_encrypted=seal(secret.encode()),
        event_types=event_types,
        enabled=enabled,
        automatic_redelivery=automatic_redelivery,
        created_at=now,
    )
    return webhook, secret


def update_webhook(
    webhook: Webhook,
    *,
    url: str,
    event_types: list[str],
    enabled: bool,
    automatic_redelivery: bool,
    secret: str | None = None,
) -> Webhook:
    """The webhook with other settings; without a new ``secret`` the old one stays. Raises as ``create_webhook``."""
    _check(url, event_types)
    webhook.url, webhook.event_types = url, event_types
    webhook.enabled, webhook.automatic_redelivery = enabled, automatic_redelivery
    if secret:
        webhook.secret_encrypted = seal(secret.encode())
    webhook.save(update_fields=["url", "event_types", "enabled", "automatic_redelivery", "secret_encrypted"])
    return webhook


def delete_webhook(webhook: Webhook, *, now: datetime) -> None:
    """Nothing is sent there any more; what was sent stays on record."""
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk, deleted_at__isnull=True).update(deleted_at=now, enabled=False)
        WebhookDelivery.objects.filter(webhook=webhook, status=DeliveryStatus.PENDING).update(
            status=DeliveryStatus.FAILED, next_attempt_at=None, last_error="the webhook was deleted"
        )


def new_secret() -> str:
    """A random secret in the form that Standard Webhooks libraries read: ``whsec_`` and 32 bytes in base64."""
    return webhook_message.STANDARD_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def record(
    *, store: Store, event_type: str, event_key: str, invoice_id: str, payload: dict[str, Any], now: datetime
) -> int:
    """One delivery for each of the store's enabled webhooks that wants the event, in the caller's database transaction.

    ``event_key`` names the thing that happened: recorded twice, it is delivered once. Returns how many webhooks want it.
    """
    wanting = Webhook.objects.filter(
        Q(event_types=[]) | Q(event_types__contains=[event_type]),
        store=store,
        enabled=True,
        deleted_at__isnull=True,
    )
    at = _after_earlier(invoice_id, now)
    rows = [_row(webhook, event_type, event_key, invoice_id, payload, at) for webhook in wanting]
    if rows:
        # The loser of a race over (webhook, event_key) leaves the winner's row as it is.
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        wake(DELIVER_TASK)
    return len(rows)


def redeliver(delivery: WebhookDelivery, *, now: datetime) -> WebhookDelivery:
    """A new delivery of the same event, due at once.

    Raises:
        WebhookGone: its webhook was deleted.
    """
    if delivery.webhook.deleted_at is not None:
        raise WebhookGone
    delivery_id, original_id = new_public_id(), delivery.original_id or delivery.pk
    body = webhook_message.repeated_body(
        bytes(delivery.body), delivery_id=delivery_id, original_id=original_id, at=now
    )
    again = WebhookDelivery.objects.create(
        pk=delivery_id,
        webhook=delivery.webhook,
        event_type=delivery.event_type,
        event_key=f"redelivery:{delivery_id}",
        invoice_id=delivery.invoice_id,
        body=body,
        original_id=original_id,
        next_attempt_at=now,
        created_at=now,
    )
    wake(DELIVER_TASK)
    return again


def deliver_due(now: datetime) -> int:
    """Post one batch of the deliveries that are due at ``now``; returns how many were tried. Call again until it is 0."""
    claimed = _claim(now)
    with ThreadPoolExecutor(max_workers=BATCH) as threads:
        # Threads touch no database: everything they need was read while claiming.
        answers = list(threads.map(lambda delivery: _post(delivery, now), claimed))
    for delivery, answer in zip(claimed, answers, strict=True):
        _finish(delivery, answer, now)
    return len(claimed)


def _check(url: str, event_types: list[str]) -> None:
    outgoing.check_address(url, private_allowed=settings.WEBHOOKS_TO_PRIVATE_ADDRESSES)
    unknown = sorted(set(event_types) - set(WebhookEventType.values))
    if unknown:
        raise EventTypeUnknown(f"unknown event: {', '.join(unknown)}")


def _after_earlier(invoice_id: str, now: datetime) -> datetime:
    """``now``, or just after the invoice's last event: what happened in one database transaction keeps its order."""
    earlier = WebhookDelivery.objects.filter(invoice_id=invoice_id, created_at__gte=now).aggregate(
        last=Max("created_at")
    )
    return earlier["last"] + timedelta(microseconds=1) if earlier["last"] else now


def _row(
    webhook: Webhook, event_type: str, event_key: str, invoice_id: str, payload: dict[str, Any], at: datetime
) -> WebhookDelivery:
    delivery_id = new_public_id()
    body = webhook_message.first_body(
        payload,
        delivery_id=delivery_id,
        webhook_id=webhook.pk,
        event_type=event_type,
        store_id=webhook.store_id,
        invoice_id=invoice_id,
        at=at,
    )
    return WebhookDelivery(
        pk=delivery_id,
        webhook=webhook,
        event_type=event_type,
        event_key=event_key,
        invoice_id=invoice_id,
        body=body,
        next_attempt_at=at,
        created_at=at,
    )


def _claim(now: datetime) -> list[WebhookDelivery]:
    """The deliveries that are ours to try, each pushed ahead by its lease. Another worker skips the rows we hold."""
    pending = WebhookDelivery.objects.filter(status=DeliveryStatus.PENDING)
    # No result yet: waiting for its first attempt, or in the middle of one.
    unanswered_before = pending.filter(
        webhook=OuterRef("webhook"), created_at__lt=OuterRef("created_at"), last_error=""
    )
    lease = timedelta(seconds=settings.WEBHOOK_TIMEOUT_SECONDS) + LEASE_MARGIN
    with transaction.atomic():
        due = (
            pending.filter(~Exists(unanswered_before), next_attempt_at__lte=now)
            .select_related("webhook")
            .order_by("next_attempt_at", "created_at")
            .select_for_update(skip_locked=True, of=("self",))[:BATCH]
        )
        claimed = list(due)
        WebhookDelivery.objects.filter(pk__in=[delivery.pk for delivery in claimed]).update(
            attempts=F("attempts") + 1,
            next_attempt_at=now + lease,
            last_attempt_at=now,
            last_error="",
            last_status_code=None,
        )
    for delivery in claimed:
        delivery.attempts += 1
    return claimed


def _post(delivery: WebhookDelivery, now: datetime) -> outgoing.Answer:
    """Post one delivery. Runs in a thread and uses no database."""
    webhook, body = delivery.webhook, bytes(delivery.body)
    if not webhook.enabled:
        return outgoing.Answer(None, "the webhook is switched off")
    try:
        secret = unseal(bytes(webhook.secret_encrypted)).decode()
    except SealBroken:
        return outgoing.Answer(None, "the webhook's secret cannot be read: set a new one")
    message_id = delivery.original_id or delivery.pk
    headers = webhook_message.headers(body, secret=secret, message_id=message_id, at=now)
    return outgoing.post(
        webhook.url,
        body,
        headers,
        private_allowed=settings.WEBHOOKS_TO_PRIVATE_ADDRESSES,
        timeout_seconds=settings.WEBHOOK_TIMEOUT_SECONDS,
    )


def _finish(delivery: WebhookDelivery, answer: outgoing.Answer, now: datetime) -> None:
    """Write how the attempt ended, unless its lease ran out and another worker has taken the row since."""
    delay = webhook_message.retry_delay(delivery.attempts)
    repeats = answer.error and delivery.webhook.enabled and delivery.webhook.automatic_redelivery and delay
    status = DeliveryStatus.PENDING if repeats else DeliveryStatus.FAILED
    WebhookDelivery.objects.filter(
        pk=delivery.pk, status=DeliveryStatus.PENDING, attempts=delivery.attempts
    ).update(
        status=status if answer.error else DeliveryStatus.DELIVERED,
        next_attempt_at=now + delay if repeats and delay else None,
        last_status_code=answer.status_code,
        last_error=answer.error,
    )

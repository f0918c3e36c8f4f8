"""The task that Celery runs: everything due is delivered, and the message's name is the one that is sent."""

import pytest
from django.utils import timezone

from alatau_pay.celery import app
from merchants import tasks, webhooks
from merchants.models import WebhookDelivery
from tests.foreign_server import Answer, ForeignServer
from tests.merchants import people

pytestmark = pytest.mark.django_db


def test_the_task_delivers_a_queue_that_is_longer_than_one_batch():
    store = people.store_of(people.approved())
    with ForeignServer().running() as shop:
        shop.answers["/"] = Answer()
        now = timezone.now()
        for number in range(webhooks.BATCH + 4):
            url = f"{shop.url}/{number}"
            webhooks.create_webhook(store=store, url=url, event_types=[], now=now)
        for event in ("InvoiceCreated", "InvoiceSettled"):
            webhooks.record(
                store=store, event_type=event, event_key=event, invoice_id="I1", payload={}, now=now
            )
        assert tasks.deliver_webhooks() == 2 * (webhooks.BATCH + 4)
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"Delivered"}
    assert tasks.deliver_webhooks() == 0


def test_the_task_is_known_by_the_name_that_record_and_beat_send():
    assert webhooks.DELIVER_TASK in app.tasks
    assert webhooks.DELIVER_TASK in {entry["task"] for entry in app.conf.beat_schedule.values()}

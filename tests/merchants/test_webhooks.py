"""The outbox: recorded once with what happened, delivered in order, repeated, and never twice at once."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.utils import IntegrityError

from merchants import webhook_message, webhooks
from merchants.models import DeliveryStatus, Webhook, WebhookDelivery
from tests.foreign_server import Answer, ForeignServer
from tests.merchants import people

NOW = people.NOW
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    with ForeignServer().running() as server:
        server.answers["/"] = Answer()
        yield server


@pytest.fixture
def store():
    return people.store_of(people.approved())


def make(store, shop, path="/hook", **more):
    arguments = {"url": shop.url + path, "event_types": [], "now": NOW} | more
    return webhooks.create_webhook(store=store, **arguments)


def record(store, key="settled", *, event_type="InvoiceSettled", invoice_id="INVOICE", now=NOW, **payload):
    return webhooks.record(
        store=store, event_type=event_type, event_key=key, invoice_id=invoice_id, payload=payload, now=now
    )


def deliver_all(now=NOW + timedelta(seconds=1)):
    rounds = 0
    while webhooks.deliver_due(now):
        rounds += 1
        assert rounds < 50
    return rounds


def received(shop):
    return [(asked.path, json.loads(asked.body)["type"]) for asked in shop.asked]


def only():
    return WebhookDelivery.objects.get()


def test_what_happened_is_posted_with_its_signatures(store, shop):
    webhook, secret = make(store, shop)
    assert record(store, overPaid=False) == 1
    assert shop.asked == []
    deliver_all()
    asked, delivery = shop.asked[0], only()
    assert asked.body == bytes(delivery.body)
    expected = webhook_message.headers(
        asked.body, secret=secret, message_id=delivery.pk, at=NOW + timedelta(seconds=1)
    )
    assert {name: asked.headers[name] for name in expected} == expected
    assert json.loads(asked.body)["webhookId"] == webhook.pk
    assert (delivery.status, delivery.attempts, delivery.last_status_code) == (
        DeliveryStatus.DELIVERED,
        1,
        200,
    )
    assert delivery.next_attempt_at is None


def test_the_same_event_recorded_twice_is_delivered_once(store, shop):
    make(store, shop)
    record(store)
    record(store, now=NOW + timedelta(minutes=1))
    deliver_all()
    assert len(shop.asked) == 1


def test_what_is_rolled_back_is_never_told(store, shop):
    make(store, shop)
    with pytest.raises(RuntimeError), transaction.atomic():
        record(store)
        raise RuntimeError("the caller's database transaction fails")
    assert deliver_all() == 0
    assert not WebhookDelivery.objects.exists()


def test_only_the_stores_own_webhooks_that_want_the_event_get_it(store, shop):
    make(store, shop, "/all")
    make(store, shop, "/settled", event_types=["InvoiceSettled"])
    make(store, shop, "/created", event_types=["InvoiceCreated"])
    make(store, shop, "/off", enabled=False)
    webhooks.delete_webhook(make(store, shop, "/deleted")[0], now=NOW)
    make(people.store_of(people.approved(1)), shop, "/stranger")
    assert record(store) == 2
    deliver_all()
    assert sorted(path for path, _type in received(shop)) == ["/all", "/settled"]


def test_a_store_without_webhooks_records_nothing(store):
    assert record(store) == 0


def test_events_arrive_in_the_order_they_happened_also_those_of_one_moment(store, shop):
    make(store, shop)
    kinds = [
        "InvoiceCreated",
        "InvoiceReceivedPayment",
        "InvoiceProcessing",
        "InvoicePaymentSettled",
        "InvoiceSettled",
    ]
    with transaction.atomic():
        for kind in kinds:
            record(store, kind, event_type=kind)
    deliver_all()
    assert [kind for _path, kind in received(shop)] == kinds


def test_a_first_attempt_waits_for_the_one_before_but_not_for_its_repeats(store, shop):
    make(store, shop)
    shop.answers["/hook"] = Answer(status=500)
    record(store, "first")
    record(store, "second", now=NOW + timedelta(seconds=1))
    at = NOW + timedelta(seconds=2)
    assert webhooks.deliver_due(at) == 1
    assert webhooks.deliver_due(at) == 1
    assert webhooks.deliver_due(at) == 0
    assert [delivery.attempts for delivery in WebhookDelivery.objects.all()] == [1, 1]


def test_a_failed_delivery_is_repeated_after_each_delay_and_then_failed(store, shop):
    make(store, shop)
    shop.answers["/hook"] = Answer(status=500)
    record(store)
    at = NOW
    for delay in webhook_message.RETRY_DELAYS:
        assert webhooks.deliver_due(at) == 1
        delivery = only()
        assert (delivery.status, delivery.next_attempt_at) == (DeliveryStatus.PENDING, at + delay)
        assert (delivery.last_status_code, delivery.last_error) == (500, "HTTP 500")
        assert webhooks.deliver_due(at + delay - timedelta(microseconds=1)) == 0
        at += delay
    assert webhooks.deliver_due(at) == 1
    assert (only().status, only().attempts) == (DeliveryStatus.FAILED, 9)
    assert webhooks.deliver_due(at + timedelta(days=30)) == 0
    ids = {asked.headers["webhook-id"] for asked in shop.asked}
    assert ids == {only().pk}


def test_a_repeat_that_succeeds_is_delivered(store, shop):
    make(store, shop)
    shop.answers["/hook"] = Answer(status=503)
    record(store)
    webhooks.deliver_due(NOW)
    shop.answers["/hook"] = Answer()
    assert webhooks.deliver_due(NOW + timedelta(seconds=10)) == 1
    delivery = only()
    assert (delivery.status, delivery.attempts, delivery.last_error) == (DeliveryStatus.DELIVERED, 2, "")


def test_without_automatic_redelivery_one_attempt_is_all(store, shop):
    make(store, shop, automatic_redelivery=False)
    shop.answers["/hook"] = Answer(status=500)
    record(store)
    webhooks.deliver_due(NOW)
    assert only().status == DeliveryStatus.FAILED


def test_a_webhook_that_was_switched_off_is_not_posted_to(store, shop):
    webhook, _secret = make(store, shop)
    record(store)
    webhooks.update_webhook(
        webhook, url=webhook.url, event_types=[], enabled=False, automatic_redelivery=True
    )
    webhooks.deliver_due(NOW)
    assert shop.asked == []
    assert (only().status, only().last_error) == (DeliveryStatus.FAILED, "the webhook is switched off")


def test_a_deleted_webhook_fails_what_was_waiting(store, shop):
    webhook, _secret = make(store, shop)
    record(store)
    webhooks.delete_webhook(webhook, now=NOW)
    assert webhooks.deliver_due(NOW) == 0
    assert only().status == DeliveryStatus.FAILED
    with pytest.raises(webhooks.WebhookGone):
        webhooks.redeliver(WebhookDelivery.objects.select_related("webhook").get(), now=NOW)


def test_a_redelivery_is_a_new_row_with_the_same_event(store, shop):
    make(store, shop)
    record(store, metadata={"orderId": "1042"})
    deliver_all()
    first = only()
    second = webhooks.redeliver(first, now=NOW + timedelta(hours=1))
    third = webhooks.redeliver(second, now=NOW + timedelta(hours=2))
    assert second.original_id == third.original_id == first.pk
    deliver_all(NOW + timedelta(hours=2))
    bodies = [json.loads(asked.body) for asked in shop.asked]
    assert [body["deliveryId"] for body in bodies] == [first.pk, second.pk, third.pk]
    assert {body["originalDeliveryId"] for body in bodies} == {first.pk}
    assert [body["isRedelivery"] for body in bodies] == [False, True, True]
    assert {body["metadata"]["orderId"] for body in bodies} == {"1042"}
    assert {asked.headers["webhook-id"] for asked in shop.asked} == {first.pk}


def test_a_killed_worker_loses_nothing(store, shop):
    """Its row was claimed and never finished: it is due again when the lease ends, and no earlier."""
    make(store, shop)
    record(store)
    claimed = webhooks._claim(NOW)
    assert len(claimed) == 1
    assert webhooks.deliver_due(NOW + timedelta(seconds=59)) == 0
    assert webhooks.deliver_due(NOW + timedelta(seconds=60)) == 1
    assert (only().status, only().attempts) == (DeliveryStatus.DELIVERED, 2)


def test_a_worker_that_comes_back_late_does_not_overwrite_the_next_ones_result(store, shop):
    make(store, shop)
    record(store)
    late = webhooks._claim(NOW)[0]
    assert webhooks.deliver_due(NOW + timedelta(seconds=60)) == 1
    webhooks._finish(late, webhooks.outgoing.Answer(None, "no answer in time"), NOW + timedelta(seconds=61))
    assert (only().status, only().last_error) == (DeliveryStatus.DELIVERED, "")


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_post_every_event_once(store, shop):
    for path in ("/a", "/b", "/c"):
        make(store, shop, path)
    for number in range(6):
        record(store, f"event {number}", invoice_id=f"I{number}", now=NOW + timedelta(seconds=number))
    barrier = threading.Barrier(2)

    def work():
        try:
            barrier.wait()
            idle = 0
            while idle < 5:
                idle = 0 if webhooks.deliver_due(NOW + timedelta(seconds=30)) else idle + 1
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    deliver_all(NOW + timedelta(seconds=30))
    assert len(shop.asked) == 18
    assert set(WebhookDelivery.objects.values_list("attempts", "status")) == {(1, "Delivered")}
    for path in ("/a", "/b", "/c"):
        order = [json.loads(asked.body)["invoiceId"] for asked in shop.asked if asked.path == path]
        assert order == [f"I{number}" for number in range(6)]


def test_the_secret_is_not_readable_in_the_database(store, shop):
    _webhook, secret = make(store, shop)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT row_to_json(w)::text, convert_from(secret_encrypted, 'LATIN1') FROM merchants_webhook w"
        )
        text = "".join(cursor.fetchone())
    assert secret not in text
    assert secret.removeprefix("whsec_") not in text


def test_a_new_secret_signs_from_then_on(store, shop):
    webhook, _old = make(store, shop)
    webhooks.update_webhook(
        webhook,
        url=webhook.url,
        event_types=[],
        enabled=True,
        automatic_redelivery=True,
        secret="a new secret",
    )
    record(store)
    deliver_all(NOW)
    asked = shop.asked[0]
    assert (
        asked.headers["BTCPay-Sig"]
        == webhook_message.headers(asked.body, secret="a new secret", message_id="x", at=NOW)["BTCPay-Sig"]
    )


def test_a_secret_sealed_with_a_lost_key_is_said_and_not_guessed(store, shop):
    webhook, _secret = make(store, shop)
    Webhook.objects.filter(pk=webhook.pk).update(secret_encrypted=b"sealed with another key")
    record(store)
    webhooks.deliver_due(NOW)
    assert shop.asked == []
    assert only().last_error == "the webhook's secret cannot be read: set a new one"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook", "https://10.0.0.1/hook"])
def test_a_private_address_is_refused_in_production(store, settings, url):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False
    with pytest.raises(webhooks.outgoing.AddressRefused):
        webhooks.create_webhook(store=store, url=url, event_types=[], now=NOW)
    assert not Webhook.objects.exists()


def test_an_address_that_became_private_is_not_posted_to(store, shop, settings):
    make(store, shop)
    record(store)
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False
    webhooks.deliver_due(NOW)
    assert shop.asked == []
    assert only().last_error == "the address is not on the public internet"


def test_an_unknown_event_is_refused(store, shop):
    with pytest.raises(webhooks.EventTypeUnknown):
        make(store, shop, event_types=["InvoiceSettled", "InvoiceEaten"])
    assert not Webhook.objects.exists()


def test_the_database_keeps_pending_and_queued_the_same(store, shop):
    make(store, shop)
    record(store)
    with pytest.raises(IntegrityError), transaction.atomic():
        WebhookDelivery.objects.update(next_attempt_at=None)

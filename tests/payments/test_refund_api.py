"""Refunds by a shop's server, as Greenfield's clients ask for them."""

import json
import threading
import time

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from merchants import webhooks
from merchants.models import WebhookDelivery
from payments import refunds
from payments.models import Refund
from tests import world as city
from tests.payments.refunding import BITCOIN_ADDRESS, send
from tests.payments.test_api import Shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db):
    """A shop's server, and a settled invoice that was paid with 36 765 sat."""
    now = timezone.now()
    world = city.build(now=now)
    made = Shop(world.store)
    made.world, made.invoice = world, city.make_invoice(world.store, now=now)
    city.pay(made.invoice, at=now)
    city.pay(city.make_invoice(world.store, "100000.00", now=now), at=now)
    made.payment = made.invoice.payments.get()
    return made


def ask(shop, *, key=None, **body):
    headers = {} if key is None else {"Idempotency-Key": key}
    path = shop.path(f"/{shop.invoice.pk}/refund")
    return shop.client.post(path, body, content_type="application/json", headers=headers)


def test_all_of_it_at_the_rate_then(shop):
    answer = ask(
        shop, refundVariant="RateThen", payoutMethodId="BTC-CHAIN", name="Order 5", description="came back"
    )
    assert answer.status_code == 200
    data, refund = answer.json(), Refund.objects.get()
    assert (data["id"], data["currency"], data["amount"]) == (str(refund.pk), "BTC", "0.00036765")
    assert (data["description"], data["status"]) == ("came back", "AwaitingAddress")
    assert data["viewLink"].endswith(f"/r/{refund.link_id}")
    assert data["autoApproveClaims"] is False
    assert shop.client.get(f"/r/{refund.link_id}").status_code == 200


@pytest.mark.parametrize(
    ("body", "amount_minor", "value_tiyn"),
    [
        ({"refundVariant": "CurrentRate"}, 36_764, 1_250_000),
        ({"refundVariant": "Custom", "customAmount": "5000", "customCurrency": "KZT"}, 14_706, 500_000),
        ({"refundVariant": "Custom", "customAmount": "0.0001", "customCurrency": "BTC"}, 10_000, 339_997),
    ],
)
def test_the_other_variants(shop, body, amount_minor, value_tiyn):
    assert ask(shop, **body).status_code == 200
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.value_tiyn) == (amount_minor, value_tiyn)


def test_what_was_overpaid(shop):
    now = timezone.now()
    shop.invoice = city.make_invoice(shop.world.store, now=now)
    city.pay(shop.invoice, at=now, amount_minor=40_000)
    first, again = (ask(shop, key="order-7", refundVariant="OverpaidAmount").json() for _ in range(2))
    assert first["amount"] == "0.00003235"
    assert again["id"] == first["id"] == str(Refund.objects.get().pk)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "refundVariant"),
        ({"refundVariant": "Fiat"}, 422, "refundVariant"),
        ({"refundVariant": "RateThen", "subtractPercentage": 5}, 422, "subtractPercentage"),
        ({"refundVariant": "Custom", "customAmount": "1", "customCurrency": "USD"}, 422, "customCurrency"),
        ({"refundVariant": "Custom", "customAmount": "1e-5", "customCurrency": "BTC"}, 422, "customAmount"),
        ({"refundVariant": "Custom", "customAmount": "12500.01", "customCurrency": "KZT"}, 422, "never more"),
        ({"refundVariant": "RateThen", "payoutMethodId": "ETH-CHAIN"}, 400, "non-refundable"),
        ({"refundVariant": "OverpaidAmount"}, 400, "non-refundable"),
        ({"refundVariant": "RateThen", "description": 5}, 422, "description"),
    ],
)
def test_what_is_refused(shop, body, status, said):
    answer = ask(shop, **body)
    assert answer.status_code == status
    assert said in answer.content.decode()
    assert not Refund.objects.exists()


def test_of_two_payments_one_has_to_be_named(shop):
    now = timezone.now()
    shop.invoice = city.make_invoice(shop.world.store, now=now)
    for amount in (18_000, 18_765):
        city.pay(shop.invoice, at=now, amount_minor=amount)
    assert "name one of" in ask(shop, refundVariant="RateThen").content.decode()
    second = shop.invoice.payments.last()
    assert ask(shop, refundVariant="RateThen", paymentId=str(second.pk)).json()["amount"] == "0.00018765"


def test_they_are_listed_with_where_they_stand(shop):
    ask(shop, refundVariant="RateThen")
    refund = Refund.objects.get()
    refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=timezone.now())
    refund = send(refunds.approve(refund.pk, user=shop.world.owner, now=timezone.now()), at=timezone.now())
    (data,) = shop.client.get(shop.path(f"/{shop.invoice.pk}/refund")).json()
    assert (data["status"], data["destination"], data["transactionId"]) == (
        "Completed",
        BITCOIN_ADDRESS,
        refund.outgoing.txid_hex,
    )


def test_a_key_needs_its_permission(shop):
    reader = Shop(shop.store, ["btcpay.store.canviewinvoices"])
    reader.invoice = shop.invoice
    assert ask(reader, refundVariant="RateThen").status_code == 403
    assert reader.client.get(reader.path(f"/{shop.invoice.pk}/refund")).status_code == 200
    assert not Refund.objects.exists()


def test_a_key_that_only_reads_is_not_told_the_link(shop):
    link_id = ask(shop, refundVariant="RateThen").json()["viewLink"].rpartition("/")[2]
    reader = Shop(shop.store, ["btcpay.store.canviewinvoices"])
    path = shop.path(f"/{shop.invoice.pk}/refund")
    assert link_id in shop.client.get(path).content.decode()
    # Who has the link says where the money goes.
    answer = reader.client.get(path)
    assert answer.status_code == 200
    assert link_id not in answer.content.decode()


def test_a_stranger_finds_nothing(shop):
    other, _ = city.build_merchant(shop.world.admin, business_id=city.BUSINESS_IDS[1])
    stranger = Shop(city.build_store(other))
    stranger.invoice = shop.invoice
    assert ask(stranger, refundVariant="RateThen").status_code == 404
    path = stranger.path(f"/{shop.invoice.pk}/refund", store=shop.store)
    assert stranger.client.post(path, {"refundVariant": "RateThen"}).status_code == 404
    assert not Refund.objects.exists()


def test_the_shops_server_is_told_once(shop):
    webhooks.create_webhook(
        store=shop.store, url="http://127.0.0.1:1/hook", event_types=["InvoiceRefund"], now=timezone.now()
    )
    data = ask(shop, refundVariant="RateThen").json()
    delivery = WebhookDelivery.objects.get()
    body = json.loads(bytes(delivery.body))
    assert (body["type"], body["invoiceId"], body["pullPaymentId"]) == (
        "InvoiceRefund",
        shop.invoice.pk,
        data["id"],
    )


PARTIAL = {"refundVariant": "Custom", "customAmount": "5000", "customCurrency": "KZT"}


@pytest.mark.parametrize("body", [PARTIAL, {"refundVariant": "RateThen"}])
def test_repeating_with_the_same_idempotency_key_starts_one_refund(shop, body):
    """A server that got no answer asks again; twice a part of the payment would be within what came."""
    first, again = ask(shop, key="order-7", **body), ask(shop, key="order-7", **body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert Refund.objects.count() == 1
    assert ask(shop, key="order-8", **PARTIAL).status_code == (200 if body is PARTIAL else 400)


def test_an_idempotency_key_that_comes_with_another_request_is_a_conflict(shop):
    assert ask(shop, key="order-7", **PARTIAL).status_code == 200
    conflict = ask(shop, key="order-7", **PARTIAL | {"customAmount": "5001"})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency-conflict")
    assert ask(shop, key="x" * 121, **PARTIAL).status_code == 400
    assert Refund.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("body", [PARTIAL, {"refundVariant": "RateThen"}])
def test_two_requests_with_one_key_at_the_same_moment_start_one_refund(shop, body):
    gate, answers = threading.Barrier(2), []

    def repeat():
        gate.wait(5)
        try:
            answers.append(ask(shop, key="raced", **body))
        finally:
            connection.close()

    both = [threading.Thread(target=repeat) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["id"] for answer in answers}) == Refund.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_whose_first_ends_while_the_payment_is_looked_for_gets_its_refund(shop):
    """The first one leaves nothing to give back, which is no answer to the second."""
    body, answers = {"refundVariant": "RateThen"}, []

    def repeat():
        try:
            answers.append(ask(shop, key="raced", **body))
        finally:
            connection.close()

    second = threading.Thread(target=repeat)
    with transaction.atomic():
        with connection.cursor() as cursor:
            # The second has looked for the key by now: what it waits for is read with the payments.
            cursor.execute("LOCK TABLE payments_quote IN ACCESS EXCLUSIVE MODE")
            second.start()
            wait_for_one_that_waits(cursor)
        first = ask(shop, key="raced", **body)
    second.join()
    assert [answer.status_code for answer in (first, *answers)] == [200, 200]
    assert answers[0].json()["id"] == first.json()["id"] == str(Refund.objects.get().pk)


def wait_for_one_that_waits(cursor):
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'payments_quote'::regclass"
        )
        if cursor.fetchone() == (1,):
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits for the quotes")


def test_the_database_takes_no_second_refund_of_a_payment_under_one_key(shop):
    ask(shop, key="order-7", **PARTIAL)
    refund = Refund.objects.get()
    refund.pk, refund.link_id = None, "another"
    with pytest.raises(IntegrityError, match="idempotency_key"), transaction.atomic():
        refund.save(force_insert=True)

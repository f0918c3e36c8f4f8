"""Refunds by a shop's server, as Greenfield's clients ask for them."""

import json

import pytest
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


def ask(shop, **body):
    return shop.client.post(shop.path(f"/{shop.invoice.pk}/refund"), body, content_type="application/json")


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
    assert ask(shop, refundVariant="OverpaidAmount").json()["amount"] == "0.00003235"


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

"""The invoice API as a shop's server uses it: owner, colleague's key and stranger; good requests and bad ones."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from merchants import api_keys
from payments.models import Invoice, RateObservation
from tests import world as city

pytestmark = pytest.mark.django_db
ALL = [
    "btcpay.store.cancreateinvoice",
    "btcpay.store.canviewinvoices",
    "btcpay.store.canmodifyinvoices",
    "btcpay.store.canviewstoresettings",
]


class Shop:
    """A shop's server with a key of one store."""

    def __init__(self, store, permissions=ALL):
        self.store = store
        self.api_key, self.key = api_keys.create(
            store=store, label="shop", permissions=list(permissions), user=None, now=timezone.now()
        )
        self.client = Client(headers={"authorization": f"token {self.key}"})

    def path(self, tail="", store=None):
        return f"/api/v1/stores/{(store or self.store).pk}/invoices{tail}"

    def create(self, body, *, store=None, **headers):
        return self.client.post(
            self.path(store=store), body, content_type="application/json", headers=headers
        )


@pytest.fixture
def live(db):
    """The small city at the true time: the API takes its own clock."""
    return city.build(now=timezone.now())


@pytest.fixture
def shop(live):
    return Shop(live.store)


def test_an_invoice_is_made_and_read_back(shop):
    answer = shop.create({"amount": "12500.00", "currency": "KZT", "metadata": {"orderId": "1042"}})
    assert answer.status_code == 200
    data = answer.json()
    assert (data["amount"], data["currency"], data["status"], data["additionalStatus"]) == (
        "12500.00",
        "KZT",
        "New",
        "None",
    )
    assert data["storeId"] == shop.store.pk
    assert data["checkoutLink"] == f"http://testserver/i/{data['id']}"
    assert data["expirationTime"] - data["createdTime"] == 900
    assert data["monitoringTime"] == data["monitoringExpiration"]
    assert data["checkout"]["paymentMethods"] == ["BTC-CHAIN", "ETH-CHAIN", "USDT-CHAIN"]
    assert shop.client.get(shop.path(f"/{data['id']}")).json() == data
    assert shop.client.get(shop.path()).json() == [data]


def test_the_payment_methods_say_how_to_pay_and_what_was_paid(shop):
    invoice_id = shop.create({"amount": "12500"}).json()["id"]
    city.pay(Invoice.objects.get(pk=invoice_id), "BTC", amount_minor=18_382, at=timezone.now())
    bitcoin, ether, _ = shop.client.get(shop.path(f"/{invoice_id}/payment-methods")).json()
    assert (bitcoin["amount"], bitcoin["rate"], bitcoin["paymentMethodPaid"]) == (
        "0.00036765",
        "34000000",
        "0.00018382",
    )
    assert bitcoin["due"] == "0.00018383"
    assert bitcoin["paymentLink"] == f"bitcoin:{bitcoin['destination']}?amount=0.00018383"
    (payment,) = bitcoin["payments"]
    assert payment["id"].endswith("-0")
    assert (payment["value"], payment["status"]) == ("0.00018382", "Settled")
    assert ether["payments"] == []
    assert ether["paymentLink"].startswith(f"ethereum:{ether['destination']}@31337?value=")


def test_repeating_with_the_same_idempotency_key_is_safe(shop):
    first = shop.create({"amount": "5"}, **{"Idempotency-Key": "order-7"}).json()
    assert shop.create({"amount": "5"}, **{"Idempotency-Key": "order-7"}).json()["id"] == first["id"]
    conflict = shop.create({"amount": "6"}, **{"Idempotency-Key": "order-7"})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency-conflict")
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize("key", ["x" * 121, "a\tb"])
def test_a_malformed_idempotency_key_is_refused(shop, key):
    assert shop.create({"amount": "5"}, **{"Idempotency-Key": key}).status_code == 400


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"amount": "0"}', "amount"),
        ('{"amount": "-1"}', "amount"),
        ('{"amount": "1.001"}', "amount"),
        ('{"amount": 1.001}', "amount"),
        ('{"amount": 1e400}', "amount"),
        ('{"amount": "99999999999999999999"}', "amount"),
        ('{"amount": null}', "amount"),
        ('{"amount": "1", "currency": "USD"}', "currency"),
        ('{"amount": "1", "checkout": {"paymentMethods": ["DOGE-CHAIN"]}}', "checkout.paymentMethods"),
        ("[]", ""),
        ("", "amount"),
    ],
)
def test_a_bad_request_is_answered_with_the_path_that_is_wrong(shop, body, path):
    answer = shop.client.post(shop.path(), body, content_type="application/json")
    assert answer.status_code == 422
    assert [row["path"] for row in answer.json()] == [path]
    assert not Invoice.objects.exists()


@pytest.mark.parametrize(
    "body", ["{", '{"amount": NaN}', b"\xff", '{"amount": ' + "1" * 5000 + "}", "[" * 100_000]
)
def test_a_body_that_is_not_json_is_400(shop, body):
    answer = shop.client.post(shop.path(), body, content_type="application/json")
    assert answer.status_code == 400
    assert not Invoice.objects.exists()


def test_a_decimal_number_is_taken_exactly(shop):
    answer = shop.client.post(shop.path(), '{"amount": 12500.10}', content_type="application/json")
    assert answer.json()["amount"] == "12500.10"


def test_without_a_key_or_with_a_wrong_one_401(live):
    for headers in (
        {},
        {"authorization": "token wrong"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "token"},
    ):
        answer = Client(headers=headers).get(f"/api/v1/stores/{live.store.pk}/invoices")
        assert answer.status_code == 401, headers


def test_a_key_without_the_permission_403(live):
    reader = Shop(live.store, permissions=["btcpay.store.canviewinvoices"])
    answer = reader.create({"amount": "5"})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing-permission")
    assert not Invoice.objects.exists()


def test_another_merchants_store_does_not_exist(live, shop):
    other, _ = city.build_merchant(live.admin, business_id=city.BUSINESS_IDS[1], now=timezone.now())
    stranger = Shop(city.build_store(other, now=timezone.now()))
    invoice_id = shop.create({"amount": "5"}).json()["id"]
    unknown = stranger.client.get("/api/v1/stores/nowhere/invoices")
    for answer in (
        stranger.create({"amount": "5"}, store=shop.store),
        stranger.client.get(shop.path()),
        stranger.client.get(shop.path(f"/{invoice_id}")),
        stranger.client.get(shop.path(f"/{invoice_id}/payment-methods")),
        stranger.client.post(
            shop.path(f"/{invoice_id}/status"), {"status": "Invalid"}, content_type="application/json"
        ),
    ):
        assert (answer.status_code, answer.json()) == (unknown.status_code, unknown.json())
        assert answer.status_code == 404
    # Nor through a store of its own.
    assert stranger.client.get(stranger.path(f"/{invoice_id}")).status_code == 404
    assert Invoice.objects.count() == 1


def test_marking(shop):
    invoice_id = shop.create({"amount": "5"}).json()["id"]
    path = shop.path(f"/{invoice_id}/status")
    for body in ({"status": "Paid"}, {}, []):
        assert shop.client.post(path, body, content_type="application/json").status_code == 422
    answer = shop.client.post(path, {"status": "Invalid"}, content_type="application/json")
    assert (answer.json()["status"], answer.json()["additionalStatus"]) == ("Invalid", "Marked")
    assert answer.json()["availableStatusesForManualMarking"] == ["Settled"]


def test_the_list_is_filtered(shop):
    first = shop.create({"amount": "5", "metadata": {"orderId": "A"}}).json()["id"]
    second = shop.create({"amount": "6", "additionalSearchTerms": ["table nine"]}).json()["id"]

    def found(**query):
        return [row["id"] for row in shop.client.get(shop.path(), query).json()]

    assert found() == [second, first]
    assert found(orderId="A") == [first]
    assert found(textSearch="table nine") == [second]
    assert found(status="Settled") == []
    assert found(take=1) == [second]
    assert found(take=1, skip=1) == [first]
    assert found(startDate=int((timezone.now() + timedelta(hours=1)).timestamp())) == []
    assert shop.client.get(shop.path(), {"take": "-1"}).status_code == 422


def test_without_a_fresh_rate_503_says_so(shop, settings):
    assert RateObservation.objects.exists()
    settings.RATE_AGE_MAX = timedelta(0)
    answer = shop.create({"amount": "5"})
    assert (answer.status_code, answer.json()["code"]) == (503, "rate-unavailable")
    assert not Invoice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_requests_with_one_key_at_once_make_one_invoice():
    shop = Shop(city.build(now=timezone.now()).store)
    answers = []

    def ask():
        answers.append(shop.create({"amount": "5"}, **{"Idempotency-Key": "raced"}))
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Invoice.objects.count() == 1


def test_a_longer_list_asks_the_database_no_more_often(shop):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            assert shop.client.get(shop.path()).status_code == 200
        return len(asked)

    shop.create({"amount": "5"})
    shop.client.get(shop.path())
    few = queries()
    for _ in range(4):
        shop.create({"amount": "5"})
    assert queries() == few

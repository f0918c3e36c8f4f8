"""The API as a shop's plugin uses it: its own store, another store, a key without the permission, no key."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from merchants import api_keys, onboarding, webhooks
from merchants.models import ApiKey, User, Webhook, WebhookDelivery
from tests import world
from tests.foreign_server import Answer, ForeignServer
from tests.merchants import people

pytestmark = pytest.mark.django_db
BASE = "/api/v1"


def key_of(store, permissions=api_keys.PERMISSIONS):
    row, key = api_keys.create(
        store=store, label="WooCommerce", permissions=list(permissions), user=None, now=timezone.now()
    )
    return row, key


def client_with(key):
    return Client(headers={"authorization": f"token {key}"})


@pytest.fixture
def store():
    world.build_networks(timezone.now())
    return people.store_of(people.approved(), tolerance_basis_points=50, website="https://shop.example")


@pytest.fixture
def key(store):
    return key_of(store)[1]


@pytest.fixture
def shop(key):
    return client_with(key)


def error_code(answer):
    return answer.status_code, answer.json()["code"]


def send(client, method, path, body=None):
    return client.generic(
        method, BASE + path, json.dumps(body) if body is not None else "", "application/json"
    )


def test_anybody_may_ask_for_health(store, client):
    assert client.get(f"{BASE}/health").json() == {"synchronized": True}


def test_health_is_false_while_a_network_is_not_followed(store, client):
    from chains.models import Network

    Network.objects.filter(slug="evm").update(halted_at=timezone.now())
    assert client.get(f"{BASE}/health").json() == {"synchronized": False}


def test_the_server_says_its_version_and_how_one_can_pay(shop):
    answer = shop.get(f"{BASE}/server/info")
    assert answer.json() == {
        "version": "2.0.0",
        "onion": None,
        "supportedPaymentMethods": ["BTC-CHAIN", "ETH-CHAIN", "USDT-CHAIN"],
        "fullySynched": True,
        "syncStatus": [],
    }
    assert tuple(int(part) for part in answer.json()["version"].split(".")) >= (1, 7, 6)


def test_the_key_tells_its_permissions_with_the_one_store(shop, store, key):
    assert shop.get(f"{BASE}/api-keys/current").json() == {
        "apiKey": key,
        "label": "WooCommerce",
        "permissions": [f"{name}:{store.pk}" for name in api_keys.PERMISSIONS],
    }


def test_the_permissions_are_those_that_plugins_accept():
    assert set(api_keys.PERMISSIONS) == {
        "btcpay.store.canviewinvoices",
        "btcpay.store.cancreateinvoice",
        "btcpay.store.canviewstoresettings",
        "btcpay.store.canmodifyinvoices",
        "btcpay.store.webhooks.canmodifywebhooks",
    }


def test_the_stores_are_the_keys_own(shop, store):
    people.store_of(people.approved(1))
    data = shop.get(f"{BASE}/stores/{store.pk}").json()
    assert data == {
        "id": store.pk,
        "name": "Достық кофе",
        "website": "https://shop.example",
        "defaultCurrency": "KZT",
        "invoiceExpiration": 900,
        "monitoringExpiration": 86400,
        "speedPolicy": "MediumSpeed",
        "paymentTolerance": 0.5,
        "defaultLang": "kk-KZ",
        "archived": False,
    }
    assert shop.get(f"{BASE}/stores").json() == [data]


ROUTES = [
    ("GET", "/stores/{store}", api_keys.VIEW_STORE_SETTINGS),
    ("GET", "/stores/{store}/webhooks", api_keys.MODIFY_WEBHOOKS),
    ("POST", "/stores/{store}/webhooks", api_keys.MODIFY_WEBHOOKS),
    ("GET", "/stores/{store}/webhooks/{hook}", api_keys.MODIFY_WEBHOOKS),
    ("PUT", "/stores/{store}/webhooks/{hook}", api_keys.MODIFY_WEBHOOKS),
    ("DELETE", "/stores/{store}/webhooks/{hook}", api_keys.MODIFY_WEBHOOKS),
    ("GET", "/stores/{store}/webhooks/{hook}/deliveries", api_keys.MODIFY_WEBHOOKS),
    ("GET", "/stores/{store}/webhooks/{hook}/deliveries/{delivery}", api_keys.MODIFY_WEBHOOKS),
    ("GET", "/stores/{store}/webhooks/{hook}/deliveries/{delivery}/request", api_keys.MODIFY_WEBHOOKS),
    ("POST", "/stores/{store}/webhooks/{hook}/deliveries/{delivery}/redeliver", api_keys.MODIFY_WEBHOOKS),
]
HOOK = {"url": "https://shop.example/hook"}


@pytest.fixture
def delivery(store):
    webhooks.create_webhook(store=store, url="https://shop.example/hook", event_types=[], now=timezone.now())
    webhooks.record(
        store=store,
        event_type="InvoiceSettled",
        event_key="1",
        invoice_id="I1",
        payload={"metadata": {}},
        now=timezone.now(),
    )
    return WebhookDelivery.objects.select_related("webhook").get()


def fill(route, store, delivery):
    return route.format(store=store.pk, hook=delivery.webhook_id, delivery=delivery.pk)


@pytest.mark.parametrize(("method", "route", "permission"), ROUTES)
def test_a_key_with_the_permission_is_answered_with_200(store, delivery, method, route, permission):
    client = client_with(key_of(store, [permission])[1])
    assert send(client, method, fill(route, store, delivery), HOOK).status_code == 200


@pytest.mark.parametrize(("method", "route", "permission"), ROUTES)
def test_a_key_without_the_permission_is_refused(store, delivery, method, route, permission):
    others = [name for name in api_keys.PERMISSIONS if name != permission]
    answer = send(client_with(key_of(store, others)[1]), method, fill(route, store, delivery), HOOK)
    assert error_code(answer) == (403, "missing-permission")
    assert Webhook.objects.filter(deleted_at__isnull=True).count() == 1


@pytest.mark.parametrize(("method", "route", "_permission"), ROUTES)
def test_another_stores_key_finds_nothing_there(store, delivery, method, route, _permission):
    stranger = client_with(key_of(people.store_of(people.approved(1)))[1])
    answer = send(stranger, method, fill(route, store, delivery), HOOK)
    nowhere = send(stranger, method, fill(route, store, delivery).replace(store.pk, "1" * 22), HOOK)
    assert error_code(answer) == (404, "store-not-found")
    assert (answer.status_code, answer.json()) == (nowhere.status_code, nowhere.json())
    assert Webhook.objects.filter(deleted_at__isnull=True).count() == 1
    assert WebhookDelivery.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "route"),
    [(method, route) for method, route, _permission in ROUTES]
    + [("GET", "/server/info"), ("GET", "/api-keys/current"), ("GET", "/stores")],
)
@pytest.mark.parametrize(
    "header", [None, "token", "token x", "token a b", "token " + "0" * 40, "Basic b3duZXI6cGFzc3dvcmQ="]
)
def test_without_a_valid_key_nothing_is_said(store, delivery, method, route, header):
    client = Client(headers={"authorization": header} if header else {})
    answer = send(client, method, fill(route, store, delivery), HOOK)
    assert error_code(answer) == (401, "unauthenticated")
    assert Webhook.objects.filter(deleted_at__isnull=True).count() == 1


def test_a_persons_session_is_no_key(store, client):
    client.force_login(User.objects.get(email="owner0@shop.example"))
    assert client.get(f"{BASE}/stores").status_code == 401


def test_a_revoked_key_is_no_key(store):
    row, key = key_of(store)
    api_keys.revoke(row, now=timezone.now())
    assert client_with(key).get(f"{BASE}/stores").status_code == 401


def test_a_row_of_another_webhook_of_the_same_store_is_not_found(shop, store, delivery):
    other, _secret = webhooks.create_webhook(
        store=store, url="https://other.example/", event_types=[], now=timezone.now()
    )
    path = f"/stores/{store.pk}/webhooks/{other.pk}/deliveries/{delivery.pk}"
    assert error_code(send(shop, "GET", path)) == (404, "webhookdelivery-not-found")


@pytest.mark.parametrize("odd", ["%00", "%D0%9E", "a" * 33])
@pytest.mark.parametrize("tail", ["webhooks/{}", "webhooks/{hook}/deliveries/{}"])
def test_an_id_with_odd_characters_is_not_found(shop, store, delivery, odd, tail):
    path = f"/stores/{store.pk}/" + tail.format(odd, hook=delivery.webhook_id)
    assert send(shop, "GET", path).status_code == 404


def test_a_suspended_merchants_key_still_reads(shop, store):
    admin = User.objects.get(is_superuser=True)
    onboarding.suspend(store.merchant, admin=admin, reason="licence", now=timezone.now())
    assert shop.get(f"{BASE}/stores/{store.pk}").status_code == 200


def test_a_webhook_is_made_changed_and_deleted_as_plugins_do(shop, store):
    path = f"/stores/{store.pk}/webhooks"
    body = {
        "enabled": True,
        "automaticRedelivery": True,
        "url": "https://shop.example/wp/?wc-api=x",
        "authorizedEvents": {"everything": False, "specificEvents": ["InvoiceSettled", "InvoiceExpired"]},
        "secret": None,
    }
    made = send(shop, "POST", path, body)
    data = made.json()
    assert made.status_code == 200
    secret, webhook_id = data.pop("secret"), data["id"]
    assert secret.startswith("whsec_")
    assert data == {name: value for name, value in body.items() if name != "secret"} | {"id": webhook_id}
    assert send(shop, "GET", f"{path}/{webhook_id}").json() == data
    assert send(shop, "GET", path).json() == [data]
    changed = body | {
        "enabled": False,
        "authorizedEvents": {"everything": True},
        "secret": "chosen by the shop",
    }
    assert send(shop, "PUT", f"{path}/{webhook_id}", changed).json() == data | {
        "enabled": False,
        "authorizedEvents": {"everything": True, "specificEvents": []},
    }
    assert send(shop, "DELETE", f"{path}/{webhook_id}").status_code == 200
    assert error_code(send(shop, "GET", f"{path}/{webhook_id}")) == (404, "webhook-not-found")
    assert send(shop, "GET", path).json() == []


def test_a_chosen_secret_is_kept_and_null_changes_nothing(shop, store):
    from alatau_pay.secret_box import unseal

    path = f"/stores/{store.pk}/webhooks"
    made = send(shop, "POST", path, HOOK | {"secret": "chosen by the shop"}).json()
    assert made["secret"] == "chosen by the shop"
    send(shop, "PUT", f"{path}/{made['id']}", HOOK | {"secret": None})
    assert unseal(bytes(Webhook.objects.get().secret_encrypted)) == b"chosen by the shop"


def test_null_stands_for_every_optional_key(shop, store):
    body = HOOK | dict.fromkeys(["enabled", "automaticRedelivery", "authorizedEvents", "secret"])
    data = send(shop, "POST", f"/stores/{store.pk}/webhooks", body).json()
    assert (data["enabled"], data["automaticRedelivery"], data["authorizedEvents"]["everything"]) == (
        True,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "url"),
        ({"url": "not an address"}, "url"),
        ({"url": "ftp://shop.example/"}, "url"),
        ({"url": "https://user:word@shop.example/"}, "url"),
        (HOOK | {"enabled": "perhaps"}, "enabled"),
        (
            HOOK | {"authorizedEvents": {"everything": False, "specificEvents": ["InvoiceEaten"]}},
            "authorizedEvents.specificEvents.0",
        ),
        (HOOK | {"authorizedEvents": {"everything": False}}, "authorizedEvents.specificEvents"),
        (HOOK | {"authorizedEvents": "all"}, "authorizedEvents"),
        (HOOK | {"secret": "x" * 201}, "secret"),
    ],
)
def test_a_bad_webhook_is_refused_with_the_path_of_its_fault(shop, store, body, path):
    answer = send(shop, "POST", f"/stores/{store.pk}/webhooks", body)
    assert answer.status_code == 422
    assert path in {row["path"].replace(".non_field_errors", "") for row in answer.json()}
    assert all(row["message"] for row in answer.json())
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("raw", ["", "{", "null", "[]", '"x"', "NaN"])
def test_a_body_that_is_no_object_is_refused(shop, store, raw):
    answer = shop.generic("POST", f"{BASE}/stores/{store.pk}/webhooks", raw, "application/json")
    assert answer.status_code in {400, 422}
    assert not Webhook.objects.exists()


def test_a_delivery_is_listed_read_and_sent_again(shop, store):
    with ForeignServer().running() as server:
        server.answers["/"] = Answer(status=500)
        made = send(shop, "POST", f"/stores/{store.pk}/webhooks", {"url": server.url + "/hook"}).json()
        base = f"/stores/{store.pk}/webhooks/{made['id']}/deliveries"
        now = timezone.now()
        webhooks.record(
            store=store,
            event_type="InvoiceSettled",
            event_key="1",
            invoice_id="I1",
            payload={"overPaid": False},
            now=now,
        )
        pending = send(shop, "GET", base).json()
        assert [row["status"] for row in pending] == ["Pending"]
        webhooks.deliver_due(now)
        failed = send(shop, "GET", f"{base}/{pending[0]['id']}").json()
        assert failed == {
            "id": pending[0]["id"],
            "timestamp": int(now.timestamp()),
            "httpCode": 500,
            "errorMessage": "HTTP 500",
            "status": "HttpError",
        }
        assert send(shop, "GET", f"{base}/{failed['id']}/request").json() == json.loads(server.asked[0].body)
        server.answers["/"] = Answer()
        again = send(shop, "POST", f"{base}/{failed['id']}/redeliver").json()
        webhooks.deliver_due(timezone.now())
        assert send(shop, "GET", f"{base}/{again}").json()["status"] == "HttpSuccess"
        assert json.loads(server.asked[-1].body)["originalDeliveryId"] == failed["id"]
    assert len(send(shop, "GET", f"{base}?count=1").json()) == 1


@pytest.mark.parametrize("count", ["0", "101", "-1", "x", "٣", "9" * 30])
def test_a_count_out_of_range_is_refused(shop, store, delivery, count):
    path = f"/stores/{store.pk}/webhooks/{delivery.webhook_id}/deliveries?count={count}"
    assert send(shop, "GET", path).status_code == 422


def test_a_use_of_the_key_is_noted(shop, store):
    shop.get(f"{BASE}/stores")
    assert ApiKey.objects.get().last_used_at is not None

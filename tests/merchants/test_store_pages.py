"""Every page of a store, as its owner, as each colleague, as a stranger and as nobody."""

import re

import pytest
from django.test import Client

from merchants import api_keys, urls, webhooks
from merchants.models import ApiKey, Membership, Role, Store, User, Webhook, WebhookDelivery
from tests import world
from tests.merchants import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    world.build_networks(people.NOW)
    store = people.store_of(people.approved())
    webhook, _secret = webhooks.create_webhook(
        store=store, url="https://shop.example/hook", event_types=[], now=people.NOW
    )
    webhooks.record(
        store=store,
        event_type="InvoiceSettled",
        event_key="settled",
        invoice_id="I1",
        payload={"metadata": {"orderId": "<b>1042</b>"}},
        now=people.NOW,
    )
    api_keys.create(
        store=store, label="shop", permissions=list(api_keys.PERMISSIONS), user=None, now=people.NOW
    )
    return store


def path_of(store, tail):
    """``{hook}``, ``{delivery}``, ``{key}`` and ``{member}`` stand for the rows of this store."""
    return f"/stores/{store.pk}/{tail}".format(
        hook=Webhook.objects.get(store=store).pk,
        delivery=WebhookDelivery.objects.get(webhook__store=store).pk,
        key=ApiKey.objects.get(store=store).pk,
        member=Membership.objects.get(merchant=store.merchant, role=Role.OWNER).pk,
    )


MANAGE, OWN = {Role.OWNER, Role.MANAGER}, {Role.OWNER}
PAGES = [
    ("GET", "settings/", MANAGE),
    ("POST", "settings/", MANAGE),
    ("GET", "keys/", MANAGE),
    ("POST", "keys/", MANAGE),
    ("POST", "keys/{key}/revoke/", MANAGE),
    ("GET", "webhooks/", MANAGE),
    ("POST", "webhooks/", MANAGE),
    ("GET", "webhooks/{hook}/", MANAGE),
    ("POST", "webhooks/{hook}/", MANAGE),
    ("POST", "webhooks/{hook}/delete/", MANAGE),
    ("GET", "webhooks/{hook}/deliveries/{delivery}/", MANAGE),
    ("POST", "webhooks/{hook}/deliveries/{delivery}/redeliver/", MANAGE),
    ("GET", "team/", OWN),
    ("POST", "team/", OWN),
    ("POST", "team/{member}/link/", OWN),
    ("POST", "team/{member}/role/", OWN),
    ("POST", "team/{member}/remove/", OWN),
]


def snapshot():
    """Everything that one of these pages could change."""
    models = [Store, ApiKey, Webhook, WebhookDelivery, Membership, User]
    return [list(model.objects.order_by("pk").values_list()) for model in models]


def test_every_page_of_a_store_is_in_the_table():
    beginning = "stores/<str:store_id>/"
    routes = {
        str(route.pattern).removeprefix(beginning)
        for route in urls.urlpatterns
        if beginning in str(route.pattern)
    }
    assert {re.sub(r"<[^>]+>", "#", route) for route in routes} == {
        re.sub(r"\{\w+\}", "#", tail) for _method, tail, _roles in PAGES
    }


@pytest.mark.parametrize(("method", "tail", "roles"), PAGES)
@pytest.mark.parametrize("role", list(Role))
def test_a_colleague_is_let_in_or_refused_by_role(store, method, tail, roles, role):
    client = Client()
    user = people.owner_of(store.merchant) if role == Role.OWNER else people.colleague(store.merchant, role)
    client.force_login(user)
    path, before = path_of(store, tail), snapshot()
    status = client.generic(method, path).status_code
    if role in roles:
        assert status in {200, 302}
    else:
        assert status == 403
        assert snapshot()[:5] == before[:5]


@pytest.mark.parametrize(("method", "tail", "_roles"), PAGES)
def test_a_stranger_finds_nothing_there(store, method, tail, _roles):
    client = Client()
    client.force_login(people.owner_of(people.approved(1)))
    path, before = path_of(store, tail), snapshot()
    answer = client.generic(method, path)
    nowhere = client.generic(method, path.replace(store.pk, "1" * 22))
    assert answer.status_code == nowhere.status_code == 404
    assert snapshot()[:5] == before[:5]


@pytest.mark.parametrize(("method", "tail", "_roles"), PAGES)
def test_nobody_logs_in_first(store, method, tail, _roles):
    path = path_of(store, tail)
    answer = Client().generic(method, path)
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={path}")


@pytest.mark.parametrize(
    ("method", "tail"),
    [(method, tail) for method, tail, _roles in PAGES if "{" in tail and "member" not in tail],
)
def test_rows_of_another_store_are_not_found_through_ones_own(store, method, tail):
    other = people.store_of(people.approved(1))
    webhooks.create_webhook(store=other, url="https://other.example/", event_types=[], now=people.NOW)
    client = Client()
    client.force_login(people.owner_of(other.merchant))
    assert client.generic(method, path_of(store, tail).replace(store.pk, other.pk)).status_code == 404
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("POST", "redeliver/")])
def test_a_delivery_of_another_store_is_not_found_through_ones_own_webhook(store, method, tail):
    other = people.store_of(people.approved(1))
    own, _secret = webhooks.create_webhook(
        store=other, url="https://other.example/", event_types=[], now=people.NOW
    )
    client = Client()
    client.force_login(people.owner_of(other.merchant))
    delivery = WebhookDelivery.objects.get(webhook__store=store)
    path = f"/stores/{other.pk}/webhooks/{own.pk}/deliveries/{delivery.pk}/{tail}"
    assert client.generic(method, path).status_code == 404
    assert WebhookDelivery.objects.count() == 1


@pytest.mark.parametrize("tail", ["team/{member}/link/", "team/{member}/role/", "team/{member}/remove/"])
def test_people_of_another_merchant_are_not_found_through_ones_own(store, tail):
    other = people.store_of(people.approved(1))
    client = Client()
    client.force_login(people.owner_of(other.merchant))
    before = Membership.objects.count()
    assert (
        client.post(path_of(store, tail).replace(store.pk, other.pk), {"role": "Cashier"}).status_code == 404
    )
    assert Membership.objects.count() == before


@pytest.fixture
def owner(store, client):
    client.force_login(people.owner_of(store.merchant))
    return client


SETTINGS = {
    "name": "Gate",
    "accepted_assets": ["USDT", "BTC"],
    "speed_policy": "HighSpeed",
    "invoice_minutes": "20",
    "monitoring_minutes": "60",
    "tolerance_percent": "0.29",
    "excess_policy": "Merchant",
    "language": "ru",
}


def test_a_store_is_opened_and_changed(owner, store):
    assert owner.post("/stores/new/", SETTINGS).status_code == 302
    made = Store.objects.exclude(pk=store.pk).get()
    # The order is that of the choices, not of the clicks; 0.29 % would be 28 hundredths in binary.
    assert (made.accepted_assets, made.tolerance_basis_points) == (["BTC", "USDT"], 29)
    assert made.excess_policy == "Merchant"
    page = owner.get(f"/stores/{made.pk}/settings/").content.decode()
    assert 'value="0.29"' in page
    assert (
        owner.post(f"/stores/{made.pk}/settings/", SETTINGS | {"name": "Қақпа", "archived": "on"}).status_code
        == 302
    )
    made.refresh_from_db()
    assert (made.name, made.archived) == ("Қақпа", True)


@pytest.mark.parametrize(
    "fault",
    [
        {"name": ""},
        {"accepted_assets": []},
        {"accepted_assets": ["DOGE"]},
        {"invoice_minutes": "0"},
        {"invoice_minutes": "1441"},
        {"invoice_minutes": "NaN"},
        {"tolerance_percent": "10.01"},
        {"tolerance_percent": "-1"},
        {"tolerance_percent": "0.001"},
        {"tolerance_percent": "NaN"},
        {"speed_policy": "Fast"},
        {"excess_policy": "Mine"},
        {"language": "de"},
        {"website": "javascript:alert(1)"},
    ],
)
def test_bad_settings_are_refused_beside_their_field(owner, store, fault):
    answer = owner.post("/stores/new/", SETTINGS | fault)
    assert answer.status_code == 200
    assert f'id="id_{next(iter(fault))}_error"' in answer.content.decode()
    assert Store.objects.count() == 1


def test_a_new_key_is_shown_once(owner, store):
    answer = owner.post(
        f"/stores/{store.pk}/keys/", {"label": "till", "permissions": [api_keys.CREATE_INVOICE]}
    )
    page = answer.content.decode()
    key = re.search(r'id="new-key">([0-9a-f]{40})<', page).group(1)
    assert api_keys.find(key, now=people.NOW).permissions == [api_keys.CREATE_INVOICE]
    assert "no-store" in answer["Cache-Control"]
    assert key not in owner.get(f"/stores/{store.pk}/keys/").content.decode()


def test_a_key_without_permissions_is_not_made(owner, store):
    assert owner.post(f"/stores/{store.pk}/keys/", {"label": "till"}).status_code == 200
    assert ApiKey.objects.count() == 1


def test_a_key_is_revoked(owner, store):
    owner.post(path_of(store, "keys/{key}/revoke/"))
    assert ApiKey.objects.get().revoked_at is not None


def test_a_webhooks_secret_is_shown_once(owner, store):
    answer = owner.post(f"/stores/{store.pk}/webhooks/", {"url": "https://new.example/hook", "enabled": "on"})
    secret = re.search(r'id="new-secret">(whsec_[A-Za-z0-9+/=]{44})<', answer.content.decode()).group(1)
    assert "no-store" in answer["Cache-Control"]
    made = Webhook.objects.get(url="https://new.example/hook")
    for path in (f"/stores/{store.pk}/webhooks/", f"/stores/{store.pk}/webhooks/{made.pk}/"):
        assert secret not in owner.get(path).content.decode()


def test_a_webhook_to_a_private_address_is_refused(owner, store, settings):
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False
    page = owner.post(f"/stores/{store.pk}/webhooks/", {"url": "https://10.0.0.1/hook", "enabled": "on"})
    assert 'id="id_url_error"' in page.content.decode()
    assert Webhook.objects.count() == 1


def test_a_delivery_shows_its_body_as_text(owner, store):
    page = owner.get(path_of(store, "webhooks/{hook}/deliveries/{delivery}/")).content.decode()
    assert "&lt;b&gt;1042&lt;/b&gt;" in page
    assert "<b>1042</b>" not in page


def test_a_redelivery_is_queued(owner, store):
    owner.post(path_of(store, "webhooks/{hook}/deliveries/{delivery}/redeliver/"))
    assert WebhookDelivery.objects.filter(original__isnull=False).count() == 1


def test_an_invited_cashier_chooses_a_password_once_and_gets_in(owner, store):
    page = owner.post(
        f"/stores/{store.pk}/team/", {"email": "Kassa@shop.example", "role": "Cashier"}
    ).content.decode()
    link = re.search(r'id="invitation">http://testserver(/set-password/[^<]+)<', page).group(1)
    assert link not in owner.get(f"/stores/{store.pk}/team/").content.decode()
    person = Client()
    form = person.get(link, follow=True)
    assert "kassa@shop.example" in form.content.decode()
    weak = person.post(form.request["PATH_INFO"], {"new_password1": "short", "new_password2": "short"})
    assert weak.status_code == 200
    chosen = {"new_password1": people.PASSWORD, "new_password2": people.PASSWORD}
    assert person.post(form.request["PATH_INFO"], chosen)["Location"] == "/login/"
    person.post("/login/", {"username": "kassa@shop.example", "password": people.PASSWORD})
    assert person.get("/dashboard/")["Location"] == f"/stores/{store.pk}/invoices/"
    again = Client().get(link, follow=True)
    assert "This link does not work any more" in again.content.decode()
    assert (
        "This person has chosen a password already"
        in owner.post(
            f"/stores/{store.pk}/team/{Membership.objects.get(role=Role.CASHIER).pk}/link/"
        ).content.decode()
    )


def test_an_address_of_another_merchant_is_refused_without_saying_so(owner, store):
    stranger = people.owner_of(people.approved(1))
    page = owner.post(
        f"/stores/{store.pk}/team/", {"email": stranger.email, "role": "Cashier"}
    ).content.decode()
    assert "This address cannot be used here" in page
    assert "invitation" not in page
    assert Membership.objects.filter(user=stranger).count() == 1


def test_the_last_owner_stays(owner, store):
    owner.post(path_of(store, "team/{member}/role/"), {"role": "Cashier"})
    owner.post(path_of(store, "team/{member}/remove/"))
    assert Membership.objects.get().role == Role.OWNER


def test_a_person_taken_out_sees_nothing_any_more(owner, store):
    manager = people.colleague(store.merchant, Role.MANAGER)
    person = Client()
    person.force_login(manager)
    assert person.get(f"/stores/{store.pk}/settings/").status_code == 200
    owner.post(f"/stores/{store.pk}/team/{Membership.objects.get(user=manager).pk}/remove/")
    assert person.get(f"/stores/{store.pk}/settings/").status_code == 404


FINANCE = ["Invoices", "Held money", "Refunds", "Payouts", "Statement", "Documents"]


@pytest.mark.parametrize(
    ("role", "labels"),
    [
        (Role.OWNER, [*FINANCE, "Till", "Settings", "API keys", "Webhooks", "Team"]),
        (Role.MANAGER, [*FINANCE, "Till", "Settings", "API keys", "Webhooks"]),
        (Role.ACCOUNTANT, FINANCE),
        (Role.CASHIER, ["Invoices", "Held money", "Refunds", "Till"]),
    ],
)
def test_the_navigation_shows_what_the_role_opens(store, role, labels):
    client = Client()
    client.force_login(
        people.owner_of(store.merchant) if role == Role.OWNER else people.colleague(store.merchant, role)
    )
    page = client.get(f"/stores/{store.pk}/invoices/").content.decode()
    navigation = re.search(r'<nav class="store-nav".*?</nav>', page, re.DOTALL).group(0)
    assert re.findall(r">([^<>]+)</a>", navigation) == labels


@pytest.mark.parametrize("odd", ["%00", "%D0%9E", "..%2F", "a" * 33])
@pytest.mark.parametrize(
    "tail", ["{}/settings/", "{store}/webhooks/{}/", "{store}/webhooks/{hook}/deliveries/{}/"]
)
def test_an_address_with_odd_characters_is_not_found(owner, store, odd, tail):
    hook = Webhook.objects.get(store=store).pk
    assert owner.get("/stores/" + tail.format(odd, store=store.pk, hook=hook)).status_code == 404

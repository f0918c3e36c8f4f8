"""The city office decides in Django admin: by POST, with the right, with a reason, and every row can be looked at."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from merchants import api_keys, bank_account_change, webhooks
from merchants.models import (
    ApiKey,
    BankAccountChange,
    Merchant,
    MerchantEvent,
    MerchantStatus,
    Store,
    User,
    Webhook,
    WebhookDelivery,
)
from tests.merchants import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(client):
    client.force_login(people.city_admin())
    return client


def decide(client, merchant, move, reason=""):
    path = reverse("admin:merchants_merchant_decide", args=[merchant.pk])
    return client.post(path, {"move": move, "reason": reason}, follow=True)


def change_page(merchant):
    return reverse("admin:merchants_merchant_change", args=[merchant.pk])


def test_the_office_reads_what_the_number_says_and_approves(office):
    merchant = people.applied()
    page = office.get(change_page(merchant)).content.decode()
    assert "БИН: resident legal entity, head unit, registered January 2026" in page
    assert 'value="approve"' in page
    assert 'value="reject"' in page
    assert 'value="suspend"' not in page
    after = decide(office, merchant, "approve").content.decode()
    assert Merchant.objects.get().status == MerchantStatus.APPROVED
    assert 'value="suspend"' in after
    assert MerchantEvent.objects.filter(to_status="Approved", actor__email="admin@city.example").count() == 1


@pytest.mark.parametrize(
    ("first", "move", "status"),
    [("", "reject", MerchantStatus.REJECTED), ("approve", "suspend", MerchantStatus.SUSPENDED)],
)
def test_rejecting_and_suspending_need_a_reason(office, first, move, status):
    merchant = people.applied()
    if first:
        decide(office, merchant, first)
    before = Merchant.objects.get().status
    assert "reason is needed" in decide(office, merchant, move).content.decode()
    assert Merchant.objects.get().status == before
    decide(office, merchant, move, "The licence ended.")
    stored = Merchant.objects.get()
    assert (stored.status, stored.decision_reason) == (status, "The licence ended.")


def test_a_decision_is_neither_a_link_nor_without_token():
    merchant = people.applied()
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.city_admin())
    path = reverse("admin:merchants_merchant_decide", args=[merchant.pk])
    assert client.get(path).status_code == 405
    assert client.post(path, {"move": "approve"}).status_code == 403
    assert Merchant.objects.get().status == MerchantStatus.APPLIED


@pytest.mark.parametrize("move", ["", "delete", "__class__"])
def test_an_unknown_move_is_refused(office, move):
    merchant = people.applied()
    assert decide(office, merchant, move).status_code == 403
    assert Merchant.objects.get().status == MerchantStatus.APPLIED


def test_a_clerk_who_may_only_look_sees_no_buttons_and_decides_nothing():
    merchant = people.applied()
    clerk = User.objects.create_user("clerk@city.example", people.PASSWORD, is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_merchant"))
    client = Client()
    client.force_login(clerk)
    page = client.get(change_page(merchant))
    assert page.status_code == 200
    assert 'id="decision"' not in page.content.decode()
    assert decide(client, merchant, "approve").status_code == 403
    assert Merchant.objects.get().status == MerchantStatus.APPLIED


def asked(merchant):
    """A bank account change that waits; the page of it, and its button's address."""
    change = bank_account_change.request(
        merchant,
        iban="KZ39601A001000000017",
        bank_bic="HSBKKZKX",
        actor=people.owner_of(merchant),
        now=timezone.now(),
    )
    return (
        reverse("admin:merchants_bankaccountchange_change", args=[change.pk]),
        reverse("admin:merchants_bankaccountchange_stop", args=[change.pk]),
    )


def test_the_office_stops_a_changed_bank_account_once(office):
    page, stop = asked(people.approved())
    assert stop in office.get(page).text
    assert office.get(stop).status_code == 405
    assert "The change is cancelled" in office.post(stop, follow=True).text
    stopped = BankAccountChange.objects.get()
    assert (stopped.cancelled_by.email, stopped.applied_at) == ("admin@city.example", None)
    assert "no change to cancel" in office.post(stop, follow=True).text
    assert stop not in office.get(page).text


def test_a_clerk_who_may_only_look_stops_no_change(client):
    page, stop = asked(people.approved())
    clerk = User.objects.create_user("clerk@city.example", people.PASSWORD, is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_bankaccountchange"))
    client.force_login(clerk)
    assert stop not in client.get(page).text
    assert client.post(stop).status_code == 403
    assert BankAccountChange.objects.get().cancelled_at is None


def test_a_shop_owner_does_not_get_into_the_office(client):
    merchant = people.applied()
    client.force_login(people.owner_of(merchant))
    assert client.get("/admin/").status_code == 302
    path = reverse("admin:merchants_merchant_decide", args=[merchant.pk])
    assert "/admin/login/" in client.post(path, {"move": "approve"})["Location"]
    assert Merchant.objects.get().status == MerchantStatus.APPLIED


def test_saving_a_merchants_page_does_not_change_its_status(office):
    merchant = people.applied()
    page = office.get(change_page(merchant))
    form = {
        name: value for name, value in page.context["adminform"].form.initial.items() if value is not None
    }
    inlines = {}
    for formset in page.context["inline_admin_formsets"]:
        prefix = formset.formset.prefix
        count = formset.formset.management_form["INITIAL_FORMS"].value()
        inlines |= {f"{prefix}-TOTAL_FORMS": count, f"{prefix}-INITIAL_FORMS": count}
    answer = office.post(
        change_page(merchant),
        form | inlines | {"status": "Approved", "contact_name": "Ерлан", "business_id": "1" * 12},
    )
    assert answer.status_code == 302
    stored = Merchant.objects.get()
    assert (stored.contact_name, stored.status, stored.business_id) == (
        "Ерлан",
        MerchantStatus.APPLIED,
        merchant.business_id,
    )


@pytest.fixture
def rows(office):
    """One row of every model."""
    store = people.store_of(people.approved())
    _key_row, key = api_keys.create(
        store=store, label="shop", permissions=[api_keys.VIEW_INVOICES], user=None, now=people.NOW
    )
    webhook, secret = webhooks.create_webhook(
        store=store, url="https://shop.example/hook", event_types=[], now=people.NOW
    )
    webhooks.record(
        store=store,
        event_type="InvoiceSettled",
        event_key="1",
        invoice_id="I1",
        payload={"a": "Достық"},
        now=people.NOW,
    )
    return {"store": store, "key": key, "secret": secret, "webhook": webhook}


@pytest.mark.parametrize("model", [User, Merchant, Store, ApiKey, Webhook, WebhookDelivery])
def test_every_model_has_a_list_and_a_page_that_tell_no_secret(office, rows, model):
    name = f"admin:merchants_{model._meta.model_name}"
    listed = office.get(reverse(f"{name}_changelist"), {"q": "shop"})
    page = office.get(reverse(f"{name}_change", args=[model.objects.first().pk]))
    for answer in (listed, page):
        assert answer.status_code == 200
        text = answer.content.decode()
        assert rows["key"] not in text
        assert rows["secret"] not in text
        assert "Alatau Pay" in text


@pytest.mark.parametrize("model", [Store, ApiKey, Webhook, WebhookDelivery])
def test_what_verbs_write_can_only_be_looked_at(office, rows, model):
    name = f"admin:merchants_{model._meta.model_name}"
    assert office.get(reverse(f"{name}_add")).status_code == 403
    pk = model.objects.first().pk
    assert office.post(reverse(f"{name}_change", args=[pk]), {"name": "x"}).status_code == 403
    assert office.post(reverse(f"{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=pk).exists()


def test_merchants_are_neither_added_nor_deleted_here(office):
    merchant = people.applied()
    assert office.get(reverse("admin:merchants_merchant_add")).status_code == 403
    delete = reverse("admin:merchants_merchant_delete", args=[merchant.pk])
    assert office.post(delete, {"post": "yes"}).status_code == 403
    assert Merchant.objects.exists()


def test_a_deliverys_body_is_readable_and_it_is_sent_again(office, rows):
    delivery = WebhookDelivery.objects.get()
    page = office.get(reverse("admin:merchants_webhookdelivery_change", args=[delivery.pk])).content.decode()
    assert "Достық" in page
    changelist = reverse("admin:merchants_webhookdelivery_changelist")
    office.post(changelist, {"action": "redeliver", "_selected_action": [delivery.pk]})
    assert WebhookDelivery.objects.get(original=delivery).event_type == "InvoiceSettled"


def test_a_key_is_revoked_by_the_office(office, rows):
    row = ApiKey.objects.get()
    changelist = reverse("admin:merchants_apikey_changelist")
    office.post(changelist, {"action": "revoke", "_selected_action": [row.pk]})
    assert api_keys.find(rows["key"], now=people.NOW) is None


def test_the_office_gives_a_person_a_new_password(office):
    owner = people.owner_of(people.applied())
    path = reverse("admin:auth_user_password_change", args=[owner.pk])
    chosen = {"password1": "another calm house", "password2": "another calm house", "usable_password": "true"}
    assert office.post(path, chosen).status_code == 302
    assert User.objects.get(pk=owner.pk).check_password("another calm house")


def test_a_person_is_added_with_a_lower_case_address(office):
    path = reverse("admin:merchants_user_add")
    chosen = {"password1": "another calm house", "password2": "another calm house", "usable_password": "true"}
    assert office.post(path, chosen | {"email": "Clerk@City.example"}).status_code == 302
    assert User.objects.filter(email="clerk@city.example").exists()


def test_every_model_of_this_app_is_in_the_admin():
    shown = set(admin.site._registry) | {
        inline.model for options in admin.site._registry.values() for inline in options.inlines
    }
    from django.apps import apps

    assert set(apps.get_app_config("merchants").get_models()) <= shown

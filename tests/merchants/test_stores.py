"""Stores: only of approved merchants, and trading only while both stand."""

import pytest
from django.db import IntegrityError, transaction

from merchants import onboarding, stores
from merchants.models import Store
from tests.merchants import people

pytestmark = pytest.mark.django_db
SETTINGS = stores.StoreSettings(name="Gate", accepted_assets=["BTC"])


def test_a_store_has_the_settings_it_was_made_with():
    merchant = people.approved()
    settings = stores.StoreSettings(
        name="Gate",
        accepted_assets=["USDT", "BTC"],
        website="https://gate.example",
        speed_policy="HighSpeed",
        invoice_minutes=20,
        monitoring_minutes=60,
        tolerance_basis_points=50,
        language="ru",
    )
    store = Store.objects.get(pk=stores.create_store(settings, merchant=merchant, now=people.NOW).pk)
    assert store.accepted_assets == ["USDT", "BTC"]
    assert (store.speed_policy, store.invoice_minutes, store.tolerance_basis_points) == ("HighSpeed", 20, 50)
    assert stores.is_trading(store)


def test_a_merchant_who_is_not_approved_opens_no_store():
    merchant = people.applied()
    admin = people.city_admin()
    for decide in (
        lambda: merchant,
        lambda: onboarding.reject(merchant, admin=admin, reason="no", now=people.NOW),
        lambda: onboarding.suspend(
            onboarding.approve(merchant, admin=admin, now=people.NOW),
            admin=admin,
            reason="no",
            now=people.NOW,
        ),
    ):
        with pytest.raises(stores.MerchantNotApproved):
            stores.create_store(SETTINGS, merchant=decide(), now=people.NOW)
    assert not Store.objects.exists()


def test_a_store_accepts_at_least_one_asset():
    nothing = stores.StoreSettings(name="Gate", accepted_assets=[])
    merchant = people.approved()
    with pytest.raises(stores.NoAssetAccepted):
        stores.create_store(nothing, merchant=merchant, now=people.NOW)
    store = people.store_of(merchant)
    with pytest.raises(stores.NoAssetAccepted):
        stores.update_store(store, nothing, archived=False)
    assert Store.objects.get(pk=store.pk).accepted_assets == ["BTC", "USDT"]


def test_an_archived_store_and_one_of_a_suspended_merchant_do_not_trade():
    merchant = people.approved()
    store = people.store_of(merchant)
    stores.update_store(store, SETTINGS, archived=True)
    assert not stores.is_trading(Store.objects.get(pk=store.pk))
    stores.update_store(store, SETTINGS, archived=False)
    assert stores.is_trading(Store.objects.get(pk=store.pk))
    onboarding.suspend(
        merchant, admin=people.User.objects.get(is_superuser=True), reason="no", now=people.NOW
    )
    assert not stores.is_trading(Store.objects.get(pk=store.pk))


@pytest.mark.parametrize(
    "fault",
    [
        {"invoice_minutes": 0},
        {"invoice_minutes": 1441},
        {"monitoring_minutes": 43201},
        {"tolerance_basis_points": 1001},
    ],
)
def test_the_database_refuses_settings_out_of_range(fault):
    merchant = people.approved()
    with pytest.raises(IntegrityError), transaction.atomic():
        people.store_of(merchant, **fault)

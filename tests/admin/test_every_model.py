"""Django admin shows every model, and each of its pages opens on real rows."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.backends import ModelBackend
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from merchants import api_keys, webhooks
from payments.models import Incident
from tests import world as city
from tests.payments import reserve_rows
from tests.settlements import books, paid_out

OURS = ["merchants", "chains", "compliance", "settlements", "payments"]
MODELS = [model for label in OURS for model in apps.get_app_config(label).get_models()]

# Rows that only a watcher on a real chain, or a person in a rare case, writes; their own tests open their pages.
ONLY_ON_REAL_CHAINS = {
    "BankStatement",
    "BankStatementBalance",
    "BankStatementLine",
    "Block",
    "ClosedDay",
    "ClosingBalance",
    "CoinBalance",
    "ConfirmationTier",
    "Destination",
    "DaySeal",
    "UnclaimedTransfer",
    "HeldDecision",
    "LedgerVerification",
    "NetworkAlert",
    "NodeHealth",
    "OutgoingTransfer",
    "Refund",
    "RefundBatch",
    "RefundNetworkFee",
    "RateAlarm",
    "Rescan",
    "StatementColumns",
    "TransferInput",
}


@pytest.fixture
def officer(db):
    """A city admin's browser, in a city where something of everything has happened."""
    world = city.build(now=timezone.now())
    webhooks.create_webhook(
        store=world.store, url="http://127.0.0.1:1/hook", event_types=[], now=timezone.now()
    )
    api_keys.create(
        store=world.store,
        label="shop",
        permissions=list(api_keys.PERMISSIONS),
        user=world.owner,
        now=timezone.now(),
    )
    invoice = city.make_invoice(world.store, now=timezone.now())
    city.pay(invoice, at=timezone.now())
    Incident.objects.create(invoice=invoice, opened_at=timezone.now(), description="lost its payment")
    paid_out.one_of_everything()
    books.document_made(world.merchant, user=world.owner, now=timezone.now())
    reserve_rows.one_of_everything(world.admin, now=timezone.now())
    client = Client()
    client.force_login(world.admin, backend=f"{ModelBackend.__module__}.{ModelBackend.__qualname__}")
    return client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_is_there(model):
    assert admin.site.is_registered(model)


def test_every_list_and_every_row_opens(officer):
    empty = set()
    for model in MODELS:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert officer.get(reverse(f"{name}_changelist")).status_code == 200, model
        assert officer.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200, model
        # A proxy's page shows a part of another model's rows, whose pages are opened there.
        row = None if model._meta.proxy else model._default_manager.first()
        if row is None:
            empty.add(model.__name__)
        else:
            assert officer.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200, model
    assert empty <= ONLY_ON_REAL_CHAINS


def test_a_shopkeeper_does_not_come_in(world, client):
    client.force_login(world.owner, backend=f"{ModelBackend.__module__}.{ModelBackend.__qualname__}")
    assert client.get("/admin/payments/invoice/").status_code == 302


@pytest.mark.parametrize(
    "name", ["payments_invoice", "payments_payment", "settlements_journalentry", "chains_transfer"]
)
def test_what_only_verbs_write_cannot_be_added_or_deleted_by_hand(officer, name):
    assert officer.get(reverse(f"admin:{name}_add")).status_code == 403

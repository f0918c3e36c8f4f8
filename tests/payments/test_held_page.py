"""The page of held money: who sees it, who decides, and what the buttons do."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.utils import timezone

from merchants.models import Role, User
from payments.models import HeldDecision, Payment
from settlements import ledger
from tests import world as city

pytestmark = pytest.mark.django_db
BACKEND = f"{ModelBackend.__module__}.{ModelBackend.__qualname__}"


@pytest.fixture
def held(db):
    """A city with one payment of a store that came twice."""
    world = city.build(now=timezone.now())
    invoice = city.make_invoice(world.store, now=timezone.now())
    for _ in range(2):
        city.pay(invoice, at=timezone.now())
    world.payment = Payment.objects.get(held_minor__gt=0)
    return world


def page(world, payment=None):
    return f"/stores/{world.store.pk}/held/" + (f"{payment.pk}/" if payment else "")


def test_the_owner_sees_and_decides(held, client):
    client.force_login(held.owner, backend=BACKEND)
    shown = client.get(page(held)).content.decode()
    assert held.payment.transfer.txid_hex in shown
    assert "paid a second time" in shown
    owed = ledger.owed_tiyn(held.merchant)
    client.post(page(held, held.payment), {"decision": "accept", "reason": "a gift"})
    assert ledger.owed_tiyn(held.merchant) > owed
    assert HeldDecision.objects.get().reason == "a gift"
    after = client.get(page(held)).content.decode()
    assert "Nothing waits" in after
    assert "a gift" in after


@pytest.mark.parametrize("decision", ["refund", "leave", "attach"])
def test_the_other_buttons(held, client, decision):
    other = city.make_invoice(held.store, now=timezone.now())
    client.force_login(held.owner, backend=BACKEND)
    client.post(page(held, held.payment), {"decision": decision, "reason": "x", "invoice": other.pk})
    assert "Nothing waits" in client.get(page(held)).content.decode()
    other.refresh_from_db()
    assert other.status == ("Settled" if decision == "attach" else "New")


def test_what_still_counts_has_no_button_to_give_it_back(held, client):
    client.force_login(held.owner, backend=BACKEND)
    assert 'value="refund"' in client.get(page(held)).content.decode()
    client.post(page(held, held.payment), {"decision": "leave", "reason": "x"})
    invoice = city.make_invoice(held.store, now=timezone.now())
    city.pay(invoice, at=timezone.now(), amount_minor=10_000)
    shown = client.get(page(held)).content.decode()
    assert invoice.pk in shown
    assert 'value="refund"' not in shown


@pytest.mark.parametrize(
    "data", [{"decision": "accept"}, {"decision": "attach"}, {"decision": "burn", "reason": "x"}, {}]
)
def test_a_decision_without_a_reason_or_a_name_changes_nothing(held, client, data):
    client.force_login(held.owner, backend=BACKEND)
    assert client.post(page(held, held.payment), data).status_code == 302
    assert not HeldDecision.objects.exists()
    held.payment.refresh_from_db()
    assert held.payment.held_minor > 0


def test_a_colleague_without_the_right_sees_and_a_stranger_does_not(held, client):
    cashier = city.add_member(held.merchant, Role.CASHIER)
    client.force_login(cashier, backend=BACKEND)
    shown = client.get(page(held))
    assert shown.status_code == 200
    assert "Accept at the current rate" not in shown.content.decode()
    assert client.post(page(held, held.payment), {"decision": "accept", "reason": "x"}).status_code == 403
    _, stranger = city.build_merchant(held.admin, business_id=city.BUSINESS_IDS[1])
    client.force_login(stranger, backend=BACKEND)
    assert client.get(page(held)).status_code == 404
    assert client.post(page(held, held.payment), {"decision": "accept", "reason": "x"}).status_code == 404
    client.logout()
    assert client.get(page(held)).status_code == 302
    assert not HeldDecision.objects.exists()


def test_another_stores_payment_is_not_decided_through_ones_own_store(held, client):
    other, stranger = city.build_merchant(held.admin, business_id=city.BUSINESS_IDS[1])
    store = city.build_store(other)
    client.force_login(stranger, backend=BACKEND)
    path = f"/stores/{store.pk}/held/{held.payment.pk}/"
    assert client.post(path, {"decision": "accept", "reason": "x"}).status_code == 404


def test_a_city_admin_decides_in_the_admin(held, client):
    client.force_login(held.admin, backend=BACKEND)
    change = f"/admin/payments/payment/{held.payment.pk}/change/"
    assert "Held for the resident: 0.00036765 BTC (duplicate)" in client.get(change).content.decode()
    decide = f"/admin/payments/payment/{held.payment.pk}/decide/"
    assert client.get(decide).status_code == 405
    client.post(decide, {"decision": "refund", "reason": ""})
    assert not HeldDecision.objects.exists()
    client.post(decide, {"decision": "refund", "reason": "the resident asked the city"})
    assert HeldDecision.objects.get().actor == held.admin
    assert "Held for the resident:" not in client.get(change).content.decode()


def test_an_officer_who_may_only_look_does_not_decide(held, client):
    officer = User.objects.create_user("officer@city.example", "officer-password", is_staff=True)
    officer.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client.force_login(officer, backend=BACKEND)
    assert client.get(f"/admin/payments/payment/{held.payment.pk}/change/").status_code == 200
    answer = client.post(
        f"/admin/payments/payment/{held.payment.pk}/decide/", {"decision": "leave", "reason": "x"}
    )
    assert answer.status_code == 403
    assert not HeldDecision.objects.exists()

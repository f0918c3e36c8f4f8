"""What each role may do, and that a stranger learns nothing."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from merchants.models import Role
from merchants.roles import can, merchants_where, store_for, stores_of
from tests.merchants import people

ACTIONS = [
    "view_invoices",
    "create_invoice",
    "mark_invoice",
    "manage_store",
    "manage_keys",
    "manage_webhooks",
    "manage_team",
    "view_finance",
    "manage_payouts",
]
ALLOWED = {
    Role.OWNER: set(ACTIONS),
    Role.MANAGER: set(ACTIONS) - {"manage_team", "manage_payouts"},
    Role.ACCOUNTANT: {"view_invoices", "view_finance"},
    Role.CASHIER: {"view_invoices", "create_invoice"},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", ACTIONS)
def test_a_role_may_do_what_the_table_says(role, action):
    assert can(role, action) == (action in ALLOWED[role])


def test_an_unknown_role_may_do_nothing():
    assert not any(can("Founder", action) for action in ACTIONS)


@pytest.mark.django_db
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", ACTIONS)
def test_a_colleague_gets_the_store_or_a_refusal(role, action):
    merchant = people.approved()
    store, user = people.store_of(merchant), people.colleague(merchant, role)
    if action in ALLOWED[role]:
        assert store_for(user, store.pk, action) == store
    else:
        with pytest.raises(PermissionDenied):
            store_for(user, store.pk, action)


@pytest.mark.django_db
def test_a_stranger_and_a_store_that_is_not_there_look_the_same():
    store = people.store_of(people.approved(0))
    stranger = people.owner_of(people.approved(1))
    messages = []
    for user, store_id in [(stranger, store.pk), (stranger, "nowhere"), (AnonymousUser(), store.pk)]:
        with pytest.raises(Http404) as refusal:
            store_for(user, store_id, "view_invoices")
        messages.append(str(refusal.value))
    assert len(set(messages)) == 1


@pytest.mark.django_db
def test_a_person_sees_the_stores_of_their_own_merchants_only():
    first, second = people.approved(0), people.approved(1)
    store = people.store_of(first)
    people.store_of(second)
    assert list(stores_of(people.owner_of(first))) == [store]
    cashier = people.colleague(first, Role.CASHIER)
    assert list(stores_of(cashier)) == [store]
    assert merchants_where(cashier, "manage_store") == []
    assert merchants_where(people.owner_of(first), "manage_store") == [first]

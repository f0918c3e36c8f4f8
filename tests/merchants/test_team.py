"""The team: nobody's log-in is handed over, and one owner always remains."""

import pytest

from merchants import team
from merchants.models import Membership, Role, User
from tests.merchants import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def merchant():
    return people.approved()


def test_an_invited_person_has_a_role_and_no_password(merchant):
    membership = team.invite(merchant=merchant, email="Kassa@Shop.example", role="Cashier", now=people.NOW)
    assert (membership.user.email, membership.role) == ("kassa@shop.example", Role.CASHIER)
    assert not membership.user.has_usable_password()


@pytest.mark.parametrize("email", ["owner1@shop.example", "OWNER1@shop.example", "admin@city.example"])
def test_an_address_with_a_log_in_is_never_invited(merchant, email):
    other = people.approved(1)
    before = User.objects.get(email=email.lower()).password
    with pytest.raises(team.AddressTaken):
        team.invite(merchant=merchant, email=email, role="Cashier", now=people.NOW)
    assert User.objects.get(email=email.lower()).password == before
    assert Membership.objects.filter(merchant=merchant).count() == 1
    assert Membership.objects.filter(merchant=other).count() == 1


def test_a_person_with_a_password_gets_no_link(merchant):
    with pytest.raises(team.AlreadyJoined):
        team.set_password_path(merchant.memberships.get())


def test_the_last_owner_stays(merchant):
    owner = merchant.memberships.get()
    with pytest.raises(team.LastOwner):
        team.remove(owner)
    with pytest.raises(team.LastOwner):
        team.change_role(owner, "Manager")
    assert merchant.memberships.get().role == Role.OWNER


def test_one_of_two_owners_may_go(merchant):
    second = team.invite(merchant=merchant, email="second@shop.example", role="Owner", now=people.NOW)
    team.remove(merchant.memberships.get(user__email="owner0@shop.example"))
    assert merchant.memberships.get() == second
    with pytest.raises(team.LastOwner):
        team.remove(second)

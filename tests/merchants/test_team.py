"""The team: nobody's log-in is handed over, and one owner always remains."""

import pytest
from django.core import mail

from devnet.process import free_port
from merchants import former_owners, team
from merchants.models import FormerOwner, Membership, Role, User
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
        team.remove(owner, actor=owner.user, now=people.NOW)
    with pytest.raises(team.LastOwner):
        team.change_role(owner, "Manager", actor=owner.user, now=people.NOW)
    assert merchant.memberships.get().role == Role.OWNER


def test_one_of_two_owners_may_go(merchant):
    second = team.invite(merchant=merchant, email="second@shop.example", role="Owner", now=people.NOW)
    first = merchant.memberships.get(user__email="owner0@shop.example")
    team.remove(first, actor=second.user, now=people.NOW)
    assert merchant.memberships.get() == second
    with pytest.raises(team.LastOwner):
        team.remove(second, actor=second.user, now=people.NOW)


def test_the_last_owner_who_stays_is_not_remembered_as_a_former_one(merchant):
    owner = merchant.memberships.get()
    with pytest.raises(team.LastOwner):
        team.remove(owner, actor=owner.user, now=people.NOW)
    assert not FormerOwner.objects.exists()


@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_who_stops_being_an_owner_is_told_once_by_whom(merchant, how):
    first, second = people.owner_of(merchant), people.colleague(merchant, Role.OWNER)
    membership = merchant.memberships.get(user=first)
    if how == "removed":
        team.remove(membership, actor=second, now=people.NOW)
    else:
        team.change_role(membership, "Cashier", actor=second, now=people.NOW)
    assert (former_owners.tell(now=people.NOW), former_owners.tell(now=people.NOW)) == (1, 0)
    (letter,) = mail.outbox
    assert letter.to == [first.email]
    for word in (second.email, merchant.legal_name, "23.11.2026 17:00", "no longer an owner", "больше не"):
        assert word in letter.body


def test_a_letter_to_a_former_owner_that_was_not_taken_is_sent_again(merchant, settings):
    first, second = people.owner_of(merchant), people.colleague(merchant, Role.OWNER)
    team.remove(merchant.memberships.get(user=first), actor=second, now=people.NOW)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    assert former_owners.tell(now=people.NOW) == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert former_owners.tell(now=people.NOW) == 1


def test_who_was_no_owner_and_who_becomes_one_is_not_told(merchant):
    owner, cashier = people.owner_of(merchant), people.colleague(merchant, Role.CASHIER)
    membership = merchant.memberships.get(user=cashier)
    team.change_role(membership, "Owner", actor=owner, now=people.NOW)
    team.change_role(membership, "Owner", actor=owner, now=people.NOW)
    accountant = people.colleague(merchant, Role.ACCOUNTANT)
    team.remove(merchant.memberships.get(user=accountant), actor=owner, now=people.NOW)
    assert former_owners.tell(now=people.NOW) == 0
    assert mail.outbox == []

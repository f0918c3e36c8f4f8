"""From application to approval and back: every move, its author, its reason, its event."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction

from merchants import onboarding
from merchants.models import Membership, Merchant, MerchantEvent, MerchantStatus, Role, User
from tests.merchants import people

pytestmark = pytest.mark.django_db

A, B, C, D = (
    MerchantStatus.APPLIED,
    MerchantStatus.APPROVED,
    MerchantStatus.REJECTED,
    MerchantStatus.SUSPENDED,
)


@pytest.fixture
def admin():
    return people.city_admin()


def brought_to(status, admin):
    merchant = people.applied()
    way = {A: [], B: ["approve"], C: ["reject"], D: ["approve", "suspend"]}[status]
    for move in way:
        merchant = onboarding.decide(merchant, move, admin=admin, reason="seen", now=people.NOW)
    return merchant


def test_an_application_makes_a_merchant_and_its_owner():
    merchant = people.applied()
    assert merchant.status == MerchantStatus.APPLIED
    membership = Membership.objects.get(merchant=merchant)
    assert (membership.user.email, membership.role) == ("owner0@shop.example", Role.OWNER)
    event = MerchantEvent.objects.get(merchant=merchant)
    assert (event.from_status, event.to_status, event.actor) == ("", "Applied", membership.user)


@pytest.mark.parametrize(
    ("status", "move", "target"),
    [
        (A, "approve", B),
        (C, "approve", B),
        (A, "reject", C),
        (B, "suspend", D),
        (D, "reinstate", B),
    ],
)
def test_a_move_of_the_table_is_made_and_recorded(admin, status, move, target):
    merchant = brought_to(status, admin)
    moved = onboarding.decide(merchant, move, admin=admin, reason=" the papers ", now=people.NOW)
    stored = Merchant.objects.get(pk=merchant.pk)
    assert moved.status == stored.status == target
    assert (stored.decision_reason, stored.decided_by, stored.decided_at) == ("the papers", admin, people.NOW)
    event = MerchantEvent.objects.filter(merchant=merchant).last()
    assert (event.from_status, event.to_status, event.reason, event.actor) == (
        status,
        target,
        "the papers",
        admin,
    )


@pytest.mark.parametrize(
    ("status", "move"),
    [
        (A, "suspend"),
        (C, "suspend"),
        (B, "reject"),
        (D, "reject"),
    ],
)
def test_any_other_move_is_refused_and_changes_nothing(admin, status, move):
    merchant = brought_to(status, admin)
    events = MerchantEvent.objects.count()
    with pytest.raises(onboarding.MoveRefused):
        onboarding.decide(merchant, move, admin=admin, reason="no", now=people.NOW)
    assert Merchant.objects.get(pk=merchant.pk).status == status
    assert MerchantEvent.objects.count() == events


def test_every_pair_of_status_and_move_is_in_one_of_the_tables_above(admin):
    merchant = people.applied()
    allowed = {(status, name) for name, move in onboarding.MOVES.items() for status in move.sources}
    assert allowed == {(A, "approve"), (C, "approve"), (A, "reject"), (B, "suspend"), (D, "reinstate")}
    for status in MerchantStatus.values:
        merchant.status = status
        assert {(status, name) for name in onboarding.possible_moves(merchant)} == {
            pair for pair in allowed if pair[0] == status
        }


def test_a_decision_made_twice_is_recorded_once(admin):
    merchant = people.applied()
    onboarding.approve(merchant, admin=admin, now=people.NOW)
    events = MerchantEvent.objects.count()
    assert onboarding.approve(merchant, admin=admin, now=people.NOW).status == B
    assert MerchantEvent.objects.count() == events


@pytest.mark.parametrize(("status", "move"), [(A, "reject"), (B, "suspend")])
@pytest.mark.parametrize("reason", ["", "  \n", "x" * 301])
def test_rejecting_and_suspending_need_a_reason_that_fits(admin, status, move, reason):
    merchant = brought_to(status, admin)
    with pytest.raises(onboarding.MoveRefused):
        onboarding.decide(merchant, move, admin=admin, reason=reason, now=people.NOW)
    assert Merchant.objects.get(pk=merchant.pk).status == status


@pytest.mark.parametrize("rights", [{}, {"is_staff": True}, {"is_superuser": True}])
def test_only_a_city_admin_with_the_right_decides(rights):
    merchant = people.applied()
    person = User.objects.create_user("clerk@city.example", people.PASSWORD, **rights)
    with pytest.raises(PermissionDenied):
        onboarding.approve(merchant, admin=person, now=people.NOW)
    assert Merchant.objects.get(pk=merchant.pk).status == A


def test_a_number_that_is_taken_is_refused_and_nothing_is_written():
    people.applied()
    other = User.objects.create_user("other@shop.example", people.PASSWORD)
    with pytest.raises(onboarding.BusinessIdTaken):
        onboarding.apply(people.APPLICATION, applicant=other, now=people.NOW)
    assert Merchant.objects.count() == 1
    assert not Membership.objects.filter(user=other).exists()


def test_a_rejected_application_is_corrected_and_sent_again(admin):
    merchant = brought_to(C, admin)
    owner = people.owner_of(merchant)
    again = onboarding.apply_again(merchant, people.APPLICATION, applicant=owner, now=people.NOW)
    assert again.status == A
    last = MerchantEvent.objects.filter(merchant=merchant).last()
    assert (last.from_status, last.to_status, last.actor) == (C, A, owner)


@pytest.mark.parametrize("status", [A, B, D])
def test_only_a_rejected_application_is_sent_again(admin, status):
    merchant = brought_to(status, admin)
    with pytest.raises(onboarding.MoveRefused):
        onboarding.apply_again(
            merchant, people.APPLICATION, applicant=people.owner_of(merchant), now=people.NOW
        )
    assert Merchant.objects.get(pk=merchant.pk).status == status


def test_a_correction_to_a_number_that_is_taken_is_refused(admin):
    people.applied(1)
    merchant = brought_to(C, admin)
    values = {name: getattr(people.APPLICATION, name) for name in people.APPLICATION.__slots__}
    application = onboarding.Application(**values | {"business_id": people.BUSINESS_IDS[1]})
    with pytest.raises(onboarding.BusinessIdTaken):
        onboarding.apply_again(merchant, application, applicant=people.owner_of(merchant), now=people.NOW)
    assert Merchant.objects.get(pk=merchant.pk).status == C


def test_the_database_itself_wants_an_author_for_a_decision():
    merchant = people.applied()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE merchants_merchant SET status = 'Approved' WHERE id = %s", [merchant.pk])

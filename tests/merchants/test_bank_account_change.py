"""A changed bank account waits 24 hours, its owners are told, and nothing else changes the account of a merchant that trades."""

import re
import threading
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.locmem import EmailBackend as LocmemBackend
from django.db import DatabaseError, connection, connections, transaction

from alatau_pay.celery import app
from devnet.process import free_port
from merchants import bank_account_change, onboarding, tasks, team
from merchants.models import BankAccountChange, Merchant, Role
from tests.merchants import people

pytestmark = pytest.mark.django_db
NOW = people.NOW
OLD, OLD_BIC = "KZ84722C000012345678", "CASPKZKA"
NEW, NEW_BIC = "KZ39601A001000000017", "HSBKKZKX"
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
def merchant():
    return people.approved()


def ask(merchant, *, now=NOW, iban=NEW, bic=NEW_BIC, actor=None):
    return bank_account_change.request(
        merchant, iban=iban, bank_bic=bic, actor=actor or people.owner_of(merchant), now=now
    )


def account_of(merchant):
    merchant.refresh_from_db()
    return merchant.iban, merchant.bank_bic


def test_a_change_waits_a_day_after_its_owners_were_told(merchant):
    change = ask(merchant)
    assert change.effective_at == NOW + DAY
    assert bank_account_change.tell(now=NOW) == 1
    assert bank_account_change.apply_due(now=NOW + DAY - SECOND) == []
    assert account_of(merchant) == (OLD, OLD_BIC)
    assert bank_account_change.apply_due(now=NOW + DAY) == [merchant]
    assert account_of(merchant) == (NEW, NEW_BIC)
    assert bank_account_change.apply_due(now=NOW + 2 * DAY) == []
    assert bank_account_change.waiting(merchant) is None


def test_the_day_begins_when_the_owners_were_told(merchant):
    ask(merchant)
    assert bank_account_change.apply_due(now=NOW + 3 * DAY) == []
    bank_account_change.tell(now=NOW + 3 * DAY)
    assert bank_account_change.apply_due(now=NOW + 4 * DAY - SECOND) == []
    assert bank_account_change.apply_due(now=NOW + 4 * DAY) == [merchant]


def test_every_owner_is_told_once_and_nobody_else(merchant):
    first, second = people.owner_of(merchant), people.colleague(merchant, Role.OWNER)
    people.colleague(merchant, Role.ACCOUNTANT)
    people.approved(1)
    ask(merchant, actor=first)
    assert (bank_account_change.tell(now=NOW), bank_account_change.tell(now=NOW)) == (1, 0)
    assert told() == sorted([first.email, second.email])
    for letter in mail.outbox:
        for word in (OLD, NEW, first.email, merchant.legal_name, "24.11.2026 17:00"):
            assert word in letter.body
        assert "cancel the change" in letter.body
        assert "отмените" in letter.body
        assert "тоқтатыңыз" in letter.body


def told():
    """The addresses that letters went to, each letter to one person."""
    assert all(len(letter.to) == 1 for letter in mail.outbox)
    return sorted(letter.to[0] for letter in mail.outbox)


def link_to(person):
    """The path in the person's letter."""
    (letter,) = [letter for letter in mail.outbox if letter.to == [person.email]]
    (path,) = set(re.findall(r"/account-change/\S+", letter.body))
    return path


@pytest.mark.parametrize("order", ["put out, then asked", "asked, then put out"])
@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_a_thief_who_puts_the_owner_out_does_not_change_the_account_unseen(merchant, client, order, how):
    owner, thief = people.owner_of(merchant), people.colleague(merchant, Role.OWNER)
    acts = [lambda: put_out(merchant, owner, thief, how), lambda: ask(merchant, actor=thief)]
    for act in acts if order == "put out, then asked" else reversed(acts):
        act()
    assert bank_account_change.tell(now=NOW) == 1
    assert told() == sorted([owner.email, thief.email])
    page = client.get(link_to(owner))
    assert (page.status_code, OLD in page.text, NEW in page.text) == (200, True, True)
    assert BankAccountChange.objects.get().cancelled_at is None
    page = client.post(link_to(owner), follow=True)
    assert "This change was cancelled" in page.text
    assert BankAccountChange.objects.get().cancelled_by == owner
    assert bank_account_change.apply_due(now=NOW + 2 * DAY) == []
    assert account_of(merchant) == (OLD, OLD_BIC)


def put_out(merchant, owner, actor, how):
    membership = merchant.memberships.get(user=owner)
    if how == "removed":
        team.remove(membership, actor=actor, now=NOW)
    else:
        team.change_role(membership, "Cashier", actor=actor, now=NOW)


@pytest.mark.parametrize(("after", "is_told"), [(7 * DAY, True), (7 * DAY + SECOND, False)])
def test_who_left_long_ago_is_told_of_nothing(merchant, after, is_told):
    first, second = people.owner_of(merchant), people.colleague(merchant, Role.OWNER)
    put_out(merchant, first, second, "removed")
    ask(merchant, now=NOW + after, actor=second)
    bank_account_change.tell(now=NOW + after)
    assert (first.email in told()) is is_told


def test_an_owner_who_came_back_gets_one_letter(merchant):
    first, second = people.owner_of(merchant), people.colleague(merchant, Role.OWNER)
    put_out(merchant, first, second, "demoted")
    team.change_role(merchant.memberships.get(user=first), "Owner", actor=second, now=NOW)
    ask(merchant, actor=second)
    bank_account_change.tell(now=NOW)
    assert told() == sorted([first.email, second.email])


def test_a_link_stops_its_own_change_and_no_other_text_is_a_link(merchant, client):
    owner = people.owner_of(merchant)
    ask(merchant)
    bank_account_change.tell(now=NOW)
    path = link_to(owner)
    client.post(path)
    second = ask(merchant, now=NOW + DAY)
    assert "no change to cancel" in client.post(path, follow=True).text
    second.refresh_from_db()
    assert second.cancelled_at is None
    for text in (path[:-3] + "x/", "/account-change/1/", "/account-change/WzEsMV0:1:x/"):
        assert (client.get(text).status_code, client.post(text).status_code) == (404, 404)


def test_a_log_in_that_the_city_closed_stops_nothing(merchant, client):
    owner = people.owner_of(merchant)
    ask(merchant)
    bank_account_change.tell(now=NOW)
    path = link_to(owner)
    owner.is_active = False
    owner.save()
    assert client.post(path).status_code == 404
    assert BankAccountChange.objects.get().cancelled_at is None


def test_what_took_effect_says_what_is_left_to_do(merchant, client):
    ask(merchant)
    bank_account_change.tell(now=NOW)
    bank_account_change.apply_due(now=NOW + DAY)
    assert "tell the city office at once" in client.get(link_to(people.owner_of(merchant))).text


def test_where_nobody_can_be_told_the_account_stays(merchant):
    ask(merchant)
    merchant.memberships.all().delete()
    assert bank_account_change.tell(now=NOW) == 0
    assert bank_account_change.apply_due(now=NOW + 2 * DAY) == []


def test_a_mail_server_that_does_not_answer_is_asked_again(merchant, settings):
    ask(merchant)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    assert bank_account_change.tell(now=NOW) == 0
    assert BankAccountChange.objects.get().told_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert bank_account_change.tell(now=NOW + DAY) == 1
    assert bank_account_change.apply_due(now=NOW + DAY) == []


class WorkerDies(BaseEmailBackend):
    """Takes no letter: the process that sends it is ended."""

    def send_messages(self, email_messages):
        raise SystemExit


def test_a_worker_that_dies_before_the_mail_is_out_has_told_nobody(merchant, settings):
    ask(merchant)
    settings.EMAIL_BACKEND = f"{__name__}.WorkerDies"
    with pytest.raises(SystemExit):
        bank_account_change.tell(now=NOW)
    assert bank_account_change.apply_due(now=NOW + 2 * DAY) == []
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert bank_account_change.tell(now=NOW + 2 * DAY) == 1
    assert len(mail.outbox) == 1


class RefusesColleagues(LocmemBackend):
    """A mail server that takes no letter to a colleague, with the code in its class."""

    code = 550

    def send_messages(self, messages):
        for message in messages:
            if message.to[0].startswith("owner@"):
                raise SMTPRecipientsRefused({message.to[0]: (self.code, b"no such mailbox")})
        return super().send_messages(messages)


class RefusesColleaguesNow(RefusesColleagues):
    code = 450


@pytest.mark.parametrize(("backend", "is_told"), [("RefusesColleagues", 1), ("RefusesColleaguesNow", 0)])
def test_an_address_that_does_not_exist_holds_nothing_up_and_a_busy_one_does(
    merchant, settings, backend, is_told
):
    people.colleague(merchant, Role.OWNER)
    change = ask(merchant, actor=merchant.memberships.earliest("created_at", "pk").user)
    settings.EMAIL_BACKEND = f"{__name__}.{backend}"
    assert bank_account_change.tell(now=NOW) == is_told
    change.refresh_from_db()
    assert (change.told_at is not None) is bool(is_told)


def test_where_no_address_exists_the_account_stays(merchant, settings):
    owner, only = people.owner_of(merchant), people.colleague(merchant, Role.OWNER)
    ask(merchant, actor=owner)
    merchant.memberships.exclude(user=only).delete()
    settings.EMAIL_BACKEND = f"{__name__}.RefusesColleagues"
    assert bank_account_change.tell(now=NOW) == 0


def test_an_owner_stops_it_while_it_waits(merchant):
    change = ask(merchant)
    bank_account_change.tell(now=NOW)
    other = people.colleague(merchant, Role.OWNER)
    assert bank_account_change.cancel(change, actor=other, now=NOW + SECOND)
    assert not bank_account_change.cancel(change, actor=other, now=NOW + SECOND)
    assert bank_account_change.apply_due(now=NOW + 2 * DAY) == []
    assert account_of(merchant) == (OLD, OLD_BIC)
    change.refresh_from_db()
    assert (change.cancelled_by, change.cancelled_at) == (other, NOW + SECOND)
    assert ask(merchant, now=NOW + 2 * DAY, actor=other).effective_at == NOW + 3 * DAY


def test_what_has_taken_effect_is_not_stopped(merchant):
    change = ask(merchant)
    bank_account_change.tell(now=NOW)
    bank_account_change.apply_due(now=NOW + DAY)
    assert not bank_account_change.cancel(change, actor=people.owner_of(merchant), now=NOW + DAY)
    assert account_of(merchant) == (NEW, NEW_BIC)


def test_one_change_waits_at_a_time(merchant):
    ask(merchant)
    with pytest.raises(bank_account_change.ChangeWaiting):
        ask(merchant, iban="KZ86125KZT5004100100", bic="KCJBKZKX")
    assert BankAccountChange.objects.count() == 1


def test_the_same_account_is_no_change(merchant):
    with pytest.raises(bank_account_change.SameAccount):
        ask(merchant, iban=OLD, bic=OLD_BIC)


def test_an_application_is_corrected_and_not_changed():
    with pytest.raises(bank_account_change.ChangeRefused):
        ask(people.applied())
    assert not BankAccountChange.objects.exists()


def test_a_suspended_merchant_may_still_put_its_account_right(merchant):
    onboarding.suspend(merchant, admin=merchant.decided_by, reason="A check", now=NOW)
    assert ask(merchant).new_iban == NEW


def test_the_task_is_known_by_the_name_that_beat_sends(merchant):
    ask(merchant)
    assert tasks.tell_of_account_changes.name in {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert tasks.tell_of_account_changes() == 1


# --- the database ---------------------------------------------------------------------------------------------------------


def refuse(reason, sql, *values):
    with (
        pytest.raises(DatabaseError, match=reason),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, values)


def test_the_account_of_a_merchant_that_trades_is_not_changed_by_hand(merchant):
    refuse("not by hand", "UPDATE merchants_merchant SET iban = %s", NEW)
    refuse("not by hand", "UPDATE merchants_merchant SET bank_bic = %s", NEW_BIC)
    ask(merchant)
    bank_account_change.tell(now=NOW)
    refuse("not by hand", "UPDATE merchants_merchant SET iban = %s, bank_bic = %s", NEW, NEW_BIC)
    assert account_of(merchant) == (OLD, OLD_BIC)


def test_an_account_that_was_left_does_not_come_back_by_hand(merchant):
    ask(merchant)
    bank_account_change.tell(now=NOW)
    bank_account_change.apply_due(now=NOW + DAY)
    refuse("not by hand", "UPDATE merchants_merchant SET iban = %s, bank_bic = %s", OLD, OLD_BIC)


def test_an_applicant_corrects_its_account_freely():
    merchant = people.applied()
    Merchant.objects.filter(pk=merchant.pk).update(iban=NEW, bank_bic=NEW_BIC)
    assert account_of(merchant) == (NEW, NEW_BIC)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("never edited", "new_iban = 'KZ86125KZT5004100100'"),
        ("never edited", "effective_at = effective_at - interval '1 hour'"),
        ("never edited", "requested_at = requested_at - interval '2 days'"),
        (
            "account_change_applied_after_its_wait",
            "applied_at = effective_at - interval '1 second', told_at = effective_at - interval '2 days'",
        ),
        ("account_change_applied_a_day_after_it_was_told", "applied_at = effective_at"),
        (
            "account_change_applied_a_day_after_it_was_told",
            "applied_at = effective_at, told_at = effective_at - interval '1 hour'",
        ),
        ("account_change_cancelled_by_somebody", "cancelled_at = now()"),
    ],
)
def test_a_change_is_not_bent(merchant, reason, change):
    ask(merchant)
    refuse(reason, f"UPDATE merchants_bankaccountchange SET {change}")


def test_a_change_that_ended_stays_ended_and_is_never_deleted(merchant):
    change = ask(merchant)
    bank_account_change.cancel(change, actor=people.owner_of(merchant), now=NOW)
    refuse(
        "never edited", "UPDATE merchants_bankaccountchange SET cancelled_at = NULL, cancelled_by_id = NULL"
    )
    refuse("never deleted", "DELETE FROM merchants_bankaccountchange")


def test_a_change_that_does_not_wait_is_not_written(merchant):
    values = {
        "merchant": merchant,
        "old_iban": OLD,
        "old_bank_bic": OLD_BIC,
        "new_iban": NEW,
        "new_bank_bic": NEW_BIC,
        "requested_by": people.owner_of(merchant),
        "requested_at": NOW,
    }
    with pytest.raises(DatabaseError, match="account_change_waits_a_day"), transaction.atomic():
        BankAccountChange.objects.create(**values, effective_at=NOW + DAY - SECOND)
    BankAccountChange.objects.create(**values, effective_at=NOW + DAY)
    with pytest.raises(DatabaseError, match="one_waiting_account_change"), transaction.atomic():
        BankAccountChange.objects.create(**values, effective_at=NOW + DAY)


@pytest.mark.django_db(transaction=True)
def test_applied_and_cancelled_at_once_it_is_one_of_the_two(merchant):
    change, owner = ask(merchant), people.owner_of(merchant)
    bank_account_change.tell(now=NOW)
    barrier, answers = threading.Barrier(2), {}

    def work(name, act):
        try:
            barrier.wait(timeout=20)
            answers[name] = bool(act())
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=work, args=("applied", lambda: bank_account_change.apply_due(now=NOW + DAY))),
        threading.Thread(
            target=work,
            args=("cancelled", lambda: bank_account_change.cancel(change, actor=owner, now=NOW + DAY)),
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(answers.values()) == [False, True]
    assert account_of(merchant) == ((NEW, NEW_BIC) if answers["applied"] else (OLD, OLD_BIC))

"""What Celery runs of payouts: each task does its verb's work, and beat knows it by its name."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alatau_pay.celery import app
from merchants import bank_account_change
from merchants.models import BankAccountChange
from settlements import tasks
from settlements.models import CalendarDay, Payout
from tests.settlements import paid_out

pytestmark = pytest.mark.django_db
NEW_IBAN = "KZ39601A001000000017"


def test_the_schedule_is_looked_at():
    CalendarDay.objects.create(
        date=timezone.localdate(), is_working=True, note="whatever day the test runs on"
    )
    paid_out.owed(paid_out.merchant(), 500000, now=timezone.now())
    assert (tasks.prepare_payouts(), tasks.prepare_payouts()) == (1, 0)
    assert Payout.objects.get().amount_tiyn == 500000


def test_an_account_that_waited_is_put_into_force_and_unapproved_payouts_follow():
    now = timezone.now()
    payout = paid_out.payout(now=now)
    merchant, owner = payout.merchant, paid_out.owner_of(payout.merchant)
    asked = now - timedelta(days=2)
    bank_account_change.request(merchant, iban=NEW_IBAN, bank_bic="HSBKKZKX", actor=owner, now=asked)
    bank_account_change.tell(now=asked)
    assert (tasks.change_bank_accounts(), tasks.change_bank_accounts()) == (1, 0)
    for row in (payout, merchant):
        row.refresh_from_db()
        assert row.iban == NEW_IBAN
    assert BankAccountChange.objects.get().applied_at >= now


@pytest.mark.parametrize("task", [tasks.prepare_payouts, tasks.change_bank_accounts])
def test_beat_sends_the_names_that_the_tasks_have(task):
    assert task.name in {entry["task"] for entry in app.conf.beat_schedule.values()}


def test_payouts_are_prepared_from_six_in_the_morning_of_almaty():
    entry = app.conf.beat_schedule["prepare payouts that are due"]
    assert app.conf.timezone == "Asia/Almaty"
    assert entry["schedule"].hour == set(range(6, 20))

"""The city is told in the morning what the night's reconciliation found, and nothing where all is well."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.urls import reverse

from chains.models import Network, Transfer
from devnet.process import free_port
from payments.models import Difference, ReconciliationRun
from payments.reconciliation import letter, run
from tests.world import NOW, World, make_invoice, pay

pytestmark = pytest.mark.django_db(transaction=True)
DUTY = ["duty@city.example"]
ONE_DAY = timedelta(days=1)
# 01:30 in Almaty.
NIGHT = datetime(NOW.year, NOW.month, NOW.day, 20, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def duty(settings: Any) -> None:
    settings.ALERT_EMAILS = DUTY


@pytest.fixture
def paid(world: World) -> Transfer:
    """One payment, in a city whose networks are out of use since."""
    transfer = pay(make_invoice(world.store))
    Network.objects.update(enabled=False)
    return transfer


def reconcile(now: datetime) -> int:
    run.perform_due(now=now)
    return letter.tell(now=now)


def compared_all() -> None:
    """As if every node had answered."""
    for each in ReconciliationRun.objects.all():
        each.comparisons.exclude(not_compared_reason="").update(not_compared_reason="")


def test_a_night_on_which_all_agrees_makes_no_letter(paid: Transfer, mailoutbox: list[Any]) -> None:
    run.perform_due(now=NIGHT)
    compared_all()
    assert letter.tell(now=NIGHT) == 0
    assert (mailoutbox, ReconciliationRun.objects.get().told_at) == ([], NIGHT)


def test_a_difference_is_mailed_each_night_that_it_lasts_with_its_age(
    paid: Transfer, mailoutbox: list[Any], settings: Any
) -> None:
    Transfer.objects.update(amount_minor=1)
    for night in range(2):
        run.perform_due(now=NIGHT + night * ONE_DAY)
        compared_all()
        assert [letter.tell(now=NIGHT + night * ONE_DAY) for _ in range(2)] == [1, 0]
    first, second = mailoutbox
    night = NIGHT.date() + ONE_DAY
    assert (first.recipients(), first.subject) == (
        DUTY,
        f"Alatau Pay: reconciliation of the night of {night}: 1 difference",
    )
    subject = Difference.objects.get().subject
    assert (
        f"A payment and its transfer {subject}: 0.00036765 BTC and 0.00000001 BTC, for 0 days." in first.body
    )
    assert "1 standing, 1 of them new" in first.body
    assert "for 1 day." in second.body and "1 standing, 0 of them new" in second.body
    page = reverse("admin:payments_reconciliationrun_change", args=[ReconciliationRun.objects.last().pk])
    assert first.body.endswith(settings.SITE_URL + page)


def test_of_many_differences_the_oldest_are_mailed_and_all_are_counted(
    world: World, mailoutbox: list[Any]
) -> None:
    for _ in range(letter.DIFFERENCES_MAX + 1):
        pay(make_invoice(world.store))
    Transfer.objects.update(amount_minor=1)
    reconcile(NIGHT)
    assert f"{letter.DIFFERENCES_MAX + 1} standing" in mailoutbox[0].body
    assert "and 1 more" in mailoutbox[0].body


def test_what_was_not_compared_is_said(paid: Transfer, mailoutbox: list[Any]) -> None:
    reconcile(NIGHT)
    assert mailoutbox[0].subject.endswith("not everything was compared")
    assert "chain:bitcoin: not compared: the network is not enabled" in mailoutbox[0].body


def test_a_run_that_a_person_asked_for_makes_no_letter(paid: Transfer, mailoutbox: list[Any]) -> None:
    Transfer.objects.update(amount_minor=1)
    asked = ReconciliationRun.objects.create(requested_at=NOW)
    assert run.perform(asked, now=NOW)
    assert letter.tell(now=NOW) == 0
    assert mailoutbox == []


def test_a_run_that_failed_is_told(world: World, mailoutbox: list[Any]) -> None:
    ReconciliationRun.objects.create(
        requested_at=NIGHT,
        started_at=NIGHT,
        nightly_for=NIGHT.date(),
        status="Failed",
        failure="OperationalError: the disk is full",
    )
    assert letter.tell(now=NIGHT) == 1
    assert "failed" in mailoutbox[0].subject
    assert "the disk is full" in mailoutbox[0].body


def test_two_workers_at_once_send_one_letter(paid: Transfer, mailoutbox: list[Any]) -> None:
    run.perform_due(now=NIGHT)

    def work() -> None:
        try:
            letter.tell(now=NIGHT)
        finally:
            connections.close_all()

    both = [threading.Thread(target=work) for _ in range(2)]
    with transaction.atomic(), connection.cursor() as cursor:
        # Both have seen the run before either may write.
        ReconciliationRun.objects.select_for_update().get()
        for each in both:
            each.start()
        wait_for_waiting(cursor, 2)
    for each in both:
        each.join()
    assert len(mailoutbox) == 1


def wait_for_waiting(cursor: Any, number: int) -> None:
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        # What the server tells of others stands still in a database transaction, unless it is asked anew.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if cursor.fetchone() == (number,):
            return
        time.sleep(0.02)
    raise AssertionError(f"there are no {number} that wait")


def test_a_letter_that_no_server_took_goes_out_later(
    paid: Transfer, mailoutbox: list[Any], settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    assert reconcile(NIGHT) == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert letter.tell(now=NIGHT + 2 * ONE_DAY) == 0
    assert letter.tell(now=NIGHT + timedelta(hours=1)) == 1
    assert len(mailoutbox) == 1

"""The ledger is proved every night, and the city is told: sound with the seal to keep, or what is wrong."""

import logging
import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth.backends import ModelBackend
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from alatau_pay.assets import Asset
from alatau_pay.celery import app
from devnet.process import free_port
from payments import metrics
from settlements import days, entries, night_verification, tasks
from settlements.models import DaySeal, LedgerVerification
from tests.payments.test_reconciliation_letter import wait_for_waiting
from tests.settlements import books
from tests.settlements.test_verify_ledger import behind_its_back

pytestmark = pytest.mark.django_db(transaction=True)
DUTY = ["duty@city.example"]
# 02:30 in Almaty, in the night after the second of two sealed days.
NIGHT = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
TONIGHT = date(2026, 11, 23)
ONE_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def duty(settings):
    settings.ALERT_EMAILS = DUTY


@pytest.fixture
def entry(world):
    """The first of two entries on two sealed days."""
    first = books.sale(world.merchant, 1_000_000, fee=10_000, vat=1_600, now=books.at(21))
    books.sale(world.merchant, 500_000, fee=5_000, vat=800, now=books.at(22))
    days.close_due(NIGHT)
    return first


def seal_of(day):
    return bytes(DaySeal.objects.get(day_id=day).seal).hex()


def prove(now=NIGHT):
    row = night_verification.verify_due(now=now)
    night_verification.tell(now=now)
    return row


def test_a_sound_ledger_is_proved_once_a_night_and_its_seal_goes_out_by_mail(entry, mailoutbox, settings):
    assert prove(NIGHT - timedelta(minutes=1)) is None
    row = prove()
    assert (row.night, row.outcome, row.finding_count) == (TONIGHT, "Proved", 0)
    assert row.sentence.startswith("2 entries with 12 postings in 2 sealed days")
    assert (row.last_day, row.seal_hex) == (date(2026, 11, 22), seal_of("2026-11-22"))
    assert prove(NIGHT + timedelta(hours=20)) is None
    (mail,) = mailoutbox
    assert (mail.recipients(), mail.subject) == (
        DUTY,
        "Alatau Pay: the ledger is proved, seal of 2026-11-22",
    )
    assert f"verify_ledger --seal 2026-11-22={seal_of('2026-11-22')}\n" in mail.body
    page = reverse("admin:settlements_ledgerverification_change", args=[row.pk])
    assert mail.body.endswith(settings.SITE_URL + page)
    assert prove(NIGHT + ONE_DAY).night == TONIGHT + ONE_DAY
    assert len(mailoutbox) == 2


def test_a_bent_ledger_is_an_alarm(entry, world, mailoutbox, caplog):
    behind_its_back(
        f"UPDATE settlements_posting SET amount_minor = amount_minor + 1 WHERE entry_id = {entry.pk}"
    )
    with caplog.at_level(logging.ERROR):
        row = prove()
    assert (row.outcome, row.finding_count) == ("Differs", len(row.findings.split("\n")))
    assert f"entry {entry.pk} " in row.findings
    assert "not what was posted" in caplog.text
    (mail,) = mailoutbox
    assert mail.subject == "Alatau Pay: THE LEDGER IS NOT WHAT WAS POSTED"
    assert row.findings.split("\n")[0] in mail.body
    client = Client()
    client.force_login(world.admin, backend=f"{ModelBackend.__module__}.{ModelBackend.__qualname__}")
    page = client.get(reverse("admin:settlements_ledgerverification_change", args=[row.pk]))
    assert "NOT proved" in page.content.decode()
    assert client.get(reverse("admin:settlements_ledgerverification_changelist")).status_code == 200


def test_gas_that_was_bought_and_not_entered_is_no_tale_of_a_bent_ledger(entry, mailoutbox):
    """The wallet pays gas in a coin of which the books know nothing yet: nobody changed a row."""
    fee = entries.network_fee_paid(
        coin=Asset("ETH", "ETH", 18), wallet="w2", fee_minor=21_000, value_tiyn=12_000
    )
    books.post(fee, now=NIGHT, reference="refund:1")
    row = prove()
    assert (row.outcome, row.findings) == (
        "Differs",
        "reserve:ETH is overdrawn: 21000 more went out than came in",
    )
    (mail,) = mailoutbox
    assert mail.subject == "Alatau Pay: more coin left the reserve than the books know of"
    assert row.findings in mail.body
    assert "acquisition" in mail.body
    assert "behind the program's back" not in mail.body
    # The sealed days are sound all the same.
    assert f"verify_ledger --seal 2026-11-22={seal_of('2026-11-22')}\n" in mail.body


def test_a_name_that_reads_like_an_overdraft_hides_no_bent_entry(entry, mailoutbox):
    name = "x\nreserve:ETH is overdrawn: 1 more went out than came in"
    behind_its_back(f"UPDATE settlements_journalentry SET idempotency_key = '{name}' WHERE id = {entry.pk}")
    assert prove().outcome == "Differs"
    assert mailoutbox[0].subject == "Alatau Pay: THE LEDGER IS NOT WHAT WAS POSTED"


def test_of_many_findings_some_are_mailed_and_all_are_counted(entry, world, mailoutbox):
    for number in range(110):
        books.sale(world.merchant, 1_000 + number, fee=0, vat=0, now=NIGHT)
    behind_its_back("UPDATE settlements_posting SET amount_minor = amount_minor + 1 WHERE side = 'D'")
    row = prove()
    assert row.finding_count > 110
    assert len(row.findings.split("\n")) == night_verification.FINDINGS_KEPT_MAX
    assert f"and {row.finding_count - night_verification.FINDINGS_MAILED_MAX} more" in mailoutbox[0].body


def test_seals_that_a_superuser_made_anew_are_not_those_that_the_night_before_saw(entry):
    assert prove().outcome == "Proved"
    behind_its_back(
        f"UPDATE settlements_journalentry SET reference = 'payment:9' WHERE id = {entry.pk}",
        "DELETE FROM settlements_closingbalance",
        "DELETE FROM settlements_dayseal",
    )
    days.close_due(NIGHT)
    LedgerVerification.objects.update(night=TONIGHT - ONE_DAY)
    row = prove()
    assert (row.outcome, row.finding_count) == ("Differs", 1)
    assert "not the one that was noted elsewhere" in row.findings


def test_a_proof_that_failed_is_told_and_made_again(entry, mailoutbox):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE settlements_dayseal RENAME TO away")
    try:
        with pytest.raises(Exception, match="settlements_dayseal"):
            night_verification.verify_due(now=NIGHT)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO settlements_dayseal")
    night_verification.tell(now=NIGHT)
    assert mailoutbox[0].subject == "Alatau Pay: the ledger could not be proved tonight"
    assert "UndefinedTable" in mailoutbox[0].body
    assert prove(NIGHT + timedelta(minutes=59)) is None
    assert prove(NIGHT + timedelta(minutes=61)).outcome == "Proved"
    assert [mail.subject for mail in mailoutbox[1:]] == [
        "Alatau Pay: the ledger is proved, seal of 2026-11-22"
    ]


def test_a_proof_whose_process_was_lost_is_made_again(entry):
    LedgerVerification.objects.create(night=TONIGHT, outcome="Running", started_at=NIGHT)
    assert prove(NIGHT + timedelta(minutes=10)) is None
    assert prove(NIGHT + timedelta(minutes=70)).outcome == "Proved"


def test_an_attempt_that_was_given_up_writes_nothing_when_it_comes_through_after_all(entry):
    """The one that took over reads a later moment: what the first one says at last must not stand for it."""

    def slow():
        try:
            night_verification.verify_due(now=NIGHT)
        finally:
            connections.close_all()

    first, taken_over = threading.Thread(target=slow), NIGHT + timedelta(minutes=61)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE settlements_dayseal IN ACCESS EXCLUSIVE MODE")
        first.start()
        wait_for_one_that_waits(cursor, "settlements_dayseal")
        assert LedgerVerification.objects.update(started_at=taken_over) == 1
    first.join()
    row = LedgerVerification.objects.get()
    assert (row.outcome, row.started_at, row.sentence) == ("Running", taken_over, "")


def wait_for_one_that_waits(cursor, table):
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table])
        if cursor.fetchone() == (1,):
            return
        time.sleep(0.02)
    raise AssertionError(f"nobody waits for {table}")


def test_a_letter_that_no_server_took_goes_out_later(entry, mailoutbox, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    assert prove().told_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert [night_verification.tell(now=NIGHT + timedelta(minutes=10)) for _ in range(2)] == [1, 0]
    assert len(mailoutbox) == 1


def test_yesterdays_letters_are_no_news_and_nobody_to_tell_is_no_trouble(entry, mailoutbox, settings):
    settings.ALERT_EMAILS = []
    assert prove().outcome == "Proved"
    settings.ALERT_EMAILS = DUTY
    assert night_verification.tell(now=NIGHT + 2 * ONE_DAY) == 0
    assert mailoutbox == []


def test_two_workers_at_once_make_one_proof(entry, mailoutbox):
    made = []

    def work():
        try:
            made.append(prove())
        finally:
            connections.close_all()

    both = [threading.Thread(target=work) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(row is None for row in made) == [False, True]
    assert LedgerVerification.objects.count() == len(mailoutbox) == 1


def test_two_workers_at_once_send_one_letter(entry, mailoutbox):
    night_verification.verify_due(now=NIGHT)

    def work():
        try:
            night_verification.tell(now=NIGHT)
        finally:
            connections.close_all()

    both = [threading.Thread(target=work) for _ in range(2)]
    with transaction.atomic(), connection.cursor() as cursor:
        # Both have seen the row before either may write.
        LedgerVerification.objects.select_for_update().get()
        for each in both:
            each.start()
        wait_for_waiting(cursor, 2)
    for each in both:
        each.join()
    assert len(mailoutbox) == 1


def test_an_empty_ledger_is_proved_without_a_seal(db, mailoutbox):
    row = prove()
    assert (row.outcome, row.last_day, row.seal_hex) == ("Proved", None, "")
    assert mailoutbox[0].subject == "Alatau Pay: the ledger is proved"


def figures(now):
    families = text_string_to_metric_families(metrics.text(now=now).decode())
    return {
        sample.name: sample.value for family in families for sample in family.samples if not sample.labels
    }


def test_a_monitor_is_told(entry):
    assert "alatau_pay_ledger_findings" not in figures(NIGHT)
    prove()
    found = figures(NIGHT + timedelta(hours=1))
    assert (found["alatau_pay_ledger_findings"], found["alatau_pay_ledger_proved_age_seconds"]) == (0, 3600)
    behind_its_back(
        f"UPDATE settlements_posting SET amount_minor = amount_minor + 1 WHERE entry_id = {entry.pk}"
    )
    row = prove(NIGHT + ONE_DAY)
    found = figures(NIGHT + ONE_DAY)
    assert found["alatau_pay_ledger_findings"] == row.finding_count > 0
    assert found["alatau_pay_ledger_proved_age_seconds"] == 86_400


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "Differs", "sentence": "x"},
        {"outcome": "Proved", "sentence": "x", "finding_count": 1, "findings": "y"},
        {"outcome": "Proved"},
        {"outcome": "Proved", "sentence": "x", "last_day": TONIGHT},
    ],
)
def test_the_database_refuses_an_outcome_that_contradicts_itself(fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerVerification.objects.create(night=TONIGHT, started_at=NIGHT, **fields)


def test_beat_sends_the_name_that_the_task_has():
    assert tasks.verify_ledger.name in {entry["task"] for entry in app.conf.beat_schedule.values()}

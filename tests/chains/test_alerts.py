"""What a person must know about the networks: raised once, cleared once, mailed once each."""

from __future__ import annotations

import logging
import smtplib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from chains import alerts, halting
from chains.models import AlertKind, Network, NetworkAlert, NodeHealth
from chains.tasks import check_health
from devnet.process import free_port

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DUTY = ["duty@alatau.example", "night@alatau.example"]


@pytest.fixture
def network(db: None, settings: Any) -> Network:
    settings.ALERT_EMAILS = DUTY
    return Network.objects.create(
        slug="bitcoin",
        name="Bitcoin",
        kind="bitcoin",
        bitcoin_chain="regtest",
        anchor_hash_hex="00" * 32,
        observed_at=NOW,
    )


def look(now: datetime) -> int:
    """As the task does, at ``now``. Returns how many mails went out."""
    alerts.review(now=now)
    return alerts.tell(now=now)


def test_a_halted_network_is_told_once_and_once_that_it_is_over(
    network: Network, mailoutbox: list[Any], settings: Any
) -> None:
    assert look(NOW) == 0
    halting.halt("bitcoin", reason="a and b have different blocks", now=NOW)
    assert [look(NOW + timedelta(seconds=15 * n)) for n in range(4)] == [1, 0, 0, 0]
    assert mailoutbox[0].recipients() == DUTY
    assert mailoutbox[0].subject == "Alatau Pay: Bitcoin is halted until a person resumes it"
    assert "a and b have different blocks" in mailoutbox[0].body
    assert f"{settings.SITE_URL}/admin/chains/network/health/" in mailoutbox[0].body
    halting.resume("bitcoin")
    over_at = NOW + timedelta(minutes=4)
    assert [look(over_at + timedelta(seconds=15 * n)) for n in range(3)] == [1, 0, 0]
    assert mailoutbox[1].subject == "Alatau Pay: over: Bitcoin is halted until a person resumes it"
    alert = NetworkAlert.objects.get()
    assert (alert.raised_at, alert.cleared_at) == (NOW, over_at)


def test_a_silence_of_five_minutes_is_told_with_what_each_node_said(
    network: Network, mailoutbox: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    NodeHealth.objects.create(
        network=network, name="10.0.0.5:8332", priority=0, asked_at=NOW, fault="10.0.0.5:8332: ConnectError"
    )
    with caplog.at_level(logging.INFO, logger="chains.alerts"):
        assert look(NOW + timedelta(minutes=5)) == 0
        assert look(NOW + timedelta(minutes=5, seconds=1)) == 1
        assert look(NOW + timedelta(minutes=9)) == 0
        assert "10.0.0.5:8332: ConnectError" in mailoutbox[0].body
        Network.objects.update(observed_at=NOW + timedelta(minutes=9))
        assert look(NOW + timedelta(minutes=9, seconds=1)) == 1
    assert mailoutbox[1].subject.startswith("Alatau Pay: over: Bitcoin is not up to date")
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_second_trouble_of_the_same_kind_is_a_new_alert(network: Network, mailoutbox: list[Any]) -> None:
    for minute in range(2):
        halting.halt("bitcoin", reason=f"trouble {minute}", now=NOW)
        look(NOW + timedelta(minutes=minute))
        halting.resume("bitcoin")
        look(NOW + timedelta(minutes=minute, seconds=30))
    assert len(mailoutbox) == 4
    assert NetworkAlert.objects.count() == 2


def test_a_disabled_network_is_no_alarm_and_ends_one(network: Network) -> None:
    halting.halt("bitcoin", reason="trouble", now=NOW)
    alerts.review(now=NOW)
    Network.objects.update(enabled=False)
    assert alerts.review(now=NOW + timedelta(minutes=1)) == 1
    assert not NetworkAlert.objects.filter(cleared_at=None).exists()


def test_a_network_that_was_never_read_is_no_alarm(network: Network) -> None:
    Network.objects.update(observed_at=None)
    assert alerts.review(now=NOW + timedelta(days=1)) == 0


def test_without_addresses_nothing_is_mailed_and_the_alert_stands_in_the_admin(
    network: Network, mailoutbox: list[Any], settings: Any
) -> None:
    settings.ALERT_EMAILS = []
    halting.halt("bitcoin", reason="trouble", now=NOW)
    assert look(NOW) == 0
    assert NetworkAlert.objects.get().kind == AlertKind.HALTED
    assert mailoutbox == []


def test_a_mail_that_the_server_did_not_take_is_tried_again(
    network: Network, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    halting.halt("bitcoin", reason="trouble", now=NOW)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_HOST_PASSWORD = "secret-word"
    assert look(NOW) == 0
    assert NetworkAlert.objects.get().raised_told_at is None
    assert "could not be mailed" in caplog.text
    assert "secret-word" not in caplog.text
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert look(NOW + timedelta(seconds=15)) == 1
    assert issubclass(smtplib.SMTPException, OSError)


def test_what_is_older_than_a_day_is_no_news(network: Network, mailoutbox: list[Any], settings: Any) -> None:
    settings.ALERT_EMAILS = []
    halting.halt("bitcoin", reason="trouble", now=NOW)
    look(NOW)
    settings.ALERT_EMAILS = DUTY
    assert look(NOW + timedelta(days=1, seconds=1)) == 0
    assert mailoutbox == []


def test_the_database_refuses_two_standing_alerts_of_a_kind(network: Network) -> None:
    NetworkAlert.objects.create(network=network, kind="halted", raised_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        NetworkAlert.objects.create(network=network, kind="halted", raised_at=NOW)


def test_the_task_looks_at_every_network_and_tells(network: Network, mailoutbox: list[Any]) -> None:
    halting.halt("bitcoin", reason="trouble", now=NOW)
    assert check_health() == 1
    assert len(mailoutbox) == 1

"""Runs: what is found is a row with an age, what is gone is resolved, what was not compared is said, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from alatau_pay.assets import Asset
from chains.models import Network, Transfer
from payments.models import Comparison, Difference, ReconciliationRun
from payments.reconciliation import metrics, run
from settlements import entries, ledger
from settlements.models import JournalEntry
from tests.world import NOW, World, make_invoice, pay

pytestmark = pytest.mark.django_db(transaction=True)
BTC = Asset("BTC", "BTC", 8)
HOUR = timedelta(hours=1)


def made(now: datetime, **fields: Any) -> ReconciliationRun:
    row = ReconciliationRun.objects.create(requested_at=now, **fields)
    assert run.perform(row, now=now)
    row.refresh_from_db()
    return row


def paid(world: World) -> Transfer:
    return pay(make_invoice(world.store))


def test_a_difference_keeps_its_row_while_it_lasts_and_is_resolved_when_it_is_gone(world: World) -> None:
    transfer = paid(world)
    Transfer.objects.update(amount_minor=1)
    first = made(NOW)
    (found,) = Difference.objects.all()
    assert (found.kind, found.left_minor, found.right_minor, found.asset_code) == (
        "payment_transfer",
        36_765,
        1,
        "BTC",
    )
    Transfer.objects.update(amount_minor=2)
    second = made(NOW + HOUR)
    (again,) = Difference.objects.all()
    assert (again.pk, again.right_minor, again.first_seen_at, again.last_seen_at) == (
        found.pk,
        2,
        NOW,
        NOW + HOUR,
    )
    assert (again.first_run, again.last_run, again.resolved_at) == (first, second, None)
    assert again.age(NOW + 5 * HOUR) == 5 * HOUR
    Transfer.objects.update(amount_minor=36_765)
    made(NOW + 2 * HOUR)
    again.refresh_from_db()
    assert (again.resolved_at, again.age(NOW + 9 * HOUR)) == (NOW + 2 * HOUR, 2 * HOUR)
    # When it comes back it is another one, whose age begins anew.
    Transfer.objects.update(amount_minor=1)
    made(NOW + 3 * HOUR)
    assert list(Difference.objects.values_list("first_seen_at", "resolved_at")) == [
        (NOW, NOW + 2 * HOUR),
        (NOW + 3 * HOUR, None),
    ]
    assert Transfer.objects.get().pk == transfer.pk
    figures = {metric.name: metric.samples[0].value for metric in metrics.collect(now=NOW + 5 * HOUR)}
    assert figures == {
        "alatau_pay_reconciliation_differences": 1,
        "alatau_pay_reconciliation_differences_age_seconds": 7200,
        "alatau_pay_reconciliation_run_age_seconds": 7200,
    }


def test_a_node_that_is_down_is_no_difference(world: World) -> None:
    """Neither a new one, nor the end of one that was seen before."""
    paid(world)
    earlier = ReconciliationRun.objects.create(requested_at=NOW)
    Difference.objects.create(
        scope="chain:bitcoin",
        kind="place_balance",
        subject="wallet:1",
        asset_code="BTC",
        asset_decimals=8,
        left_minor=1,
        right_minor=2,
        first_seen_at=NOW,
        last_seen_at=NOW,
        first_run=earlier,
        last_run=earlier,
    )
    finished = made(NOW)
    assert finished.status == "Finished"
    reasons = dict(finished.comparisons.values_list("scope", "not_compared_reason"))
    assert reasons == {
        "ledger": "",
        "ledger:payouts": "",
        "payouts": "",
        "chain:bitcoin": "no block that was read is confirmed yet",
        "chain:evm": "no block that was read is confirmed yet",
    }
    assert Difference.objects.get().resolved_at is None
    assert Comparison.objects.get(scope="ledger", run=finished).checked_count == 4


def test_a_network_that_is_out_of_use_and_holds_something_is_said_not_to_be_compared(world: World) -> None:
    paid(world)
    Network.objects.update(enabled=False)
    reasons = dict(made(NOW).comparisons.values_list("scope", "not_compared_reason"))
    assert reasons == {
        "ledger": "",
        "ledger:payouts": "",
        "payouts": "",
        "chain:bitcoin": "the network is not enabled",
    }


def test_the_look_at_the_database_can_write_nothing(world: World) -> None:
    with pytest.raises(DatabaseError, match="read-only"), run.snapshot():
        Transfer.objects.create(network=world.bitcoin)
    with pytest.raises(DatabaseError, match="read-only"), run.snapshot(), connection.cursor() as cursor:
        cursor.execute("UPDATE payments_payment SET amount_minor = 1")
    with run.snapshot(), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)


def test_a_run_changes_nothing_but_its_own_rows(world: World) -> None:
    paid(world)
    with transaction.atomic():
        ledger.post(
            entries.payment_held(coin=BTC, wallet="w7", received_minor=7),
            idempotency_key="bent",
            reference="payment:999",
            now=NOW,
        )
    before = everything_else()
    made(NOW)
    assert Difference.objects.exists()
    assert everything_else() == before


def everything_else() -> dict[str, bytes]:
    """Every row of every table that is not reconciliation's."""
    own = {
        "payments_reconciliationrun", "payments_comparison", "payments_difference", "payments_placebalance"
    }  # fmt: skip
    rows: dict[str, bytes] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
            if table not in own:
                with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                    rows[table] = b"".join(copy)
    return rows


def test_one_run_is_made_at_a_time_and_each_once(world: World) -> None:
    running = ReconciliationRun.objects.create(requested_at=NOW, started_at=NOW, status="Running")
    waiting = ReconciliationRun.objects.create(requested_at=NOW)
    assert run.perform(waiting, now=NOW) is False
    assert run.perform(running, now=NOW) is False
    assert not Comparison.objects.exists()
    with pytest.raises(IntegrityError, match="one_reconciliation_at_a_time"):
        ReconciliationRun.objects.filter(pk=waiting.pk).update(status="Running", started_at=NOW)
    ReconciliationRun.objects.filter(pk=running.pk).update(status="Finished")
    assert run.perform(waiting, now=NOW) is True
    assert run.perform(waiting, now=NOW) is False


def test_a_run_whose_process_was_lost_is_made_again(world: World) -> None:
    lost = ReconciliationRun.objects.create(requested_at=NOW, started_at=NOW, status="Running")
    run.request(user=world.admin, now=NOW)
    assert run.perform_due(now=NOW + timedelta(minutes=119)) == 0
    # This one, the one that was asked for meanwhile, and tonight's.
    assert run.perform_due(now=NOW + timedelta(minutes=121)) == 3
    lost.refresh_from_db()
    assert (lost.status, lost.comparisons.count()) == ("Finished", 5)


def test_a_run_is_due_each_night_once(world: World) -> None:
    evening = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)  # midnight in Almaty
    assert run.perform_due(now=evening + timedelta(minutes=89)) == 0
    assert run.perform_due(now=evening + timedelta(minutes=90)) == 1
    assert run.perform_due(now=evening + timedelta(hours=20)) == 0
    assert run.perform_due(now=evening + timedelta(days=1, minutes=91)) == 1
    assert [str(row.nightly_for) for row in ReconciliationRun.objects.order_by("pk")] == [
        "2026-11-24",
        "2026-11-25",
    ]


def test_asking_twice_asks_for_one_run(world: World) -> None:
    early = datetime(2026, 11, 23, 19, 5, tzinfo=UTC)
    first = run.request(user=world.admin, now=early)
    assert run.request(user=world.owner, now=early) == first
    assert first.requested_by == world.admin
    assert run.perform_due(now=early) == 1
    assert run.request(user=world.owner, now=early) != first


def test_a_run_that_breaks_says_so_and_leaves_no_half(world: World) -> None:
    """Two rows for one scope cannot be: a rival wrote this run's result already."""
    row = ReconciliationRun.objects.create(requested_at=NOW)
    Comparison.objects.create(run=row, scope="payouts")
    with pytest.raises(IntegrityError):
        run.perform(row, now=NOW)
    row.refresh_from_db()
    assert row.status == "Failed"
    assert row.failure.startswith("IntegrityError: ")
    assert row.comparisons.count() == 1


def test_the_command_says_what_differs_and_ends_with_one(world: World) -> None:
    paid(world)
    Transfer.objects.update(amount_minor=1)
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", stdout=output)
    assert ended.value.code == 1
    said = output.getvalue()
    assert "ledger: 4 compared, 1 differ" in said
    assert "chain:bitcoin: not compared: no block that was read is confirmed yet" in said
    assert "0.00036765 BTC and 0.00000001 BTC, for 0 days" in said
    assert JournalEntry.objects.count() == 1


def test_the_database_keeps_differences_in_order(world: World) -> None:
    row = ReconciliationRun.objects.create(requested_at=NOW)
    values: dict[str, Any] = {
        "scope": "ledger",
        "kind": "payment_cost",
        "subject": "payment:1",
        "asset_code": "KZT",
        "asset_decimals": 2,
        "left_minor": 1,
        "right_minor": 2,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        "first_run": row,
        "last_run": row,
    }
    Difference.objects.create(**values)
    for attack, constraint in (
        ({}, "one_standing_difference"),
        ({"subject": "a", "right_minor": 1}, "difference_differs"),
        ({"subject": "a", "left_minor": None, "right_minor": None}, "difference_differs"),
        ({"subject": "a", "last_seen_at": NOW - HOUR}, "difference_times_in_order"),
        ({"subject": "a", "resolved_at": NOW - HOUR}, "difference_times_in_order"),
    ):
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            Difference.objects.create(**values | attack)
    with pytest.raises(IntegrityError, match="not_compared_has_no_figures"):
        Comparison.objects.create(run=row, scope="x", checked_count=1, not_compared_reason="down")

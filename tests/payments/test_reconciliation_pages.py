"""The pages of reconciliation and of the reserve: what they show, what they let a person ask for, and who may see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from merchants.models import User
from payments.models import Comparison, Difference, DifferenceKind, Payment, PlaceBalance, ReconciliationRun
from payments.reconciliation.wording import PAGES, SIDES
from tests.world import NOW, World, make_invoice, pay

pytestmark = pytest.mark.django_db
RUNS = reverse("admin:payments_reconciliationrun_changelist")
DIFFERENCES = reverse("admin:payments_difference_changelist")
ASK = reverse("admin:payments_reconciliation_ask")
RESERVE = [reverse(f"admin:payments_reserve{suffix}") for suffix in ("", "_csv", "_pdf")]


def officer(*permissions: str) -> Client:
    """A person of the city office with these rights alone, logged in."""
    user = User.objects.create_user("officer@city.example", "city-officer-password", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="payments", codename__in=permissions)
    )
    client = Client()
    client.force_login(user)
    return client


def difference(run: ReconciliationRun, subject: str, **fields: object) -> Difference:
    values = {
        "scope": "ledger",
        "kind": "payment_reserve",
        "asset_code": "BTC",
        "asset_decimals": 8,
        "left_minor": 123_456_789_012,
        "right_minor": None,
        "first_seen_at": timezone.now() - timedelta(days=3),
        "last_seen_at": timezone.now() - timedelta(days=1),
        "first_run": run,
        "last_run": run,
        **fields,
    }
    return Difference.objects.create(subject=subject, **values)


def test_differences_show_both_sides_their_age_and_the_way_to_what_they_are_about(world: World) -> None:
    pay(make_invoice(world.store))
    run = ReconciliationRun.objects.create(requested_at=NOW)
    payment = Payment.objects.get()
    difference(run, f"payment:{payment.pk}")
    difference(run, "asset:BTC", kind="received_sum", resolved_at=timezone.now())
    client = officer("view_difference", "view_payment")
    page = " ".join(client.get(DIFFERENCES).content.decode().replace("\u00a0", " ").split())
    assert "1,234.56789012 BTC by the payment" in page
    assert "– in the ledger" in page
    assert "3 days" in page
    assert f'href="{reverse("admin:payments_payment_change", args=[payment.pk])}"' in page
    # What is over is not among what stands.
    assert "asset:BTC" not in page
    assert "asset:BTC" in client.get(f"{DIFFERENCES}?state=over").content.decode()
    assert client.get(f"{DIFFERENCES}?state=all").content.decode().count("field-about") == 2


def test_every_kind_has_words_for_its_sides_and_every_subject_a_page() -> None:
    assert set(SIDES) == set(DifferenceKind)
    for name in PAGES.values():
        assert reverse(name, args=[1])


def test_a_person_asks_for_a_run_and_a_worker_makes_it_later(world: World) -> None:
    client = officer("view_reconciliationrun", "add_reconciliationrun")
    assert "Compare now" in client.get(RUNS).content.decode()
    assert client.post(ASK).url == RUNS
    assert client.post(ASK).url == RUNS
    run = ReconciliationRun.objects.get()
    assert (run.status, run.requested_by.email) == ("Requested", "officer@city.example")
    assert client.get(ASK).status_code == 405


def test_who_may_only_look_asks_for_nothing(world: World) -> None:
    client = officer("view_reconciliationrun")
    assert "Compare now" not in client.get(RUNS).content.decode()
    assert client.post(ASK).status_code == 403
    assert not ReconciliationRun.objects.exists()


def test_a_run_says_what_it_compared_and_what_it_could_not(world: World) -> None:
    run = ReconciliationRun.objects.create(requested_at=NOW, started_at=NOW, status="Finished")
    Comparison.objects.create(run=run, scope="ledger", checked_count=400, difference_count=2)
    Comparison.objects.create(run=run, scope="chain:evm", not_compared_reason="10.0.0.9:8545: ConnectError")
    wallet = world.bitcoin.wallets.get()
    PlaceBalance.objects.create(
        run=run,
        wallet=wallet,
        asset_id="BTC",
        height=95,
        deposits_minor=5,
        elsewhere_minor=2,
        ledger_minor=8,
        not_booked_minor=0,
        not_buried_minor=0,
    )
    client = officer("view_reconciliationrun")
    assert "chain:evm" in client.get(RUNS).content.decode()
    page = client.get(reverse("admin:payments_reconciliationrun_change", args=[run.pk])).content.decode()
    for words in ("10.0.0.9:8545: ConnectError", "0.00000008", "0.00000007", "400"):
        assert words in page


@pytest.mark.parametrize("url", RESERVE)
def test_the_reserve_is_for_those_who_may_see_reconciliation(world: World, url: str) -> None:
    assert officer().get(url).status_code == 403
    assert Client().get(url).status_code == 302


def test_the_reserve_is_shown_and_downloaded(world: World) -> None:
    pay(make_invoice(world.store))
    client = officer("view_reconciliationrun")
    page = client.get(RESERVE[0]).content.decode()
    for words in ("bitcoin treasury", "Settled payments", "0.00036765", "12,500"):
        assert words in page
    sheet, paper = client.get(RESERVE[1]), client.get(RESERVE[2])
    assert "0.00036765" in sheet.content.decode("utf-8-sig")
    assert paper.content.startswith(b"%PDF-")
    for answer, suffix in ((sheet, "csv"), (paper, "pdf")):
        assert answer["Content-Disposition"].startswith('attachment; filename="reserve-20')
        assert answer["Content-Disposition"].endswith(f'.{suffix}"')


def test_the_reserve_of_a_past_day_is_the_one_of_its_end(world: World) -> None:
    pay(make_invoice(world.store))
    client = officer("view_reconciliationrun")
    page = client.get(f"{RESERVE[0]}?on=2025-12-31").content.decode()
    assert "The reserve on 31.12.2025 23:59" in page
    assert "Nothing is held." in page
    assert 'href="/admin/payments/reconciliationrun/reserve.pdf?on=2025-12-31"' in page
    # A day that is not over, or no day at all: now.
    for text in ("2999-01-01", "2025-02-31", "soon"):
        assert "0.00036765" in client.get(f"{RESERVE[0]}?on={text}").content.decode()

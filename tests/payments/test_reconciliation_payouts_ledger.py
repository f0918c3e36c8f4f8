"""The payouts against the ledger: nothing in any state that the program makes; each entry that is gone, or there twice, found."""

from __future__ import annotations

import pytest
from django.db import transaction

from payments.models import Difference, DifferenceKind
from payments.reconciliation import payouts_to_ledger, run
from payments.reconciliation.wording import SIDES
from settlements import ledger, payouts, verification
from settlements.entries import payout_reserved
from settlements.models import JournalEntry, Payout
from tests.settlements import paid_out
from tests.settlements.paid_out import NOW
from tests.settlements.test_verify_ledger import behind_its_back

pytestmark = pytest.mark.django_db(transaction=True)
AMOUNT = 15_048_000


def told() -> list[tuple[str, str, int | None, int | None]]:
    return [
        (each.kind, each.subject, each.left_minor, each.right_minor)
        for each in payouts_to_ledger.compare().findings
    ]


def take_away(key: str) -> None:
    """An entry with its postings, by a superuser with the triggers off: nothing is left that would not balance."""
    entry = JournalEntry.objects.get(idempotency_key=key)
    behind_its_back(
        f"DELETE FROM settlements_posting WHERE entry_id = {entry.pk}",
        f"DELETE FROM settlements_journalentry WHERE id = {entry.pk}",
    )


def completed() -> Payout:
    return payouts.complete(paid_out.sent_batch().payouts.get(), bank_reference="B-1", now=NOW)


def test_payouts_in_every_state_agree() -> None:
    officer = paid_out.officer()
    bank = paid_out.servicing_bank()
    waiting = paid_out.payout()
    paid_out.batch(paid_out.payout(), bank=bank)
    paid_out.approved_batch(paid_out.payout(), bank=bank)
    paid_out.sent_batch(paid_out.payout(), bank=bank)
    kept, returned = paid_out.sent_batch(paid_out.payout(), paid_out.payout(), bank=bank).payouts.all()
    payouts.complete(kept, bank_reference="B-1", now=NOW)
    payouts.return_(
        payouts.complete(returned, bank_reference="B-2", now=NOW), reason="account closed", now=NOW
    )
    refused = paid_out.sent_batch(paid_out.payout(), bank=bank).payouts.get()
    payouts.return_(refused, reason="refused", now=NOW)
    payouts.cancel(paid_out.payout(of=waiting.merchant), actor=officer, reason="asked for", now=NOW)
    compared = payouts_to_ledger.compare()
    assert (list(compared.findings), compared.checked_count) == ([], Payout.objects.count())
    assert set(Payout.objects.values_list("status", flat=True)) == {
        "AwaitingApproval",
        "AwaitingPayment",
        "InProgress",
        "Completed",
        "Cancelled",
    }


def test_a_reservation_that_was_taken_away_today_is_found_though_the_ledger_is_sound() -> None:
    payout = paid_out.payout()
    take_away(f"payout:{payout.pk}:reserved")
    subject = f"payout:{payout.pk}"
    assert told() == [("payout_owed", subject, AMOUNT, 0), ("payout_reserved", subject, AMOUNT, 0)]


def test_a_completion_or_a_return_that_was_taken_away_is_found() -> None:
    payout = completed()
    subject = f"payout:{payout.pk}"
    payouts.return_(payout, reason="account closed", now=NOW)
    take_away(f"payout:{payout.pk}:returned")
    assert told() == [("payout_owed", subject, 0, AMOUNT), ("payout_paid", subject, 0, AMOUNT)]
    take_away(f"payout:{payout.pk}:completed")
    assert told() == [("payout_owed", subject, 0, AMOUNT), ("payout_reserved", subject, 0, AMOUNT)]


def test_a_reservation_posted_twice_and_one_of_another_merchant_are_found() -> None:
    first, second = paid_out.payout(), paid_out.payout()
    twice = payout_reserved(merchant_id=first.merchant_id, amount_tiyn=AMOUNT)
    with transaction.atomic():
        ledger.post(twice, idempotency_key="again", reference=f"payout:{first.pk}", now=NOW)
    theirs = payout_reserved(merchant_id=first.merchant_id, amount_tiyn=7)
    with transaction.atomic():
        ledger.post(theirs, idempotency_key="theirs", reference=f"payout:{second.pk}", now=NOW)
    assert told() == [
        ("payout_owed", f"payout:{first.pk}", AMOUNT, 2 * AMOUNT),
        ("payout_reserved", f"payout:{first.pk}", AMOUNT, 2 * AMOUNT),
        ("payout_reserved", f"payout:{second.pk}", AMOUNT, AMOUNT + 7),
    ]


def test_entries_of_a_payout_that_is_not_there_are_found() -> None:
    payout = completed()
    behind_its_back(f"DELETE FROM settlements_payout WHERE id = {payout.pk}")
    assert told() == [("entry_without_payout", f"payout:{payout.pk}", None, AMOUNT)]
    assert payouts_to_ledger.compare().findings[0].detail == "payout_completed, payout_reserved"


def test_a_run_keeps_them_as_differences_where_verifying_the_ledger_alone_finds_nothing() -> None:
    payout = paid_out.payout()
    take_away(f"payout:{payout.pk}:reserved")
    assert verification.verify(processes=1).findings == []
    asked = run.request(user=paid_out.officer(), now=NOW)
    assert run.perform(asked, now=NOW)
    scopes = dict(asked.comparisons.values_list("scope", "difference_count"))
    assert scopes["ledger:payouts"] == 2
    assert set(Difference.objects.filter(scope="ledger:payouts").values_list("kind", "subject")) == {
        ("payout_owed", f"payout:{payout.pk}"),
        ("payout_reserved", f"payout:{payout.pk}"),
    }


def test_every_kind_says_what_its_two_sides_are() -> None:
    assert set(SIDES) == set(DifferenceKind.values)

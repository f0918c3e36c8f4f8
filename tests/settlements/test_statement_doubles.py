"""Lines that agree with a payout in everything and still prove nothing: of another payment, or of another year."""

import pytest

from settlements import ledger, payouts, statements
from settlements.models import BankStatementLine, PayoutStatus
from tests.settlements import paid_out
from tests.settlements.test_statements import NOW, bring, match, paid, returned, status_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def payout():
    return paid_out.sent_batch().payouts.get()


def faults():
    return sorted(statements.open_lines().values_list("direction", "fault"))


def test_of_a_payment_made_twice_and_returned_once_the_return_is_left_to_a_person(payout):
    """The file went to the bank twice: what came back is the second payment, and the merchant has the first."""
    bring(paid(payout), paid(payout), returned(payout))
    assert match() == statements.Matched(completed=1, returned=0, open=2)
    assert faults() == [("in", "taken"), ("out", "taken")]
    assert status_of(payout) == PayoutStatus.COMPLETED
    assert ledger.owed_tiyn(payout.merchant) == 0


def test_the_return_stays_when_the_second_payment_was_set_aside(payout):
    officer = paid_out.officer()
    bring(paid(payout), paid(payout, document_number="4711", purpose=f"Реестр №{payout.number}"))
    match()
    second = statements.open_lines().get()
    statements.set_aside(second, actor=officer, reason="paid twice, asked back", now=NOW)
    bring(returned(payout))
    assert match() == statements.Matched(completed=0, returned=0, open=1)
    line = statements.open_lines().get()
    assert line.fault == "taken"
    statements.match_by_hand(line, payout, actor=officer, reason="the first came back too", now=NOW)
    assert status_of(payout) == PayoutStatus.CANCELLED


def test_a_payment_that_waits_to_be_matched_is_no_second_one(payout):
    bring(paid(payout), returned(payout))
    payouts.complete(payout, bank_reference="x", now=NOW, actor=paid_out.officer(), reason="the bank called")
    incoming = statements.open_lines().get(direction="in")
    assert statements.proposal_for(incoming).fault is None
    assert match() == statements.Matched(completed=1, returned=1, open=0)


def test_a_payment_of_another_payout_of_the_same_amount_is_no_second_payment(payout):
    other = paid_out.payout(of=payout.merchant)
    bring(paid(payout), paid(other), returned(payout))
    assert match() == statements.Matched(completed=1, returned=1, open=1)
    assert status_of(payout) == PayoutStatus.CANCELLED


def test_a_payment_before_the_payout_was_prepared_is_another_one(payout):
    """Banks and 1C count their documents from 1 again, and a payout's number is one of them."""
    bring(paid(payout, day="22.11.2026"))
    assert match() == statements.Matched(completed=0, returned=0, open=1)
    assert faults() == [("out", "not named")]
    assert status_of(payout) == PayoutStatus.IN_PROGRESS


def test_a_return_before_the_payout_was_prepared_is_of_another_one(payout):
    bring(paid(payout), returned(payout).replace("24.11.2026", "22.11.2026"))
    assert match() == statements.Matched(completed=1, returned=0, open=1)
    assert faults() == [("in", "not named")]
    assert BankStatementLine.objects.filter(payout=payout).count() == 1

"""Held money: what waits, what a person may decide, and that each decision stands in the ledger once."""

from datetime import timedelta

import pytest

from alatau_pay.assets import KZT, Asset
from chains.models import Network
from payments import deadlines, held, invoices, matching
from payments.models import HeldDecision
from payments.quoting import RateUnavailable
from settlements import ledger
from settlements.entry import AccountName
from settlements.models import JournalEntry
from tests import world as city
from tests.world import NOW, arrive, make_invoice, pay, vanish

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
HELD, REFUND = (AccountName(kind, BTC) for kind in ("held", "refund"))
LATER = NOW + timedelta(minutes=16)


@pytest.fixture
def late(world):
    """A payment of the whole price that came a minute late."""
    invoice = make_invoice(world.store)
    Network.objects.update(observed_at=LATER)
    deadlines.decide_due(now=LATER)
    pay(invoice, at=LATER)
    invoice.refresh_from_db()
    return invoice.payments.get()


def books_balance():
    """What the reserve holds is owed to somebody or changed into tenge."""
    positions = ledger.balance_minor(AccountName("position", BTC))
    return (
        ledger.total_minor("reserve", BTC)
        + ledger.balance_minor(HELD)
        + ledger.balance_minor(REFUND)
        + positions
        == 0
    )


def test_what_waits_and_why(world, late):
    partial = make_invoice(world.store)
    pay(partial, amount_minor=100)
    over = make_invoice(world.store)
    pay(over, amount_minor=40_000)
    pay(over)
    assert [held.describe(payment) for payment in held.waiting(world.store)] == [
        "partial",
        "excess",
        "duplicate",
        "late",
    ]
    assert [payment.held_minor for payment in held.waiting()] == [100, 40_000 - 36_765, 36_765, 36_765]
    other, _ = city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])
    assert not held.waiting(city.build_store(other)).exists()


def test_accepted_at_the_current_rate(world, late, settings):
    decision = held.accept(late.pk, user=world.owner, reason="the guest waited", now=NOW)
    assert decision.value_tiyn == 36_765 * 34  # 34 000 000 ₸ a bitcoin are 34 tiyn a satoshi
    gross = 36_765 * 34
    fee = (gross + 50) // 100
    assert ledger.owed_tiyn(world.merchant) == gross - fee - (fee * 16 + 50) // 100
    assert ledger.balance_minor(HELD) == 0
    assert books_balance()
    assert not held.waiting().exists()
    late.invoice.refresh_from_db()
    assert late.invoice.events.get(kind="HeldMoneyAccept").actor == world.owner


def test_without_a_fresh_rate_nothing_is_accepted(world, late):
    with pytest.raises(RateUnavailable):
        held.accept(late.pk, user=world.owner, reason="x", now=LATER)
    assert not HeldDecision.objects.exists()


def test_refunded_money_is_owed_to_the_resident_and_counts_for_nothing(world, late):
    held.refund(late.pk, address="", user=world.owner, reason="left the shop", now=LATER)
    assert ledger.balance_minor(REFUND) == -36_765
    assert ledger.balance_minor(HELD) == 0
    invoices.mark(late.invoice_id, status="Settled", user=world.owner, now=LATER)
    assert ledger.owed_tiyn(world.merchant) == 0
    assert books_balance()


def test_accepted_money_is_not_credited_again_by_marking_the_invoice(world, late):
    held.accept(late.pk, user=world.owner, reason="x", now=NOW)
    owed = ledger.owed_tiyn(world.merchant)
    invoices.mark(late.invoice_id, status="Settled", user=world.owner, now=LATER)
    assert ledger.owed_tiyn(world.merchant) == owed


def test_left_money_can_be_decided_about_later(world, late):
    held.leave(late.pk, user=world.owner, reason="asked the guest", now=LATER)
    assert not held.waiting().exists()
    assert ledger.balance_minor(HELD) == -36_765
    held.refund(late.pk, address="", user=world.owner, reason="the guest answered", now=LATER)
    assert ledger.balance_minor(REFUND) == -36_765


@pytest.mark.parametrize("again", [held.accept, held.leave])
def test_one_decision_stands(world, late, again):
    held.accept(late.pk, user=world.owner, reason="x", now=NOW)
    entries = JournalEntry.objects.count()
    with pytest.raises(held.DecisionRefused):
        again(late.pk, user=world.owner, reason="y", now=NOW)
    assert JournalEntry.objects.count() == entries


def test_a_decision_needs_a_reason_and_money(world, late):
    with pytest.raises(held.DecisionRefused, match="reason"):
        held.accept(late.pk, user=world.owner, reason="  ", now=NOW)
    invoice = make_invoice(world.store)
    pay(invoice)
    with pytest.raises(held.DecisionRefused, match="nothing of this payment is held"):
        held.accept(invoice.payments.get().pk, user=world.owner, reason="x", now=NOW)


def test_a_payment_that_the_chain_takes_away_takes_the_decision_with_it(world, late):
    held.accept(late.pk, user=world.owner, reason="x", now=NOW)
    vanish(late.transfer)
    matching.match_pending(now=LATER)
    assert ledger.owed_tiyn(world.merchant) == 0
    assert ledger.balance_minor(HELD) == ledger.total_minor("reserve", BTC) == 0
    assert ledger.total_minor("position", KZT) == 0
    assert HeldDecision.objects.get().reversed_at == LATER
    city.mine(late.transfer)
    matching.match_pending(now=LATER)
    assert list(held.waiting()) == [late]


def test_a_late_payment_attached_to_its_own_invoice_settles_it_at_the_rate_of_then(world, late):
    invoice = invoices.attach(
        late.pk, target_id=late.invoice_id, user=world.owner, reason="a minute", now=LATER
    )
    assert (invoice.status, invoice.additional_status) == ("Settled", "None")
    assert ledger.owed_tiyn(world.merchant) == 1_235_500
    assert not held.waiting().exists()


def test_a_payment_to_the_wrong_invoice_is_attached_to_the_right_one(world):
    wrong, right = make_invoice(world.store), make_invoice(world.store)
    pay(wrong)
    pay(wrong)
    duplicate = held.waiting().get()
    target = invoices.attach(duplicate.pk, target_id=right.pk, user=world.owner, reason="mixed up", now=NOW)
    assert target.status == "Settled"
    wrong.refresh_from_db()
    assert (wrong.status, wrong.additional_status) == ("Settled", "None")
    assert ledger.owed_tiyn(world.merchant) == 2 * 1_235_500
    assert ledger.balance_minor(HELD) == 0


def refuse_attach(payment, target_id, world, reason):
    entries = JournalEntry.objects.count()
    with pytest.raises(invoices.AttachRefused, match=reason):
        invoices.attach(payment.pk, target_id=target_id, user=world.owner, reason="x", now=LATER)
    assert JournalEntry.objects.count() == entries


def test_what_cannot_be_attached(world, late):
    other, _ = city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])
    foreign = make_invoice(city.build_store(other))
    refuse_attach(late, foreign.pk, world, "another merchant's")
    refuse_attach(late, "nowhere", world, "not there")
    only_ether = make_invoice(world.store, checkout={"paymentMethods": ["ETH-CHAIN"]})
    refuse_attach(late, only_ether.pk, world, "not quoted in this asset")
    settled = make_invoice(world.store)
    pay(settled)
    refuse_attach(settled.payments.get(), late.invoice_id, world, "held whole")
    held.refund(late.pk, address="", user=world.owner, reason="x", now=LATER)
    refuse_attach(late, late.invoice_id, world, "decided about this payment already")


def test_an_unconfirmed_late_payment_does_not_wait_yet(world):
    invoice = make_invoice(world.store)
    arrive(invoice, at=LATER)
    matching.match_pending(now=LATER)
    assert not held.waiting().exists()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("BCRT1QCR8TE4KR609GCAWUTMRZA0J4XV80JY8ZEQCHGX", "bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8zeqchgx"),
        ("", ""),
    ],
)
def test_a_refund_goes_to_an_address_of_the_payments_network(world, late, typed, kept):
    decision = held.refund(late.pk, address=typed, user=world.owner, reason="x", now=LATER)
    assert decision.refund_address == kept


@pytest.mark.parametrize(
    "typed",
    ["bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "0x9858EfFD232B4033E47d90003D41EC34EcaEda94", "home"],
)
def test_an_address_of_another_network_is_refused(world, late, typed):
    with pytest.raises(held.DecisionRefused):
        held.refund(late.pk, address=typed, user=world.owner, reason="x", now=LATER)
    assert not HeldDecision.objects.exists()
    assert ledger.balance_minor(REFUND) == 0

"""The ledger against the payments: nothing where all is well, and each kind of bent book found with both its sides."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction

from alatau_pay.assets import Asset
from chains.models import Transfer
from payments import deadlines, held, invoices, refunds
from payments.models import Payment
from payments.reconciliation import ledger_to_payments
from settlements import entries, ledger
from settlements.entry import Entry
from settlements.fee_terms import Fee
from tests import world as city
from tests.payments.refunding import approved, send
from tests.world import NOW, World, make_invoice, pay, vanish

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
PRICE_SAT = 36_765


def findings() -> list[tuple[str, str, int | None, int | None, str]]:
    return [
        (each.kind, each.subject, each.left_minor, each.right_minor, each.asset.code)
        for each in ledger_to_payments.compare().findings
    ]


def post(entry: Entry, *, reference: str, key: str = "bent") -> None:
    with transaction.atomic():
        ledger.post(entry, idempotency_key=key, reference=reference, now=NOW)


def paid(world: World, **how: object) -> Payment:
    invoice = make_invoice(world.store)
    pay(invoice, **how)  # type: ignore[arg-type]
    return invoice.payments.get()


def bend(sql: str, *parameters: object) -> None:
    """A change behind the database's back: by a superuser with the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, list(parameters))
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_books_of_every_manner_of_payment_agree(world: World) -> None:
    """Settled, partial, excess, duplicate, lost and found again, accepted by a person, given back by a person."""
    settled = paid(world)
    paid(world, amount_minor=100)
    over = paid(world, amount_minor=PRICE_SAT + 3_235)
    pay(over.invoice)
    lost = paid(world)
    vanish(lost.transfer, "double-spent")
    invoices.apply(lost.invoice_id, now=NOW)
    paid(world, code="USDT")
    paid(world, code="ETH")
    paid(world, confirmed=False)
    waiting = list(held.waiting())
    held.accept(waiting[0].pk, user=world.admin, reason="kept", now=NOW)
    held.refund(waiting[1].pk, address="", user=world.admin, reason="asked for", now=NOW)
    invoices.mark(make_invoice(world.store).pk, status="Settled", user=world.admin, now=NOW)
    assert settled.booked_as.startswith("credited:")
    compared = ledger_to_payments.compare()
    assert compared.findings == []
    assert compared.checked_count == Payment.objects.count() + 3
    # A late one and its decision fall together when the chain takes the payment away.
    vanish(waiting[0].transfer)
    invoices.apply(waiting[0].invoice_id, now=NOW)
    deadlines.decide_due(now=NOW + timedelta(days=2))
    assert findings() == []


def test_books_of_refunds_at_every_step_agree(world: World) -> None:
    """Waiting for approval, owed, sent and called off; of settled money, of held money, and of held money asked for anew."""
    for _ in range(3):
        paid(world)
    waiting, owed, sent, called_off = (paid(world) for _ in range(4))
    who = {"user": world.admin, "now": NOW}
    refunds.start(waiting.pk, basis="Then", reason="goods came back", **who)
    approved(owed, value_tiyn=500_000, **who)
    assert send(approved(sent, **who), fee_minor=200).status == "Completed"
    refunds.cancel(approved(called_off, **who).pk, reason="kept it after all", **who)
    over = paid(world, amount_minor=PRICE_SAT + 3_235)
    assert send(approved(over, basis="Excess", **who)).status == "Completed"
    again = paid(world, amount_minor=PRICE_SAT + 3_235)
    refunds.cancel(approved(again, basis="Excess", **who).pk, reason="a wrong address", **who)
    assert findings() == []
    approved(again, basis="Excess", **who)
    assert findings() == []


def test_an_entry_posted_twice_under_another_key_is_found(world: World) -> None:
    payment = paid(world)
    booked = ledger.lines_of(payment.ledger_entry)
    post(Entry("payment_settled", tuple(booked)), reference=f"payment:{payment.pk}")
    subject = f"payment:{payment.pk}"
    assert findings() == [
        ("payment_cost", subject, 1_250_000, 2_500_000, "KZT"),
        ("payment_position", subject, PRICE_SAT, 2 * PRICE_SAT, "BTC"),
        ("payment_reserve", subject, PRICE_SAT, 2 * PRICE_SAT, "BTC"),
        ("received_sum", "asset:BTC", PRICE_SAT, 2 * PRICE_SAT, "BTC"),
    ]


def test_a_booking_whose_entry_was_reversed_beside_it_is_found(world: World) -> None:
    payment = paid(world, amount_minor=100)
    with transaction.atomic():
        ledger.reverse(payment.ledger_entry, idempotency_key="bent", now=NOW)
    subject = f"payment:{payment.pk}"
    assert findings() == [
        ("payment_held", subject, 100, 0, "BTC"),
        ("payment_reserve", subject, 100, 0, "BTC"),
        ("received_sum", "asset:BTC", 100, 0, "BTC"),
        ("held_sum", "asset:BTC", 100, 0, "BTC"),
    ]


def test_money_in_another_wallets_account_is_found(world: World) -> None:
    payment = paid(world, amount_minor=100)
    wallet_id = payment.transfer.deposit_address.wallet_id
    moved = entries.correction(
        [
            *entries.payment_held(coin=BTC, wallet="w999", received_minor=100).lines[:1],
            *entries.reversal(
                "x", entries.payment_held(coin=BTC, wallet=f"w{wallet_id}", received_minor=100).lines
            ).lines[:1],
        ],
        description="to a wallet that is not its own",
    )
    post(moved, reference=f"payment:{payment.pk}")
    assert findings() == [("payment_reserve", f"payment:{payment.pk}", 100, 0, "BTC")]


def test_a_bent_row_of_a_payment_is_found(world: World) -> None:
    payment = paid(world)
    subject = f"payment:{payment.pk}"
    bend("UPDATE payments_payment SET booked_as = 'credited:36765:1250001'")
    assert findings() == [("payment_cost", subject, 1_250_001, 1_250_000, "KZT")]
    bend("UPDATE payments_payment SET booked_as = 'credited:36765:1250000', amount_minor = 36766")
    assert findings() == [
        ("payment_held", subject, 1, 0, "BTC"),
        ("payment_reserve", subject, 36_766, 36_765, "BTC"),
        ("payment_transfer", subject, 36_766, 36_765, "BTC"),
        ("received_sum", "asset:BTC", 36_766, 36_765, "BTC"),
    ]


def test_a_settled_payment_that_was_never_booked_is_found(world: World) -> None:
    """As if settling had written the payment and posted nothing that stands: by its bookings alone, nothing would be missing."""
    payment = paid(world)
    assert payment.ledger_entry is not None
    with transaction.atomic():
        ledger.reverse(payment.ledger_entry, idempotency_key="beside", now=NOW)
    bend(
        "UPDATE payments_payment SET booked_as = '', ledger_entry_id = NULL, held_minor = 0 WHERE id = %s",
        payment.pk,
    )
    assert findings() == [
        ("payment_held", f"payment:{payment.pk}", PRICE_SAT, 0, "BTC"),
        ("payment_reserve", f"payment:{payment.pk}", PRICE_SAT, 0, "BTC"),
        ("received_sum", "asset:BTC", PRICE_SAT, 0, "BTC"),
    ]


def test_a_transfer_that_says_another_amount_is_found(world: World) -> None:
    payment = paid(world)
    Transfer.objects.update(amount_minor=1)
    assert findings() == [("payment_transfer", f"payment:{payment.pk}", PRICE_SAT, 1, "BTC")]


def test_tenge_credited_to_another_merchant_is_found(world: World) -> None:
    payment = paid(world)
    other, _owner = city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])
    entry = entries.correction(
        [
            *entries.payout_reserved(merchant_id=world.merchant.pk, amount_tiyn=500).lines[:1],
            *entries.payout_returned(merchant_id=other.pk, amount_tiyn=500).lines[1:],
        ],
        description="to the wrong shop",
    )
    post(entry, reference=f"payment:{payment.pk}")
    assert findings() == [("payment_merchant", f"payment:{payment.pk}", 0, 500, "KZT")]


def test_entries_of_a_payment_that_is_not_there_are_found(world: World) -> None:
    """Posted for a number that no payment has: money that nobody sent."""
    entry = entries.payment_settled(
        merchant_id=world.merchant.pk,
        coin=BTC,
        wallet="w7",
        received_minor=500,
        credited_minor=500,
        gross_tiyn=17_000,
        fee=Fee(0, 0),
    )
    post(entry, reference="payment:999999")
    assert findings() == [
        ("entry_without_payment", "payment:999999", None, 500, "BTC"),
        ("entry_without_payment", "payment:999999", None, 17_000, "KZT"),
        ("received_sum", "asset:BTC", 0, 500, "BTC"),
    ]


def test_a_decision_that_the_ledger_does_not_know_is_found(world: World) -> None:
    payment = paid(world, amount_minor=100)
    invoices.mark(payment.invoice_id, status="Invalid", user=world.owner, now=NOW)
    held.refund(payment.pk, address="", user=world.admin, reason="asked for", now=NOW)
    bend("UPDATE payments_helddecision SET reversed_at = now()")
    bend("UPDATE payments_refund SET status = 'Cancelled', cancelled_at = now()")
    subject = f"payment:{payment.pk}"
    assert findings() == [
        ("payment_held", subject, 100, 0, "BTC"),
        ("held_sum", "asset:BTC", 100, 0, "BTC"),
        ("refund_sum", "asset:BTC", 0, 100, "BTC"),
    ]


def test_coins_held_for_nobody_are_found(world: World) -> None:
    paid(world, amount_minor=100)
    post(entries.payment_held(coin=BTC, wallet="w7", received_minor=7), reference="test:1")
    assert findings() == [
        ("received_sum", "asset:BTC", 100, 107, "BTC"),
        ("held_sum", "asset:BTC", 100, 107, "BTC"),
    ]

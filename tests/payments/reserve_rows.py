"""Rows of the reserve and of reconciliation, for tests that look at pages."""

from __future__ import annotations

from datetime import datetime

from alatau_pay.assets import KZT, Asset
from merchants.models import User
from payments.booking import wallet_of
from payments.models import Comparison, Difference, Payment, PlaceBalance, ReconciliationRun
from settlements import acquisitions, corrections, reserve_sales
from settlements.business_day import business_date
from settlements.entry import CREDIT, DEBIT, AccountName, Line

BTC = Asset("BTC", "BTC", 8)


def one_of_everything(user: User, *, now: datetime) -> None:
    """One document of each kind that waits for a second person, and a run that found something. A payment is there."""
    payment = Payment.objects.select_related("transfer__deposit_address").first()
    assert payment is not None
    wallet = wallet_of(payment)
    paper = {"document_date": business_date(now), "user": user, "now": now}
    acquisitions.prepare(
        coin=BTC,
        wallet=wallet,
        source="seizure",
        amount_minor=150_000_000,
        value_tiyn=5_100_000_000,
        document_number="1-445",
        reason="Court decision",
        **paper,
    )
    reserve_sales.prepare(
        coin=BTC,
        wallet=wallet,
        source="payments",
        amount_minor=1_000,
        proceeds_tiyn=40_000,
        document_number="ATX-1",
        reason="Sold at the exchange",
        **paper,
    )
    corrections.prepare(
        [Line(AccountName("bank", KZT), DEBIT, 5_000), Line(AccountName("fee_income", KZT), CREDIT, 5_000)],
        document_number="Act 7",
        reason="A fee that the bank paid back",
        **paper,
    )
    _run(payment, now=now)


def _run(payment: Payment, *, now: datetime) -> None:
    run = ReconciliationRun.objects.create(requested_at=now, started_at=now, status="Finished")
    Comparison.objects.create(run=run, scope="ledger", checked_count=4, difference_count=1)
    Comparison.objects.create(run=run, scope="chain:evm", not_compared_reason="10.0.0.9:8545: ConnectError")
    PlaceBalance.objects.create(
        run=run,
        wallet=payment.transfer.deposit_address.wallet,
        asset=payment.transfer.asset,
        height=95,
        deposits_minor=payment.amount_minor,
        elsewhere_minor=0,
        ledger_minor=payment.amount_minor,
        not_booked_minor=0,
        not_buried_minor=0,
    )
    Difference.objects.create(
        scope="ledger",
        kind="payment_reserve",
        subject=f"payment:{payment.pk}",
        asset_code="BTC",
        asset_decimals=8,
        left_minor=1,
        right_minor=2,
        first_seen_at=now,
        last_seen_at=now,
        first_run=run,
        last_run=run,
    )

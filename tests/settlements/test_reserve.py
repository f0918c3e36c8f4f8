"""The reserve as the ledger has it, and what it is worth: exact quantities, each value rounded down by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from alatau_pay.assets import KZT, Asset
from alatau_pay.money import AmountError
from merchants.models import Merchant
from settlements import entries, ledger, reserve
from settlements.entry import CREDIT, DEBIT, AccountName, Entry, Line
from settlements.fee_terms import Fee
from settlements.models import JournalEntry
from settlements.reserve import CoinBooks, Holding
from settlements.valuation import Position, value_tiyn

BTC, ETH, USDT = Asset("BTC", "BTC", 8), Asset("ETH", "ETH", 18), Asset("USDT", "USDT", 6)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def post(entry: Entry, *, now: datetime = NOW) -> None:
    with transaction.atomic():
        key = f"test:{JournalEntry.objects.count()}"
        ledger.post(entry, idempotency_key=key, reference="test:1", now=now)


def received(merchant: Merchant, coin: Asset, amount: int, gross_tiyn: int, *, credited: int) -> Entry:
    return entries.payment_settled(
        merchant_id=merchant.pk,
        coin=coin,
        wallet="w7",
        received_minor=amount,
        credited_minor=credited,
        gross_tiyn=gross_tiyn,
        fee=Fee(0, 0),
    )


@pytest.fixture
def month(merchant: Merchant) -> None:
    """Payments, held money, a refund that waits, a seizure, a purchase; a sale a day later."""
    post(received(merchant, BTC, 10_000, 3_400_000, credited=9_000))
    post(received(merchant, USDT, 5_000_000, 250_000, credited=5_000_000))
    post(entries.held_refund_due(coin=BTC, refunded_minor=400))
    post(entries.payment_screened(coin=BTC, wallet="w8", received_minor=50))
    for wallet, source, amount, value in (("", "seizure", 2_000, 0), ("w7", "purchase", 1_000, 350_000)):
        post(
            entries.reserve_acquired(
                coin=BTC, wallet=wallet, source=source, acquired_minor=amount, value_tiyn=value
            )
        )
    sale = entries.reserve_sold(
        coin=BTC, wallet="w7", sold_minor=1_000, cost_tiyn=312_500, proceeds_tiyn=400_000
    )
    post(sale, now=LATER)


@pytest.mark.django_db
def test_what_is_held_is_told_by_wallet_and_source(month: None) -> None:
    assert reserve.holdings() == [
        Holding(BTC, "", "seizure", 2_000),
        Holding(BTC, "w7", "payments", 9_000),
        Holding(BTC, "w7", "purchase", 1_000),
        Holding(BTC, "w8", "payments", 50),
        Holding(USDT, "w7", "payments", 5_000_000),
    ]
    assert Holding(BTC, "w7", "payments", 10_000) in reserve.holdings(NOW)
    assert reserve.holdings(NOW - timedelta(seconds=1)) == []


@pytest.mark.django_db
def test_what_is_held_is_either_owed_to_residents_or_the_operators_own(month: None) -> None:
    btc, usdt = reserve.coins()
    assert btc == CoinBooks(BTC, 12_050, 1_050, Position(BTC, 11_000, 3_437_500, 87_500))
    assert usdt == CoinBooks(USDT, 5_000_000, 0, Position(USDT, 5_000_000, 250_000, 0))
    for books in (btc, usdt, *reserve.coins(NOW)):
        assert books.held_minor == books.owed_minor + books.position.amount_minor
    assert reserve.coins(NOW)[0].position == Position(BTC, 12_000, 3_750_000, 0)


@pytest.mark.django_db
def test_a_realised_difference_belongs_to_the_coin_that_was_sold(month: None) -> None:
    difference = AccountName("exchange_diff", KZT)
    bank = AccountName("bank", KZT)
    post(
        entries.correction(
            [Line(difference, DEBIT, 1_000), Line(bank, CREDIT, 1_000)], description="the broker's mistake"
        )
    )
    loss = entries.reserve_sold(
        coin=USDT, wallet="w7", sold_minor=1_000_000, cost_tiyn=50_000, proceeds_tiyn=49_000
    )
    post(loss)
    assert reserve.realised_tiyn() == {"BTC": 87_500, "USDT": -1_000, "": -1_000}
    assert reserve.realised_tiyn(NOW) == {"USDT": -1_000, "": -1_000}


@pytest.mark.parametrize(
    ("amount", "asset", "tenge", "tiyn"),
    [
        (100_000_000, BTC, "34000000", 3_400_000_000),
        (1, BTC, "34000000", 34),
        # 0.00000003 × 34 567 890.123 = 1.0370367 tenge.
        (3, BTC, "34567890.123", 103),
        (1, ETH, "1700000", 0),
        (10**18, ETH, "1700000.999999999999", 170_000_099),
        (2**200, USDT, "495.13", 2**200 * 49_513 // 10**6),
        (-1, USDT, "495", -1),
        (0, BTC, "1", 0),
    ],
)
def test_a_value_is_rounded_down_to_a_tiyn(amount: int, asset: Asset, tenge: str, tiyn: int) -> None:
    assert value_tiyn(amount, asset, Decimal(tenge)) == tiyn


@pytest.mark.parametrize("price", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 495.0, 495])
def test_only_a_positive_decimal_is_a_price(price: object) -> None:
    with pytest.raises(AmountError):
        value_tiyn(1, BTC, price)  # type: ignore[arg-type]


def test_the_unrealised_difference_is_the_value_less_the_cost() -> None:
    position = Position(BTC, 11_000, 3_437_500, 87_500)
    assert position.unrealised_tiyn(Decimal("34000000")) == 3_740_00 - 3_437_500
    assert position.unrealised_tiyn(Decimal("400000000")) == 4_400_000 - 3_437_500

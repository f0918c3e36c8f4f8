"""What a register says of an operation beyond the ledger: its invoice, rate and transfer, in few queries."""

from datetime import date
from decimal import Decimal

import pytest

from payments import held
from payments.models import Payment, RateObservation
from payments.operation_details import Details
from settlements.operation_details import current
from settlements.operations import operations
from tests import world as city
from tests.settlements import books

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 23)


def details(merchant):
    found = list(operations(merchant, DAY, DAY))
    return found, Details().details_of(found)


def test_the_payments_room_is_who_knows():
    assert isinstance(current(), Details)


def test_a_settled_payment_has_its_invoice_rate_and_transfer(world):
    invoice = city.make_invoice(world.store, metadata={"orderId": "A-7"})
    transfer = city.pay(invoice)
    (operation,), known = details(world.merchant)
    found = known[operation.entry_id]
    quote = invoice.quotes.get(asset_id="BTC")
    assert (found.invoice_id, found.order_id, found.store_name) == (invoice.pk, "A-7", world.store.name)
    assert (found.coin_symbol, found.network_name) == ("BTC", world.bitcoin.name)
    assert found.txid == bytes(transfer.txid).hex()
    assert found.happened_at == transfer.received_at
    assert found.rate_tenge == quote.rate_tenge == Decimal(34_000_000)
    assert "34000000" in found.rate_sources
    assert operation.coin_minor == quote.amount_minor


def test_an_evm_txid_begins_as_explorers_write_it(world):
    transfer = city.pay(city.make_invoice(world.store), "USDT")
    (operation,), known = details(world.merchant)
    assert known[operation.entry_id].txid == "0x" + bytes(transfer.txid).hex()


def test_held_money_that_was_accepted_has_the_rate_that_the_entry_shows(world):
    invoice = city.make_invoice(world.store)
    quoted = invoice.quotes.get(asset_id="BTC").amount_minor
    city.pay(invoice, amount_minor=quoted + 10_000)
    payment = Payment.objects.get()
    held.accept(payment.pk, user=world.owner, reason="a tip", now=city.NOW)
    found, known = details(world.merchant)
    tip = next(operation for operation in found if operation.recipe == "held_accepted")
    # 10 000 sat for 3 400.00 tenge.
    assert (tip.coin_minor, tip.gross_tiyn) == (10_000, 340_000)
    assert known[tip.entry_id].rate_tenge == Decimal(34_000_000)
    assert known[tip.entry_id].invoice_id == invoice.pk


def test_the_official_rate_of_the_day_stands_beside_what_had_none(world):
    for day, price in ((20, "517.50"), (23, "518.25"), (24, "600")):
        RateObservation.objects.create(
            source="national-bank",
            base="USD",
            quote="KZT",
            price=Decimal(price),
            observed_at=books.at(day, 0),
            fetched_at=books.at(day),
            rate_date=date(2026, 11, day),
            requested_date=date(2026, 11, day),
        )
    city.pay(city.make_invoice(world.store))
    (operation,), known = details(world.merchant)
    assert known[operation.entry_id].official_rate == Decimal("518.25")


def test_what_payments_do_not_know_is_left_out(world):
    books.payout(world.merchant, 100, now=city.NOW)
    books.sale(world.merchant, 100, fee=0, vat=0, now=city.NOW, reference="payment:999999")
    books.sale(world.merchant, 100, fee=0, vat=0, now=city.NOW, reference="elsewhere")
    _found, known = details(world.merchant)
    assert known == {}


def test_many_operations_take_as_many_queries_as_one(world, django_assert_max_num_queries):
    for _ in range(4):
        city.pay(city.make_invoice(world.store))
    found = list(operations(world.merchant, DAY, DAY))
    assert len(found) == 4
    with django_assert_max_num_queries(3):
        Details().details_of(found)

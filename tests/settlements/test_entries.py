"""Each recipe's worked example, and what every recipe holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_pay.assets import KZT, Asset
from settlements.entries import payment_held, payment_settled, reversal
from settlements.entry import AccountName, Entry, EntryRefused, Line
from settlements.fee_terms import Fee, FeeTerms, fee_of

BTC = Asset("BTC", "BTC", 8)


def rows(entry):
    return [(line.account.code, line.side, line.amount_minor) for line in entry.lines]


def test_a_settled_payment_as_the_design_works_it_out():
    """10 000.00 ₸ paid with 12 345 sat, fee 1 % and VAT 16 % on the fee."""
    fee = fee_of(1_000_000, terms=FeeTerms(100), vat_basis_points=1600)
    assert fee == Fee(fee_tiyn=10_000, vat_tiyn=1_600)
    entry = payment_settled(
        merchant_id="m1",
        coin=BTC,
        wallet="w7",
        received_minor=12_345,
        credited_minor=12_345,
        gross_tiyn=1_000_000,
        fee=fee,
    )
    assert rows(entry) == [
        ("reserve:BTC:w7.payments", "D", 12_345),
        ("position:BTC", "C", 12_345),
        ("position:KZT:BTC", "D", 1_000_000),
        ("payable:KZT:m1", "C", 988_400),
        ("fee_income:KZT", "C", 10_000),
        ("vat_payable:KZT", "C", 1_600),
    ]


def test_an_excess_is_held_for_the_resident():
    entry = payment_settled(
        merchant_id="m1",
        coin=BTC,
        wallet="w7",
        received_minor=15_000,
        credited_minor=12_345,
        gross_tiyn=1_000_000,
        fee=Fee(0, 0),
    )
    assert rows(entry)[:3] == [
        ("reserve:BTC:w7.payments", "D", 15_000),
        ("position:BTC", "C", 12_345),
        ("held:BTC", "C", 2_655),
    ]


def test_money_that_no_invoice_may_take_is_held():
    assert rows(payment_held(coin=BTC, wallet="w7", received_minor=500)) == [
        ("reserve:BTC:w7.payments", "D", 500),
        ("held:BTC", "C", 500),
    ]


def test_a_reversal_swaps_the_sides():
    entry = payment_held(coin=BTC, wallet="w7", received_minor=500)
    undone = reversal(entry.recipe, entry.lines)
    assert undone.recipe == "payment_held_reversed"
    assert rows(undone) == [("reserve:BTC:w7.payments", "C", 500), ("held:BTC", "D", 500)]


@given(
    gross=st.integers(1, 10**14),
    fee_bp=st.integers(0, 2000),
    vat_bp=st.integers(0, 3000),
    received=st.integers(1, 10**30),
)
def test_the_merchant_gets_what_fee_and_vat_leave_to_the_tiyn(gross, fee_bp, vat_bp, received):
    fee = fee_of(gross, terms=FeeTerms(fee_bp), vat_basis_points=vat_bp)
    entry = payment_settled(
        merchant_id="m1",
        coin=BTC,
        wallet="w7",
        received_minor=received,
        credited_minor=received,
        gross_tiyn=gross,
        fee=fee,
    )
    payable = sum(line.amount_minor for line in entry.lines if line.account.kind == "payable")
    assert payable + fee.fee_tiyn + fee.vat_tiyn == gross
    assert abs(fee.fee_tiyn * 10_000 - gross * fee_bp) <= 5_000


@pytest.mark.parametrize(("credited", "received"), [(0, 10), (11, 10), (-1, 10)])
def test_no_more_is_credited_than_was_received(credited, received):
    with pytest.raises(EntryRefused):
        payment_settled(
            merchant_id="m1",
            coin=BTC,
            wallet="w7",
            received_minor=received,
            credited_minor=credited,
            gross_tiyn=100,
            fee=Fee(0, 0),
        )


def test_an_entry_that_does_not_balance_cannot_be_made():
    with pytest.raises(EntryRefused, match="does not balance in BTC"):
        Entry("wrong", (Line(AccountName("reserve", BTC), "D", 2), Line(AccountName("held", BTC), "C", 1)))


def test_two_assets_do_not_balance_each_other():
    with pytest.raises(EntryRefused):
        Entry(
            "wrong", (Line(AccountName("reserve", BTC), "D", 2), Line(AccountName("position", KZT), "C", 2))
        )


@pytest.mark.parametrize("amount", [0, -1, 1.0, True])
def test_a_line_moves_a_positive_integer(amount):
    with pytest.raises(EntryRefused):
        Line(AccountName("reserve", BTC), "D", amount)


def test_a_line_has_a_side():
    with pytest.raises(EntryRefused):
        Line(AccountName("reserve", BTC), "X", 1)


def test_the_content_digest_tells_entries_apart():
    assert (
        payment_held(coin=BTC, wallet="w7", received_minor=1).content_sha256
        != payment_held(coin=BTC, wallet="w7", received_minor=2).content_sha256
    )

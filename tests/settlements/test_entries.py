"""Each recipe's worked example, and what every recipe holds."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_pay.assets import KZT, Asset
from settlements import entries
from settlements.entries import (
    correction,
    cost_of,
    direct_settled,
    held_accepted,
    held_refund_due,
    network_fee_paid,
    payment_held,
    payment_refund_due,
    payment_screened,
    payment_settled,
    payout_cancelled,
    payout_completed,
    payout_reserved,
    payout_returned,
    refund_sent,
    reserve_acquired,
    reserve_sold,
    reversal,
    screened_released,
)
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


def test_a_store_that_keeps_an_excess_is_credited_with_all_of_it():
    """15 000 sat against 12 345 asked for 10 000.00 ₸: worth 12 150.66 ₸, rounded down to a tiyn."""
    entry = payment_settled(
        merchant_id="m1",
        coin=BTC,
        wallet="w7",
        received_minor=15_000,
        credited_minor=15_000,
        gross_tiyn=1_215_066,
        fee=Fee(12_151, 1_944),
    )
    assert rows(entry) == [
        ("reserve:BTC:w7.payments", "D", 15_000),
        ("position:BTC", "C", 15_000),
        ("position:KZT:BTC", "D", 1_215_066),
        ("payable:KZT:m1", "C", 1_200_971),
        ("fee_income:KZT", "C", 12_151),
        ("vat_payable:KZT", "C", 1_944),
    ]


def test_money_that_no_invoice_may_take_is_held():
    assert rows(payment_held(coin=BTC, wallet="w7", received_minor=500)) == [
        ("reserve:BTC:w7.payments", "D", 500),
        ("held:BTC", "C", 500),
    ]


def test_a_partial_or_late_payment_is_accepted_at_the_value_decided_on():
    """5 000 sat, worth 4 050.22 ₸ at the rate of the quote; fee 40.50, VAT on it 6.48."""
    entry = held_accepted(
        merchant_id="m1",
        coin=BTC,
        accepted_minor=5_000,
        gross_tiyn=405_022,
        fee=fee_of(405_022, terms=FeeTerms(100), vat_basis_points=1600),
    )
    assert rows(entry) == [
        ("held:BTC", "D", 5_000),
        ("position:BTC", "C", 5_000),
        ("position:KZT:BTC", "D", 405_022),
        ("payable:KZT:m1", "C", 400_324),
        ("fee_income:KZT", "C", 4_050),
        ("vat_payable:KZT", "C", 648),
    ]


def test_held_money_is_given_back_and_sent():
    assert rows(held_refund_due(coin=BTC, refunded_minor=2_655)) == [
        ("held:BTC", "D", 2_655),
        ("refund:BTC", "C", 2_655),
    ]
    assert rows(refund_sent(coin=BTC, wallet="w7", sent_minor=2_655)) == [
        ("refund:BTC", "D", 2_655),
        ("reserve:BTC:w7.payments", "C", 2_655),
    ]


def test_a_settled_payment_is_given_back_at_the_merchants_cost():
    """Half of the worked payment: 5 000.00 ₸ are 6 172 sat, the half satoshi stays; the fee is kept."""
    entry = payment_refund_due(merchant_id="m1", coin=BTC, refunded_minor=6_172, value_tiyn=500_000)
    assert rows(entry) == [
        ("payable:KZT:m1", "D", 500_000),
        ("position:KZT:BTC", "C", 500_000),
        ("position:BTC", "D", 6_172),
        ("refund:BTC", "C", 6_172),
    ]


def test_a_refund_may_return_the_fee_as_well():
    entry = payment_refund_due(
        merchant_id="m1", coin=BTC, refunded_minor=6_172, value_tiyn=500_000, returned=Fee(5_000, 800)
    )
    assert rows(entry)[:4] == [
        ("payable:KZT:m1", "D", 494_200),
        ("fee_income:KZT", "D", 5_000),
        ("vat_payable:KZT", "D", 800),
        ("position:KZT:BTC", "C", 500_000),
    ]


def test_what_screening_stops_waits_and_is_released_to_be_held():
    assert rows(payment_screened(coin=BTC, wallet="w7", received_minor=12_345)) == [
        ("reserve:BTC:w7.payments", "D", 12_345),
        ("screened:BTC", "C", 12_345),
    ]
    assert rows(screened_released(coin=BTC, released_minor=12_345)) == [
        ("screened:BTC", "D", 12_345),
        ("held:BTC", "C", 12_345),
    ]


@pytest.mark.parametrize(
    ("proceeds", "difference"),
    [
        (410_000, [("exchange_diff:KZT", "C", 4_978)]),
        (400_000, [("exchange_diff:KZT", "D", 5_022)]),
        (405_022, []),
    ],
)
def test_coins_are_sold_and_the_difference_is_realised(proceeds, difference):
    """5 000 of 12 345 sat that cost 10 000.00 ₸: their share of the cost is 4 050.22."""
    cost = cost_of(5_000, position_minor=12_345, position_cost_tiyn=1_000_000)
    entry = reserve_sold(coin=BTC, wallet="w7", sold_minor=5_000, cost_tiyn=cost, proceeds_tiyn=proceeds)
    assert rows(entry) == [
        ("position:BTC", "D", 5_000),
        ("reserve:BTC:w7.payments", "C", 5_000),
        ("bank:KZT", "D", proceeds),
        ("position:KZT:BTC", "C", 405_022),
        *difference,
    ]


def test_the_cost_of_a_part_is_its_share_and_of_the_whole_all_of_it():
    assert cost_of(5_000, position_minor=12_345, position_cost_tiyn=1_000_000) == 405_022
    assert cost_of(12_345, position_minor=12_345, position_cost_tiyn=1_000_000) == 1_000_000
    with pytest.raises(EntryRefused):
        cost_of(12_346, position_minor=12_345, position_cost_tiyn=1_000_000)


@given(
    parts=st.lists(st.integers(1, 10**12), min_size=1, max_size=20),
    cost_tiyn=st.integers(0, 10**14),
)
def test_selling_a_position_bit_by_bit_uses_up_its_cost_to_the_tiyn(parts, cost_tiyn):
    left_minor, left_tiyn = sum(parts), cost_tiyn
    for part in parts:
        share = cost_of(part, position_minor=left_minor, position_cost_tiyn=left_tiyn)
        assert 0 <= share <= left_tiyn
        left_minor, left_tiyn = left_minor - part, left_tiyn - share
    assert left_tiyn == 0


def test_a_miners_fee_costs_what_it_is_worth():
    entry = network_fee_paid(coin=BTC, wallet="w7", fee_minor=141, value_tiyn=11_422)
    assert rows(entry) == [
        ("position:BTC", "D", 141),
        ("reserve:BTC:w7.payments", "C", 141),
        ("network_cost:KZT", "D", 11_422),
        ("position:KZT:BTC", "C", 11_422),
    ]


@pytest.mark.parametrize(
    ("source", "contra"), [("purchase", "bank"), ("seizure", "capital"), ("other", "capital")]
)
def test_coins_come_into_the_reserve_otherwise_than_by_payments(source, contra):
    entry = reserve_acquired(
        coin=BTC, wallet="w9", source=source, acquired_minor=10**8, value_tiyn=3_400_000_000
    )
    assert rows(entry) == [
        (f"reserve:BTC:w9.{source}", "D", 10**8),
        ("position:BTC", "C", 10**8),
        ("position:KZT:BTC", "D", 3_400_000_000),
        (f"{contra}:KZT", "C", 3_400_000_000),
    ]


def test_a_payout_is_reserved_paid_returned_or_cancelled():
    assert rows(payout_reserved(merchant_id="m1", amount_tiyn=988_400)) == [
        ("payable:KZT:m1", "D", 988_400),
        ("payout:KZT", "C", 988_400),
    ]
    assert rows(payout_completed(amount_tiyn=988_400)) == [
        ("payout:KZT", "D", 988_400),
        ("bank:KZT", "C", 988_400),
    ]
    assert rows(payout_returned(merchant_id="m1", amount_tiyn=988_400)) == [
        ("bank:KZT", "D", 988_400),
        ("payable:KZT:m1", "C", 988_400),
    ]
    assert rows(payout_cancelled(merchant_id="m1", amount_tiyn=988_400)) == [
        ("payout:KZT", "D", 988_400),
        ("payable:KZT:m1", "C", 988_400),
    ]


def test_a_direct_settlement_leaves_only_the_fee_to_be_collected():
    assert rows(direct_settled(merchant_id="m1", fee=Fee(10_000, 1_600))) == [
        ("fee_receivable:KZT:m1", "D", 11_600),
        ("fee_income:KZT", "C", 10_000),
        ("vat_payable:KZT", "C", 1_600),
    ]


def test_a_correction_balances_and_says_why():
    lines = [Line(AccountName("bank", KZT), "D", 700), Line(AccountName("fee_income", KZT), "C", 700)]
    entry = correction(lines, description=" letter 17 ")
    assert (entry.recipe, entry.description) == ("correction", "letter 17")
    with pytest.raises(EntryRefused, match="says why"):
        correction(lines, description="  ")
    with pytest.raises(EntryRefused, match="does not balance"):
        correction([*lines, lines[0]], description="letter 17")


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


def test_every_recipe_names_its_rounding():
    recipes = [
        recipe
        for recipe in vars(entries).values()
        if inspect.isfunction(recipe)
        and recipe.__module__ == entries.__name__
        and recipe.__annotations__["return"] == "Entry"
    ]
    assert len(recipes) == 18
    assert [
        recipe.__name__
        for recipe in recipes
        if "ounding" not in recipe.__doc__ and "rounded" not in recipe.__doc__
    ] == []

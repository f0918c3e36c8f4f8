"""The register of a merchant adds up, to the tiyn, to what the ledger says the account moved."""

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alatau_pay.assets import KZT
from settlements import ledger
from settlements.entry import AccountName
from settlements.operations import OperationKind, operations
from settlements.register import Totals, compile_register
from tests import world as city
from tests.settlements import books
from tests.settlements.books import at

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 23)


@pytest.fixture
def other(world):
    merchant, _owner = city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])
    return merchant


def test_a_day_with_everything_in_it(merchant, other):
    books.sale(merchant, 500_000, fee=5_000, vat=800, now=at(22, 23))
    sold = books.sale(merchant, 1_000_000, fee=10_000, vat=1_600, now=at(23), sat=12_345)
    books.sale(merchant, 200_000, fee=2_000, vat=320, now=at(23, 10))
    books.reverse(sold, now=at(23, 11))
    books.refund(merchant, 50_000, fee=500, vat=80, now=at(23, 12))
    books.fee_given_back(merchant, fee=100, vat=16, now=at(23, 13))
    books.moved(merchant, other, 7, now=at(23, 14))
    books.direct(merchant, fee=300, vat=48, now=at(23, 15))
    books.payout(merchant, 494_200, now=at(23, 16))
    books.sale(merchant, 9_900, fee=99, vat=16, now=at(24, 0))

    register = compile_register(merchant, DAY, DAY)
    totals = register.totals
    assert register.opening_tiyn == 500_000 - 5_800
    assert totals.gross_tiyn == 1_200_000
    assert totals.reversed_tiyn == 1_000_000
    assert totals.refunds_tiyn == 50_000
    # The correction gave back a fee (shown among the fees) and moved 7 tiyn to another merchant.
    assert totals.corrections_tiyn == -7
    assert totals.fee_tiyn == 10_000 + 2_000 - 10_000 - 500 - 100
    assert totals.vat_tiyn == 1_600 + 320 - 1_600 - 80 - 16
    assert totals.net_tiyn == 1_200_000 - 1_000_000 - 50_000 - 7 - 1_400 - 224
    assert totals.payouts_tiyn == 494_200
    assert totals.payouts_back_tiyn == 0
    assert (totals.direct_fee_tiyn, totals.direct_vat_tiyn) == (300, 48)
    assert totals.operation_count == 6
    assert register.closing_tiyn == 494_200 + totals.net_tiyn - 494_200
    assert ledger.owed_tiyn(merchant) == register.closing_tiyn + 9_900 - 99 - 16


def test_an_operation_tells_the_coin_and_what_it_undoes(merchant):
    sold = books.sale(merchant, 1_000_000, fee=10_000, vat=1_600, now=at(22), sat=12_345)
    books.reverse(sold, now=at(23, 11))
    back = next(operations(merchant, DAY, DAY))
    assert (back.kind, back.reversed_date) == (OperationKind.SALE_REVERSED, date(2026, 11, 22))
    assert (back.coin_code, back.coin_decimals, back.coin_minor) == ("BTC", 8, -12_345)
    assert (back.gross_tiyn, back.fee_tiyn, back.vat_tiyn) == (-1_000_000, -10_000, -1_600)
    assert back.net_tiyn == -988_400
    assert back.reference == "payment:1"


def test_accepted_money_that_the_network_took_back_is_a_reversed_sale_and_no_correction(merchant):
    accepted = books.accepted(merchant, 405_022, fee=4_050, vat=648, now=at(23))
    books.reverse(accepted, now=at(23, 11))
    totals = compile_register(merchant, DAY, DAY).totals
    assert (totals.gross_tiyn, totals.reversed_tiyn, totals.corrections_tiyn) == (405_022, 405_022, 0)
    assert (totals.fee_tiyn, totals.vat_tiyn, totals.net_tiyn, totals.operation_count) == (0, 0, 0, 2)


def test_a_refund_that_was_called_off_is_no_refund_and_no_correction(merchant):
    books.sale(merchant, 100_000, fee=0, vat=0, now=at(22))
    refund = books.refund(merchant, 50_000, fee=500, vat=80, now=at(23))
    books.refund(merchant, 7_000, now=at(23, 10))
    books.reverse(refund, now=at(23, 11))
    totals = compile_register(merchant, DAY, DAY).totals
    assert (totals.refunds_tiyn, totals.corrections_tiyn, totals.net_tiyn) == (7_000, 0, -7_000)


def test_a_payout_that_comes_back_is_a_line_of_its_own(merchant):
    books.sale(merchant, 100_000, fee=0, vat=0, now=at(23))
    books.payout(merchant, 60_000, now=at(23, 10))
    books.payout_cancelled(merchant, 60_000, now=at(23, 11))
    books.payout(merchant, 100_000, now=at(23, 12))
    books.payout_returned(merchant, 100_000, now=at(23, 13))
    totals = compile_register(merchant, DAY, DAY).totals
    assert (totals.payouts_tiyn, totals.payouts_back_tiyn) == (160_000, 160_000)
    assert totals.operation_count == 1


def test_another_merchants_entries_are_not_in_it(merchant, other):
    books.sale(other, 100_000, fee=0, vat=0, now=at(23))
    books.payout(other, 100_000, now=at(23, 10))
    register = compile_register(merchant, DAY, DAY)
    assert (register.entry_count, register.opening_tiyn, register.closing_tiyn) == (0, 0, 0)


def test_days_are_almatys(merchant):
    books.sale(merchant, 1, fee=0, vat=0, now=at(22, 23))
    books.sale(merchant, 10, fee=0, vat=0, now=at(23, 0))
    books.sale(merchant, 100, fee=0, vat=0, now=at(23, 23))
    books.sale(merchant, 1000, fee=0, vat=0, now=at(24, 0))
    register = compile_register(merchant, DAY, DAY)
    assert (register.opening_tiyn, register.totals.gross_tiyn, register.closing_tiyn) == (1, 110, 111)


def test_a_correction_that_moves_two_merchants_fees_is_all_correction(merchant, other):
    entry = books.moved(merchant, other, 500, now=at(23))
    found = list(operations(merchant, DAY, DAY)) + list(operations(other, DAY, DAY))
    assert [(row.entry_id, row.gross_tiyn, row.fee_tiyn, row.net_tiyn) for row in found] == [
        (entry.pk, -500, 0, -500),
        (entry.pk, 500, 0, 500),
    ]


def test_what_settles_a_direct_fee_leaves_the_lines_adding_up(merchant):
    """Paid into the bank, waived, or set off: only the last moves what is paid out, and by its own line."""
    books.sale(merchant, 100_000, fee=1_000, vat=160, now=at(23))
    books.direct(merchant, fee=300, vat=48, now=at(23, 10))
    books.direct(merchant, fee=100, vat=16, now=at(23, 11))
    books.direct(merchant, fee=200, vat=32, now=at(23, 12))
    books.direct_fee_paid(merchant, 348, now=at(23, 13))
    books.direct_fee_waived(merchant, fee=100, vat=16, now=at(23, 14))
    books.direct_fee_set_off(merchant, 232, now=at(23, 15))
    register = compile_register(merchant, DAY, DAY)
    totals = register.totals
    assert (totals.gross_tiyn, totals.corrections_tiyn) == (100_000, -232)
    assert (totals.fee_tiyn, totals.vat_tiyn, totals.net_tiyn) == (1_000, 160, 98_608)
    assert totals.net_tiyn == totals.gross_tiyn + totals.corrections_tiyn - totals.fee_tiyn - totals.vat_tiyn
    assert (totals.direct_fee_tiyn, totals.direct_vat_tiyn) == (500, 80)
    assert register.closing_tiyn == ledger.owed_tiyn(merchant) == 98_608


def test_a_period_that_ends_before_it_begins_is_refused(merchant):
    with pytest.raises(ValueError, match="ends on or after"):
        compile_register(merchant, DAY, DAY - timedelta(days=1))


def test_a_register_of_many_operations_is_one_query(merchant, django_assert_num_queries):
    for hour in range(8):
        books.sale(merchant, 1000, fee=10, vat=2, now=at(23, hour))
    with django_assert_num_queries(2):
        assert len(list(operations(merchant, DAY, DAY))) == 8


amounts = st.integers(min_value=0, max_value=10**9)
steps = st.tuples(
    st.sampled_from(
        [
            "sale",
            "reverse",
            "refund",
            "refund_undone",
            "fee_back",
            "moved",
            "direct",
            "direct_paid",
            "direct_set_off",
            "direct_waived",
            "payout",
            "cancelled",
        ]
    ),
    st.integers(min_value=20, max_value=26),
    amounts,
    st.integers(min_value=0, max_value=3000),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(steps, min_size=1, max_size=12), first=st.integers(20, 26), length=st.integers(0, 6))
def test_whatever_is_posted_the_lines_add_up_to_what_the_account_moved(merchant, other, steps, first, length):
    since = date(2026, 11, first)
    until = since + timedelta(days=length)
    before = {day: _balance(merchant, before=day) for day in (since, until + timedelta(days=1))}
    earlier = compile_register(merchant, since, until)
    standing = []
    for kind, day, amount, part in steps:
        _play(kind, merchant, other, at(day), amount, part, standing)
    register = compile_register(merchant, since, until)
    totals = register.totals
    assert register.opening_tiyn == _balance(merchant, before=since)
    assert register.closing_tiyn == _balance(merchant, before=until + timedelta(days=1))
    assert totals.net_tiyn == (
        totals.gross_tiyn
        - totals.reversed_tiyn
        - totals.refunds_tiyn
        + totals.corrections_tiyn
        - totals.fee_tiyn
        - totals.vat_tiyn
    )
    assert totals.movement_tiyn == totals.net_tiyn - totals.payouts_tiyn + totals.payouts_back_tiyn
    assert all(
        row.net_tiyn == row.gross_tiyn - row.fee_tiyn - row.vat_tiyn
        for row in register.operations()
        if row.kind is not OperationKind.DIRECT
    )
    assert register.entry_count >= earlier.entry_count
    assert before[since] == earlier.opening_tiyn


def _play(kind, merchant, other, now, amount, part, standing):
    """One thing that can happen; ``part`` hundredths of a per cent of the amount are the fee."""
    fee = amount * part // 10_000
    vat = fee * 16 // 100
    match kind:
        case "sale" if amount:
            standing.append(books.sale(merchant, amount, fee=fee, vat=vat, now=now))
        case "refund" if amount:
            standing.append(books.refund(merchant, amount, fee=fee, vat=vat, now=now))
        case "reverse" | "refund_undone" if standing:
            books.reverse(standing.pop(), now=now)
        case "fee_back" if vat:
            books.fee_given_back(merchant, fee=fee, vat=vat, now=now)
        case "moved" if amount:
            books.moved(merchant, other, amount, now=now)
        case "direct" if vat:
            books.direct(merchant, fee=fee, vat=vat, now=now)
        case "direct_paid" if amount:
            books.direct_fee_paid(merchant, amount, now=now)
        case "direct_set_off" if amount:
            books.direct_fee_set_off(merchant, amount, now=now)
        case "direct_waived" if vat:
            books.direct_fee_waived(merchant, fee=fee, vat=vat, now=now)
        case "payout" if amount:
            books.payout(merchant, amount, now=now)
        case "cancelled" if amount:
            books.payout_cancelled(merchant, amount, now=now)


def _balance(merchant, *, before):
    """What the postings to the payable come to, row by row: worked out without the register's query."""
    from settlements.models import Posting

    code = AccountName("payable", KZT, merchant.pk).code
    rows = Posting.objects.filter(account__code=code, entry__business_date__lt=before)
    return sum(row.amount_minor if row.side == "C" else -row.amount_minor for row in rows)


def test_totals_of_nothing_are_nothing():
    assert Totals.of([]).movement_tiyn == 0

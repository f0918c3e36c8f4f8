"""Which fee and VAT hold on a day."""

from datetime import date, datetime

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from alatau_pay.assets import Asset
from settlements import ledger
from settlements.business_day import ALMATY
from settlements.entries import held_accepted, payment_held, payment_settled
from settlements.fee_terms import Fee, FeeTerms, fee_of
from settlements.fees import FeeUnknown, fee_for, volume_tiyn
from settlements.models import FeeSchedule, VatRate
from tests import world as city

pytestmark = pytest.mark.django_db


def test_vat_is_16_per_cent_from_2026():
    assert fee_for(merchant_id="m", asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 1, 1)) == Fee(
        10_000, 1_600
    )


def test_vat_was_12_per_cent_before():
    FeeSchedule.objects.create(valid_from=date(2025, 1, 1), fee_basis_points=100)
    assert fee_for(merchant_id="m", asset_code="BTC", gross_tiyn=1_000_000, on=date(2025, 12, 31)) == Fee(
        10_000, 1_200
    )


@pytest.mark.parametrize(
    ("valid_from", "is_taken"), [("2026-03-04", False), ("2026-03-05", False), ("2026-03-06", True)]
)
def test_an_officer_enters_no_vat_rate_for_days_whose_vat_was_posted(
    merchant, admin_client, valid_from, is_taken
):
    """The fee's invoice names the rate by the dated rows: it would not be the one that the ledger was posted at."""
    sell(merchant, 1_000, day=date(2026, 3, 5), key="sale")
    page = admin_client.post(
        "/admin/settlements/vatrate/add/", {"valid_from": valid_from, "rate_basis_points": "2000"}
    )
    assert page.status_code == (302 if is_taken else 200)
    assert VatRate.objects.filter(rate_basis_points=2000).exists() == is_taken


def test_a_day_before_every_schedule_has_no_fee_to_guess():
    with pytest.raises(FeeUnknown):
        fee_for(merchant_id="m", asset_code="BTC", gross_tiyn=1_000_000, on=date(2024, 12, 31))


def test_the_merchants_own_row_goes_before_everybodys(merchant):
    FeeSchedule.objects.create(merchant=merchant, valid_from=date(2026, 3, 1), fee_basis_points=50)
    assert (
        fee_for(
            merchant_id=merchant.pk, asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 2, 28)
        ).fee_tiyn
        == 10_000
    )
    assert (
        fee_for(merchant_id=merchant.pk, asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 3, 1)).fee_tiyn
        == 5_000
    )
    assert (
        fee_for(merchant_id="other", asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 3, 1)).fee_tiyn
        == 10_000
    )


def fee(merchant, asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 3, 5)):
    return fee_for(merchant_id=merchant.pk, asset_code=asset_code, gross_tiyn=gross_tiyn, on=on).fee_tiyn


def test_the_narrowest_scope_holds(merchant):
    for basis_points, scope in [
        (90, {"asset_code": "USDT"}),
        (80, {"merchant": merchant}),
        (70, {"merchant": merchant, "asset_code": "USDT"}),
    ]:
        FeeSchedule.objects.create(valid_from=date(2026, 3, 1), fee_basis_points=basis_points, **scope)
    assert (fee(merchant, "USDT"), fee(merchant, "BTC")) == (7_000, 8_000)
    assert (
        fee_for(merchant_id="other", asset_code="USDT", gross_tiyn=1_000_000, on=date(2026, 3, 1)).fee_tiyn
        == 9_000
    )
    assert (
        fee_for(merchant_id="other", asset_code="ETH", gross_tiyn=1_000_000, on=date(2026, 3, 1)).fee_tiyn
        == 10_000
    )


def test_within_a_scope_the_latest_date_holds(merchant):
    FeeSchedule.objects.create(merchant=merchant, valid_from=date(2026, 3, 1), fee_basis_points=80)
    FeeSchedule.objects.create(merchant=merchant, valid_from=date(2026, 3, 5), fee_basis_points=60)
    assert fee(merchant, on=date(2026, 3, 4)) == 8_000
    assert fee(merchant, on=date(2026, 3, 5)) == 6_000


def _sale(merchant, gross_tiyn):
    return payment_settled(
        merchant_id=merchant.pk,
        coin=Asset("BTC", "BTC", 8),
        wallet="w7",
        received_minor=1,
        credited_minor=1,
        gross_tiyn=gross_tiyn,
        fee=Fee(0, 0),
    )


def sell(merchant, gross_tiyn, *, day, key):
    """A settled sale without a fee, on a day."""
    now = datetime(day.year, day.month, day.day, 12, tzinfo=ALMATY)
    return ledger.post(_sale(merchant, gross_tiyn), idempotency_key=key, reference=f"test:{key}", now=now)


def test_a_tier_is_reached_by_the_sales_of_the_month_before(merchant):
    for volume, basis_points in [(0, 100), (1_000_000, 80), (5_000_000, 50)]:
        FeeSchedule.objects.create(
            merchant=merchant,
            volume_from_tiyn=volume,
            valid_from=date(2026, 1, 1),
            fee_basis_points=basis_points,
        )
    assert fee(merchant) == 10_000
    sell(merchant, 1_000_000, day=date(2026, 2, 1), key="first")
    assert fee(merchant) == 8_000
    reversed_later = sell(merchant, 4_000_000, day=date(2026, 2, 28), key="second")
    assert fee(merchant) == 5_000
    # Sales of another month, and of another merchant, are not this one's of February.
    assert fee(merchant, on=date(2026, 4, 1)) == 10_000
    ledger.reverse(reversed_later, idempotency_key="undone", now=datetime(2026, 2, 28, 13, tzinfo=ALMATY))
    assert volume_tiyn(merchant.pk, month_of=date(2026, 2, 14)) == 1_000_000
    assert fee(merchant) == 8_000


def test_the_first_of_the_next_month_is_no_part_of_a_months_volume(merchant):
    sell(merchant, 1_000, day=date(2026, 2, 28), key="last")
    sell(merchant, 70_000, day=date(2026, 3, 1), key="next")
    assert volume_tiyn(merchant.pk, month_of=date(2026, 2, 1)) == 1_000
    assert volume_tiyn(merchant.pk, month_of=date(2026, 3, 31)) == 70_000


def test_held_money_that_was_accepted_counts_as_volume_and_less_where_it_was_taken_back(merchant):
    noon = datetime(2026, 2, 3, 12, tzinfo=ALMATY)
    coin = Asset("BTC", "BTC", 8)
    ledger.post(
        payment_held(coin=coin, wallet="w7", received_minor=9),
        idempotency_key="h",
        reference="test:h",
        now=noon,
    )
    accepted = ledger.post(
        held_accepted(
            merchant_id=merchant.pk, coin=coin, accepted_minor=9, gross_tiyn=1_000_000, fee=Fee(10_000, 1_600)
        ),
        idempotency_key="accepted",
        reference="test:h",
        now=noon,
    )
    assert volume_tiyn(merchant.pk, month_of=noon.date()) == 1_000_000
    ledger.reverse(accepted, idempotency_key="undone", now=noon)
    assert volume_tiyn(merchant.pk, month_of=noon.date()) == 0


def test_a_merchants_volume_is_read_without_the_sales_of_all_others(merchant, world):
    """It is asked for while a payment settles: with a million entries, reading all of them took seconds."""
    other = city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])[0]
    for number in range(5):
        sell(merchant, 1_000, day=date(2026, 2, 1 + number), key=f"mine:{number}")
    noon = datetime(2026, 2, 1, 12, tzinfo=ALMATY)
    ledger.post_many(
        [ledger.Voucher(_sale(other, 7), f"other:{number}", "test:1", noon) for number in range(2_000)]
    )
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as asked:
        cursor.execute("ANALYZE settlements_posting, settlements_journalentry, settlements_account")
        assert volume_tiyn(merchant.pk, month_of=date(2026, 2, 1)) == 5_000
        cursor.execute(f"EXPLAIN {asked.captured_queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on settlements_posting" not in plan
    assert "Seq Scan on settlements_journalentry" not in plan


def test_where_no_tier_is_reached_the_wider_scope_holds(merchant):
    FeeSchedule.objects.create(
        merchant=merchant, volume_from_tiyn=1, valid_from=date(2026, 1, 1), fee_basis_points=50
    )
    assert fee(merchant) == 10_000


@pytest.mark.parametrize(
    ("terms", "gross_tiyn", "expected"),
    [
        (FeeTerms(100, fixed_tiyn=500), 1_000_000, Fee(10_500, 1_680)),
        (FeeTerms(100, minimum_tiyn=2_000), 100_000, Fee(2_000, 320)),
        (FeeTerms(100, maximum_tiyn=5_000), 1_000_000, Fee(5_000, 800)),
        (FeeTerms(0), 1_000_000, Fee(0, 0)),
        # The fixed part is more than the sale: the platform takes all but a tiyn, and VAT is within it.
        (FeeTerms(0, fixed_tiyn=500), 116, Fee(99, 16)),
        (FeeTerms(0, fixed_tiyn=500), 1, Fee(0, 0)),
        # Half up: 0.5 tiyn is 1.
        (FeeTerms(100), 50, Fee(1, 0)),
    ],
)
def test_terms_worked_out(terms, gross_tiyn, expected):
    assert fee_of(gross_tiyn, terms=terms, vat_basis_points=1600) == expected


@given(
    gross_tiyn=st.integers(1, 10**12),
    basis_points=st.integers(0, 2000),
    fixed_tiyn=st.integers(0, 10**6),
    minimum_tiyn=st.integers(0, 10**6),
    vat_basis_points=st.integers(0, 3000),
)
def test_fee_and_vat_leave_the_merchant_a_tiyn_at_least_and_take_no_less_than_they_could(
    gross_tiyn, basis_points, fixed_tiyn, minimum_tiyn, vat_basis_points
):
    terms = FeeTerms(basis_points, fixed_tiyn=fixed_tiyn, minimum_tiyn=minimum_tiyn)
    taken = fee_of(gross_tiyn, terms=terms, vat_basis_points=vat_basis_points)
    assert taken.fee_tiyn >= 0 and taken.vat_tiyn >= 0 and taken.total_tiyn < gross_tiyn
    assert abs(taken.vat_tiyn * 10_000 - taken.fee_tiyn * vat_basis_points) <= 5_000
    agreed = max(round_half_up(gross_tiyn * basis_points, 10_000) + fixed_tiyn, minimum_tiyn)
    if taken.fee_tiyn < agreed:
        more = taken.fee_tiyn + 1
        assert more + round_half_up(more * vat_basis_points, 10_000) >= gross_tiyn


def round_half_up(dividend, divisor):
    return (2 * dividend + divisor) // (2 * divisor)


@pytest.mark.parametrize(
    "broken",
    [
        {"fee_basis_points": 2001},
        {"fee_basis_points": 1, "volume_from_tiyn": -1},
        {"fee_basis_points": 1, "minimum_tiyn": 2, "maximum_tiyn": 1},
    ],
)
def test_the_database_refuses_terms_that_make_no_sense(broken):
    with pytest.raises(IntegrityError):
        FeeSchedule.objects.create(valid_from=date(2026, 1, 1), **broken)


def test_one_row_for_a_scope_and_a_date():
    FeeSchedule.objects.create(valid_from=date(2027, 1, 1), fee_basis_points=90)
    with pytest.raises(IntegrityError):
        FeeSchedule.objects.create(valid_from=date(2027, 1, 1), fee_basis_points=80)

"""The seconds around New Year in Almaty, when VAT changed: which day's rate money bears, whatever UTC calls the day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from alatau_pay.assets import KZT
from chains.models import Network
from payments import deadlines, held
from settlements import ledger
from settlements.entry import AccountName
from settlements.models import FeeSchedule
from tests import world as city

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2025, 12, 31, 19, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
# 1 % of 12 500.00 ₸ is 125.00 ₸, and the VAT on it 15.00 ₸ by the old rate and 20.00 ₸ by the new one.
moments = pytest.mark.parametrize(
    ("now", "vat_tiyn"), [(MIDNIGHT - SECOND, 1_500), (MIDNIGHT, 2_000), (MIDNIGHT + SECOND, 2_000)]
)


@pytest.fixture
def store():
    """A store that sold its first coffee an hour before midnight."""
    FeeSchedule.objects.create(valid_from=date(2025, 12, 1), fee_basis_points=100)
    return city.build(MIDNIGHT - timedelta(hours=1)).store


def vat_posted():
    return -ledger.balance_minor(AccountName("vat_payable", KZT))


@moments
def test_a_payment_bears_the_vat_of_the_almaty_day_on_which_it_is_posted(store, now, vat_tiyn):
    city.observations.fetch_all(now=MIDNIGHT - SECOND)
    city.pay(city.make_invoice(store, now=MIDNIGHT - SECOND), at=now)
    assert vat_posted() == vat_tiyn


@moments
def test_held_money_bears_the_vat_of_the_almaty_day_on_which_it_is_accepted(store, now, vat_tiyn):
    invoice = city.make_invoice(store, now=MIDNIGHT - timedelta(hours=1))
    late = MIDNIGHT - timedelta(minutes=30)
    Network.objects.update(observed_at=late)
    deadlines.decide_due(now=late)
    city.pay(invoice, at=late)
    owner = store.merchant.memberships.get().user
    held.accept(invoice.payments.get().pk, user=owner, reason="the guest waited", now=now, rate=held.AT_THEN)
    assert vat_posted() == vat_tiyn

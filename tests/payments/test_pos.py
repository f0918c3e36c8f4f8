"""The till: one sale of one tap or two, what the day came to, and who may stand at it."""

import re
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from compliance.models import AdmittedAsset
from merchants import onboarding
from merchants.models import Role
from payments.models import Invoice
from payments.pos import day_of
from tests.world import BUSINESS_IDS, add_member, build, build_merchant, build_store, make_invoice, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def city(now):
    return build(now)


@pytest.fixture
def till(client, city):
    """A cashier's browser and the address of the till."""
    client.force_login(
        add_member(city.merchant, Role.CASHIER), backend="django.contrib.auth.backends.ModelBackend"
    )
    return f"/pos/{city.store.pk}/"


def key_in(page):
    return re.search(r'name="key" value="([A-Za-z0-9]+)"', page).group(1)


def sell(client, till, amount="12 500", key="k1", **fields):
    return client.post(till, {"amount": amount, "key": key, **fields})


def sales(store):
    return Invoice.objects.filter(store=store, source="pos")


def test_a_sale_becomes_an_invoice_and_its_page(client, city, till):
    answer = sell(client, till, order_id="17", description="Latte")
    sale = sales(city.store).get()
    assert answer.status_code == 302
    assert answer["Location"] == f"{till}i/{sale.pk}/"
    assert (sale.amount_tiyn, sale.order_id, sale.description) == (1_250_000, "17", "Latte")
    assert sale.created_by.email.startswith("cashier-")
    page = client.get(answer["Location"]).content.decode()
    assert page.count('class="qr"') == 3
    assert "Next customer" in page


def test_a_double_tap_makes_one_invoice(client, city, till):
    key = key_in(client.get(till).content.decode())
    first, second = sell(client, till, key=key), sell(client, till, key=key)
    assert first["Location"] == second["Location"]
    assert sales(city.store).count() == 1


def test_every_form_has_a_key_of_its_own(client, till):
    assert key_in(client.get(till).content.decode()) != key_in(client.get(till).content.decode())


def test_an_old_form_with_another_amount_is_asked_for_again(client, city, till):
    sell(client, till, "12500", key="k1")
    answer = sell(client, till, "13000", key="k1")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "has already made an invoice for another amount" in page
    assert 'value="13000"' in page
    assert sales(city.store).count() == 1
    assert sell(client, till, "13000", key=key_in(page)).status_code == 302
    assert sales(city.store).count() == 2


@pytest.mark.parametrize(
    ("typed", "amount_tiyn"),
    [
        ("12500", 1_250_000),
        ("12 500,50", 1_250_050),
        ("12\u00a0500.5", 1_250_050),
        ("0,01", 1),
        (" 700 ₸ ", 70_000),
    ],
)
def test_amounts_as_people_type_them(client, city, till, typed, amount_tiyn):
    assert sell(client, till, typed).status_code == 302
    assert sales(city.store).get().amount_tiyn == amount_tiyn


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "This field is required"),
        ("0", "must be more than zero"),
        ("0.00", "must be more than zero"),
        ("-5", "Enter an amount"),
        ("12,500", "Enter an amount"),
        ("1.005", "Enter an amount"),
        ("1e5", "Enter an amount"),
        ("NaN", "Enter an amount"),
        ("１２", "Enter an amount"),
        ("1 2500", "Enter an amount"),
        ("99999999999", "too large"),
        ("1" * 25, "at most 24 characters"),
    ],
)
def test_a_bad_amount_is_said_and_nothing_is_written(client, city, till, typed, words):
    answer = sell(client, till, typed)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not sales(city.store).exists()


def test_without_a_fresh_rate_nothing_is_sold(client, city, till):
    # What was observed cannot be taken back, so the assets become ones that nobody states a price of.
    city.bitcoin.assets.update(symbol="XBT")
    city.evm.assets.update(symbol="XYZ")
    answer = sell(client, till)
    assert answer.status_code == 422
    assert "no reliable exchange rate" in answer.content.decode()
    assert not sales(city.store).exists()


def test_what_the_city_does_not_admit_is_not_sold(client, city, till):
    AdmittedAsset.objects.update(payment_max_tiyn=100)
    answer = sell(client, till)
    assert answer.status_code == 422
    assert "admits no asset for a payment of this amount" in answer.content.decode()


def test_a_suspended_merchant_sells_nothing(client, city, till, now):
    onboarding.suspend(city.merchant, admin=city.admin, reason="inspection", now=now)
    answer = sell(client, till)
    assert answer.status_code == 422
    assert "This store makes no invoices" in answer.content.decode()
    assert not sales(city.store).exists()


def test_halted_networks_are_said(client, city, till, now):
    for network in (city.bitcoin, city.evm):
        network.halted_at = now
        network.save()
    answer = sell(client, till)
    assert answer.status_code == 422
    assert "can be paid with at the moment" in answer.content.decode()


class TestDay:
    def at(self, *clock):
        return datetime(2026, 11, 23, *clock, tzinfo=UTC)

    def test_it_begins_at_midnight_in_alatau(self, city, now):
        """19:00 UTC is midnight there."""
        early = make_invoice(city.store, now=now)
        late = make_invoice(city.store, now=now)
        for sale, made_at in ((early, self.at(18, 59)), (late, self.at(19, 0))):
            Invoice.objects.filter(pk=sale.pk).update(
                source="pos", created_at=made_at, expires_at=self.at(23), monitoring_expires_at=self.at(23)
            )
        assert [sale.pk for sale in day_of(city.store, now=self.at(20)).sales] == [late.pk]
        assert [sale.pk for sale in day_of(city.store, now=self.at(18, 59, 30)).sales] == [late.pk, early.pk]

    def test_totals_count_the_paid_and_the_processing_apart(self, client, city, till, now):
        for number, (amount, how) in enumerate(
            [("1000", "paid"), ("2000", "paid"), ("4000", "seen"), ("8000", "")]
        ):
            sell(client, till, amount, key=f"key{number}")
            sale = sales(city.store).order_by("created_at").last()
            if how:
                pay(sale, at=now, confirmed=how == "paid")
        day = day_of(city.store, now=timezone.now())
        assert (day.paid_count, day.paid_tiyn, day.pending_count, day.pending_tiyn) == (
            2,
            300_000,
            1,
            400_000,
        )
        page = client.get(till).content.decode()
        assert "3,000\u00a0₸" in page
        assert "2 sales" in page

    def test_what_other_channels_sold_is_not_the_tills(self, city, now):
        make_invoice(city.store, now=now)
        assert day_of(city.store, now=now).sales == []


class TestCancel:
    def test_a_sale_that_nobody_paid(self, client, city, till):
        address = sell(client, till)["Location"]
        assert client.post(address)["Location"] == till
        sale = sales(city.store).get()
        assert (sale.status, sale.additional_status) == ("Invalid", "Marked")
        assert sale.events.last().actor.email.startswith("cashier-")

    def test_not_once_a_payment_was_seen(self, client, city, till, now):
        address = sell(client, till)["Location"]
        pay(sales(city.store).get(), at=now, confirmed=False)
        assert "Cancel this sale" not in client.get(address).content.decode()
        client.post(address)
        assert sales(city.store).get().status == "Processing"


class TestWhoMay:
    @pytest.fixture
    def addresses(self, client, city, till):
        sale = sell(client, till)["Location"]
        client.logout()
        return [till, sale]

    def test_the_owner_and_the_manager(self, client, city, addresses):
        for user in (city.owner, add_member(city.merchant, Role.MANAGER)):
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            assert [client.get(address).status_code for address in addresses] == [200, 200]

    def test_an_accountant_is_a_colleague_without_the_right(self, client, city, addresses):
        client.force_login(
            add_member(city.merchant, Role.ACCOUNTANT), backend="django.contrib.auth.backends.ModelBackend"
        )
        assert [client.get(address).status_code for address in addresses] == [403, 403]
        assert [client.post(address).status_code for address in addresses] == [403, 403]
        assert sales(city.store).get().status == "New"

    def test_a_stranger_does_not_learn_that_the_store_exists(self, client, city, addresses):
        _merchant, stranger = build_merchant(city.admin, business_id=BUSINESS_IDS[1])
        client.force_login(stranger, backend="django.contrib.auth.backends.ModelBackend")
        assert [client.get(address).status_code for address in addresses] == [404, 404]
        assert [client.post(address).status_code for address in addresses] == [404, 404]
        assert sales(city.store).get().status == "New"

    def test_nobody_is_sent_to_log_in(self, client, addresses):
        for address in addresses:
            assert client.get(address)["Location"].startswith("/login/?next=")

    def test_another_stores_sale_is_not_found_at_this_till(self, client, city, till, now):
        other, owner = build_merchant(city.admin, business_id=BUSINESS_IDS[1])
        theirs = make_invoice(city.store, now=now)
        client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
        store = build_store(other)
        assert client.get(f"/pos/{store.pk}/i/{theirs.pk}/").status_code == 404


def test_the_till_is_kept_nowhere(client, till):
    assert "no-store" in client.get(till)["Cache-Control"]

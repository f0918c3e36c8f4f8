"""Paying short or late: opening an expired invoice again for the rest, and asking for the money back."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from chains.models import Network
from payments import deadlines, held, invoices, refunds, reopening
from payments.models import Invoice, RateObservation, Refund
from settlements import ledger
from tests import world as city
from tests.payments.refunding import BITCOIN_ADDRESS, EVM_ADDRESS, approved
from tests.world import NOW, make_invoice, pay

pytestmark = pytest.mark.django_db
AFTER = NOW + timedelta(minutes=20)


@pytest.fixture(autouse=True)
def _no_tries_yet():
    cache.clear()


def expire(now=AFTER):
    Network.objects.update(observed_at=now)
    deadlines.decide_due(now=now)
    city.observations.fetch_all(now=now)


@pytest.fixture
def short(world):
    """Half of the price came in time, then the time was over."""
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=18_383)
    expire()
    invoice.refresh_from_db()
    assert (invoice.status, invoice.additional_status) == ("Expired", "PaidPartial")
    return invoice


@pytest.fixture
def late(world):
    """The whole price came after the time was over."""
    invoice = make_invoice(world.store)
    expire()
    pay(invoice, at=AFTER)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.additional_status) == ("Expired", "PaidLate")
    return invoice


def pay_rest(invoice, *, at):
    quote = invoice.quotes.filter(asset_id="BTC").latest("created_at")
    paid = sum(invoice.payments.values_list("amount_minor", flat=True))
    return city.Transfer.objects.create(
        network=quote.asset.network,
        txid=bytes([9]) * 32,
        index=0,
        asset=quote.asset,
        deposit_address=quote.deposit_address,
        amount_minor=quote.amount_minor - paid,
        state="Mined",
        block_height=100,
        block_hash=bytes(32),
        seen_at=at,
        received_at=at,
    )


def test_the_rest_is_paid_and_the_invoice_settles(world, short):
    address = short.quotes.get(asset_id="BTC").deposit_address
    # 18 382 of 36 765 sat of 12 500 ₸ are due, rounded up.
    assert reopening.offer(short, now=AFTER).due_tiyn == 624_984
    invoice = reopening.reopen(short.pk, now=AFTER)
    assert (invoice.status, invoice.additional_status) == ("New", "PaidPartial")
    assert invoice.expires_at == AFTER + timedelta(minutes=world.store.invoice_minutes)
    assert {quote.deposit_address for quote in invoice.quotes.filter(asset_id="BTC")} == {address}
    pay_rest(invoice, at=AFTER)
    city.matching.match_pending(now=AFTER)
    invoice.refresh_from_db()
    assert invoice.status == "Settled"
    assert not held.waiting().exists()
    assert invoice.events.filter(kind="InvoiceReopened").count() == 1


def test_it_expires_again_when_nobody_pays(short):
    reopening.reopen(short.pk, now=AFTER)
    expire(AFTER + timedelta(minutes=20))
    short.refresh_from_db()
    assert (short.status, short.additional_status) == ("Expired", "PaidPartial")


def test_late_money_counts_at_the_rate_of_now(world, late):
    assert reopening.offer(late, now=AFTER).due_tiyn == 0
    invoice = reopening.reopen(late.pk, now=AFTER)
    assert invoice.status == "Settled"
    assert ledger.owed_tiyn(world.merchant) > 0


def test_late_money_that_fell_leaves_a_rest(late):
    rates = city.observations.prices({"BTC"}, now=AFTER)["BTC"].tenge
    later = AFTER + timedelta(minutes=1)
    for row in RateObservation.objects.filter(base="BTC", observed_at=AFTER):
        RateObservation.objects.create(
            source=row.source,
            base=row.base,
            quote=row.quote,
            price=row.price / 2,
            observed_at=later,
            fetched_at=later,
        )
    assert city.observations.prices({"BTC"}, now=later)["BTC"].tenge == rates / 2
    assert reopening.offer(late, now=later).due_tiyn == 625_000
    invoice = reopening.reopen(late.pk, now=later)
    assert (invoice.status, invoice.additional_status, invoice.paid_tiyn) == ("New", "PaidPartial", 625_000)


def test_what_came_late_is_enough_within_the_stores_tolerance(world):
    """Nobody is told to pay a rest that the store does not ask for."""
    invoice = make_invoice(world.store, checkout={"paymentTolerance": 1})
    expire()
    pay(invoice, at=AFTER, amount_minor=36_398)
    invoice.refresh_from_db()
    assert invoice.tolerance_basis_points == 100
    assert reopening.offer(invoice, now=AFTER).due_tiyn == 0
    assert reopening.reopen(invoice.pk, now=AFTER).status == "Settled"


def refused(invoice, *, now=AFTER):
    assert reopening.offer(Invoice.objects.get(pk=invoice.pk), now=now) is None
    quotes = invoice.quotes.count()
    with pytest.raises(reopening.ReopeningRefused):
        reopening.reopen(invoice.pk, now=now)
    assert invoice.quotes.count() == quotes


def test_not_after_the_store_stopped_waiting(short):
    city.observations.fetch_all(now=short.monitoring_expires_at)
    refused(short, now=short.monitoring_expires_at)


def test_not_when_nothing_was_paid(world):
    invoice = make_invoice(world.store)
    expire()
    refused(invoice)


def test_not_while_it_can_be_paid_or_is_settled(world):
    open_one = make_invoice(world.store)
    pay(open_one, amount_minor=5)
    refused(open_one, now=NOW)
    settled = make_invoice(world.store)
    pay(settled)
    refused(settled, now=NOW)


def test_not_when_its_money_goes_back(short):
    refunds.request(short.payments.get().pk, address=BITCOIN_ADDRESS, now=AFTER)
    refused(short)


def test_not_when_somebody_decided(world, short):
    held.accept(short.payments.get().pk, user=world.owner, reason="x", now=AFTER)
    refused(short)


def test_not_against_a_persons_word(world, short):
    invoices.mark(short.pk, status="Invalid", user=world.owner, now=AFTER)
    refused(short)


def test_not_for_ever(short):
    at = AFTER
    for _ in range(reopening.REOPENINGS_MAX):
        reopening.reopen(short.pk, now=at)
        at += timedelta(minutes=20)
        expire(at)
    refused(short, now=at)


def test_what_counts_while_it_can_be_paid_is_not_asked_back(short):
    payment = short.payments.get()
    reopening.reopen(short.pk, now=AFTER)
    with pytest.raises(refunds.RefundRefused, match="can still be paid"):
        refunds.request(payment.pk, address=BITCOIN_ADDRESS, now=AFTER)


class TestPage:
    """At the true time: the page takes its own clock."""

    @pytest.fixture
    def short(self, db):
        now = timezone.now()
        then = now - timedelta(minutes=30)
        world = city.build(now=then)
        invoice = make_invoice(world.store, now=then)
        pay(invoice, at=then, amount_minor=18_383)
        expire(now)
        invoice.refresh_from_db()
        return invoice

    def path(self, invoice, language="en"):
        return f"/i/{invoice.pk}/late?lang={language}"

    @pytest.mark.parametrize(
        ("language", "words"),
        [("kk", "Қалғанын төлеу"), ("ru", "Доплатить"), ("en", "Pay the rest")],
    )
    def test_it_offers_both(self, client, short, language, words):
        text = client.get(self.path(short, language)).content.decode()
        assert words in text
        assert "0.00018383\u00a0BTC" in text
        assert 'name="address"' in text
        assert "<script" not in text

    def test_the_checkout_page_leads_there(self, client, short):
        assert f"/i/{short.pk}/late" in client.get(f"/i/{short.pk}?lang=en").content.decode()

    def test_paying_the_rest_opens_the_checkout(self, client, short):
        answer = client.post(self.path(short), {"do": "pay"})
        assert (answer.status_code, answer["Location"]) == (302, f"/i/{short.pk}?lang=en")
        text = client.get(answer["Location"]).content.decode()
        assert "Still to pay" in text

    def test_asking_back(self, client, short):
        payment = short.payments.get()
        data = {"do": "refund", "payment": payment.pk, "address": BITCOIN_ADDRESS}
        answer = client.post(self.path(short), data)
        refund = Refund.objects.get()
        assert answer["Location"] == f"/r/{refund.link_id}?lang=en"
        assert (refund.status, refund.payment) == ("AwaitingApproval", payment)
        after = client.get(self.path(short)).content.decode()
        # Who else has the invoice's link does not get the refund's.
        assert refund.link_id not in after
        assert "The store has your address" in after
        assert client.post(self.path(short), data).status_code == 422
        assert Refund.objects.count() == 1

    def test_a_wrong_address_is_said_at_its_payment(self, client, short):
        data = {"do": "refund", "payment": short.payments.get().pk, "address": EVM_ADDRESS}
        answer = client.post(self.path(short), data)
        assert answer.status_code == 422
        assert EVM_ADDRESS in answer.content.decode()
        assert not Refund.objects.exists()

    def test_a_payment_of_another_invoice_is_not_asked_for_here(self, client, short):
        other = make_invoice(short.store, now=timezone.now())
        data = {"do": "refund", "payment": short.payments.get().pk, "address": BITCOIN_ADDRESS}
        assert client.post(self.path(other), data).status_code == 422
        assert not Refund.objects.exists()

    def test_a_guesser_is_stopped(self, client, short):
        for _ in range(10):
            client.post(self.path(short), {"do": "refund", "payment": "1"})
        assert "Too many tries" in client.post(self.path(short), {"do": "pay"}).content.decode()


def test_credited_money_that_goes_back_stays_off_the_page(world, client):
    invoice = make_invoice(world.store)
    pay(invoice)
    pay(make_invoice(world.store, "100000.00"))
    refund = approved(invoice.payments.get(), user=world.owner)
    text = client.get(f"/i/{invoice.pk}/late?lang=en").content.decode()
    assert "No money of this invoice is held" in text
    assert refund.link_id not in text

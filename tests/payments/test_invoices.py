"""The money's way through invoices: made once, paid in every manner, booked to the tiyn, told to the shop."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from alatau_pay.assets import KZT, Asset
from chains import addresses
from chains.models import DepositAddress, Network, Wallet
from compliance.admission import NotAdmitted
from compliance.models import AdmittedAsset
from merchants import onboarding, webhooks
from merchants.models import WebhookDelivery
from payments import deadlines, invoices, matching, terms
from payments.invoice_request import parse_request
from payments.models import ConfirmationTier, Incident, Invoice, Payment, Quote
from payments.quoting import RateUnavailable
from settlements import ledger
from settlements.entry import AccountName
from settlements.models import JournalEntry
from tests.world import NOW, arrive, make_invoice, mine, pay, unmine, vanish

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
HELD, POSITION = (AccountName(kind, BTC) for kind in ("held", "position"))


def state(invoice):
    invoice.refresh_from_db()
    return invoice.status, invoice.additional_status


def create(world, data=None, *, key=None, now=NOW):
    request = parse_request(data or {"amount": "12500.00"})
    return invoices.create(request, store=world.store, source="api", idempotency_key=key, now=now)


# Making


def test_an_invoice_has_a_quote_and_an_address_for_each_asset(world):
    invoice = make_invoice(world.store)
    quotes = {quote.asset_id: quote for quote in invoice.quotes.all()}
    assert {code: quote.amount_minor for code, quote in quotes.items()} == {
        "BTC": 36_765,
        "ETH": 7_352_950_000_000_000,
        "USDT": 25_252_600,
    }
    assert quotes["ETH"].deposit_address == quotes["USDT"].deposit_address
    assert quotes["BTC"].deposit_address.address.startswith("bcrt1q")
    assert [path["source"] for path in quotes["BTC"].rate_sources["paths"]] == ["fixed"]
    assert state(invoice) == ("New", "None")
    assert invoice.expires_at == NOW + timedelta(minutes=15)


def test_no_two_invoices_share_an_address(world):
    made = [make_invoice(world.store) for _ in range(5)]
    addresses = {quote.deposit_address_id for invoice in made for quote in invoice.quotes.all()}
    assert len(addresses) == 10
    assert set(Wallet.objects.values_list("next_index", flat=True)) == {5}


def test_the_same_key_and_request_is_the_same_invoice(world):
    first = create(world, key="order-1")
    assert create(world, key="order-1") == first
    assert Invoice.objects.count() == 1


def test_the_same_key_with_another_request_is_refused(world):
    create(world, key="order-1")
    with pytest.raises(invoices.IdempotencyConflict):
        create(world, {"amount": "12500.01"}, key="order-1")
    assert Invoice.objects.count() == 1


def refused(world, error, data=None, *, now=NOW):
    with pytest.raises(error):
        create(world, data, now=now)
    assert not Invoice.objects.exists()
    assert not Quote.objects.exists()
    assert not DepositAddress.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_without_a_fresh_price_nothing_is_quoted(world):
    refused(world, RateUnavailable, now=NOW + timedelta(seconds=121))


def test_a_method_that_the_store_does_not_accept_is_refused(world):
    refused(world, terms.MethodRefused, {"amount": "1", "checkout": {"paymentMethods": ["DOGE-CHAIN"]}})


def test_an_asset_that_is_not_admitted_any_more_is_left_out(world):
    AdmittedAsset.objects.filter(asset_code="BTC").update(admitted_until=NOW)
    assert {quote.asset_id for quote in make_invoice(world.store).quotes.all()} == {"ETH", "USDT"}


def test_when_no_accepted_asset_is_admitted_nothing_is_made(world):
    AdmittedAsset.objects.update(admitted_until=NOW)
    refused(world, NotAdmitted)


def test_the_citys_limits_hold(world):
    AdmittedAsset.objects.update(payment_max_tiyn=1_249_999)
    refused(world, NotAdmitted)
    AdmittedAsset.objects.update(payment_max_tiyn=1_250_000)
    assert make_invoice(world.store).quotes.count() == 3


def test_a_halted_network_takes_no_new_invoice(world):
    Network.objects.filter(slug="bitcoin").update(halted_at=NOW, halted_reason="another chain")
    assert {quote.asset_id for quote in make_invoice(world.store).quotes.all()} == {"ETH", "USDT"}


def test_a_suspended_merchants_store_makes_no_invoice(world):
    onboarding.suspend(world.merchant, admin=world.admin, reason="complaints", now=NOW)
    world.store.merchant.refresh_from_db()
    refused(world, invoices.StoreNotTrading)


def test_a_quote_is_never_changed(world):
    make_invoice(world.store)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Quote.objects.update(amount_minor=1)


# Being paid


def test_paid_in_one_confirmed_transfer(world):
    invoice = make_invoice(world.store)
    pay(invoice)
    assert state(invoice) == ("Settled", "None")
    assert invoice.paid_tiyn == 1_250_000
    # 1 % fee and 16 % VAT on it: 125.00 + 20.00.
    assert ledger.owed_tiyn(world.merchant) == 1_250_000 - 12_500 - 2_000
    assert ledger.total_minor("reserve", BTC) == 36_765
    assert ledger.total_minor("position", KZT) == 1_250_000


@pytest.mark.parametrize("code", ["ETH", "USDT"])
def test_paid_in_other_assets(world, code):
    invoice = make_invoice(world.store)
    pay(invoice, code)
    assert state(invoice) == ("Settled", "None")
    assert ledger.owed_tiyn(world.merchant) == 1_235_500


def test_seen_then_confirmed(world):
    invoice = make_invoice(world.store)
    transfer = pay(invoice, confirmed=False)
    assert state(invoice) == ("Processing", "None")
    assert not JournalEntry.objects.exists()
    mine(transfer)
    matching.match_pending(now=NOW)
    assert state(invoice) == ("Settled", "None")


def test_confirmations_are_counted_by_the_invoices_speed_policy(world):
    invoice = make_invoice(world.store, checkout={"speedPolicy": "LowSpeed"})
    pay(invoice)
    assert state(invoice) == ("Processing", "None")
    for height, status in ((104, "Processing"), (105, "Settled")):
        Network.objects.filter(slug="bitcoin").update(cursor_height=height)
        deadlines.confirm("bitcoin", now=NOW)
        assert state(invoice)[0] == status


def test_matching_and_confirming_again_and_again_credits_once(world):
    invoice = make_invoice(world.store)
    transfer = pay(invoice)
    for _ in range(3):
        type(transfer).objects.update(pending_match=True)
        matching.match_pending(now=NOW)
        deadlines.confirm(None, now=NOW)
        invoices.apply(invoice.pk, now=NOW)
    assert JournalEntry.objects.count() == 1
    assert Payment.objects.count() == 1
    assert invoice.events.filter(kind="InvoiceSettled").count() == 1


def test_two_transfers_in_two_assets_make_one_invoice(world):
    invoice = make_invoice(world.store)
    pay(invoice, "BTC", amount_minor=20_000)
    assert state(invoice) == ("New", "PaidPartial")
    assert ledger.balance_minor(HELD) == -20_000
    quote = invoice.quotes.get(asset_id="USDT")
    rest = -(-quote.amount_minor * (36_765 - 20_000) // 36_765)
    pay(invoice, "USDT", amount_minor=rest)
    assert state(invoice)[0] == "Settled"
    assert ledger.balance_minor(HELD) == 0
    assert ledger.owed_tiyn(world.merchant) == pytest.approx(1_235_500, abs=1)
    assert sum(payment.value_tiyn for payment in invoice.payments.all()) == invoice.paid_tiyn


def test_an_excess_is_held_for_the_resident(world):
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=40_000)
    assert state(invoice) == ("Settled", "PaidOver")
    assert ledger.owed_tiyn(world.merchant) == 1_235_500
    assert ledger.balance_minor(HELD) == -(40_000 - 36_765)


def test_a_partial_payment_is_held_when_the_invoice_expires(world):
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=1)
    later = NOW + timedelta(minutes=16)
    Network.objects.update(observed_at=later)
    assert deadlines.decide_due(now=later) == 1
    assert state(invoice) == ("Expired", "PaidPartial")
    assert ledger.owed_tiyn(world.merchant) == 0
    assert ledger.balance_minor(HELD) == -1


def test_a_late_payment_is_held_and_the_shop_told(world):
    invoice = make_invoice(world.store)
    later = NOW + timedelta(minutes=16)
    Network.objects.update(observed_at=later)
    deadlines.decide_due(now=later)
    pay(invoice, at=later)
    assert state(invoice) == ("Expired", "PaidLate")
    assert ledger.balance_minor(HELD) == -36_765
    assert invoice.events.filter(kind="InvoicePaidAfterExpiration").count() == 1


def test_an_invoice_does_not_expire_while_its_network_is_not_seen(world):
    invoice = make_invoice(world.store)
    later = NOW + timedelta(days=1)
    Network.objects.filter(slug="evm").update(observed_at=later)
    deadlines.decide_due(now=later)
    assert state(invoice) == ("New", "None")
    Network.objects.filter(slug="bitcoin").update(observed_at=later)
    deadlines.decide_due(now=later)
    assert state(invoice) == ("Expired", "None")


def test_an_asset_that_was_not_quoted_is_held_and_visible(world):
    invoice = make_invoice(world.store, checkout={"paymentMethods": ["ETH-CHAIN"]})
    usdt = world.evm.assets.get(code="USDT")
    transfer = arrive(invoice, "ETH", amount_minor=5_000_000, height=100)
    type(transfer).objects.filter(pk=transfer.pk).update(asset=usdt)
    matching.match_pending(now=NOW)
    payment = Payment.objects.get()
    assert (payment.quote, payment.value_tiyn, payment.booked_as) == (None, 0, "held")
    assert state(invoice) == ("New", "None")
    assert ledger.balance_minor(AccountName("held", Asset("USDT", "USDT", 6))) == -5_000_000


# Losing a payment


def test_a_payment_that_was_replaced_before_it_confirmed(world):
    invoice = make_invoice(world.store)
    transfer = pay(invoice, confirmed=False)
    vanish(transfer)
    matching.match_pending(now=NOW)
    assert state(invoice) == ("New", "None")
    payment = Payment.objects.get()
    assert (payment.status, payment.reason) == ("Invalid", "replaced or double-spent")
    assert invoice.paid_tiyn == 0


@pytest.mark.parametrize("lose", [vanish, unmine])
def test_a_settled_invoice_that_loses_its_payment_is_reversed_and_credited_again_once_it_returns(world, lose):
    invoice = make_invoice(world.store)
    transfer = pay(invoice)
    lose(transfer)
    matching.match_pending(now=NOW)
    assert state(invoice) == ("Invalid", "None")
    assert ledger.owed_tiyn(world.merchant) == 0
    assert ledger.total_minor("reserve", BTC) == 0
    assert Incident.objects.filter(invoice=invoice, closed_at__isnull=True).count() == 1
    assert JournalEntry.objects.filter(reverses__isnull=False).count() == 1
    mine(transfer)
    matching.match_pending(now=NOW)
    assert state(invoice) == ("Settled", "None")
    assert ledger.owed_tiyn(world.merchant) == 1_235_500
    assert not Incident.objects.filter(closed_at__isnull=True).exists()
    assert JournalEntry.objects.count() == 3


# A person's word


def test_marking_settled_credits_what_came(world):
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=18_000)
    invoices.mark(invoice.pk, status="Settled", user=world.owner, now=NOW)
    assert state(invoice) == ("Settled", "Marked")
    value = 18_000 * 1_250_000 // 36_765
    fee = (value + 50) // 100
    assert ledger.owed_tiyn(world.merchant) == value - fee - (fee * 16 + 50) // 100
    assert invoice.events.get(kind="InvoiceSettled").actor == world.owner


def test_marking_invalid_holds_what_came(world):
    invoice = make_invoice(world.store)
    pay(invoice, confirmed=False)
    invoices.mark(invoice.pk, status="Invalid", user=world.owner, now=NOW)
    mine(Payment.objects.get().transfer)
    matching.match_pending(now=NOW)
    assert state(invoice) == ("Invalid", "Marked")
    assert ledger.balance_minor(HELD) == -36_765


@pytest.mark.parametrize("status", ["Settled", "Invalid", "New", "Expired", ""])
def test_what_was_settled_by_payment_is_not_marked(world, status):
    invoice = make_invoice(world.store)
    pay(invoice)
    with pytest.raises(invoices.MarkRefused):
        invoices.mark(invoice.pk, status=status, user=world.owner, now=NOW)
    assert state(invoice) == ("Settled", "None")


# Telling the shop


def test_the_shop_is_told_each_step_once(world):
    webhooks.create_webhook(store=world.store, url="http://127.0.0.1:1/hook", event_types=[], now=NOW)
    invoice = make_invoice(world.store)
    transfer = pay(invoice, confirmed=False)
    mine(transfer)
    matching.match_pending(now=NOW)
    told = list(WebhookDelivery.objects.order_by("created_at", "pk").values_list("event_type", flat=True))
    assert sorted(told) == [
        "InvoiceCreated",
        "InvoicePaymentSettled",
        "InvoiceProcessing",
        "InvoiceReceivedPayment",
        "InvoiceSettled",
    ]


def test_an_amount_that_the_chain_corrects_is_booked_anew(world):
    invoice = make_invoice(world.store)
    transfer = pay(invoice, amount_minor=40_000)
    type(transfer).objects.filter(pk=transfer.pk).update(amount_minor=36_765, pending_match=True)
    matching.match_pending(now=NOW)
    assert state(invoice) == ("Settled", "None")
    assert ledger.total_minor("reserve", BTC) == 36_765
    assert ledger.balance_minor(HELD) == 0
    assert ledger.owed_tiyn(world.merchant) == 1_235_500


# How sure is sure


def test_a_large_amount_needs_more_confirmations(world):
    ConfirmationTier.objects.create(network=world.bitcoin, from_amount_tiyn=1_250_000, confirmations=3)
    small, large = make_invoice(world.store, "12499.99"), make_invoice(world.store)
    pay(small)
    pay(large)
    assert (state(small)[0], state(large)[0]) == ("Settled", "Processing")
    Network.objects.filter(slug="bitcoin").update(cursor_height=102)
    deadlines.confirm("bitcoin", now=NOW)
    assert state(large)[0] == "Settled"


@pytest.fixture
def quick(world):
    """A store at high speed on a network that lets a transfer in the mempool count."""
    Network.objects.filter(slug="bitcoin").update(confirmations_high_speed=0)
    return make_invoice(world.store, checkout={"speedPolicy": "HighSpeed"})


@pytest.mark.parametrize(
    ("risks", "status", "reason"),
    [
        ([], "Settled", ""),
        (["signals replacement"], "Processing", "waits for a block: signals replacement"),
        (
            ["fee below prompt block", "unconfirmed ancestor"],
            "Processing",
            "waits for a block: fee below prompt block, unconfirmed ancestor",
        ),
        (None, "Processing", "waits for a block: not looked at yet"),
    ],
)
def test_without_confirmations_only_what_nothing_speaks_against_counts(quick, risks, status, reason):
    transfer = arrive(quick)
    type(transfer).objects.update(unconfirmed_risks=risks)
    matching.match_pending(now=NOW)
    assert state(quick)[0] == status
    assert Payment.objects.get().reason == reason
    mine(transfer)
    matching.match_pending(now=NOW)
    assert state(quick)[0] == "Settled"
    assert Payment.objects.get().reason == ""


def test_a_quick_sale_whose_payment_is_double_spent_is_reversed(quick, world):
    transfer = arrive(quick)
    type(transfer).objects.update(unconfirmed_risks=[])
    matching.match_pending(now=NOW)
    assert ledger.owed_tiyn(world.merchant) == 1_235_500
    vanish(transfer, "double-spent")
    matching.match_pending(now=NOW)
    assert state(quick) == ("Invalid", "None")
    assert ledger.owed_tiyn(world.merchant) == 0
    assert Incident.objects.get().closed_at is None


def test_evm_networks_always_wait_for_a_block(world):
    with pytest.raises(DatabaseError, match="network_confirmations_in_order"), transaction.atomic():
        Network.objects.filter(slug="evm").update(confirmations_high_speed=0)


def test_the_shop_is_told_of_a_payment_that_left_the_chain(world):
    webhooks.create_webhook(store=world.store, url="http://127.0.0.1:1/hook", event_types=[], now=NOW)
    invoice = make_invoice(world.store)
    transfer = pay(invoice, confirmed=False)
    vanish(transfer)
    matching.match_pending(now=NOW)
    assert WebhookDelivery.objects.filter(event_type="InvoicePaymentInvalid").count() == 1
    assert (
        invoice.events.filter(kind="InvoicePaymentInvalid").get().detail["reason"]
        == "replaced or double-spent"
    )


def test_money_at_an_address_that_belongs_to_no_invoice_stays_visible(world, client):
    address = addresses.allocate(
        wallet=Wallet.objects.get(network=world.bitcoin), purpose="a donation", now=NOW
    )
    invoice = make_invoice(world.store)
    transfer = arrive(invoice, height=100)
    type(transfer).objects.filter(pk=transfer.pk).update(deposit_address=address)
    assert matching.match_pending(now=NOW) == 1
    assert [row.pk for row in matching.unclaimed()] == [transfer.pk]
    client.force_login(world.admin, backend="django.contrib.auth.backends.ModelBackend")
    assert transfer.txid_hex in client.get("/admin/payments/unclaimedtransfer/").content.decode()


def test_the_dashboard_warns_of_a_settled_invoice_that_lost_its_payment(world, client):
    invoice = make_invoice(world.store)
    transfer = pay(invoice)
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/stores/{world.store.pk}/invoices/"
    assert "lost its payment" not in client.get(page).content.decode()
    vanish(transfer)
    matching.match_pending(now=NOW)
    assert "lost its payment" in client.get(page).content.decode()


def test_a_store_that_keeps_an_excess_is_owed_its_value(world):
    world.store.excess_policy = "Merchant"
    world.store.save()
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=73_530)
    # Twice the 36 765 sat asked for: 25 000.00 tenge, less 1 % and 16 % of that.
    assert ledger.owed_tiyn(world.merchant) == 2_500_000 - 25_000 - 4_000
    assert ledger.balance_minor(HELD) == 0
    assert invoice.payments.get().held_minor == 0

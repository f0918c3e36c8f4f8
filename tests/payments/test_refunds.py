"""Refunds: from the store's word to the coin that left, and what each step posts."""

from datetime import timedelta
from decimal import Decimal

import pytest

from alatau_pay.assets import KZT, Asset
from chains import addresses, wallets
from chains.models import Destination, Network, OnChainAsset, OutgoingTransfer
from payments import deadlines, held, invoices, matching, observations, refund_watching, refundable, refunds
from payments.models import HeldDecision, Payment, Refund, RefundNetworkFee
from payments.quoting import RateUnavailable
from settlements import ledger
from settlements.entry import AccountName
from settlements.models import JournalEntry
from tests import world as city
from tests.payments.refunding import BITCOIN_ADDRESS, EVM_ADDRESS, approved, leave, place, send
from tests.settlements import books
from tests.world import NOW, make_invoice, pay, unmine, vanish

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
HELD, DUE, POSITION = (AccountName(kind, BTC) for kind in ("held", "refund", "position"))
COST = AccountName("position", KZT, part="BTC")
LATER = NOW + timedelta(minutes=16)


@pytest.fixture
def paid(world):
    """A settled payment of 12 500 ₸: 36 765 sat."""
    invoice = make_invoice(world.store)
    pay(invoice)
    return invoice.payments.get()


@pytest.fixture
def late(world):
    """A payment of the whole price that came a minute late: held."""
    invoice = make_invoice(world.store)
    Network.objects.update(observed_at=LATER)
    deadlines.decide_due(now=LATER)
    pay(invoice, at=LATER)
    return invoice.payments.get()


def kinds(payment):
    return list(payment.invoice.events.filter(kind__startswith="Refund").values_list("kind", flat=True))


def total(kind):
    return ledger.total_minor(kind, BTC)


def rich(world):
    """The store sold more than what is given back: it is owed enough."""
    pay(make_invoice(world.store, "100000.00"))


def test_the_whole_way_of_a_full_refund(world, paid):
    rich(world)
    owed, reserve, cost = ledger.owed_tiyn(world.merchant), total("reserve"), ledger.balance_minor(COST)
    refund = refunds.start(paid.pk, basis="Then", user=world.owner, reason="came back", now=NOW)
    assert (refund.status, refund.amount_minor, refund.value_tiyn) == ("AwaitingAddress", 36_765, 1_250_000)
    refund = refunds.give_address(refund.pk, address=BITCOIN_ADDRESS.upper(), now=NOW)
    assert (refund.status, refund.destination.address) == ("AwaitingApproval", BITCOIN_ADDRESS)
    assert ledger.balance_minor(DUE) == 0
    refund = refunds.approve(refund.pk, user=world.owner, now=NOW)
    assert refund.status == "Approved"
    assert ledger.owed_tiyn(world.merchant) == owed - 1_250_000
    assert ledger.balance_minor(DUE) == -36_765
    assert ledger.balance_minor(COST) == cost - 1_250_000
    assert total("reserve") == reserve
    refund = send(refund, fee_minor=200)
    assert refund.status == "Completed"
    assert ledger.balance_minor(DUE) == 0
    assert total("reserve") == reserve - 36_765 - 200
    assert ledger.balance_minor(AccountName("network_cost", KZT)) == 200 * 34
    assert total("reserve") + ledger.balance_minor(POSITION) + ledger.balance_minor(HELD) == 0
    assert kinds(paid) == [
        "RefundStarted",
        "RefundAddressGiven",
        "RefundApproved",
        "RefundSending",
        "RefundCompleted",
    ]
    references = JournalEntry.objects.filter(reference=f"refund:{refund.pk}").values_list("recipe", flat=True)
    assert sorted(references) == ["network_fee_paid", "payment_refund_due", "refund_sent"]


@pytest.mark.parametrize(("fee_minor", "value_tiyn"), [(201, 6_884), (202, 6_919), (203, 6_953)])
def test_what_the_network_took_is_worth_its_tenge_rounded_half_up(
    paid, world, settings, fee_minor, value_tiyn
):
    """At 34.25 tiyn a satoshi: 6 884.25, 6 918.50 and 6 952.75 tiyn."""
    rich(world)
    refund = approved(paid, user=world.owner)
    settings.FIXED_RATES = {**settings.FIXED_RATES, "BTC": Decimal(34_250_000)}
    later = NOW + timedelta(minutes=1)
    observations.fetch_all(now=later)
    send(refund, at=later, fee_minor=fee_minor)
    assert ledger.balance_minor(AccountName("network_cost", KZT)) == value_tiyn


def test_a_part_and_then_the_rest(world, paid):
    rich(world)
    first = approved(paid, user=world.owner, value_tiyn=500_000)
    second = approved(paid, user=world.owner)
    assert first.amount_minor + second.amount_minor == 36_765
    assert first.value_tiyn + second.value_tiyn == 1_250_000
    with pytest.raises(refunds.RefundRefused, match="never more"):
        refunds.start(paid.pk, basis="Amount", amount_minor=1, user=world.owner, reason="x", now=NOW)


def test_an_amount_of_the_coin(world, paid):
    rich(world)
    refund = approved(paid, user=world.owner, basis="Amount", amount_minor=10_000)
    assert (refund.amount_minor, refund.value_tiyn) == (10_000, 10_000 * 1_250_000 // 36_765)


def test_at_the_rate_of_now(world, paid, settings):
    rich(world)
    refund = approved(paid, user=world.owner, basis="Now", value_tiyn=340_000)
    # 34 000 000 ₸ a bitcoin: 34 tiyn a satoshi.
    assert (refund.amount_minor, refund.value_tiyn) == (10_000, 340_000)
    with pytest.raises(RateUnavailable):
        refunds.start(paid.pk, basis="Now", user=world.owner, reason="x", now=NOW + timedelta(hours=1))
    assert Refund.objects.count() == 1


def test_the_excess_only(world):
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=40_000)
    payment = invoice.payments.get()
    owed = ledger.owed_tiyn(world.merchant)
    refund = refunds.start(payment.pk, basis="Excess", user=world.owner, reason="too much", now=NOW)
    assert (refund.amount_minor, refund.source) == (40_000 - 36_765, "Held")
    refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)
    refund = refunds.approve(refund.pk, user=world.owner, now=NOW)
    assert (ledger.balance_minor(HELD), ledger.balance_minor(DUE)) == (0, -3_235)
    assert HeldDecision.objects.get().kind == "Refund"
    assert send(refund).status == "Completed"
    assert ledger.balance_minor(DUE) == 0
    assert ledger.owed_tiyn(world.merchant) == owed
    assert not held.waiting().exists()


def test_without_enough_owed_nothing_is_approved(world, paid):
    # The store is owed 12 500 ₸ less the fee, and would bear 12 500 ₸.
    refund = refunds.start(paid.pk, basis="Then", user=world.owner, reason="x", now=NOW)
    refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)
    entries = JournalEntry.objects.count()
    with pytest.raises(refunds.RefundRefused, match="owed less"):
        refunds.approve(refund.pk, user=world.owner, now=NOW)
    assert JournalEntry.objects.count() == entries
    assert Refund.objects.get().status == "AwaitingApproval"
    rich(world)
    assert refunds.approve(refund.pk, user=world.owner, now=NOW).status == "Approved"


@pytest.mark.parametrize(("more_tiyn", "is_approved"), [(-1, False), (0, True)])
def test_what_is_owed_covers_a_refund_to_the_tiyn(world, paid, more_tiyn, is_approved):
    """12 500 ₸ go back of 12 355 ₸ that are owed: 145 ₸ are missing."""
    refund = refunds.start(paid.pk, basis="Then", user=world.owner, reason="x", now=NOW)
    refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)
    books.sale(world.merchant, 14_500 + more_tiyn, fee=0, vat=0, now=NOW)
    if is_approved:
        assert refunds.approve(refund.pk, user=world.owner, now=NOW).status == "Approved"
        assert ledger.owed_tiyn(world.merchant) == 0
        return
    with pytest.raises(refunds.RefundRefused, match="owed less"):
        refunds.approve(refund.pk, user=world.owner, now=NOW)


def test_only_within_365_days(world, paid):
    last = paid.received_at + timedelta(days=365)
    assert refunds.start(paid.pk, basis="Amount", amount_minor=1_000, user=world.owner, reason="x", now=last)
    with pytest.raises(refunds.RefundRefused, match="365 days"):
        refunds.start(
            paid.pk, basis="Then", user=world.owner, reason="x", now=last + timedelta(microseconds=1)
        )


def test_dust_that_no_node_carries_is_not_promised(world, paid):
    with pytest.raises(refunds.RefundRefused, match="less than the network carries"):
        refunds.start(paid.pk, basis="Amount", amount_minor=545, user=world.owner, reason="x", now=NOW)
    assert not Refund.objects.exists()
    assert refunds.start(paid.pk, basis="Amount", amount_minor=546, user=world.owner, reason="x", now=NOW)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (EVM_ADDRESS, "this network"),
        (BITCOIN_ADDRESS[:-1] + "q", "character"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "network"),
        ("", "network"),
    ],
)
def test_an_address_of_another_network_or_mistyped_is_refused(world, paid, address, why):
    refund = refunds.start(paid.pk, basis="Then", user=world.owner, reason="x", now=NOW)
    with pytest.raises(refunds.AddressRefused, match=why):
        refunds.give_address(refund.pk, address=address, now=NOW)
    assert not Destination.objects.exists()


def test_our_own_addresses_are_no_place_to_send_to(world, paid):
    refund = refunds.start(paid.pk, basis="Then", user=world.owner, reason="x", now=NOW)
    own = paid.transfer.deposit_address.address
    with pytest.raises(refunds.AddressRefused, match="Alatau Pay itself"):
        refunds.give_address(refund.pk, address=own, now=NOW)


def test_nor_is_a_tokens_contract(world):
    invoice = make_invoice(world.store)
    pay(invoice, "USDT")
    refund = refunds.start(invoice.payments.get().pk, basis="Then", user=world.owner, reason="x", now=NOW)
    with pytest.raises(refunds.AddressRefused, match="contract"):
        refunds.give_address(refund.pk, address="0x" + city.TOKEN.hex(), now=NOW)


def other_evm_network():
    return Network.objects.create(
        slug="other",
        name="Other EVM",
        kind="evm",
        chain_id=137,
        anchor_hash_hex="11" * 32,
        cursor_height=100,
        cursor_hash=bytes(32),
    )


def of_ours_elsewhere(kind):
    """An address that the city has on another EVM network, of each kind."""
    other = other_evm_network()
    key = f"forwarder(0x{'11' * 20},0x{'22' * 20},0x{'33' * 20})"
    wallet = wallets.import_wallet(network=other, label="x", owner="", public_key=key, now=NOW)
    if kind == "deposit":
        return addresses.allocate(wallet=wallet, purpose="somebody's invoice", now=NOW).address
    if kind == "treasury":
        return "0x" + "33" * 20
    OnChainAsset.objects.create(
        code="USDT-OTHER",
        symbol="USDT",
        name="USDT",
        network=other,
        contract=bytes([0x44]) * 20,
        decimals=6,
        quote_decimals=4,
    )
    return "0x" + "44" * 20


@pytest.mark.parametrize(
    ("kind", "why"),
    [("deposit", "Alatau Pay itself"), ("treasury", "Alatau Pay itself"), ("token", "contract")],
)
def test_nor_is_what_is_ours_or_a_tokens_on_another_evm_network(world, kind, why):
    """One address is written alike on all of them: copied from another invoice, nobody watches it here, or has a key."""
    invoice = make_invoice(world.store)
    pay(invoice, "ETH")
    refund = refunds.start(invoice.payments.get().pk, basis="Then", user=world.owner, reason="x", now=NOW)
    with pytest.raises(refunds.AddressRefused, match=why):
        refunds.give_address(refund.pk, address=of_ours_elsewhere(kind), now=NOW)
    assert not Destination.objects.exists()


def test_the_resident_may_correct_the_address_until_it_is_approved(world, paid):
    rich(world)
    refund = refunds.start(paid.pk, basis="Then", user=world.owner, reason="x", now=NOW)
    other = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)
    assert refunds.give_address(refund.pk, address=other, now=NOW).destination.address == other
    refunds.approve(refund.pk, user=world.owner, now=NOW)
    with pytest.raises(refunds.RefundRefused):
        refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)


def test_called_off_everything_is_as_before(world, paid):
    rich(world)
    owed = ledger.owed_tiyn(world.merchant)
    refund = approved(paid, user=world.owner)
    refunds.cancel(refund.pk, user=world.owner, reason="the guest changed his mind", now=NOW)
    assert ledger.owed_tiyn(world.merchant) == owed
    assert ledger.balance_minor(DUE) == 0
    assert approved(paid, user=world.owner).amount_minor == 36_765


def test_held_money_called_off_waits_again(world, late):
    refund = approved(late, user=world.owner, basis="Excess")
    refunds.cancel(refund.pk, user=world.owner, reason="x", now=LATER)
    assert ledger.balance_minor(HELD) == -36_765
    assert list(held.waiting()) == [late]


def test_what_is_on_its_way_cannot_be_called_off(world, paid):
    rich(world)
    refund = approved(paid, user=world.owner)
    leave(refund, height=None)
    refund_watching.follow(now=NOW)
    with pytest.raises(refunds.RefundRefused):
        refunds.cancel(refund.pk, user=world.owner, reason="x", now=NOW)


def test_the_resident_asks_for_what_is_held(world, late):
    refund = refunds.request(late.pk, address=BITCOIN_ADDRESS, now=LATER)
    assert (refund.status, refund.amount_minor, refund.requested_by) == ("AwaitingApproval", 36_765, None)
    with pytest.raises(refunds.RefundRefused, match="already"):
        refunds.request(late.pk, address=BITCOIN_ADDRESS, now=LATER)
    refund = refunds.approve(refund.pk, user=world.owner, now=LATER)
    assert (ledger.balance_minor(HELD), ledger.balance_minor(DUE)) == (0, -36_765)
    assert send(refund, at=LATER).status == "Completed"


def test_the_resident_asks_for_an_excess_of_a_settled_invoice(world):
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=40_000)
    refund = refunds.request(invoice.payments.get().pk, address=BITCOIN_ADDRESS, now=NOW)
    assert (refund.amount_minor, refund.source) == (3_235, "Held")
    refunds.approve(refund.pk, user=world.owner, now=NOW)
    assert (ledger.balance_minor(HELD), ledger.balance_minor(DUE)) == (0, -3_235)


def test_what_counts_for_an_invoice_that_can_still_be_paid_is_not_given_back(world):
    """Else its resident pays the rest that the page shows, and the invoice never settles."""
    invoice = make_invoice(world.store)
    pay(invoice, amount_minor=18_383)
    payment = invoice.payments.get()
    with pytest.raises(held.DecisionRefused, match="can still be paid"):
        held.refund(payment.pk, address=BITCOIN_ADDRESS, user=world.owner, reason="x", now=NOW)
    with pytest.raises(refunds.RefundRefused, match="can still be paid"):
        refunds.start(payment.pk, basis="Excess", user=world.owner, reason="x", now=NOW)
    assert not Refund.objects.exists()
    assert not HeldDecision.objects.exists()
    assert ledger.balance_minor(HELD) == -18_383


def test_credited_money_is_not_the_residents_to_ask_for(world, paid):
    with pytest.raises(refunds.RefundRefused, match="nothing"):
        refunds.request(paid.pk, address=BITCOIN_ADDRESS, now=NOW)


def test_a_decision_to_give_held_money_back_makes_its_refund(world, late):
    decision = held.refund(late.pk, address="", user=world.owner, reason="left the shop", now=LATER)
    assert decision.refund.status == "AwaitingAddress"
    assert ledger.balance_minor(DUE) == -36_765
    refunds.give_address(decision.refund.pk, address=BITCOIN_ADDRESS, now=LATER)
    refund = refunds.approve(decision.refund.pk, user=world.owner, now=LATER)
    assert ledger.balance_minor(DUE) == -36_765  # posted once, with the decision
    assert send(refund, at=LATER).status == "Completed"
    assert ledger.balance_minor(DUE) == 0


def test_with_an_address_the_decision_is_the_approval(world, late):
    decision = held.refund(late.pk, address=BITCOIN_ADDRESS, user=world.owner, reason="x", now=LATER)
    assert (decision.refund.status, decision.refund.approved_by) == ("Approved", world.owner)
    assert send(decision.refund, at=LATER).status == "Completed"


def test_a_decision_takes_up_what_the_resident_asked_for(world, late):
    asked = refunds.request(late.pk, address=BITCOIN_ADDRESS, now=LATER)
    decision = held.refund(late.pk, address="", user=world.owner, reason="of course", now=LATER)
    assert decision.refund == asked
    # Nobody at the store has seen that address: it is approved where it is shown.
    assert decision.refund.status == "AwaitingApproval"
    entries = JournalEntry.objects.count()
    refund = refunds.approve(asked.pk, user=world.owner, now=LATER, shown_address=BITCOIN_ADDRESS)
    assert (refund.status, JournalEntry.objects.count()) == ("Approved", entries)
    assert send(refund, at=LATER).status == "Completed"
    assert (ledger.balance_minor(HELD), ledger.balance_minor(DUE), total("reserve")) == (0, 0, 0)


def test_accepting_calls_off_what_the_resident_asked_for(world, late):
    asked = refunds.request(late.pk, address=BITCOIN_ADDRESS, now=LATER)
    held.accept(late.pk, user=world.owner, reason="the guest took the goods", now=NOW)
    asked.refresh_from_db()
    assert asked.status == "Cancelled"


def test_accepted_at_the_rate_of_then(world, late):
    decision = held.accept(late.pk, user=world.owner, reason="x", rate=held.AT_THEN, now=LATER)
    # The quote was rounded up by less than a satoshi: its whole amount is the whole price.
    assert decision.value_tiyn == 1_250_000


def test_accepted_held_money_is_the_stores_and_can_be_given_back(world, late):
    held.accept(late.pk, user=world.owner, reason="x", rate=held.AT_THEN, now=LATER)
    rich(world)
    refund = approved(late, user=world.owner, now=LATER)
    assert (refund.source, refund.amount_minor, refund.value_tiyn) == ("Credited", 36_765, 1_250_000)


def test_attaching_calls_off_what_the_resident_asked_for(world, late):
    asked = refunds.request(late.pk, address=BITCOIN_ADDRESS, now=LATER)
    invoices.attach(late.pk, target_id=late.invoice_id, user=world.owner, reason="x", now=LATER)
    asked.refresh_from_db()
    late.refresh_from_db()
    assert asked.status == "Cancelled"
    assert late.booked_as.startswith("credited:36765")


def test_a_payment_that_leaves_the_chain_takes_its_unsent_refund_along(world, paid):
    rich(world)
    refund = approved(paid, user=world.owner)
    vanish(paid.transfer)
    matching.match_pending(now=NOW)
    refund.refresh_from_db()
    assert refund.status == "Cancelled"
    assert ledger.balance_minor(DUE) == 0
    revisions = list(paid.invoice.events.values_list("revision", flat=True))
    assert len(set(revisions)) == len(revisions)


def test_held_money_that_was_sent_back_is_not_waiting_again_after_a_reorganisation(world, late):
    decision = held.refund(late.pk, address=BITCOIN_ADDRESS, user=world.owner, reason="left", now=LATER)
    assert send(decision.refund, at=LATER).status == "Completed"
    unmine(late.transfer)
    matching.match_pending(now=LATER)
    # The coin is gone, and what it was of is not there: the operator's loss shows for as long as it is one.
    assert (ledger.balance_minor(HELD), ledger.balance_minor(DUE)) == (36_765, 0)
    city.mine(late.transfer)
    matching.match_pending(now=LATER)
    assert (ledger.balance_minor(HELD), ledger.balance_minor(DUE), total("reserve")) == (0, 0, 0)
    assert not held.waiting().exists()
    with pytest.raises(held.DecisionRefused):
        held.accept(late.pk, user=world.owner, reason="it is there", now=NOW)
    assert ledger.owed_tiyn(world.merchant) == 0


def test_only_a_transfer_of_ours_completes_by_itself(world, paid):
    rich(world)
    refund = approved(paid, user=world.owner)
    row = leave(refund, from_us=False)
    assert refund_watching.follow(now=NOW) == 0
    assert list(refund_watching.unexplained()) == [row]
    refund_watching.confirm_ours(row.pk, refund_id=refund.pk, user=world.admin, now=NOW)
    assert refund_watching.follow(now=NOW) == 1
    assert not refund_watching.unexplained().exists()


@pytest.mark.parametrize("wrong", [36_764, 36_766])
def test_another_amount_completes_nothing(world, paid, wrong):
    rich(world)
    refund = approved(paid, user=world.owner)
    row = leave(refund, amount_minor=wrong)
    assert refund_watching.follow(now=NOW) == 0
    with pytest.raises(refunds.RefundRefused, match="another amount"):
        refund_watching.confirm_ours(row.pk, refund_id=refund.pk, user=world.admin, now=NOW)


def test_a_transfer_that_is_gone_is_not_confirmed(world, paid):
    """It went while the officer's page was open: nothing would ever look at it again."""
    rich(world)
    refund = approved(paid, user=world.owner)
    row = leave(refund, from_us=False)
    refund_watching.follow(now=NOW)
    place(row, "Gone")
    with pytest.raises(refunds.RefundRefused, match="not there any more"):
        refund_watching.confirm_ours(row.pk, refund_id=refund.pk, user=world.admin, now=NOW)
    refund.refresh_from_db()
    assert (refund.status, refund.outgoing) == ("Approved", None)


def test_it_completes_at_the_networks_depth_and_not_before(world, paid):
    rich(world)
    refund = approved(paid, user=world.owner)
    leave(refund, height=96)  # 5 of 6 at height 100
    assert refund_watching.follow(now=NOW) == 0
    Network.objects.filter(pk="bitcoin").update(cursor_height=101)
    assert refund_watching.follow(now=NOW) == 1


def test_two_equal_refunds_complete_one_each(world, paid):
    rich(world)
    first = approved(paid, user=world.owner, basis="Amount", amount_minor=10_000)
    second = approved(paid, user=world.owner, basis="Amount", amount_minor=10_000)
    txid = bytes([7]) * 32
    leave(first, txid=txid, index=0, fee_minor=300)
    assert refund_watching.follow(now=NOW) == 1
    leave(second, txid=txid, index=1, fee_minor=300)
    assert refund_watching.follow(now=NOW) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.outgoing.index == 0
    assert second.outgoing.index == 1
    # One chain transaction, one fee.
    assert RefundNetworkFee.objects.get().fee_minor == 300
    assert first.network_fee == second.network_fee
    assert ledger.balance_minor(AccountName("network_cost", KZT)) == 300 * 34


def test_a_reorganisation_takes_completion_and_fee_back(world, paid):
    rich(world)
    reserve = total("reserve")
    refund = send(approved(paid, user=world.owner), fee_minor=200)
    row = refund.outgoing
    place(row, "Seen")
    refund_watching.follow(now=NOW)
    refund.refresh_from_db()
    assert refund.status == "Sending"
    assert ledger.balance_minor(DUE) == -36_765
    assert total("reserve") == reserve
    assert ledger.balance_minor(AccountName("network_cost", KZT)) == 0
    place(row, "Mined", height=95)
    OutgoingTransfer.objects.update(fee_minor=250)
    refund_watching.follow(now=NOW)
    refund.refresh_from_db()
    assert refund.status == "Completed"
    assert total("reserve") == reserve - 36_765 - 250
    assert ledger.balance_minor(AccountName("network_cost", KZT)) == 250 * 34


def test_a_replaced_transfer_gives_way_to_the_one_that_took_its_place(world, paid):
    rich(world)
    refund = approved(paid, user=world.owner)
    first = leave(refund, height=None)
    refund_watching.follow(now=NOW)
    second = leave(refund, height=None)
    refund_watching.follow(now=NOW)  # seen before the first is known to be gone: nobody's yet
    place(first, "Gone")
    refund_watching.follow(now=NOW)
    refund_watching.follow(now=NOW)
    refund.refresh_from_db()
    assert (refund.status, refund.outgoing) == ("Sending", second)


def test_without_a_price_the_fee_waits_and_the_refund_does_not(world, paid):
    rich(world)
    refund = approved(paid, user=world.owner)
    at = NOW + timedelta(hours=2)
    assert send(refund, at=at, fee_minor=200).status == "Completed"
    assert not RefundNetworkFee.objects.exists()
    city.observations.fetch_all(now=at)
    refund_watching.follow(now=at)
    assert RefundNetworkFee.objects.get().value_tiyn == 200 * 34


def test_following_again_changes_nothing(world, paid):
    rich(world)
    send(approved(paid, user=world.owner), fee_minor=200)
    entries = JournalEntry.objects.count()
    assert refund_watching.follow(now=NOW) == 0
    refunds.complete(Refund.objects.get().pk, now=NOW)
    assert JournalEntry.objects.count() == entries


def test_a_token_goes_back_and_its_gas_is_paid_in_the_coin(world):
    invoice = make_invoice(world.store)
    pay(invoice, "USDT")
    rich(world)
    payment = invoice.payments.get()
    refund = send(approved(payment, user=world.owner), fee_minor=10**15)
    assert refund.status == "Completed"
    fee = RefundNetworkFee.objects.get()
    assert (fee.coin_id, fee.fee_minor) == ("ETH", 10**15)
    assert ledger.total_minor("reserve", Asset("ETH", "ETH", 18)) == -(10**15)


def test_the_state_of_what_may_go_back(world, paid):
    assert refundable.credited(paid).left.amount_minor == 36_765
    rich(world)
    approved(paid, user=world.owner, basis="Amount", amount_minor=6_765)
    paid = Payment.objects.get(pk=paid.pk)
    assert refundable.credited(paid).left.amount_minor == 30_000
    assert refundable.held_minor(paid) == 0
    unmine(paid.transfer)
    matching.match_pending(now=NOW)

"""The invoice's life, row by row, and what holds in every state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.lifecycle import (
    HELD,
    NOTHING_BOOKED,
    Booking,
    InvoiceFact,
    PaymentFact,
    decide,
    events,
    values_tiyn,
)

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EXPIRY = START + timedelta(minutes=15)
MONITORING_END = EXPIRY + timedelta(hours=24)
BEFORE, AFTER, LONG_AFTER = START + timedelta(minutes=5), EXPIRY, MONITORING_END


def invoice(status="New", *, tolerance=0, ever_settled=False, marked="", keeps_excess=False):
    return InvoiceFact(
        amount_tiyn=1_000_000,
        tolerance_basis_points=tolerance,
        status=status,
        ever_settled=ever_settled,
        marked_status=marked,
        expires_at=EXPIRY,
        monitoring_expires_at=MONITORING_END,
        keeps_excess=keeps_excess,
    )


def payment(part=1000, *, confirmed=False, valid=True, late=False, quoted=1000, step=1):
    return PaymentFact(
        amount_minor=part,
        quoted_minor=quoted,
        step_minor=step,
        confirmed=confirmed,
        valid=valid,
        received_at=EXPIRY + timedelta(seconds=1) if late else EXPIRY,
    )


@pytest.mark.parametrize(
    ("before", "payments", "now", "status", "additional"),
    [
        # Nothing came.
        (invoice(), [], BEFORE, "New", "None"),
        (invoice(), [], AFTER, "Expired", "None"),
        (invoice("Expired"), [], LONG_AFTER, "Expired", "None"),
        # Paid in time.
        (invoice(), [payment()], BEFORE, "Processing", "None"),
        (invoice(), [payment(confirmed=True)], BEFORE, "Settled", "None"),
        (invoice("Processing"), [payment(confirmed=True)], BEFORE, "Settled", "None"),
        # Noticed in the same look as the expiry: in time all the same.
        (invoice(), [payment()], AFTER, "Processing", "None"),
        (invoice("Expired"), [payment()], AFTER, "Processing", "None"),
        # Too much.
        (invoice(), [payment(1001)], BEFORE, "Processing", "PaidOver"),
        (invoice("Processing"), [payment(1001, confirmed=True)], BEFORE, "Settled", "PaidOver"),
        (
            invoice("Settled", ever_settled=True),
            [payment(confirmed=True), payment(1, late=True)],
            AFTER,
            "Settled",
            "PaidOver",
        ),
        # Too little.
        (invoice(), [payment(999)], BEFORE, "New", "PaidPartial"),
        (invoice(), [payment(999, confirmed=True)], BEFORE, "New", "PaidPartial"),
        (invoice(), [payment(999, confirmed=True)], AFTER, "Expired", "PaidPartial"),
        (invoice(), [payment(400), payment(600)], BEFORE, "Processing", "None"),
        (invoice(), [payment(400, confirmed=True), payment(600)], BEFORE, "Processing", "None"),
        # Too little, within the store's tolerance.
        (invoice(tolerance=10), [payment(999)], BEFORE, "Processing", "None"),
        (invoice(tolerance=10), [payment(998)], BEFORE, "New", "PaidPartial"),
        # Too late.
        (invoice("Expired"), [payment(late=True)], AFTER, "Expired", "PaidLate"),
        (invoice("Expired"), [payment(late=True, confirmed=True)], AFTER, "Expired", "PaidLate"),
        (invoice("Expired"), [payment(500, late=True)], AFTER, "Expired", "PaidPartial"),
        (invoice("Expired"), [payment(500), payment(500, late=True)], AFTER, "Expired", "PaidLate"),
        # A late payment that vanishes takes PaidLate with it.
        (invoice("Expired"), [payment(late=True, valid=False)], AFTER, "Expired", "None"),
        # Replaced or double-spent before it confirmed.
        (invoice("Processing"), [payment(valid=False)], BEFORE, "New", "None"),
        (invoice("Processing"), [payment(valid=False)], AFTER, "Expired", "None"),
        # Never confirmed.
        (invoice("Processing"), [payment()], AFTER, "Processing", "None"),
        (invoice("Processing"), [payment()], LONG_AFTER, "Invalid", "None"),
        (invoice("Invalid"), [payment(confirmed=True)], LONG_AFTER, "Invalid", "None"),
        # Settled, then lost by a reorganisation, then back.
        (invoice("Settled", ever_settled=True), [payment()], BEFORE, "Invalid", "None"),
        (invoice("Settled", ever_settled=True), [payment(valid=False)], BEFORE, "Invalid", "None"),
        (invoice("Invalid", ever_settled=True), [payment()], BEFORE, "Invalid", "None"),
        (invoice("Invalid", ever_settled=True), [payment(confirmed=True)], BEFORE, "Settled", "None"),
        (invoice("Settled", ever_settled=True), [payment(confirmed=True)], LONG_AFTER, "Settled", "None"),
        # A person's word.
        (invoice(marked="Settled"), [], BEFORE, "Settled", "Marked"),
        (invoice("Processing", marked="Invalid"), [payment(confirmed=True)], BEFORE, "Invalid", "Marked"),
        # An asset that was never quoted pays nothing.
        (invoice(), [payment(10**9, quoted=None, confirmed=True)], BEFORE, "New", "None"),
    ],
)
def test_the_table(before, payments, now, status, additional):
    decision = decide(before, payments, now=now, observed_until=now)
    assert (decision.status, decision.additional_status) == (status, additional)


@pytest.mark.parametrize("observed_until", [None, EXPIRY - timedelta(seconds=1)])
def test_nothing_expires_past_what_the_networks_were_seen_to(observed_until):
    assert decide(invoice(), [], now=LONG_AFTER, observed_until=observed_until).status == "New"


def test_nothing_is_given_up_past_what_the_networks_were_seen_to():
    decision = decide(invoice("Processing"), [payment()], now=LONG_AFTER, observed_until=AFTER)
    assert decision.status == "Processing"


def test_a_network_clock_ahead_of_ours_expires_nothing_early():
    assert decide(invoice(), [], now=BEFORE, observed_until=LONG_AFTER).status == "New"


def test_halves_in_two_assets_make_a_whole_to_the_tiyn():
    thirds = [payment(1, quoted=3), payment(7, quoted=21), payment(10**17, quoted=3 * 10**17)]
    decision = decide(invoice(), thirds, now=BEFORE, observed_until=BEFORE)
    assert decision.status == "Processing"
    assert sum(decision.values_tiyn) == decision.paid_tiyn == 1_000_000


def test_bookings_before_settlement_hold_what_is_confirmed():
    decision = decide(
        invoice(), [payment(400, confirmed=True), payment(100)], now=BEFORE, observed_until=BEFORE
    )
    assert decision.bookings == (HELD, NOTHING_BOOKED)


def test_an_excess_is_credited_up_to_the_invoice_and_the_rest_held():
    decision = decide(invoice(), [payment(1500, confirmed=True)], now=BEFORE, observed_until=BEFORE)
    assert decision.bookings == (Booking(stands=True, credited_minor=1000, credited_tiyn=1_000_000),)


def test_a_store_that_keeps_an_excess_is_credited_with_all_of_it_but_not_with_a_second_payment():
    paid = [payment(400, confirmed=True), payment(900, confirmed=True), payment(1000, confirmed=True)]
    decision = decide(invoice(keeps_excess=True), paid, now=BEFORE, observed_until=BEFORE)
    assert decision.bookings == (
        Booking(stands=True, credited_minor=400, credited_tiyn=400_000),
        Booking(stands=True, credited_minor=900, credited_tiyn=900_000),
        HELD,
    )
    assert decision.additional_status == "PaidOver"


@pytest.mark.parametrize(
    ("amount", "additional", "credited_minor"),
    [(1009, "None", 1009), (1010, "PaidOver", 1000), (1019, "PaidOver", 1000)],
)
def test_less_than_one_quoting_step_too_much_is_rounding_not_an_excess(amount, additional, credited_minor):
    paid = payment(amount, step=10, confirmed=True)
    decision = decide(invoice(), [paid], now=BEFORE, observed_until=BEFORE)
    assert decision.additional_status == additional
    assert decision.bookings == (
        Booking(stands=True, credited_minor=credited_minor, credited_tiyn=1_000_000),
    )


def test_the_coin_that_pays_what_is_still_due_is_rounded_up_to_the_store():
    """After 1/3 of the invoice 666 667 tiyn are due: 20 000.01 of 30 000 units, of which the store gets the begun one whole."""
    paid = [
        payment(10_000, quoted=30_000, confirmed=True),
        payment(25_000, quoted=30_000, confirmed=True),
    ]
    decision = decide(invoice(), paid, now=BEFORE, observed_until=BEFORE)
    assert decision.bookings == (
        Booking(stands=True, credited_minor=10_000, credited_tiyn=333_333),
        Booking(stands=True, credited_minor=20_001, credited_tiyn=666_667),
    )


@pytest.mark.parametrize(("part", "status"), [(966_700, "New"), (966_701, "Processing")])
def test_a_tolerance_is_rounded_for_the_store(part, status):
    """3.33 % less than 10 000.01 ₸ is 966 700.9667 tiyn: 966 700 are not enough, 966 701 are."""
    asked = replace(invoice(tolerance=333), amount_tiyn=1_000_001)
    paid = payment(part, quoted=1_000_001)
    assert decide(asked, [paid], now=BEFORE, observed_until=BEFORE).status == status


@pytest.mark.parametrize(
    ("disposal", "status"), [("", "Processing"), ("accepted", "Processing"), ("refunded", "New")]
)
def test_what_was_given_back_pays_for_nothing_and_what_was_accepted_does(disposal, status):
    paid = [replace(payment(700, confirmed=True), disposal=disposal), payment(300)]
    decision = decide(invoice(), paid, now=BEFORE, observed_until=BEFORE)
    assert (decision.status, decision.paid_tiyn) == (status, 300_000 if disposal == "refunded" else 1_000_000)


def test_a_second_full_payment_is_held_whole():
    decision = decide(
        invoice(), [payment(confirmed=True), payment(confirmed=True)], now=BEFORE, observed_until=BEFORE
    )
    assert decision.bookings[1] == HELD
    assert decision.additional_status == "PaidOver"


def test_a_late_payment_is_held_not_credited():
    decision = decide(
        invoice("Expired"), [payment(late=True, confirmed=True)], now=AFTER, observed_until=AFTER
    )
    assert decision.bookings == (HELD,)


def test_a_shop_that_marks_a_short_invoice_settled_is_credited_what_came():
    decision = decide(
        invoice("Expired", marked="Settled"), [payment(700, confirmed=True)], now=AFTER, observed_until=AFTER
    )
    assert decision.bookings == (Booking(stands=True, credited_minor=700, credited_tiyn=700_000),)


facts = st.builds(
    lambda part, quoted, confirmed, valid, late, step: payment(
        part, quoted=quoted, confirmed=confirmed, valid=valid, late=late, step=step
    ),
    st.integers(1, 10**24),
    st.one_of(st.none(), st.integers(1, 10**24)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 100, 10**10]),
)


@given(
    st.sampled_from(["New", "Processing", "Settled", "Expired", "Invalid"]),
    st.booleans(),
    st.lists(facts, max_size=6),
    st.sampled_from([BEFORE, AFTER, LONG_AFTER]),
    st.integers(0, 1000),
)
def test_what_holds_in_every_state(status, ever_settled, payments, now, tolerance):
    payments = sorted(payments, key=lambda fact: fact.received_at)
    before = invoice(status, ever_settled=ever_settled, tolerance=tolerance)
    decision = decide(before, payments, now=now, observed_until=now)
    assert sum(decision.values_tiyn) == decision.paid_tiyn
    credited = sum(booking.credited_tiyn for booking in decision.bookings)
    assert credited <= before.amount_tiyn
    for fact, booking in zip(payments, decision.bookings, strict=True):
        assert 0 <= booking.credited_minor <= fact.amount_minor
        assert booking.stands == (fact.valid and fact.confirmed)
    if decision.status == "Settled":
        assert credited >= before.enough_tiyn
    else:
        assert credited == 0
    # Deciding again on the outcome changes nothing.
    again = invoice(
        decision.status, ever_settled=ever_settled or decision.status == "Settled", tolerance=tolerance
    )
    assert decide(again, payments, now=now, observed_until=now) == decision


@given(
    st.lists(st.tuples(st.integers(1, 10**24), st.integers(1, 10**24)), max_size=8), st.integers(1, 10**12)
)
def test_values_add_up_to_the_whole_rounded_down(parts, amount_tiyn):
    payments = [payment(part, quoted=quoted) for part, quoted in parts]
    exact = sum((Fraction(part, quoted) for part, quoted in parts), Fraction(0)) * amount_tiyn
    assert sum(values_tiyn(amount_tiyn, payments)) == exact.__floor__()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (("New", "None"), ("Processing", "None"), ("InvoiceProcessing",)),
        (("Processing", "None"), ("Settled", "None"), ("InvoiceSettled",)),
        (("New", "None"), ("Settled", "PaidOver"), ("InvoiceSettled",)),
        (("New", "None"), ("Expired", "None"), ("InvoiceExpired",)),
        (("New", "PaidPartial"), ("Expired", "PaidPartial"), ("InvoiceExpired", "InvoiceExpiredPaidPartial")),
        (("Expired", "None"), ("Expired", "PaidLate"), ("InvoicePaidAfterExpiration",)),
        (("Expired", "PaidLate"), ("Expired", "PaidLate"), ()),
        (("Processing", "None"), ("Invalid", "None"), ("InvoiceInvalid",)),
        (("Settled", "None"), ("Invalid", "None"), ("InvoiceInvalid",)),
        (("Settled", "None"), ("Settled", "PaidOver"), ()),
        (("New", "None"), ("New", "PaidPartial"), ()),
        (("Processing", "None"), ("New", "None"), ()),
    ],
)
def test_what_a_shop_is_told(before, after, told):
    assert events(before, after) == told

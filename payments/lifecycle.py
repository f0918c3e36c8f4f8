"""The invoice's life as a pure function of its payments, its deadlines and the clock.

Shares are exact fractions of the invoice: a payment of n smallest units against a quote of q is n/q of it. So two halves in
two assets make a whole, and no tiyn is lost between them. The state is recomputed from all payments each time, never stepped.

Names of statuses and events are those of BTCPay's Greenfield API; the rules differ in two places. A payment that arrived
before expiry counts as on time even when both are noticed in one look; and a settled invoice that loses its payment becomes
Invalid, and Settled again if the payment returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from alatau_pay.money import divide_down, divide_up

NEW, PROCESSING, SETTLED, EXPIRED, INVALID = "New", "Processing", "Settled", "Expired", "Invalid"
NONE, PAID_PARTIAL, PAID_OVER, PAID_LATE, MARKED = "None", "PaidPartial", "PaidOver", "PaidLate", "Marked"
ACCEPTED, REFUNDED = "accepted", "refunded"
BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class InvoiceFact:
    """What is known of an invoice. Amounts in tiyn, instants aware."""

    amount_tiyn: int
    tolerance_basis_points: int
    status: str
    ever_settled: bool
    marked_status: str
    expires_at: datetime
    monitoring_expires_at: datetime
    # The store keeps what a payment brings beyond the price; else it is held for the resident.
    keeps_excess: bool = False

    @property
    def enough_tiyn(self) -> int:
        """The least that counts as paid in full: the amount less the store's tolerance, rounded up for the store."""
        return divide_up(self.amount_tiyn * (BASIS_POINTS - self.tolerance_basis_points), BASIS_POINTS)


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """What is known of a payment. ``quoted_minor`` is None where its asset was never quoted: it then counts for nothing.

    ``step_minor`` is the unit that its asset's quotes are rounded up to: less than one such step too much is rounding.
    """

    amount_minor: int
    quoted_minor: int | None
    step_minor: int
    confirmed: bool
    valid: bool
    received_at: datetime
    # What a person decided about it while it was held: nothing, "accepted" (the merchant has its value) or "refunded".
    disposal: str = ""

    @property
    def share(self) -> Fraction:
        """The part of the invoice that this payment pays, exactly."""
        if not self.valid or self.quoted_minor is None or self.disposal == REFUNDED:
            return Fraction(0)
        return Fraction(self.amount_minor, self.quoted_minor)

    @property
    def step_share(self) -> Fraction:
        """The part of the invoice that one step of this payment's quote is."""
        return (
            Fraction(self.step_minor, self.quoted_minor) if self.share and self.quoted_minor else Fraction(0)
        )


@dataclass(frozen=True, slots=True)
class Booking:
    """How the ledger should show a payment: nothing yet, held for the resident, or credited (partly) to the merchant.

    ``credited_minor`` of the payment's units pay ``credited_tiyn``; what is left of them is held.
    """

    stands: bool
    credited_minor: int = 0
    credited_tiyn: int = 0

    def __str__(self) -> str:
        if not self.stands:
            return ""
        return f"credited:{self.credited_minor}:{self.credited_tiyn}" if self.credited_tiyn else "held"

    @classmethod
    def parse(cls, text: str) -> Booking:
        """The booking that ``str`` wrote as ``text``."""
        if not text.startswith("credited:"):
            return cls(stands=bool(text))
        _, minor, tiyn = text.split(":")
        return cls(stands=True, credited_minor=int(minor), credited_tiyn=int(tiyn))


NOTHING_BOOKED = Booking(stands=False)
HELD = Booking(stands=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """The invoice's state and, for each payment in the order given, its value in tiyn and how it is booked."""

    status: str
    additional_status: str
    paid_tiyn: int
    values_tiyn: tuple[int, ...]
    bookings: tuple[Booking, ...]


def decide(
    invoice: InvoiceFact, payments: Sequence[PaymentFact], *, now: datetime, observed_until: datetime | None
) -> Decision:
    """The state of ``invoice`` given its ``payments`` in order of arrival.

    ``observed_until`` is the instant up to which every network of the invoice has been seen whole (None: never). Nothing
    expires later than that, so a node that is down never expires a payment that it did not report.
    """
    clock = now if observed_until is None else min(now, observed_until)
    # A network that was never observed cannot be said to have brought nothing.
    deadline_passed = observed_until is not None and clock >= invoice.expires_at
    monitoring_passed = observed_until is not None and clock >= invoice.monitoring_expires_at
    in_time = [payment for payment in payments if payment.received_at <= invoice.expires_at]
    paid_tiyn = _tiyn(invoice, payments)
    status = _status(
        invoice,
        covered=_tiyn(invoice, in_time) >= invoice.enough_tiyn,
        confirmed=_tiyn(invoice, [p for p in in_time if p.confirmed]) >= invoice.enough_tiyn,
        deadline_passed=deadline_passed,
        monitoring_passed=monitoring_passed,
    )
    return Decision(
        status=status,
        additional_status=_additional(invoice, status, paid_tiyn, is_over=_is_over(payments)),
        paid_tiyn=paid_tiyn,
        values_tiyn=values_tiyn(invoice.amount_tiyn, payments),
        bookings=_bookings(invoice, payments, settled=status == SETTLED),
    )


def values_tiyn(amount_tiyn: int, payments: Sequence[PaymentFact]) -> tuple[int, ...]:
    """What each payment is worth, in tiyn: differences of the running total rounded down, so that they add up to it."""
    values, share, total = [], Fraction(0), 0
    for payment in payments:
        share += payment.share
        running = divide_down(share * amount_tiyn, 1)
        values.append(running - total)
        total = running
    return tuple(values)


def events(before: tuple[str, str], after: tuple[str, str]) -> tuple[str, ...]:
    """The webhook events of a move from (status, additional status) to another; empty when a shop need not hear of it."""
    (old, old_additional), (new, new_additional) = before, after
    if new == EXPIRED:
        told: tuple[str, ...] = ("InvoiceExpired",) if old != EXPIRED else ()
        if new_additional == PAID_PARTIAL and (old, old_additional) != after:
            told += ("InvoiceExpiredPaidPartial",)
        if new_additional == PAID_LATE and (old, old_additional) != after:
            told += ("InvoicePaidAfterExpiration",)
        return told
    names = {PROCESSING: "InvoiceProcessing", SETTLED: "InvoiceSettled", INVALID: "InvoiceInvalid"}
    return (names[new],) if new != old and new in names else ()


def _status(
    invoice: InvoiceFact, *, covered: bool, confirmed: bool, deadline_passed: bool, monitoring_passed: bool
) -> str:
    if invoice.marked_status:
        return invoice.marked_status
    if invoice.status == INVALID:
        # Only what was settled once and came back is settled again; a failure to confirm in time is final.
        return SETTLED if confirmed and invoice.ever_settled else INVALID
    if confirmed:
        return SETTLED
    if invoice.status == SETTLED:
        return INVALID
    if covered:
        return INVALID if monitoring_passed else PROCESSING
    return EXPIRED if deadline_passed else NEW


def _is_over(payments: Sequence[PaymentFact]) -> bool:
    """Too much by at least one step of a quote; less is what rounding an amount due up can bring."""
    excess = sum((payment.share for payment in payments), Fraction(0)) - 1
    return excess > 0 and excess >= max(payment.step_share for payment in payments)


def _additional(invoice: InvoiceFact, status: str, paid_tiyn: int, *, is_over: bool) -> str:
    if invoice.marked_status:
        return MARKED
    if status in (SETTLED, PROCESSING):
        return PAID_OVER if is_over else NONE
    if status == INVALID or paid_tiyn == 0:
        return NONE
    # In Expired, enough money can only have come late: in time it would be Processing.
    return PAID_LATE if status == EXPIRED and paid_tiyn >= invoice.enough_tiyn else PAID_PARTIAL


def _tiyn(invoice: InvoiceFact, payments: Sequence[PaymentFact]) -> int:
    share = sum((payment.share for payment in payments), Fraction(0))
    return divide_down(share * invoice.amount_tiyn, 1)


def _bookings(invoice: InvoiceFact, payments: Sequence[PaymentFact], *, settled: bool) -> tuple[Booking, ...]:
    """First come, first credited, up to the invoice's amount; every other confirmed payment is held.

    A store that keeps an excess is credited with the whole of the payment that goes beyond the price. A further payment, when
    nothing is due any more, is a mistake and no tip: it is held in any case.
    """
    amount_tiyn = invoice.amount_tiyn
    counted = [payment if payment.valid and payment.confirmed else None for payment in payments]
    values = iter(values_tiyn(amount_tiyn, [payment for payment in counted if payment is not None]))
    bookings, open_tiyn = [], amount_tiyn
    for payment in counted:
        if payment is None:
            bookings.append(NOTHING_BOOKED)
            continue
        value_tiyn = next(values)
        credited_tiyn = min(value_tiyn, open_tiyn) if settled and not payment.disposal else 0
        open_tiyn -= credited_tiyn
        if credited_tiyn and invoice.keeps_excess:
            credited_tiyn = value_tiyn
        bookings.append(_booking(payment, value_tiyn, credited_tiyn, amount_tiyn))
    return tuple(bookings)


def _booking(payment: PaymentFact, value_tiyn: int, credited_tiyn: int, amount_tiyn: int) -> Booking:
    if credited_tiyn == 0 or payment.quoted_minor is None:
        return HELD
    credited_minor = payment.amount_minor
    if credited_tiyn < value_tiyn:
        # At the quote's rate, rounded up by less than one unit; what is beyond it is owed to the resident, from a step on.
        paying_minor = divide_up(credited_tiyn * payment.quoted_minor, amount_tiyn)
        if payment.amount_minor - paying_minor >= payment.step_minor:
            credited_minor = paying_minor
    return Booking(stands=True, credited_minor=credited_minor, credited_tiyn=credited_tiyn)

"""Entries of a merchant's books, posted by the ledger's own verb: what the tests of registers and documents work on."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count

from django.db import transaction

from alatau_pay.assets import KZT, Asset
from merchants.models import Merchant, User
from settlements import document_exports, entries, ledger
from settlements.business_day import ALMATY, business_date
from settlements.documents.catalogue import DocumentRequest
from settlements.entry import CREDIT, DEBIT, AccountName, Entry, Line
from settlements.fee_terms import Fee
from settlements.models import DocumentExport, DocumentFormat, DocumentKind, JournalEntry

BTC = Asset("BTC", "BTC", 8)
_keys = count(1)


def at(day: int, hour: int = 9, *, month: int = 11, year: int = 2026) -> datetime:
    """An hour of a day in November 2026, in Almaty (UTC+5)."""
    return datetime(year, month, day, hour, tzinfo=ALMATY)


def post(entry: Entry, *, now: datetime, reference: str = "test:1") -> JournalEntry:
    """Write ``entry`` under a key of its own."""
    with transaction.atomic():
        return ledger.post(entry, idempotency_key=f"books:{next(_keys)}", reference=reference, now=now)


def reverse(entry: JournalEntry, *, now: datetime) -> JournalEntry:
    """Undo ``entry``."""
    with transaction.atomic():
        return ledger.reverse(entry, idempotency_key=f"books:{next(_keys)}", now=now)


def sale(
    merchant: Merchant,
    gross_tiyn: int,
    *,
    fee: int,
    vat: int,
    now: datetime,
    reference: str = "payment:1",
    sat: int = 1000,
) -> JournalEntry:
    """A settled payment of ``gross_tiyn`` made with ``sat`` satoshi."""
    entry = entries.payment_settled(
        merchant_id=merchant.pk,
        coin=BTC,
        wallet="w7",
        received_minor=sat,
        credited_minor=sat,
        gross_tiyn=gross_tiyn,
        fee=Fee(fee, vat),
    )
    return post(entry, now=now, reference=reference)


def accepted(merchant: Merchant, gross_tiyn: int, *, fee: int, vat: int, now: datetime) -> JournalEntry:
    """Held money that a person accepted for the merchant."""
    post(entries.payment_held(coin=BTC, wallet="w7", received_minor=1000), now=now)
    entry = entries.held_accepted(
        merchant_id=merchant.pk, coin=BTC, accepted_minor=1000, gross_tiyn=gross_tiyn, fee=Fee(fee, vat)
    )
    return post(entry, now=now, reference="payment:2")


def refund(
    merchant: Merchant, value_tiyn: int, *, fee: int = 0, vat: int = 0, now: datetime, sat: int = 100
) -> JournalEntry:
    """A refund at the merchant's expense; ``fee`` and ``vat`` are given back."""
    entry = entries.payment_refund_due(
        merchant_id=merchant.pk,
        coin=BTC,
        refunded_minor=sat,
        value_tiyn=value_tiyn,
        returned=Fee(fee, vat),
    )
    return post(entry, now=now, reference="refund:1")


def payout(merchant: Merchant, amount_tiyn: int, *, now: datetime, number: int = 1) -> JournalEntry:
    """Tenge set aside for a payout."""
    entry = entries.payout_reserved(merchant_id=merchant.pk, amount_tiyn=amount_tiyn)
    return post(entry, now=now, reference=f"payout:{number}")


def payout_cancelled(merchant: Merchant, amount_tiyn: int, *, now: datetime) -> JournalEntry:
    """A payout that never reached the bank."""
    entry = entries.payout_cancelled(merchant_id=merchant.pk, amount_tiyn=amount_tiyn)
    return post(entry, now=now, reference="payout:1")


def payout_returned(merchant: Merchant, amount_tiyn: int, *, now: datetime) -> JournalEntry:
    """A payout that the bank sent back."""
    entry = entries.payout_returned(merchant_id=merchant.pk, amount_tiyn=amount_tiyn)
    return post(entry, now=now, reference="payout:1")


def direct(merchant: Merchant, *, fee: int, vat: int, now: datetime) -> JournalEntry:
    """A payment into the store's own wallet."""
    return post(entries.direct_settled(merchant_id=merchant.pk, fee=Fee(fee, vat)), now=now)


def fee_given_back(merchant: Merchant, *, fee: int, vat: int, now: datetime) -> JournalEntry:
    """A correction: a fee that was too high goes back to the merchant."""
    lines = [
        Line(AccountName("fee_income", KZT), DEBIT, fee),
        Line(AccountName("vat_payable", KZT), DEBIT, vat),
        Line(entries.payable(merchant.pk), CREDIT, fee + vat),
    ]
    return post(
        entries.correction(lines, description="Act 7: fee of 20.11"), now=now, reference="correction:1"
    )


def moved(giver: Merchant, taker: Merchant, amount_tiyn: int, *, now: datetime) -> JournalEntry:
    """A correction: what was credited to the wrong merchant."""
    lines = [
        Line(entries.payable(giver.pk), DEBIT, amount_tiyn),
        Line(entries.payable(taker.pk), CREDIT, amount_tiyn),
    ]
    return post(entries.correction(lines, description="Act 8: wrong shop"), now=now, reference="correction:2")


def document_made(merchant: Merchant, *, user: User, now: datetime) -> DocumentExport:
    """A register of the last month as CSV, made in the background."""
    today = business_date(now)
    wanted = DocumentRequest(
        DocumentKind.REGISTER, DocumentFormat.CSV, "ru", today - timedelta(days=31), today
    )
    document_exports.request(merchant, wanted, operation_count=0, user=user, now=now)
    made = document_exports.make_next(now)
    assert made is not None
    return made


def direct_fee_paid(merchant: Merchant, amount_tiyn: int, *, now: datetime) -> JournalEntry:
    """A correction: the merchant paid the fee of direct settlement into the operator's bank account."""
    lines = [
        Line(AccountName("bank", KZT), DEBIT, amount_tiyn),
        Line(AccountName("fee_receivable", KZT, merchant.pk), CREDIT, amount_tiyn),
    ]
    return post(entries.correction(lines, description="Order 12: paid"), now=now, reference="correction:3")


def direct_fee_set_off(merchant: Merchant, amount_tiyn: int, *, now: datetime) -> JournalEntry:
    """A correction: the fee of direct settlement is taken from what the operator owes the merchant."""
    lines = [
        Line(entries.payable(merchant.pk), DEBIT, amount_tiyn),
        Line(AccountName("fee_receivable", KZT, merchant.pk), CREDIT, amount_tiyn),
    ]
    return post(entries.correction(lines, description="Act 9: set off"), now=now, reference="correction:4")


def direct_fee_waived(merchant: Merchant, *, fee: int, vat: int, now: datetime) -> JournalEntry:
    """A correction: the fee of a direct settlement is owed no more."""
    lines = [
        Line(AccountName("fee_income", KZT), DEBIT, fee),
        Line(AccountName("vat_payable", KZT), DEBIT, vat),
        Line(AccountName("fee_receivable", KZT, merchant.pk), CREDIT, fee + vat),
    ]
    return post(entries.correction(lines, description="Act 10: waived"), now=now, reference="correction:5")

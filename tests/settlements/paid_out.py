"""Payouts as the program makes them, for tests: merchants that are owed tenge, banks, officers, batches on their way."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, timedelta
from itertools import count

from merchants import bank_account_change, onboarding, team
from merchants.models import LegalForm, Merchant, Role, User
from settlements import payout_policy, payouts
from settlements.models import CalendarDay, JournalEntry, Payout, PayoutBatch, ServicingBank
from settlements.payout_schedule import Terms
from tests.settlements import books

# Monday, 23 November 2026, 09:00 in Almaty; the day before is a Sunday on which the sales below were made.
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
_businesses = count(1)


def officer(name: str = "officer") -> User:
    """A person of the city office with every right."""
    return User.objects.create_superuser(
        f"{name}-{secrets.token_hex(3)}@city.example", "city-officer-password"
    )


def merchant(**data: str) -> Merchant:
    """An approved merchant with an owner; ``data`` overrides what it says about itself."""
    application = onboarding.Application(
        **{
            "legal_name": "ТОО «Достық кофе»",
            "legal_form": LegalForm.COMPANY,
            "business_id": f"26014090{next(_businesses):04d}",
            "address": "Алатау, Достық 1",
            "activity": "Coffee",
            "contact_name": "Айгүл",
            "contact_phone": "+77010000000",
            "iban": "KZ84722C000012345678",
            "bank_bic": "CASPKZKA",
            **data,
        }
    )
    owner = User.objects.create_user(f"{secrets.token_hex(4)}@shop.example", "shop-owner-password")
    made = onboarding.apply(application, applicant=owner, now=NOW)
    return onboarding.approve(made, admin=officer("registrar"), now=NOW)


def owner_of(merchant: Merchant) -> User:
    """The merchant's owner."""
    return merchant.memberships.get(role=Role.OWNER).user


def sale(
    merchant: Merchant, gross_tiyn: int = 15200000, *, fee: int = 131034, vat: int = 20966, now: datetime
) -> JournalEntry:
    """A settled payment: the merchant is owed the gross less fee and VAT."""
    return books.sale(merchant, gross_tiyn, fee=fee, vat=vat, now=now)


def owed(merchant: Merchant, amount_tiyn: int = 15048000, *, now: datetime = NOW) -> None:
    """A sale of the day before ``now`` without a fee, so that the merchant is owed exactly ``amount_tiyn`` more."""
    sale(merchant, amount_tiyn, fee=0, vat=0, now=now - timedelta(days=1))


def servicing_bank(**data: object) -> ServicingBank:
    """The operator's account at a bank."""
    return ServicingBank.objects.create(
        **{
            "name": 'АО "Народный Банк Казахстана"',
            "bic": "HSBKKZKX",
            "iban": "KZ39601A001000000017",
            "payer_name": 'ТОО "Alatau Pay"',
            "payer_business_id": "260140900012",
            "valid_from": date(2026, 1, 1),
            **data,
        }
    )


def payout(amount_tiyn: int = 15048000, *, of: Merchant | None = None, now: datetime = NOW) -> Payout:
    """A payout of ``amount_tiyn`` that awaits approval, prepared by an officer who does nothing else."""
    payee = of or merchant()
    owed(payee, amount_tiyn, now=now)
    return payouts.prepare(payee, actor=officer("preparer"), now=now)


def batch(*rows: Payout, bank: ServicingBank | None = None, now: datetime = NOW) -> PayoutBatch:
    """A batch of ``rows`` (one new payout where there are none) that awaits approval."""
    return payouts.batch(
        rows or [payout(now=now)], bank=bank or servicing_bank(), actor=officer("batcher"), now=now
    )


def approved_batch(*rows: Payout, bank: ServicingBank | None = None, now: datetime = NOW) -> PayoutBatch:
    """The same, approved by a second person."""
    return payouts.approve(batch(*rows, bank=bank, now=now), actor=officer("approver"), now=now)


def sent_batch(*rows: Payout, bank: ServicingBank | None = None, now: datetime = NOW) -> PayoutBatch:
    """The same, with the bank: its payouts are in progress."""
    return payouts.send(approved_batch(*rows, bank=bank, now=now), actor=officer("sender"), now=now)


def one_of_everything() -> None:
    """A payout with the bank, and a row of everything that payouts go by."""
    row = payout()
    sent_batch(row)
    owner = owner_of(row.merchant)
    payout_policy.change(row.merchant, Terms("daily"), kbe="", actor=owner, now=NOW)
    CalendarDay.objects.create(date=date(2026, 12, 19), is_working=True, note="Decree No. 1")
    bank_account_change.request(
        row.merchant, iban="KZ39601A001000000017", bank_bic="HSBKKZKX", actor=owner, now=NOW
    )
    second = team.invite(merchant=row.merchant, email="second@shop.example", role=Role.OWNER, now=NOW)
    team.change_role(second, Role.ACCOUNTANT, actor=owner, now=NOW)

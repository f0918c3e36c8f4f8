"""How a payout begins: the tenge is set aside in the ledger in the database transaction that writes the row.

The merchant's account in the ledger is locked first, so that two payouts can never reserve the same tenge.
"""

from __future__ import annotations

import logging
from datetime import date, datetime

from django.db import transaction
from django.db.models import Max

from merchants.models import Merchant, MerchantStatus, User
from settlements import business_calendar, ledger, payout_policy
from settlements.bank_names import bank_name
from settlements.entries import payable, payout_reserved
from settlements.entry import Entry
from settlements.models import Account, AccountKind, Payout, PayoutEvent
from settlements.payout_checks import NothingToPay, require_paid_out
from settlements.payout_draft import Draft, draft, last_day_to_pay
from settlements.payout_purpose import purpose_of
from settlements.payout_schedule import Calendar, due_through, is_enough

logger = logging.getLogger(__name__)


def prepare_due(*, now: datetime) -> list[Payout]:
    """Prepare a payout for every merchant whose schedule says so at ``now``; returns those that were prepared.

    At most one a day for each merchant, so that a payout which somebody cancelled waits until the next day; and none to an
    account from which the bank sent the last one back, until the account changes or a person prepares a payout by hand.
    """
    calendar = business_calendar.current()
    prepared = []
    owed = Merchant.objects.filter(status=MerchantStatus.APPROVED, accounts__kind=AccountKind.PAYABLE)
    for merchant in owed.order_by("pk"):
        try:
            payout = _prepare_scheduled(merchant, calendar, now=now)
        except Exception:
            # The outermost line for this merchant: the others are paid whatever is wrong with it.
            logger.exception("payout not prepared", extra={"merchant": merchant.pk})
            continue
        if payout is not None:
            prepared.append(payout)
    return prepared


def _prepare_scheduled(merchant: Merchant, calendar: Calendar, *, now: datetime) -> Payout | None:
    """The payout that the merchant's schedule asks for at ``now``, or None."""
    today = ledger.business_date(now)
    terms = payout_policy.terms_of(payout_policy.policy_of(merchant))
    through = due_through(terms, today, calendar)
    if through is None or not is_enough(terms, ledger.owed_tiyn(merchant)):
        return None
    with transaction.atomic():
        found = locked_draft(merchant, through=through)
        if found is None or not is_enough(terms, found.amount_tiyn) or is_held_back(merchant, today):
            return None
        return reserve(merchant, found, actor=None, now=now)


def prepare(merchant: Merchant, *, actor: User, now: datetime) -> Payout:
    """Prepare a payout of all that ``merchant`` is owed for the days that are over, because a person asks for it.

    Guarantees: the amount was owed at that moment and is reserved in the ledger; two at once never reserve the same tenge.

    Raises:
        NotPaidOut: the merchant is suspended or not approved.
        NothingToPay: see there.
    """
    with transaction.atomic():
        found = locked_draft(merchant, through=last_day_to_pay(now))
        require_paid_out(Merchant.objects.get(pk=merchant.pk))
        if found is None:
            raise NothingToPay(f"{merchant} is owed nothing for the days that are over")
        return reserve(merchant, found, actor=actor, now=now)


def locked_draft(merchant: Merchant, *, through: date) -> Draft | None:
    """The draft of a payout, with the merchant's account locked until the database transaction ends."""
    # "No key": payments that credit the merchant meanwhile do not wait, only another payout does.
    accounts = Account.objects.select_for_update(no_key=True)
    account = accounts.filter(code=payable(merchant.pk).code).first()
    return None if account is None else draft(merchant, through=through)


def is_held_back(merchant: Merchant, today: date) -> bool:
    """True when the schedule has to leave the merchant alone.

    It had its payout of today already, whatever became of it; or the bank sent the last one back from the account that is
    still the merchant's.
    """
    latest = Payout.objects.filter(merchant=merchant).order_by("-number").first()
    if latest is None:
        return False
    scheduled = Payout.objects.filter(merchant=merchant, prepared_by=None).order_by("-number").first()
    if scheduled is not None and ledger.business_date(scheduled.created_at) == today:
        return True
    return latest.returned_at is not None and latest.iban == merchant.iban


def reserve(merchant: Merchant, found: Draft, *, actor: User | None, now: datetime) -> Payout:
    """Write the payout of ``found`` with its entry and its first event; the merchant's account is locked by the caller."""
    # Read under the lock: an account that was changed while we waited for it is the one that holds.
    merchant = Merchant.objects.get(pk=merchant.pk)
    number = (Payout.objects.filter(merchant=merchant).aggregate(last=Max("number"))["last"] or 0) + 1
    payout = Payout.objects.create(
        merchant=merchant,
        number=number,
        amount_tiyn=found.amount_tiyn,
        first_day=found.first_day,
        last_day=found.last_day,
        operation_count=found.operation_count,
        gross_tiyn=found.gross_tiyn,
        fee_tiyn=found.fee_tiyn,
        vat_tiyn=found.vat_tiyn,
        refunds_tiyn=found.refunds_tiyn,
        other_tiyn=found.other_tiyn,
        **payee_of(merchant),
        purpose=purpose_of(
            first_day=found.first_day,
            last_day=found.last_day,
            number=number,
            operation_count=found.operation_count,
            fee_tiyn=found.fee_tiyn,
            vat_tiyn=found.vat_tiyn,
        ),
        prepared_by=actor,
        created_at=now,
    )
    entry = payout_reserved(merchant_id=merchant.pk, amount_tiyn=found.amount_tiyn)
    post(payout, "reserved", entry, now=now)
    record(payout, from_status="", actor=actor, reason="", now=now)
    return payout


def payee_of(merchant: Merchant) -> dict[str, str]:
    """The copies of the merchant's data that a payout keeps."""
    return {
        "iban": merchant.iban,
        "bank_bic": merchant.bank_bic,
        "bank_name": bank_name(merchant.bank_bic),
        "payee_name": merchant.legal_name,
        "payee_business_id": merchant.business_id,
        "kbe": payout_policy.kbe_of(merchant),
    }


def post(payout: Payout, step: str, entry: Entry, *, now: datetime) -> None:
    """Write the entry of one step of ``payout``; each step has one key, so that none is written twice."""
    ledger.post(entry, idempotency_key=f"payout:{payout.pk}:{step}", reference=f"payout:{payout.pk}", now=now)


def record(payout: Payout, *, from_status: str, actor: User | None, reason: str, now: datetime) -> None:
    """Add to the payout's history that it stands at its present status."""
    PayoutEvent.objects.create(
        payout=payout,
        at=now,
        actor=actor,
        from_status=from_status,
        to_status=payout.status,
        reason=reason,
    )

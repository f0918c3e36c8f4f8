"""How a business comes to be paid here: it applies, a city admin decides. The only writer of ``Merchant.status``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from merchants.models import Membership, Merchant, MerchantEvent, MerchantStatus, Role, User

REASON_LENGTH_MAX = 300


class BusinessIdTaken(Exception):
    """A merchant with this number exists. What the applicant is told must not say more than that it cannot be used."""


class MoveRefused(Exception):
    """The decision does not fit the merchant's present status, or its reason is missing. The message is for the admin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Application:
    """What a business says about itself. ``business_id``, ``iban`` and ``bank_bic`` are already parsed."""

    legal_name: str
    legal_form: str
    business_id: str
    address: str
    activity: str
    contact_name: str
    contact_phone: str
    iban: str
    bank_bic: str


class Move(NamedTuple):
    """A decision of a city admin: from which statuses, to which, and whether it has to be explained."""

    sources: tuple[str, ...]
    target: str
    needs_reason: bool


MOVES: dict[str, Move] = {
    "approve": Move((MerchantStatus.APPLIED, MerchantStatus.REJECTED), MerchantStatus.APPROVED, False),
    "reject": Move((MerchantStatus.APPLIED,), MerchantStatus.REJECTED, True),
    "suspend": Move((MerchantStatus.APPROVED,), MerchantStatus.SUSPENDED, True),
    "reinstate": Move((MerchantStatus.SUSPENDED,), MerchantStatus.APPROVED, False),
}


def apply(application: Application, *, applicant: User, now: datetime) -> Merchant:
    """A new merchant in status Applied, with ``applicant`` as its owner.

    Raises:
        BusinessIdTaken: the number is another merchant's; nothing is written.
    """
    try:
        with transaction.atomic():
            merchant = Merchant.objects.create(**asdict(application), created_at=now)
            Membership.objects.create(user=applicant, merchant=merchant, role=Role.OWNER, created_at=now)
            _record(merchant, from_status="", actor=applicant, reason="", now=now)
    except IntegrityError as error:
        if "business_id" in str(error):
            raise BusinessIdTaken from error
        raise
    return merchant


def apply_again(merchant: Merchant, application: Application, *, applicant: User, now: datetime) -> Merchant:
    """The rejected ``merchant`` with its data corrected, in status Applied once more.

    Raises:
        MoveRefused: it was not rejected.
        BusinessIdTaken: the corrected number is another merchant's; nothing is written.
    """
    try:
        with transaction.atomic():
            locked = Merchant.objects.select_for_update().get(pk=merchant.pk)
            if locked.status != MerchantStatus.REJECTED:
                raise MoveRefused("only a rejected application can be sent again")
            for name, value in asdict(application).items():
                setattr(locked, name, value)
            locked.status = MerchantStatus.APPLIED
            locked.save(update_fields=[*asdict(application), "status"])
            _record(locked, from_status=MerchantStatus.REJECTED, actor=applicant, reason="", now=now)
    except IntegrityError as error:
        if "business_id" in str(error):
            raise BusinessIdTaken from error
        raise
    return locked


def approve(merchant: Merchant, *, admin: User, now: datetime, reason: str = "") -> Merchant:
    """From Applied or Rejected to Approved. Raises as ``decide``."""
    return decide(merchant, "approve", admin=admin, reason=reason, now=now)


def reject(merchant: Merchant, *, admin: User, reason: str, now: datetime) -> Merchant:
    """From Applied to Rejected, with a reason that the applicant reads. Raises as ``decide``."""
    return decide(merchant, "reject", admin=admin, reason=reason, now=now)


def suspend(merchant: Merchant, *, admin: User, reason: str, now: datetime) -> Merchant:
    """From Approved to Suspended: no new invoices; what was paid is still owed. Raises as ``decide``."""
    return decide(merchant, "suspend", admin=admin, reason=reason, now=now)


def reinstate(merchant: Merchant, *, admin: User, now: datetime, reason: str = "") -> Merchant:
    """From Suspended to Approved. Raises as ``decide``."""
    return decide(merchant, "reinstate", admin=admin, reason=reason, now=now)


def possible_moves(merchant: Merchant) -> list[str]:
    """The names in ``MOVES`` that fit the merchant's present status."""
    return [name for name, move in MOVES.items() if merchant.status in move.sources]


def decide(merchant: Merchant, move_name: str, *, admin: User, reason: str, now: datetime) -> Merchant:
    """Make one of ``MOVES`` and write its event. A merchant that is there already is returned as it is.

    Raises:
        PermissionDenied: ``admin`` is not a city admin who may change merchants.
        MoveRefused: the move does not fit the present status, or its reason is missing or too long.
    """
    if not (admin.is_active and admin.is_staff and admin.has_perm("merchants.change_merchant")):
        raise PermissionDenied("only a city admin decides on merchants")
    move, reason = MOVES[move_name], reason.strip()
    if move.needs_reason and not reason:
        raise MoveRefused("a reason is needed: the business reads it")
    if len(reason) > REASON_LENGTH_MAX:
        raise MoveRefused(f"a reason has at most {REASON_LENGTH_MAX} characters")
    with transaction.atomic():
        # Two admins at once: the second waits here and then sees what the first decided.
        locked = Merchant.objects.select_for_update().get(pk=merchant.pk)
        if locked.status == move.target:
            return locked
        if locked.status not in move.sources:
            raise MoveRefused(f"a merchant in status {locked.status} cannot go to {move.target}")
        from_status = locked.status
        locked.status, locked.decision_reason = move.target, reason
        locked.decided_by, locked.decided_at = admin, now
        locked.save(update_fields=["status", "decision_reason", "decided_by", "decided_at"])
        _record(locked, from_status=from_status, actor=admin, reason=reason, now=now)
    return locked


def _record(merchant: Merchant, *, from_status: str, actor: User, reason: str, now: datetime) -> None:
    MerchantEvent.objects.create(
        merchant=merchant,
        at=now,
        actor=actor,
        from_status=from_status,
        to_status=merchant.status,
        reason=reason,
    )

"""What has to be true before a payout moves on, and how it is said when it is not. Writes nothing."""

from __future__ import annotations

from datetime import date

from django.core.exceptions import PermissionDenied

from merchants.models import Merchant, MerchantStatus, User
from settlements.models import KnpCode, Payout, PayoutStatus, ServicingBank

PREPARE = "settlements.prepare_payoutbatch"
APPROVE = "settlements.approve_payoutbatch"
REASON_LENGTH_MAX = 300


class PayoutRefused(Exception):
    """The move does not fit: the message says to an officer why. Nothing was written."""


class NothingToPay(PayoutRefused):
    """The merchant is owed nothing for the days that are over."""


class NotPaidOut(PayoutRefused):
    """The merchant may not be paid out: it is not approved, or suspended."""


def require(actor: User, permission: str) -> None:
    """A city officer with ``permission``.

    Raises:
        PermissionDenied: anybody else.
    """
    if not (actor.is_active and actor.is_staff and actor.has_perm(permission)):
        raise PermissionDenied("only an officer with this right moves payouts")


def require_paid_out(merchant: Merchant) -> None:
    """A merchant that may trade may be paid.

    Raises:
        NotPaidOut: any other.
    """
    if merchant.status != MerchantStatus.APPROVED:
        raise NotPaidOut(f"{merchant} is {merchant.status} and is not paid out")


def require_payee(payout: Payout) -> None:
    """The merchant may be paid, and to the account that the payout names.

    Raises:
        PayoutRefused: the account in force is another one by now. Also as ``require_paid_out``.
    """
    merchant = payout.merchant
    require_paid_out(merchant)
    if is_elsewhere(payout):
        raise PayoutRefused(
            f"payout {payout} names {payout.iban}; {merchant} is paid to {merchant.iban} by now"
        )


def require_to_be_paid(payout: Payout) -> None:
    """The bank may pay what the file asks for: the file holds every payout of its batch, always.

    Raises:
        PayoutRefused: the payout was paid, cancelled or returned already. Also as ``require_paid_out``.
    """
    if payout.status in (PayoutStatus.COMPLETED, PayoutStatus.CANCELLED):
        raise PayoutRefused(
            f"payout {payout} is {payout.status}, and with this file the bank would pay it again: cancel the batch, or say that"
            " the bank has the file if it does"
        )
    require_paid_out(payout.merchant)


def is_elsewhere(payout: Payout) -> bool:
    """True when the merchant is paid to another account by now than the one that the payout names."""
    merchant = payout.merchant
    return (payout.iban, payout.bank_bic) != (merchant.iban, merchant.bank_bic)


def require_bank(bank: ServicingBank, on: date) -> None:
    """The bank serves on that day, and its КНП is in force.

    Raises:
        PayoutRefused: see there.
    """
    if bank.valid_from > on or (bank.valid_to is not None and bank.valid_to < on):
        raise PayoutRefused(f"{bank} does not serve payouts on {on:%d.%m.%Y}")
    known = KnpCode.objects.filter(code=bank.knp, valid_from__lte=on).exclude(valid_to__lt=on)
    if not known.exists():
        raise PayoutRefused(f"КНП {bank.knp} of {bank} is not in the table of codes on {on:%d.%m.%Y}")


def reason_of(text: str) -> str:
    """The reason as it is kept.

    Raises:
        PayoutRefused: empty, or too long.
    """
    reason = text.strip()
    if not reason:
        raise PayoutRefused("a reason is needed: the merchant reads it")
    if len(reason) > REASON_LENGTH_MAX:
        raise PayoutRefused(f"a reason has at most {REASON_LENGTH_MAX} characters")
    return reason


def said_by(actor: User | None, reason: str) -> str:
    """The reason of a move that a bank's statement makes (no ``actor``), or a person who may, and then has to say why.

    Raises:
        PermissionDenied: the person may not move payouts.
        PayoutRefused: the person says nothing.
    """
    if actor is None:
        return reason.strip()[:REASON_LENGTH_MAX]
    require(actor, PREPARE)
    return reason_of(reason)

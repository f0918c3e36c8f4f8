"""A merchant's bank account changes slowly: its owners are told, 24 hours go by, and each of them can stop it meanwhile.

The only writer of BankAccountChange rows, and of the account of a merchant that may trade. Whoever steals an owner's password
cannot have the next payout: the old account stays in force until the change is applied.
"""

from __future__ import annotations

import logging
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from merchants.models import (
    BANK_ACCOUNT_CHANGE_WAIT,
    BankAccountChange,
    Merchant,
    MerchantStatus,
    Role,
    User,
)

logger = logging.getLogger(__name__)


class ChangeRefused(Exception):
    """The change does not fit. The message is for a log; pages say it in their own words."""


class SameAccount(ChangeRefused):
    """The merchant is paid there already."""


class ChangeWaiting(ChangeRefused):
    """Another change is waiting: it has to be cancelled first."""


def request(merchant: Merchant, *, iban: str, bank_bic: str, actor: User, now: datetime) -> BankAccountChange:
    """Ask that ``merchant`` be paid to ``iban``, which is parsed already, 24 hours from ``now``.

    Raises:
        ChangeWaiting, SameAccount: see there.
        ChangeRefused: the merchant does not trade yet; its application says the account.
    """
    with transaction.atomic():
        locked = Merchant.objects.select_for_update().get(pk=merchant.pk)
        if locked.status not in (MerchantStatus.APPROVED, MerchantStatus.SUSPENDED):
            raise ChangeRefused("an application is corrected, not changed")
        if waiting(locked) is not None:
            raise ChangeWaiting("a change is waiting")
        if (locked.iban, locked.bank_bic) == (iban, bank_bic):
            raise SameAccount("the account is the merchant's already")
        return BankAccountChange.objects.create(
            merchant=locked,
            old_iban=locked.iban,
            old_bank_bic=locked.bank_bic,
            new_iban=iban,
            new_bank_bic=bank_bic,
            requested_by=actor,
            requested_at=now,
            effective_at=now + BANK_ACCOUNT_CHANGE_WAIT,
        )


def waiting(merchant: Merchant) -> BankAccountChange | None:
    """The change that the merchant waits for, or None."""
    return BankAccountChange.objects.filter(
        merchant=merchant, applied_at__isnull=True, cancelled_at__isnull=True
    ).first()


def cancel(change: BankAccountChange, *, actor: User, now: datetime) -> bool:
    """Stop a change that has not taken effect; False where it has, or was stopped before."""
    # The row count decides between this and ``apply_due``.
    rows = BankAccountChange.objects.filter(pk=change.pk, applied_at__isnull=True, cancelled_at__isnull=True)
    return bool(rows.update(cancelled_by=actor, cancelled_at=now))


def apply_due(*, now: datetime) -> list[Merchant]:
    """Put the changes into force whose owners were told 24 hours ago; returns the merchants that are paid elsewhere now."""
    due = BankAccountChange.objects.filter(
        applied_at__isnull=True,
        cancelled_at__isnull=True,
        effective_at__lte=now,
        told_at__lte=now - BANK_ACCOUNT_CHANGE_WAIT,
    )
    return [change.merchant for change in due.order_by("effective_at", "id") if _apply(change, now)]


def tell(*, now: datetime) -> int:
    """Mail the owners of merchants with a change that they were not told about. Returns how many mails went out.

    No database transaction is open while the mail server is spoken to. A mail that the server did not take is tried again,
    and the 24 hours begin when it did.
    """
    untold = BankAccountChange.objects.filter(
        told_at__isnull=True, applied_at__isnull=True, cancelled_at__isnull=True
    )
    return sum(_tell(change, now) for change in untold.select_related("merchant").order_by("id"))


def _apply(change: BankAccountChange, now: datetime) -> bool:
    with transaction.atomic():
        merchant = Merchant.objects.select_for_update().get(pk=change.merchant_id)
        rows = BankAccountChange.objects.filter(
            pk=change.pk, applied_at__isnull=True, cancelled_at__isnull=True
        )
        if not rows.update(applied_at=now):
            return False
        merchant.iban, merchant.bank_bic = change.new_iban, change.new_bank_bic
        merchant.save(update_fields=["iban", "bank_bic"])
    logger.info("a merchant's bank account changed", extra={"merchant": merchant.pk, "change": change.pk})
    return True


def _tell(change: BankAccountChange, now: datetime) -> bool:
    owners = change.merchant.memberships.filter(role=Role.OWNER).order_by("created_at")
    try:
        send_mail(*_mail(change), None, list(owners.values_list("user__email", flat=True)))
    except (SMTPException, OSError) as error:
        logger.warning("owners could not be mailed and will be told again (%s)", type(error).__name__)
        return False
    # Only now: a process that ends before the letter is out must not have told anybody. Rather two letters than none.
    rows = BankAccountChange.objects.filter(pk=change.pk, told_at__isnull=True, cancelled_at__isnull=True)
    return bool(rows.update(told_at=now))


def _mail(change: BankAccountChange) -> tuple[str, str]:
    """Subject and text, in every language of the program: nobody has told us which one an owner reads."""
    subjects, texts = [], []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            subjects.append(_("Your bank account is about to change"))
            texts.append(_text(change))
    return f"Alatau Pay: {' · '.join(subjects)}", "\n\n".join(texts)


def _text(change: BankAccountChange) -> str:
    facts = {
        "name": change.merchant.legal_name,
        "old": change.old_iban,
        "new": change.new_iban,
        "who": change.requested_by.email,
        "when": f"{timezone.localtime(change.effective_at):%d.%m.%Y %H:%M}",
    }
    lines = [
        _("%(who)s asked that payouts to %(name)s go to %(new)s instead of %(old)s from %(when)s on.")
        % facts,
        _("If this is not right, log in before then and cancel the change on the page “Payouts”:"),
        f"{settings.SITE_URL}/stores/",
    ]
    return "\n".join(lines)

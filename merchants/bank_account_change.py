"""A merchant's bank account changes slowly: its owners are told, 24 hours go by, and each of them can stop it meanwhile.

The only writer of BankAccountChange rows, and of the account of a merchant that may trade. Whoever steals an owner's password
cannot have the next payout: the old account stays in force until the change is applied; and whoever was an owner within the
last days is told as well, and stops it by the link in the letter, since the thief may have put the real owner out first.
"""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from merchants import letters
from merchants.letters import Delivery
from merchants.models import (
    BANK_ACCOUNT_CHANGE_WAIT,
    FORMER_OWNER_REMEMBERED,
    BankAccountChange,
    FormerOwner,
    Merchant,
    MerchantStatus,
    Role,
    User,
)

logger = logging.getLogger(__name__)

_LINK_SALT = "merchants.bank_account_change.stop"


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
    """Mail the owners of merchants with a change that they were not told about. Returns how many changes are told of now.

    No database transaction is open while the mail server is spoken to. Where it does not take a letter now, all are sent
    again later, and the 24 hours begin when it did.
    """
    untold = BankAccountChange.objects.filter(
        told_at__isnull=True, applied_at__isnull=True, cancelled_at__isnull=True
    )
    return sum(
        _tell(change, now) for change in untold.select_related("merchant", "requested_by").order_by("id")
    )


def people_to_tell(change: BankAccountChange) -> QuerySet[User]:
    """The merchant's owners, and who was one in the days before the change was asked for, or since."""
    since = change.requested_at - FORMER_OWNER_REMEMBERED
    former = FormerOwner.objects.filter(merchant=change.merchant_id, left_at__gte=since)
    owners = change.merchant.memberships.filter(role=Role.OWNER)
    people = User.objects.filter(Q(pk__in=owners.values("user")) | Q(pk__in=former.values("user")))
    return people.order_by("pk")


def stop_path(change: BankAccountChange, person: User) -> str:
    """The path of the page where ``person`` stops the change without logging in; only a letter to that person holds it."""
    token = signing.dumps([change.pk, person.pk], salt=_LINK_SALT)
    return reverse("account_change_stop", args=[token])


def of_link(token: str) -> tuple[BankAccountChange, User] | None:
    """The change and the person of a link that was mailed, whatever became of the change; None for any other text."""
    try:
        change_id, person_id = signing.loads(token, salt=_LINK_SALT)
    except signing.BadSignature:
        return None
    change = BankAccountChange.objects.select_related("merchant", "requested_by").filter(pk=change_id).first()
    person = User.objects.filter(pk=person_id, is_active=True).first()
    return (change, person) if change and person else None


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
    deliveries = [letters.send(person, partial(_letter, change, person)) for person in people_to_tell(change)]
    # An address that is refused for good, beside one that is not, must not hold the change up for ever.
    if Delivery.NOT_NOW in deliveries or Delivery.TAKEN not in deliveries:
        return False
    # Only now: a process that ends before the letters are out must not have told anybody. Rather two letters than none.
    rows = BankAccountChange.objects.filter(pk=change.pk, told_at__isnull=True, cancelled_at__isnull=True)
    return bool(rows.update(told_at=now))


def _letter(change: BankAccountChange, person: User) -> tuple[str, str]:
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
        _("If this is not right, open this page before then and cancel the change; you need not log in:"),
        f"{settings.SITE_URL}{stop_path(change, person)}",
    ]
    return _("Your bank account is about to change"), "\n".join(lines)

"""Who was an owner until lately: told that it ended, and for some days of whatever happens to the bank account.

The rows are written by ``merchants.team``, in the database transaction that ends the ownership.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.utils import timezone
from django.utils.translation import gettext as _

from merchants import letters
from merchants.letters import Delivery
from merchants.models import FORMER_OWNER_REMEMBERED, FormerOwner


def tell(*, now: datetime) -> int:
    """Mail those who stopped being owners and were not told. Returns how many are told now.

    A letter that the server did not take is sent again; rather two letters than none. An address that it never takes is
    not tried again.
    """
    untold = FormerOwner.objects.filter(told_at__isnull=True)
    return sum(
        _tell(former, now)
        for former in untold.select_related("merchant", "user", "removed_by").order_by("id")
    )


def _tell(former: FormerOwner, now: datetime) -> bool:
    if letters.send(former.user, partial(_letter, former)) == Delivery.NOT_NOW:
        return False
    return bool(FormerOwner.objects.filter(pk=former.pk, told_at__isnull=True).update(told_at=now))


def _letter(former: FormerOwner) -> tuple[str, str]:
    facts = {
        "name": former.merchant.legal_name,
        "who": former.removed_by.email,
        "when": f"{timezone.localtime(former.left_at):%d.%m.%Y %H:%M}",
        "days": FORMER_OWNER_REMEMBERED.days,
    }
    lines = [
        _("Since %(when)s you are no longer an owner of %(name)s; %(who)s decided so.") % facts,
        _("If this is not right, tell the city office at once: it can pause the payouts."),
        _("For %(days)d days more you are told of a change of the bank account, with a link that cancels it.")
        % facts,
    ]
    return _("You are no longer an owner"), "\n".join(lines)

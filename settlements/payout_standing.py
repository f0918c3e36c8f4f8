"""How things stand with payouts, for the people who look: what each merchant is owed, what is on its way, what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q, Sum

from merchants.models import Merchant, MerchantStatus
from settlements import business_calendar, ledger, payout_policy
from settlements.models import Payout, PayoutPolicy, PayoutStatus, ServicingBank
from settlements.payout_draft import last_day_to_pay, payable_tiyn
from settlements.payout_schedule import next_payout_day

ON_ITS_WAY = [PayoutStatus.AWAITING_APPROVAL, PayoutStatus.AWAITING_PAYMENT, PayoutStatus.IN_PROGRESS]


@dataclass(frozen=True, slots=True)
class Standing:
    """One merchant, in tiyn: owed now; of it ready for a payout of the days through ``ready_through``; on its way.

    ``returned`` is the last payout, where the bank sent it back from the account that is still the merchant's.
    """

    merchant: Merchant
    policy: PayoutPolicy
    owed_tiyn: int
    ready_tiyn: int
    ready_through: date
    in_transit_tiyn: int
    next_day: date | None
    is_suspended: bool
    returned: Payout | None


def owed_to(merchant: Merchant, *, now: datetime) -> Standing:
    """How ``merchant`` stands at ``now``."""
    policy, through = payout_policy.policy_of(merchant), last_day_to_pay(now)
    theirs = Payout.objects.filter(merchant=merchant)
    latest = theirs.order_by("-number").first()
    came_back = latest is not None and latest.returned_at is not None and latest.iban == merchant.iban
    in_transit = theirs.filter(status__in=ON_ITS_WAY).aggregate(total=Sum("amount_tiyn"))["total"]
    next_day = next_payout_day(
        payout_policy.terms_of(policy), ledger.business_date(now), business_calendar.current()
    )
    return Standing(
        merchant=merchant,
        policy=policy,
        owed_tiyn=ledger.owed_tiyn(merchant),
        ready_tiyn=max(0, payable_tiyn(merchant, through=through)),
        ready_through=through,
        in_transit_tiyn=int(in_transit or 0),
        next_day=next_day,
        is_suspended=merchant.status != MerchantStatus.APPROVED,
        returned=latest if came_back else None,
    )


def banks_serving(*, now: datetime) -> list[ServicingBank]:
    """The banks that a batch made at ``now`` may go to."""
    today = ledger.business_date(now)
    serving = ServicingBank.objects.filter(valid_from__lte=today)
    return list(serving.filter(Q(valid_to__isnull=True) | Q(valid_to__gte=today)))

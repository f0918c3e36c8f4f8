"""The payouts against the bank's statements: each payout that the bank paid or should have paid, and each line that it states."""

from __future__ import annotations

from datetime import date, timedelta

from django.db.models import F, QuerySet

from payments.models import DifferenceKind
from payments.reconciliation.findings import Compared, Finding
from settlements import business_calendar
from settlements.business_calendar import BusinessCalendar
from settlements.business_day import business_date
from settlements.models import BankStatementLine, LineDirection, LineStatus, Payout, PayoutStatus

SCOPE = "payouts"
# A payment order is carried out on its value date or the business day after it; the statement comes the day after that.
BUSINESS_DAYS_AT_BANK_MAX = 2


def compare(*, today: date) -> Compared:
    """Payouts and statement lines, as the caller's database transaction sees them; writes nothing."""
    completed = Payout.objects.filter(completed_at__isnull=False)
    waiting = Payout.objects.filter(status=PayoutStatus.IN_PROGRESS)
    lines = BankStatementLine.objects.all()
    findings = [
        *_without_line(completed),
        *_unmatched(lines),
        *_amounts(lines),
        *_overdue(waiting, business_calendar.current(), today),
    ]
    return Compared(SCOPE, completed.count() + waiting.count() + lines.count(), findings)


def _without_line(completed: QuerySet[Payout]) -> list[Finding]:
    """Completed, or completed and returned, and no statement shows the bank paying it."""
    shown = BankStatementLine.objects.filter(payout__isnull=False, direction=LineDirection.OUT)
    missing = completed.exclude(pk__in=shown.values("payout"))
    return [
        Finding(
            DifferenceKind.PAYOUT_WITHOUT_LINE,
            f"payout:{payout.pk}",
            payout.amount_tiyn,
            None,
            detail=payout.bank_reference,
        )
        for payout in missing.order_by("pk")
    ]


def _unmatched(lines: QuerySet[BankStatementLine]) -> list[Finding]:
    """Lines that nobody matched and nobody set aside with a reason."""
    return [
        Finding(
            DifferenceKind.LINE_WITHOUT_PAYOUT,
            f"line:{line.pk}",
            None,
            line.amount_tiyn if line.direction == LineDirection.IN else -line.amount_tiyn,
            detail=f"{line.booked_on:%d.%m.%Y} {line.counterparty_name} {line.purpose}"[:300],
        )
        for line in lines.filter(status=LineStatus.OPEN).order_by("pk")
    ]


def _amounts(lines: QuerySet[BankStatementLine]) -> list[Finding]:
    """About the line and not its payout, of which the payment and the return may both be bent."""
    differing = lines.filter(payout__isnull=False).exclude(amount_tiyn=F("payout__amount_tiyn"))
    return [
        Finding(
            DifferenceKind.PAYOUT_AMOUNT,
            f"line:{line.pk}",
            line.payout.amount_tiyn,
            line.amount_tiyn,
            detail=f"{line.get_direction_display()}, {line.booked_on:%d.%m.%Y}",
        )
        for line in differing.select_related("payout").order_by("pk")
        if line.payout is not None
    ]


def _overdue(waiting: QuerySet[Payout], calendar: BusinessCalendar, today: date) -> list[Finding]:
    found = []
    for payout in waiting.select_related("batch").order_by("pk"):
        batch = payout.batch
        assert batch is not None  # the database holds it for this status
        sent = business_date(batch.sent_at) if batch.sent_at else batch.value_date
        if (
            _business_days(calendar, after=max(sent, batch.value_date), until=today)
            > BUSINESS_DAYS_AT_BANK_MAX
        ):
            detail = f"№{batch.number}, {batch.value_date:%d.%m.%Y}"
            found.append(
                Finding(
                    DifferenceKind.PAYOUT_OVERDUE,
                    f"payout:{payout.pk}",
                    payout.amount_tiyn,
                    None,
                    detail=detail,
                )
            )
    return found


def _business_days(calendar: BusinessCalendar, *, after: date, until: date) -> int:
    """Business days later than ``after``, up to ``until``."""
    days = (after + timedelta(days=number) for number in range(1, (until - after).days + 1))
    return sum(calendar.is_business_day(day) for day in days)

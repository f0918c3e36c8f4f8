"""Which payout a stored line of a bank statement may stand for. Reads rows, and changes nothing."""

from __future__ import annotations

from datetime import date

from django.db.models import Exists, OuterRef, Q, QuerySet

from settlements import ledger
from settlements.bank_statements.lines import Direction, DoubtKind, StatementLine
from settlements.bank_statements.matching import Candidate, Named, Proposal, named_by, propose
from settlements.models import BankStatement, BankStatementLine, LineDirection, Payout, PayoutStatus

_APPROVED = (PayoutStatus.AWAITING_PAYMENT, PayoutStatus.IN_PROGRESS, PayoutStatus.COMPLETED)
_SUMS = (DoubtKind.BALANCE, DoubtKind.TURNOVER)


def proposal_for(line: BankStatementLine) -> Proposal:
    """The payout that ``line`` stands for by its number, amount and account, or why there is none. Changes nothing."""
    said = _line_of(line)
    found = [_candidate(payout, line) for payout in _named_payouts(named_by(said), said)]
    return propose(said, found, do_sums_agree=_do_sums_agree(line.statement))


def possible_payouts(line: BankStatementLine) -> QuerySet[Payout]:
    """Payouts that a person may say ``line`` stands for: of the same amount, in a state that fits, and not taken."""
    payments = Q(status__in=_APPROVED) | Q(completed_at__isnull=False)
    returns = Q(status=PayoutStatus.COMPLETED) | Q(returned_at__isnull=False)
    taken = BankStatementLine.objects.filter(payout=OuterRef("pk"), direction=line.direction)
    fits = payments if line.direction == LineDirection.OUT else returns
    return Payout.objects.filter(~Exists(taken), fits, amount_tiyn=line.amount_tiyn).order_by("-id")


def _line_of(row: BankStatementLine) -> StatementLine:
    fields = [field for field in StatementLine.__dataclass_fields__ if field not in {"raw", "direction"}]
    return StatementLine(
        direction=Direction(row.direction), **{field: getattr(row, field) for field in fields}
    )


def _do_sums_agree(statement: BankStatement) -> bool:
    return not any(doubt["kind"] in _SUMS for doubt in statement.doubts)


def _named_payouts(named: Named, line: StatementLine) -> list[Payout]:
    payee = Q(iban=line.counterparty_iban) | Q(payee_business_id=line.counterparty_business_id)
    meant = Q(pk__in=named.order_numbers) | (Q(number__in=named.register_numbers) & payee)
    return list(Payout.objects.filter(meant).select_related("batch__servicing_bank").order_by("id"))


def _candidate(payout: Payout, line: BankStatementLine) -> Candidate:
    seen = set(payout.statement_lines.values_list("direction", flat=True))
    return Candidate(
        payout_id=payout.pk,
        number=payout.number,
        prepared_on=_prepared_on(payout),
        amount_tiyn=payout.amount_tiyn,
        iban=payout.iban,
        business_id=payout.payee_business_id,
        account_iban=payout.batch.servicing_bank.iban if payout.batch else "",
        is_approved=payout.status in _APPROVED,
        is_completed=payout.completed_at is not None,
        is_returned=payout.returned_at is not None,
        is_cancelled=payout.status == PayoutStatus.CANCELLED,
        is_out_seen=LineDirection.OUT in seen,
        is_return_seen=LineDirection.IN in seen,
        is_paid_again=line.direction == LineDirection.IN
        and LineDirection.OUT in seen
        and _is_paid_again(payout),
    )


def _is_paid_again(payout: Payout) -> bool:
    """True where a line that no payout has is one more payment of ``payout``: the same amount, account and number."""
    payments = BankStatementLine.objects.filter(
        direction=LineDirection.OUT,
        amount_tiyn=payout.amount_tiyn,
        counterparty_iban=payout.iban,
        payout=None,
    )
    names = [named_by(_line_of(payment)) for payment in payments.filter(booked_on__gte=_prepared_on(payout))]
    return any(payout.pk in name.order_numbers or payout.number in name.register_numbers for name in names)


def _prepared_on(payout: Payout) -> date:
    return ledger.business_date(payout.created_at)

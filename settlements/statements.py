"""Bank statements: stored first, believed afterwards.

``import_`` stores a file and its lines in one database transaction; a file that came before adds nothing, and a line that an
overlapping file had is not stored again. ``match`` takes the open lines one by one, each in a database transaction of its
own with the payout's move, so that it may stop anywhere and start again. Whatever it cannot explain stays open, with the
reason. The only writer of statements and of what is decided about their lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from merchants.models import User
from settlements import payouts, statement_reading
from settlements.bank_statements.lines import StatementFile, StatementLine, StatementRefused
from settlements.bank_statements.matching import Fault
from settlements.models import (
    BankStatement,
    BankStatementBalance,
    BankStatementLine,
    LineDirection,
    LineStatus,
    Payout,
    ServicingBank,
    StatementColumns,
)
from settlements.statement_proposals import possible_payouts, proposal_for

__all__ = [
    "DecisionRefused",
    "Matched",
    "StatementRefused",
    "import_",
    "match",
    "match_by_hand",
    "open_lines",
    "possible_payouts",
    "proposal_for",
    "set_aside",
]

CONTENT_BYTES_MAX = 20_000_000
DECIDE = "settlements.decide_bankstatementline"


class DecisionRefused(Exception):
    """What a person decided about a line does not fit; the message says why."""


class _Taken(Exception):
    """Another line stands for the payout already."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What ``match`` did: payouts completed, payouts returned, lines that stay open."""

    completed: int
    returned: int
    open: int


def import_(
    content: bytes,
    *,
    file_name: str,
    now: datetime,
    actor: User | None = None,
    columns: StatementColumns | None = None,
) -> BankStatement:
    """Store a statement file and those of its lines that no earlier file had. Decides nothing about any payout.

    The format is seen from the content; ``columns`` say that it is a table. A file that is stored already is returned as it
    stands.

    Raises:
        StatementRefused: the file is too long, cannot be read whole, or is of an account that is not the operator's.
    """
    if len(content) > CONTENT_BYTES_MAX:
        raise StatementRefused(f"a statement has at most {CONTENT_BYTES_MAX} bytes")
    content_sha256 = sha256(content).digest()
    standing = _standing(content_sha256, columns)
    if standing is not None:
        return standing
    file_format, read = statement_reading.read(content, columns)
    statement_reading.require_own_accounts(read)
    with transaction.atomic():
        # Two officers with one file: whoever comes second waits here and finds the first one's.
        ServicingBank.objects.select_for_update(no_key=True).order_by("pk").first()
        standing = _standing(content_sha256, columns)
        if standing is not None:
            return standing
        new = _new_lines(read)
        statement = BankStatement.objects.create(
            format=file_format,
            columns=columns,
            file_name=file_name[-200:],
            content=content,
            content_sha256=content_sha256,
            doubts=[{"kind": doubt.kind, "detail": doubt.detail} for doubt in read.doubts],
            line_count=len(read.lines),
            new_line_count=len(new),
            imported_by=actor,
            imported_at=now,
        )
        BankStatementBalance.objects.bulk_create(
            BankStatementBalance(
                statement=statement,
                **{field: getattr(balance, field) for field in balance.__dataclass_fields__},
            )
            for balance in read.balances
        )
        BankStatementLine.objects.bulk_create(
            _row(statement, position, line, identity) for position, line, identity in new
        )
    return statement


def match(*, now: datetime) -> Matched:
    """Look at every open line, payments before returns: complete or return the payout that it stands for, or say why not.

    May be run at any time, twice at once, and again after it was stopped: a line is matched once, with its payout's move.
    """
    completed = returned = 0
    for direction in (LineDirection.OUT, LineDirection.IN):
        line_ids = (
            open_lines().filter(direction=direction).order_by("booked_on", "id").values_list("pk", flat=True)
        )
        for line_id in list(line_ids):
            if _match_one(line_id, now=now):
                completed += direction == LineDirection.OUT
                returned += direction == LineDirection.IN
    return Matched(completed=completed, returned=returned, open=open_lines().count())


def open_lines() -> QuerySet[BankStatementLine]:
    """Lines that nobody has explained yet."""
    return BankStatementLine.objects.filter(status=LineStatus.OPEN)


def match_by_hand(
    line: BankStatementLine, payout: Payout, *, actor: User, reason: str, now: datetime
) -> BankStatementLine:
    """A person says that ``line`` is the payment, or the return, of ``payout``. Only the amounts have to agree.

    Raises:
        PermissionDenied: ``actor`` may not decide about lines, or may not move payouts.
        DecisionRefused: no reason, the line is matched, or the payout has another amount or is in no state that fits.
    """
    reason = _reason(actor, reason)
    with transaction.atomic():
        locked = _lock(line.pk)
        chosen = possible_payouts(locked).filter(pk=payout.pk).first()
        if chosen is None:
            raise DecisionRefused("the payout has another amount, another line, or is in no state that fits")
        try:
            return _match(locked, chosen, now=now, actor=actor, reason=reason)
        except payouts.PayoutRefused as error:
            raise DecisionRefused(str(error)) from error
        except _Taken as error:
            raise DecisionRefused("another line was matched to the payout at the same moment") from error


def set_aside(line: BankStatementLine, *, actor: User, reason: str, now: datetime) -> BankStatementLine:
    """A person says why ``line`` is no concern of payouts (a bank's fee, capital paid in). It can still be matched later.

    Raises:
        PermissionDenied: ``actor`` may not decide about lines.
        DecisionRefused: no reason, or the line is matched.
    """
    reason = _reason(actor, reason)
    with transaction.atomic():
        return _decide(_lock(line.pk), LineStatus.SET_ASIDE, payout=None, actor=actor, reason=reason, now=now)


def _standing(content_sha256: bytes, columns: StatementColumns | None) -> BankStatement | None:
    return BankStatement.objects.filter(content_sha256=content_sha256, columns=columns).first()


def _new_lines(read: StatementFile) -> list[tuple[int, StatementLine, bytes]]:
    """Position, line and identity of each line that no earlier file had."""
    identities = read.identities()
    standing = {
        bytes(identity)
        for identity in BankStatementLine.objects.filter(identity_sha256__in=identities).values_list(
            "identity_sha256", flat=True
        )
    }
    numbered = zip(range(1, len(identities) + 1), read.lines, identities, strict=True)
    return [(position, line, identity) for position, line, identity in numbered if identity not in standing]


def _row(statement: BankStatement, position: int, line: StatementLine, identity: bytes) -> BankStatementLine:
    said = {
        field: getattr(line, field)
        for field in line.__dataclass_fields__
        if field not in {"raw", "direction"}
    }
    return BankStatementLine(
        statement=statement,
        position=position,
        identity_sha256=identity,
        direction=LineDirection(line.direction.value),
        raw=[list(pair) for pair in line.raw],
        **said,
    )


def _match_one(line_id: int, *, now: datetime) -> bool:
    """True when the line was matched here; its payout moved in the same database transaction."""
    with transaction.atomic():
        # A line that another run holds is that run's.
        line = (
            BankStatementLine.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("statement")
            .filter(pk=line_id, status=LineStatus.OPEN)
            .first()
        )
        if line is None:
            return False
        proposal = proposal_for(line)
        fault = proposal.fault
        if fault is None and proposal.payout_id is not None:
            payout = Payout.objects.get(pk=proposal.payout_id)
            try:
                _match(line, payout, now=now, actor=None, reason="")
            except payouts.PayoutRefused:
                fault = Fault.REFUSED
            except _Taken:
                fault = Fault.TAKEN
            else:
                return True
        _keep_open(line, fault)
        return False


def _match(
    line: BankStatementLine, payout: Payout, *, now: datetime, actor: User | None, reason: str
) -> BankStatementLine:
    """Move the payout and mark the locked line, both or neither.

    Raises:
        _Taken: another line was matched to the payout since it was chosen.
        payouts.PayoutRefused: the payout moved since.
    """
    try:
        with transaction.atomic():
            _move(line, payout, now=now, actor=actor, reason=reason)
            return _decide(line, LineStatus.MATCHED, payout=payout, actor=actor, reason=reason, now=now)
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", None) != "one_line_pays_and_one_returns_a_payout":
            raise
        line.refresh_from_db()
        raise _Taken from error


def _move(line: BankStatementLine, payout: Payout, *, now: datetime, actor: User | None, reason: str) -> None:
    """Let the payout follow the line; one that a person moved before the statement came stays where it is."""
    if line.direction == LineDirection.OUT:
        if payout.completed_at is None:
            payouts.complete(payout, bank_reference=bank_reference(line), now=now, actor=actor, reason=reason)
    elif payout.returned_at is None:
        said = reason or line.purpose[:300] or bank_reference(line)
        payouts.return_(payout, reason=said, now=now, actor=actor)


def bank_reference(line: BankStatementLine) -> str:
    """How the bank's statement names the movement: "23.11.2026 №17", at most 80 characters."""
    return f"{line.booked_on:%d.%m.%Y} №{line.document_number or line.reference}"[:80]


def _lock(line_id: int) -> BankStatementLine:
    line = BankStatementLine.objects.select_for_update().get(pk=line_id)
    if line.status == LineStatus.MATCHED:
        raise DecisionRefused("the line is matched already")
    return line


def _decide(
    line: BankStatementLine,
    status: LineStatus,
    *,
    payout: Payout | None,
    actor: User | None,
    reason: str,
    now: datetime,
) -> BankStatementLine:
    line.status, line.payout, line.fault = status, payout, ""
    line.decided_by, line.decided_at, line.reason = actor, now, reason
    line.save(update_fields=["status", "payout", "fault", "decided_by", "decided_at", "reason"])
    return line


def _keep_open(line: BankStatementLine, fault: Fault | None) -> None:
    if fault is not None and line.fault != fault:
        line.fault = fault.value
        line.save(update_fields=["fault"])


def _reason(actor: User, reason: str) -> str:
    if not (actor.is_staff and actor.has_perm(DECIDE)):
        raise PermissionDenied("may not decide about lines of bank statements")
    said = reason.strip()
    if not 0 < len(said) <= 300:
        raise DecisionRefused("a decision has a reason of at most 300 characters")
    return said

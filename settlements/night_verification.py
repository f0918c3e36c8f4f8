"""Proving the ledger every night, and telling the city: the only writer of LedgerVerification.

A ledger that proves itself protects nobody while nobody asks it to. The letter that tells of a sound ledger holds the last day's
seal: in a mailbox it lies where the database's administrator does not reach.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from alatau_pay import duty
from settlements.business_day import ALMATY, business_date
from settlements.models import LedgerVerification, VerificationOutcome
from settlements.verification import verify
from settlements.verification_days import Proof, is_reserve_overdrawn

logger = logging.getLogger(__name__)

# In Almaty: the day before is over, closed and sealed, and the reconciliation of the night is through.
NIGHTLY_AT = time(2, 30)
# A proof takes minutes at the most; one that runs for so long has lost its process. One that failed is tried again as late.
AGAIN_AFTER = timedelta(hours=1)
FINDINGS_KEPT_MAX = 100
FINDINGS_MAILED_MAX = 20
# What is older is no news; it stands in the admin.
TOLD_WITHIN = timedelta(days=1)


def verify_due(*, now: datetime) -> LedgerVerification | None:
    """Prove the ledger, if tonight nobody has; the row of it, or None where there is nothing to do at ``now``.

    It reads one moment of the ledger and holds nobody up. Never call it inside a database transaction.
    """
    if now.astimezone(ALMATY).time() < NIGHTLY_AT:
        return None
    row = _claim(business_date(now), now)
    if row is None:
        return None
    try:
        # One process: a worker's process may have no children.
        proof = verify(processes=1, expected=_noted_before(row.night))
    except Exception as error:
        _finish(row, outcome=VerificationOutcome.FAILED, sentence=f"{type(error).__name__}: {error}"[:300])
        raise
    _keep(row, proof)
    row.refresh_from_db()
    return row


def tell(*, now: datetime) -> int:
    """Mail what came out to ``settings.ALERT_EMAILS``, sound or not. Returns how many mails went out.

    No database transaction is open while the mail server is spoken to. A mail that the server did not take is tried again.
    """
    if not settings.ALERT_EMAILS:
        return 0
    untold = LedgerVerification.objects.exclude(outcome=VerificationOutcome.RUNNING).filter(
        told_at__isnull=True, night__gte=business_date(now - TOLD_WITHIN)
    )
    return sum(_tell(row, now) for row in untold.order_by("night"))


def _claim(night: date, now: datetime) -> LedgerVerification | None:
    row, created = LedgerVerification.objects.get_or_create(
        night=night, defaults={"outcome": VerificationOutcome.RUNNING, "started_at": now}
    )
    if created:
        return row
    # The row count decides when two come at once.
    stale = LedgerVerification.objects.filter(
        Q(outcome=VerificationOutcome.RUNNING) | Q(outcome=VerificationOutcome.FAILED),
        pk=row.pk,
        started_at__lt=now - AGAIN_AFTER,
    )
    if not stale.update(outcome=VerificationOutcome.RUNNING, started_at=now, sentence="", told_at=None):
        return None
    row.refresh_from_db()
    return row


def _noted_before(night: date) -> dict[date, bytes]:
    """The seal that the last sound proof saw, by its day. Whoever makes seals anew would have to think of it as well."""
    last = LedgerVerification.objects.filter(
        outcome=VerificationOutcome.PROVED, night__lt=night, last_day__isnull=False
    ).first()
    return {last.last_day: bytes(last.last_seal)} if last else {}  # type: ignore[dict-item, arg-type]


def _keep(row: LedgerVerification, proof: Proof) -> None:
    findings = proof.findings
    if findings:
        logger.error("the ledger is not what was posted: %s findings, %s", len(findings), findings[0])
    _finish(
        row,
        outcome=VerificationOutcome.DIFFERS if findings else VerificationOutcome.PROVED,
        sentence=proof.sentence,
        finding_count=len(findings),
        findings="\n".join(findings[:FINDINGS_KEPT_MAX]),
        last_day=proof.last_day,
        last_seal=proof.last_seal if proof.last_day else None,
    )


def _finish(row: LedgerVerification, **fields: object) -> None:
    """End this attempt, unless it was given up for lost meanwhile and another one goes on."""
    LedgerVerification.objects.filter(
        pk=row.pk, outcome=VerificationOutcome.RUNNING, started_at=row.started_at
    ).update(**fields)


def _tell(row: LedgerVerification, now: datetime) -> bool:
    same = LedgerVerification.objects.filter(pk=row.pk, outcome=row.outcome)
    return duty.mail_once(same, "told_at", lambda: _mail(row), now=now)


def _mail(row: LedgerVerification) -> tuple[str, str]:
    """Subject and text."""
    page = settings.SITE_URL + reverse("admin:settlements_ledgerverification_change", args=[row.pk])
    if row.outcome == VerificationOutcome.FAILED:
        return "Alatau Pay: the ledger could not be proved tonight", f"{row.sentence}\n{page}"
    if row.outcome == VerificationOutcome.DIFFERS:
        return _alarm(row, page)
    if not row.seal_hex:
        return "Alatau Pay: the ledger is proved", f"{row.sentence}\n{page}"
    return (
        f"Alatau Pay: the ledger is proved, seal of {row.last_day}",
        "\n".join([f"{row.sentence}.", *_seal_lines(row), page]),
    )


def _seal_lines(row: LedgerVerification) -> list[str]:
    if not row.seal_hex:
        return []
    return [
        "Keep this letter: nobody who bends the ledger later can change it. To hold the ledger against it:",
        f"python manage.py verify_ledger --seal {row.last_day}={row.seal_hex}",
    ]


def _alarm(row: LedgerVerification, page: str) -> tuple[str, str]:
    kept = row.findings.split("\n")
    shown = kept[:FINDINGS_MAILED_MAX]
    more = row.finding_count - len(shown)
    found = [row.sentence, *shown, *([f"and {more} more"] if more else [])]
    # Each of them, and none that is not kept: a name of an entry may be anything.
    if len(kept) == row.finding_count and all(map(is_reserve_overdrawn, kept)):
        subject = "Alatau Pay: more coin left the reserve than the books know of"
        advice = [
            "Every entry is what was posted. Coins were bought or brought in and never entered, such as gas for refunds: enter"
            " the acquisition. Or an entry of today was taken away: the reconciliation tells.",
            *_seal_lines(row),
        ]
    else:
        subject = "Alatau Pay: THE LEDGER IS NOT WHAT WAS POSTED"
        advice = [
            "Somebody changed rows behind the program's back, or the disk did. Make no payouts before it is known what;"
            " keep the database as it is, and compare it with the last backup that was proved."
        ]
    return subject, "\n".join([*found, *advice, page])

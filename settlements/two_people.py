"""Documents that one person prepares and another approves: the only writer of their statuses.

The row is locked and read again before it is decided, so that two approvals at once post once. What each kind of document posts
is said by its own module (``acquisitions``, ``reserve_sales``, ``corrections``).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeVar

from django.db import transaction

from merchants.models import User
from settlements import ledger
from settlements.entry import Entry
from settlements.models import Acquisition, Correction, DocumentStatus, ReserveSale

Document = TypeVar("Document", Acquisition, ReserveSale, Correction)

DOCUMENT_NUMBER_LENGTH_MAX = 80
REASON_LENGTH_MAX = 200


class DocumentRefused(ValueError):
    """The document cannot be prepared or decided so. The message is for the person."""


def check_paper(*, document_number: str, document_date: date, reason: str, now: datetime) -> None:
    """Let only a document pass that names its paper, of a day that has come, and a reason.

    Raises:
        DocumentRefused: it does not.
    """
    if not 0 < len(document_number.strip()) <= DOCUMENT_NUMBER_LENGTH_MAX:
        raise DocumentRefused(f"a document has a number of at most {DOCUMENT_NUMBER_LENGTH_MAX} letters")
    if not 0 < len(reason.strip()) <= REASON_LENGTH_MAX:
        raise DocumentRefused(f"a document has a reason of at most {REASON_LENGTH_MAX} letters")
    if document_date > ledger.business_date(now):
        raise DocumentRefused("the document's day has not come yet")


def lock_for_approval(model: type[Document], document_id: int, *, user: User) -> Document:
    """The document, its row locked to the end of the caller's database transaction; ``user`` may approve it.

    Raises:
        DocumentRefused: it is decided already, or ``user`` prepared it.
    """
    document = _lock_prepared(model, document_id)
    if document.prepared_by_id == user.pk:
        raise DocumentRefused("whoever prepared a document does not approve it")
    return document


def post(document: Document, entry: Entry, *, user: User, now: datetime) -> Document:
    """Post ``entry`` and mark the locked ``document`` approved, in the caller's database transaction."""
    document.ledger_entry = ledger.post(
        entry, idempotency_key=f"{document.reference}:approved", reference=document.reference, now=now
    )
    document.status = DocumentStatus.APPROVED
    document.approved_by, document.approved_at = user, now
    document.save()
    return document


def refuse(model: type[Document], document_id: int, *, user: User, reason: str, now: datetime) -> Document:
    """Refuse a document; also its preparer may, who sees a mistake in it. Nothing is posted.

    Raises:
        DocumentRefused: it is decided already, or no reason is given.
    """
    if not 0 < len(reason.strip()) <= REASON_LENGTH_MAX:
        raise DocumentRefused(f"a refusal has a reason of at most {REASON_LENGTH_MAX} letters")
    with transaction.atomic():
        document = _lock_prepared(model, document_id)
        document.status = DocumentStatus.REFUSED
        document.refused_by, document.refused_at = user, now
        document.refusal_reason = reason.strip()
        document.save()
    return document


def _lock_prepared(model: type[Document], document_id: int) -> Document:
    document = model.objects.select_for_update(of=("self",)).get(pk=document_id)
    if document.status != DocumentStatus.PREPARED:
        raise DocumentRefused("this document was decided already")
    return document

"""Documents that take too long for a page: asked for, made by a worker, kept for some weeks. The only writer of DocumentExport.

The row is the queue. A worker claims it by a conditional UPDATE, gives signs of life while it writes, and puts the file into the
database in parts; a worker that died is known by its silence, and the next one begins anew.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from alatau_pay.wake import wake
from merchants.models import Merchant, User
from settlements.business_day import business_date
from settlements.documents.catalogue import DocumentRefused, DocumentRequest, write_document
from settlements.documents.xlsx import TooManyRows
from settlements.fees import FeeUnknown
from settlements.models import (
    DocumentExport,
    DocumentFormat,
    DocumentKind,
    DocumentPart,
    ExportFault,
    ExportStatus,
)

logger = logging.getLogger(__name__)

MAKE_TASK = "settlements.tasks.make_documents"
PART_BYTES = 1024 * 1024
# A worker gives a sign of life with every few hundred operations; one that is silent so long is dead.
SILENT_AFTER = timedelta(minutes=3)
ATTEMPTS_MAX = 3
KEPT_FOR = timedelta(days=30)
WAITING_MAX = 5


class TooManyWaiting(Exception):
    """The merchant has as many exports waiting as it may."""


def request(
    merchant: Merchant, wanted: DocumentRequest, *, operation_count: int, user: User, now: datetime
) -> DocumentExport:
    """Ask for a document. One that is wanted already and not made yet is not asked for twice.

    Raises:
        TooManyWaiting: see there.
    """
    fields = {
        "merchant": merchant,
        "kind": wanted.kind,
        "format": wanted.format,
        "language": wanted.language,
        "first_day": wanted.first,
        "last_day": wanted.last,
    }
    with transaction.atomic():
        # Two clicks at once: the second waits here and finds the first one's row.
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        waiting = DocumentExport.objects.filter(
            merchant=merchant, status__in=[ExportStatus.QUEUED, ExportStatus.RUNNING]
        )
        standing = waiting.filter(**fields).first()
        if standing is not None:
            return standing
        if waiting.count() >= WAITING_MAX:
            raise TooManyWaiting(f"{WAITING_MAX} documents are being made already")
        export = DocumentExport.objects.create(
            **fields, total=operation_count, requested_by=user, requested_at=now
        )
        wake(MAKE_TASK)
    return export


def make_next(now: datetime) -> DocumentExport | None:
    """Make the document that has waited longest; None when none waits, or one is being made at this moment."""
    _give_up_silent(now)
    export = _claim(now)
    if export is None:
        return None
    try:
        # Foreign to any database transaction: it takes as long as it takes, and its progress is seen meanwhile.
        with tempfile.TemporaryFile() as file:
            _write(export, file, now)
            _keep(export, file, now)
    except (DocumentRefused, FeeUnknown) as error:
        logger.warning("export %s refused: %s", export.pk, error)
        _finish(export, now, status=ExportStatus.FAILED, fault=ExportFault.REFUSED)
    except TooManyRows as error:
        logger.warning("export %s: %s", export.pk, error)
        _finish(export, now, status=ExportStatus.FAILED, fault=ExportFault.TOO_LONG)
    export.refresh_from_db()
    return export


def content_of(export: DocumentExport) -> Iterator[bytes]:
    """The file, a part at a time."""
    positions = list(export.parts.values_list("position", flat=True))
    for position in positions:
        yield bytes(DocumentPart.objects.get(export=export, position=position).content)


def request_of(export: DocumentExport) -> DocumentRequest:
    """What the export was asked for."""
    return DocumentRequest(
        kind=DocumentKind(export.kind),
        format=DocumentFormat(export.format),
        language=export.language,
        first=export.first_day,
        last=export.last_day,
    )


def remove_old(now: datetime) -> int:
    """Remove the exports that were finished weeks ago, with their files. Returns how many."""
    old = DocumentExport.objects.filter(finished_at__lt=now - KEPT_FOR)
    _rows, by_model = old.delete()
    return by_model.get("settlements.DocumentExport", 0)


def _claim(now: datetime) -> DocumentExport | None:
    waiting = DocumentExport.objects.filter(status=ExportStatus.QUEUED).order_by("requested_at", "pk")
    for export in waiting[:1]:
        try:
            with transaction.atomic():
                claimed = DocumentExport.objects.filter(pk=export.pk, status=ExportStatus.QUEUED).update(
                    status=ExportStatus.RUNNING, attempts=F("attempts") + 1, heartbeat_at=now, done=0
                )
        except IntegrityError:
            return (
                None  # one_export_made_at_a_time: another worker makes one, and takes the next one after it
            )
        if claimed:
            export.refresh_from_db()
            return export
    return None


def _give_up_silent(now: datetime) -> None:
    """What a worker that died was making is made anew, or given up after some attempts."""
    silent = DocumentExport.objects.filter(status=ExportStatus.RUNNING, heartbeat_at__lt=now - SILENT_AFTER)
    given_up = silent.filter(attempts__gte=ATTEMPTS_MAX).update(
        status=ExportStatus.FAILED, fault=ExportFault.GAVE_UP, finished_at=now
    )
    if given_up:
        logger.error("%s export(s) failed %s times and are given up", given_up, ATTEMPTS_MAX)
    silent.update(status=ExportStatus.QUEUED)


def _write(export: DocumentExport, file: BinaryIO, now: datetime) -> None:
    ours = _attempt(export)

    def tell(done: int) -> None:
        ours.update(done=done, heartbeat_at=Now())

    write_document(export.merchant, request_of(export), file, today=business_date(now), progress=tell)


def _keep(export: DocumentExport, file: BinaryIO, now: datetime) -> None:
    size = file.tell()
    file.seek(0)
    with transaction.atomic():
        if not _finish(export, now, status=ExportStatus.DONE, size_bytes=size, done=F("total")):
            return
        position = 0
        while content := file.read(PART_BYTES):
            DocumentPart.objects.create(export=export, position=position, content=content)
            position += 1


def _finish(export: DocumentExport, now: datetime, **fields: object) -> bool:
    """End this worker's attempt; False when it was given up for dead meanwhile, and another one goes on."""
    return bool(_attempt(export).update(finished_at=now, **fields))


def _attempt(export: DocumentExport) -> QuerySet[DocumentExport]:
    return DocumentExport.objects.filter(pk=export.pk, status=ExportStatus.RUNNING, attempts=export.attempts)

"""Documents made in the background: asked for once, made by one worker at a time, told how far, kept for a while."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from alatau_pay.celery import app
from settlements import document_exports, tasks
from settlements.documents.catalogue import DocumentRequest, write_document
from settlements.models import (
    DocumentExport,
    DocumentFormat,
    DocumentKind,
    DocumentPart,
    ExportFault,
    ExportStatus,
    VatRate,
)
from settlements.operations import count_operations
from tests import world as city
from tests.settlements import books
from tests.settlements.books import at

pytestmark = pytest.mark.django_db
NOW = city.NOW
YEAR = DocumentRequest(
    DocumentKind.REGISTER, DocumentFormat.CSV, "ru", date(2025, 11, 23), date(2026, 11, 22)
)


def asked(world, wanted=YEAR, *, now=NOW):
    count = count_operations(world.merchant, wanted.first, wanted.last)
    return document_exports.request(world.merchant, wanted, operation_count=count, user=world.owner, now=now)


@pytest.fixture
def sales(world):
    for day in range(1, 6):
        books.sale(world.merchant, 100_000, fee=1_000, vat=160, now=at(day))


def test_it_is_made_by_the_next_worker_and_is_the_same_file(world, sales, tmp_path):
    export = asked(world)
    assert (export.status, export.total, export.done) == (ExportStatus.QUEUED, 5, 0)
    made = document_exports.make_next(NOW + timedelta(minutes=1))
    assert (made.pk, made.status, made.done) == (export.pk, ExportStatus.DONE, 5)
    content = b"".join(document_exports.content_of(made))
    assert len(content) == made.size_bytes
    with (tmp_path / "direct").open("w+b") as file:
        write_document(world.merchant, YEAR, file, today=date(2026, 11, 23))
        file.seek(0)
        assert file.read() == content
    assert document_exports.make_next(NOW) is None


def test_a_big_file_comes_back_in_the_order_of_its_parts(world, sales):
    export = asked(world)
    DocumentExport.objects.filter(pk=export.pk).update(
        status=ExportStatus.DONE, finished_at=NOW, size_bytes=3
    )
    for position, content in ((1, b"b"), (0, b"a"), (2, b"c")):
        DocumentPart.objects.create(export=export, position=position, content=content)
    assert list(document_exports.content_of(export)) == [b"a", b"b", b"c"]


def test_what_is_wanted_already_is_not_asked_for_twice(world, sales):
    assert asked(world) == asked(world, now=NOW + timedelta(seconds=1))
    document_exports.make_next(NOW)
    assert asked(world).status == ExportStatus.QUEUED
    assert DocumentExport.objects.count() == 2


def test_a_merchant_cannot_fill_the_queue(world):
    for days in range(document_exports.WAITING_MAX):
        wanted = DocumentRequest(YEAR.kind, YEAR.format, "ru", YEAR.first, YEAR.last - timedelta(days=days))
        asked(world, wanted)
    with pytest.raises(document_exports.TooManyWaiting):
        asked(world, DocumentRequest(YEAR.kind, YEAR.format, "kk", YEAR.first, YEAR.last))
    assert DocumentExport.objects.count() == document_exports.WAITING_MAX


def test_one_is_made_at_a_time(world):
    first = asked(world)
    asked(world, DocumentRequest(YEAR.kind, YEAR.format, "kk", YEAR.first, YEAR.last))
    DocumentExport.objects.filter(pk=first.pk).update(status=ExportStatus.RUNNING, heartbeat_at=NOW)
    assert document_exports.make_next(NOW) is None
    with pytest.raises(IntegrityError, match="one_export_made_at_a_time"), transaction.atomic():
        DocumentExport.objects.update(status=ExportStatus.RUNNING)


def test_what_a_dead_worker_left_is_made_anew_and_given_up_after_some_attempts(world, sales):
    export = asked(world)
    DocumentExport.objects.update(status=ExportStatus.RUNNING, attempts=1, heartbeat_at=NOW, done=3)
    later = NOW + document_exports.SILENT_AFTER
    assert document_exports.make_next(later) is None
    made = document_exports.make_next(later + timedelta(seconds=1))
    assert (made.status, made.attempts, made.done) == (ExportStatus.DONE, 2, 5)

    export = asked(world)
    DocumentExport.objects.filter(pk=export.pk).update(
        status=ExportStatus.RUNNING, attempts=document_exports.ATTEMPTS_MAX, heartbeat_at=NOW
    )
    assert document_exports.make_next(later + timedelta(seconds=1)) is None
    export.refresh_from_db()
    assert (export.status, export.fault) == (ExportStatus.FAILED, ExportFault.GAVE_UP)


def test_a_document_that_cannot_be_made_says_so(world, sales):
    wanted = DocumentRequest(
        DocumentKind.ACT, DocumentFormat.PDF, "ru", date(2026, 10, 1), date(2026, 10, 31)
    )
    asked(world, wanted)
    VatRate.objects.all().delete()
    made = document_exports.make_next(NOW)
    assert (made.status, made.fault, made.parts.count()) == (ExportStatus.FAILED, ExportFault.REFUSED, 0)


def test_files_are_removed_after_some_weeks(world, sales):
    export = asked(world)
    document_exports.make_next(NOW)
    assert document_exports.remove_old(NOW + document_exports.KEPT_FOR) == 0
    waiting = asked(world)
    assert document_exports.remove_old(NOW + document_exports.KEPT_FOR + timedelta(seconds=1)) == 1
    assert set(DocumentExport.objects.values_list("pk", flat=True)) == {waiting.pk}
    assert not DocumentPart.objects.filter(export_id=export.pk).exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"last_day": date(2020, 1, 1)},
        {"language": "de"},
        {"status": "Done"},
        {"finished_at": NOW},
        {"status": "Failed", "finished_at": NOW},
        {"fault": "refused"},
    ],
)
def test_the_database_refuses_a_row_that_cannot_be(world, fields):
    asked(world)
    with pytest.raises(IntegrityError), transaction.atomic():
        DocumentExport.objects.update(**fields)


def test_the_task_makes_everything_that_waits(world, sales):
    asked(world)
    asked(world, DocumentRequest(YEAR.kind, DocumentFormat.XLSX, "kk", YEAR.first, YEAR.last))
    assert tasks.make_documents() == 2
    assert set(DocumentExport.objects.values_list("status", flat=True)) == {"Done"}
    assert tasks.make_documents() == 0


def test_the_tasks_are_known_by_the_names_that_are_sent():
    beat = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {document_exports.MAKE_TASK, tasks.remove_old_documents.name} <= beat & set(app.tasks)

"""The page of registers and documents: who may open it, what it answers, and how far a file is."""

import csv
import io
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import Role
from settlements import document_exports
from settlements.business_day import business_date
from settlements.document_form import DocumentForm
from settlements.documents.catalogue import DocumentRequest
from settlements.models import DocumentExport, DocumentFormat, DocumentKind, ExportStatus
from tests import world as city
from tests.settlements import books

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 24)


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def fields(**changed):
    yesterday = business_date(timezone.now()) - timedelta(days=1)
    return {
        "kind": "register",
        "span": "day",
        "day": yesterday.isoformat(),
        "last_day": "",
        "format": "csv",
        "language": "ru",
        **changed,
    }


def page_of(store):
    return f"/stores/{store.pk}/documents/"


@pytest.fixture
def export(world):
    wanted = DocumentRequest(
        DocumentKind.REGISTER, DocumentFormat.CSV, "ru", date(2025, 1, 1), date(2025, 12, 31)
    )
    books.sale(world.merchant, 100_000, fee=0, vat=0, now=books.at(3, month=3, year=2025))
    return document_exports.request(
        world.merchant, wanted, operation_count=1, user=world.owner, now=timezone.now()
    )


@pytest.mark.parametrize("role", list(Role))
def test_owner_manager_and_accountant_may_and_a_cashier_may_not(world, export, role):
    document_exports.make_next(timezone.now())
    client = client_of(city.add_member(world.merchant, role))
    expected = 403 if role == Role.CASHIER else 200
    page = page_of(world.store)
    assert client.get(page).status_code == expected
    assert client.post(page, fields()).status_code == expected
    assert client.get(f"{page}{export.pk}/status").status_code == expected
    assert client.get(f"{page}{export.pk}/file").status_code == expected


def test_a_stranger_finds_nothing(world, export):
    document_exports.make_next(timezone.now())
    merchant, stranger = city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])
    client = client_of(stranger)
    own = city.build_store(merchant)
    for page in (page_of(world.store), page_of(own)):
        assert client.get(f"{page}{export.pk}/status").status_code == 404
        assert client.get(f"{page}{export.pk}/file").status_code == 404
    assert client.get(page_of(world.store)).status_code == 404
    assert client.post(page_of(world.store), fields()).status_code == 404
    assert export.pk not in client.get(page_of(own)).content.decode()


@pytest.mark.parametrize("guess", ["%00", "x" * 3000, "%F0%9F%8D%8E", "1' OR '1'='1"])
def test_a_guessed_address_finds_nothing(world, export, guess):
    client = client_of(world.owner)
    for what in ("status", "file"):
        assert client.get(f"{page_of(world.store)}{guess}/{what}").status_code == 404


def test_a_file_is_kept_by_no_browser_of_a_shared_till(world, export):
    document_exports.make_next(timezone.now())
    client = client_of(world.owner)
    for answer in (
        client.get(f"{page_of(world.store)}{export.pk}/file"),
        client.post(page_of(world.store), fields()),
    ):
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]


def test_nobody_is_sent_to_log_in(world):
    answer = Client().get(page_of(world.store))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")


def test_a_day_comes_at_once_as_a_file(world):
    yesterday = timezone.now() - timedelta(days=1)
    books.sale(world.merchant, 123_456, fee=1_235, vat=198, now=yesterday)
    answer = client_of(world.owner).post(page_of(world.store), fields())
    day = business_date(yesterday)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="register-{day}.csv"'
    rows = csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")), delimiter=";")
    assert any("1234,56" in row for row in rows)
    assert not DocumentExport.objects.exists()


def test_a_year_goes_to_the_background_and_the_page_shows_how_far_it_is(world):
    client = client_of(world.owner)
    now = timezone.now()
    for _ in range(3):
        books.sale(world.merchant, 1_000, fee=0, vat=0, now=now - timedelta(days=1))
    day = (business_date(now) - timedelta(days=1)).isoformat()
    answer = client.post(page_of(world.store), fields(span="year", day=day, format="xlsx"))
    assert answer["Location"] == page_of(world.store)
    export = DocumentExport.objects.get()
    assert (export.format, export.status, export.total) == ("xlsx", "Queued", 3)
    DocumentExport.objects.update(status=ExportStatus.RUNNING, done=2, heartbeat_at=now)
    status = f"{page_of(world.store)}{export.pk}/status"
    page = client.get(page_of(world.store)).content.decode()
    assert f'data-export="{status}"' in page
    assert '<progress class="progress-line" max="3" value="2"' in page
    assert client.get(status).json() == {
        "status": "Running",
        "label": "Being made",
        "done": 2,
        "total": 3,
        "over": False,
    }
    DocumentExport.objects.update(status=ExportStatus.QUEUED, done=0)
    document_exports.make_next(now)
    assert client.get(status).json()["over"] is True
    page = client.get(page_of(world.store)).content.decode()
    assert f"{page_of(world.store)}{export.pk}/file" in page
    assert "data-export" not in page


def test_the_file_of_the_background_is_whole(world, export):
    client = client_of(world.owner)
    address = f"{page_of(world.store)}{export.pk}/file"
    assert client.get(address).status_code == 404
    made = document_exports.make_next(timezone.now())
    answer = client.get(address)
    content = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(content) == made.size_bytes
    assert answer["Content-Disposition"] == 'attachment; filename="register-2025-01-01_2025-12-31.csv"'
    assert "1000,00" in content.decode("utf-8-sig")


def test_a_failed_one_says_why(world, export):
    DocumentExport.objects.update(status="Failed", fault="too_long", finished_at=timezone.now())
    page = client_of(world.owner).get(page_of(world.store)).content.decode()
    assert "More operations than Excel holds" in page
    assert f"{export.pk}/file" not in page


def test_an_act_of_the_running_month_is_refused_in_words(world):
    today = business_date(timezone.now()).isoformat()
    answer = client_of(world.owner).post(page_of(world.store), fields(kind="act", day=today))
    assert answer.status_code == 422
    assert "not over yet" in answer.content.decode()


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_the_page_is_in_three_languages(world, export, language):
    client = client_of(world.owner)
    client.cookies["django_language"] = language
    page = client.get(page_of(world.store)).content.decode()
    heading = {"kk": "Тізілімдер мен құжаттар", "ru": "Реестры и документы", "en": "Registers and documents"}
    assert f"<h1>{heading[language]}</h1>" in page
    if language != "en":
        assert "Make the document" not in page


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ({"span": "day", "day": "2026-11-18"}, (date(2026, 11, 18), date(2026, 11, 18))),
        ({"span": "week", "day": "2026-11-18"}, (date(2026, 11, 16), date(2026, 11, 22))),
        ({"span": "month", "day": "2024-02-10"}, (date(2024, 2, 1), date(2024, 2, 29))),
        ({"span": "year", "day": "2024-02-10"}, (date(2024, 1, 1), date(2024, 12, 31))),
        (
            {"span": "period", "day": "2026-11-10", "last_day": "2026-11-12"},
            (date(2026, 11, 10), date(2026, 11, 12)),
        ),
        ({"kind": "act", "span": "day", "day": "2026-10-10"}, (date(2026, 10, 1), date(2026, 10, 31))),
    ],
)
def test_the_period_of_each_span(asked, days):
    form = DocumentForm(fields(**asked), today=TODAY)
    assert form.is_valid(), form.errors
    assert (form.wanted.first, form.wanted.last) == days


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"day": ""}, "day"),
        ({"day": "2026-11-25"}, "day"),
        ({"kind": "act", "day": "2026-11-01"}, "day"),
        ({"span": "period", "day": "2026-11-10"}, "last_day"),
        ({"span": "period", "day": "2026-11-10", "last_day": "2026-11-09"}, "last_day"),
        ({"span": "period", "day": "2025-01-01", "last_day": "2026-06-01"}, "last_day"),
        ({"kind": "receipt"}, "kind"),
        ({"language": "de"}, "language"),
        ({"format": "exe"}, "format"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(asked, field):
    form = DocumentForm(fields(**asked), today=TODAY)
    assert not form.is_valid()
    assert list(form.errors) == [field]

"""The page of registers and documents in a real browser: the fields that matter, a bar that moves, then the file."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from settlements import document_exports
from settlements.business_day import business_date
from settlements.models import DocumentExport, ExportStatus
from tests.browser.conftest import log_in
from tests.settlements import books


@pytest.fixture
def documents(city, context, page, site, now):
    for hours in (25, 26, 27, 28):
        books.sale(city.merchant, 1_250_000, fee=12_500, vat=2_000, now=now - timedelta(hours=hours))
    log_in(context, city.owner, site.url)
    page.goto(f"/stores/{city.store.pk}/documents/")
    return page


def test_the_fields_follow_what_is_wanted(documents):
    documents.get_by_label("Span of days").select_option("period")
    expect(documents.get_by_label("To, for a period")).to_be_visible()
    documents.get_by_label("Document").select_option("act")
    for label in ("Span of days", "To, for a period", "File"):
        expect(documents.get_by_label(label)).to_be_hidden()


def test_a_day_is_downloaded(documents, city, now):
    day = business_date(now - timedelta(hours=26))
    documents.get_by_label("Day, or any day").fill(day.isoformat())
    documents.get_by_label("File").select_option("pdf")
    with documents.expect_download() as download:
        documents.get_by_role("button", name="Make the document").click()
    assert download.value.suggested_filename == f"register-{day}.pdf"
    assert download.value.path().read_bytes().startswith(b"%PDF-")


def test_a_year_shows_a_bar_that_moves_and_then_the_file(documents, now):
    documents.get_by_label("Span of days").select_option("year")
    documents.get_by_label("File").select_option("xlsx")
    documents.get_by_role("button", name="Make the document").click()
    bar = documents.get_by_label("Operations written")
    expect(bar).to_have_attribute("value", "0")
    DocumentExport.objects.update(status=ExportStatus.RUNNING, done=3, heartbeat_at=now)
    # The page asks by itself.
    expect(bar).to_have_js_property("value", 3, timeout=10_000)
    expect(documents.get_by_text("Being made", exact=True)).to_be_visible()
    DocumentExport.objects.update(status=ExportStatus.QUEUED, done=0)
    export = document_exports.make_next(now)
    link = documents.get_by_role("link", name=document_exports.request_of(export).file_name)
    expect(link).to_be_visible(timeout=10_000)
    with documents.expect_download() as download:
        link.click()
    assert download.value.path().stat().st_size == export.size_bytes

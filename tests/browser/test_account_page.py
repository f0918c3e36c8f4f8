"""The page of the account in a real browser: a movement's proof is downloaded and checked by the program in docs/."""

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from django.db import connection, transaction
from playwright.sync_api import expect

from settlements import days
from settlements.business_day import business_date
from settlements.models import DaySeal
from tests.browser.conftest import PHONE, log_in
from tests.settlements import books

CHECKER = Path(__file__).resolve().parents[2] / "docs" / "check_proof.py"


def test_a_proof_is_downloaded_and_checked(city, context, page, site, now):
    for hours in (26, 25, 0):
        books.sale(city.merchant, 1_250_000, fee=12_500, vat=2_000, now=now - timedelta(hours=hours))
    days.close_due(now)
    noted = bytes(DaySeal.objects.latest("day_id").seal).hex()
    log_in(context, city.owner, site.url)
    first = business_date(now - timedelta(days=3))
    page.goto(f"/stores/{city.store.pk}/account/?first_day={first}")
    expect(page.get_by_role("heading", name="Statement")).to_be_visible()
    expect(page.get_by_text("after midnight").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Proof").last.click()
    checked = subprocess.run(
        [sys.executable, "-I", str(CHECKER), str(download.value.path()), noted],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert "In the sealed ledger." in checked.stdout


def test_a_movement_that_is_not_what_was_sealed_says_so_at_a_press(city, browser, site, now):
    sale = books.sale(city.merchant, 1_250_000, fee=12_500, vat=2_000, now=now - timedelta(hours=26))
    days.close_due(now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE settlements_journalentry SET description = 'changed' WHERE id = %s", [sale.pk])
    # A page of its own: the browser notes the 500 that such an entry is.
    with closing(browser.new_context(base_url=site.url, viewport=PHONE)) as context:
        log_in(context, city.owner, site.url)
        page = context.new_page()
        page.goto(f"/stores/{city.store.pk}/account/?first_day={business_date(now - timedelta(days=3))}")
        page.get_by_role("link", name="Proof").click()
        expect(page.get_by_role("heading", name="This entry is not what was sealed")).to_be_visible()

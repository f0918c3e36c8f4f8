"""A resident's phone on the refund's page: three languages, no script, nothing runs out of the screen."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chains.models import Network
from payments import deadlines, observations, refunds
from payments.models import Refund
from tests.browser.conftest import PHONE, log_in
from tests.payments.refunding import BITCOIN_ADDRESS, approved, bury, leave, send
from tests.world import make_invoice, pay

NARROW = {"width": 360, "height": 780}
PICTURES = os.environ.get("REFUND_PICTURES")


def look(page, name):
    """Nothing is cut off at the side; the picture is kept where somebody wants to look at it."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.fixture
def started(city, now):
    """A refund that the store started, of a store that is owed enough."""
    invoice = make_invoice(city.store, now=now, metadata={"orderId": "1042", "itemDesc": "Two coffees"})
    pay(invoice, at=now)
    pay(make_invoice(city.store, "100000.00", now=now), at=now)
    payment = invoice.payments.get()
    return refunds.start(payment.pk, basis="Then", user=city.owner, reason="The cup was cold", now=now)


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_from_the_link_to_the_money(browser, site, city, started, now, language):
    opened = browser.new_context(
        base_url=site.url, viewport=PHONE, device_scale_factor=2, java_script_enabled=False
    )
    page = opened.new_page()
    page.goto(f"/r/{started.link_id}?lang={language}")
    look_without_script(page, f"refund-{language}-1-asked")
    page.locator("input[name=address]").fill("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    page.locator("form button.button-wide").click()
    expect(page.locator(".errorlist")).to_be_visible()
    look_without_script(page, f"refund-{language}-2-wrong")
    page.locator("input[name=address]").fill(BITCOIN_ADDRESS)
    page.locator("form button.button-wide").click()
    expect(page.locator(".pay-address").first).to_have_text(BITCOIN_ADDRESS)
    look_without_script(page, f"refund-{language}-3-given")
    refunds.approve(started.pk, user=city.owner, now=now)
    refund = Refund.objects.get(pk=started.pk)
    page.reload()
    look_without_script(page, f"refund-{language}-4-approved")
    send(refund, at=now)
    page.reload()
    refund.refresh_from_db()
    expect(page.locator("dd", has_text=refund.outgoing.txid_hex)).to_be_visible()
    look_without_script(page, f"refund-{language}-5-sent")
    opened.close()


@pytest.mark.parametrize(("asset", "amount"), [("BTC", 14_706), ("ETH", 7_352_941_176_470_588)])
def test_an_amount_keeps_its_unit_in_one_piece(browser, site, city, now, asset, amount):
    invoice = make_invoice(city.store, now=now)
    pay(invoice, asset, at=now)
    started = refunds.start(
        invoice.payments.get().pk, basis="Amount", amount_minor=amount, user=city.owner, reason="", now=now
    )
    opened = browser.new_context(base_url=site.url, viewport=NARROW)
    page = opened.new_page()
    page.goto(f"/r/{started.link_id}?lang=ru")
    look(page, f"refund-{asset}-narrow")
    unit = page.locator("h1 .unit")
    expect(unit).to_have_text(asset)
    assert unit.evaluate("element => element.getClientRects().length") == 1
    opened.close()


def test_the_price_of_a_quote_is_not_cut_off_on_a_narrow_phone(browser, site, city, now):
    invoice = make_invoice(city.store, now=now)
    opened = browser.new_context(base_url=site.url, viewport=NARROW)
    log_in(opened, city.owner, site.url)
    opened.add_cookies([{"name": "django_language", "value": "kk", "url": site.url}])
    page = opened.new_page()
    page.goto(f"/stores/{city.store.pk}/invoices/{invoice.pk}/")
    right = (
        page.locator(".list-card")
        .filter(has=page.locator(".rate-sources"))
        .evaluate(
            "card => Math.max(...[...card.querySelectorAll('td, td *')].map(each => each.getBoundingClientRect().right))"
            " - card.getBoundingClientRect().right"
        )
    )
    assert right <= 0
    opened.close()


def look_without_script(page, name):
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_short_and_late(page, city, now, language):
    then = now - timedelta(minutes=30)
    observations.fetch_all(now=then)
    invoice = make_invoice(city.store, now=then)
    pay(invoice, at=then, amount_minor=18_383)
    Network.objects.update(observed_at=now)
    deadlines.decide_due(now=now)
    page.goto(f"/i/{invoice.pk}?lang={language}")
    look(page, f"late-{language}-1-checkout")
    page.locator(f"a[href='/i/{invoice.pk}/late?lang={language}']").click()
    page.wait_for_url(f"**/i/{invoice.pk}/late?lang={language}")
    look(page, f"late-{language}-2-choices")
    page.locator("summary").click()
    look(page, f"late-{language}-3-back")
    page.locator("button[value=pay]").click()
    page.wait_for_url(f"**/i/{invoice.pk}?lang={language}")
    expect(page.locator("img.qr:visible")).to_have_count(1)
    look(page, f"late-{language}-4-rest")


def test_the_store_and_the_officer(browser, site, city, started, now):
    wide = browser.new_context(base_url=site.url, viewport={"width": 1100, "height": 800})
    page = wide.new_page()
    log_in(wide, city.owner, site.url)
    other = city.store.invoices.exclude(pk=started.payment.invoice_id).get()
    page.goto(f"/stores/{city.store.pk}/invoices/{other.pk}/refund/")
    look(page, "store-1-start")
    page.locator("#reason").fill("Wrong size")
    page.locator("#amount").fill("5 000")
    page.get_by_role("button", name="Start the refund").click()
    refunds.give_address(started.pk, address=BITCOIN_ADDRESS, now=now)
    page.goto(f"/stores/{city.store.pk}/refunds/")
    look(page, "store-2-list")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved. The city's office sends the money.")).to_be_visible()
    refund = approved(make_paid(city, now), user=city.owner, now=now)
    leave(refund, from_us=False, at=now)
    bury()
    log_in(wide, city.admin, site.url)
    page.goto("/admin/payments/refund/sending/")
    look(page, "officer-sending")
    page.set_viewport_size(NARROW)
    look(page, "officer-sending-narrow")
    page.get_by_role("button", name="Take it and show the code").first.click()
    expect(page.get_by_text("Scan it once with the cold wallet")).to_be_visible()
    look(page, "officer-code")
    page.goto("/admin/payments/refund/sending/")
    page.get_by_role("button", name="It is ours and pays refund").first.click()
    expect(page.get_by_text("Confirmed: this transfer pays the refund.")).to_be_visible()
    wide.close()


def make_paid(city, now):
    invoice = make_invoice(city.store, now=now)
    pay(invoice, "USDT", at=now)
    return invoice.payments.get()

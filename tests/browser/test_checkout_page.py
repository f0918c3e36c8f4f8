"""A resident's phone on the checkout page: paint, tabs, copying, the countdown, and every change without a reload."""

import io
import re
import time
from datetime import timedelta

import pytest
from PIL import Image
from playwright.sync_api import expect

from chains.models import Network
from payments import invoices, matching, observations
from payments.models import Invoice
from tests.payments.qr_reading import read
from tests.world import make_invoice, mine, pay


@pytest.fixture
def invoice(city, now):
    return make_invoice(city.store, now=now)


def words(page):
    return page.locator("#pay-words")


def await_stream(page, site, invoice, **query):
    """Open the page and wait until its stream has brought the first state."""
    with page.expect_response(lambda answer: "/live/i/" in answer.url) as stream:
        page.goto(f"/i/{invoice.pk}")
    assert stream.value.status == 200


def test_the_picture_on_the_screen_is_read_by_a_camera(page, site, invoice):
    page.goto(f"/i/{invoice.pk}?asset=USDT")
    picture = page.locator("img.qr:visible")
    expect(picture).to_have_count(1)
    expect(picture).to_have_js_property("complete", True)
    assert read(picture.screenshot()) == page.locator("a.pay-qr:visible").get_attribute("href")


def test_the_picture_is_above_the_fold_and_nothing_scrolls_sideways(page, site, invoice):
    page.goto(f"/i/{invoice.pk}")
    box = page.locator("img.qr:visible").bounding_box()
    assert box["width"] >= 240
    assert box["y"] + box["height"] < 700
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_sideways_scrolling_at_any_width(page, site, invoice, width):
    page.set_viewport_size({"width": width, "height": 800})
    for language in ("kk", "ru", "en"):
        page.goto(f"/i/{invoice.pk}?lang={language}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tabs_by_finger_and_by_keyboard(page, site, invoice):
    page.goto(f"/i/{invoice.pk}")
    page.get_by_text("USDT", exact=False).first.tap()
    expect(page.locator(".pay-due:visible")).to_have_text(re.compile(r"25\.2526\s+USDT"))
    page.locator("#asset-USDT").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".pay-due:visible")).to_have_text(re.compile(r"0\.00735295\s+ETH"))


def test_copying(page, site, invoice):
    page.goto(f"/i/{invoice.pk}")
    page.get_by_role("button", name="Copy the address").and_(page.locator(":visible")).tap()
    address = invoice.quotes.get(asset_id="BTC").deposit_address.address
    assert page.evaluate("navigator.clipboard.readText()") == address
    expect(page.get_by_text("Copied")).to_be_visible()
    page.get_by_role("button", name="Copy the amount").and_(page.locator(":visible")).tap()
    assert page.evaluate("navigator.clipboard.readText()") == "0.00036765"


def test_from_awaiting_to_paid_without_a_reload(page, site, city, invoice, now):
    city.bitcoin.confirmations_low_medium_speed = city.bitcoin.confirmations_low_speed = 6
    city.bitcoin.confirmations_medium_speed = 2
    city.bitcoin.save()
    await_stream(page, site, invoice)
    page.evaluate("window.sameDocument = true")
    transfer = pay(invoice, at=now, confirmed=False)
    expect(words(page)).to_have_text("Payment seen. The network is confirming it")
    expect(page.locator("img.qr:visible")).to_have_count(0)
    expect(page.get_by_text(transfer.txid_hex)).to_be_visible()
    mine(transfer)
    matching.match_pending(now=now)
    expect(words(page)).to_have_text("The network is confirming: 1 of 2")
    expect(page.locator("progress")).to_have_js_property("value", 1)
    Network.objects.filter(pk="bitcoin").update(cursor_height=101)
    invoices.apply(invoice.pk, now=now)
    expect(words(page)).to_have_text("Paid")
    expect(page.get_by_text("This is a payment confirmation, not a fiscal receipt.")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True


def test_the_page_says_seen_within_a_second_of_the_match(page, site, city, now):
    invoice = make_invoice(city.store, now=now)
    await_stream(page, site, invoice)
    started = time.monotonic()
    pay(invoice, at=now, confirmed=False)
    page.wait_for_selector("#pay[data-phase=seen]")
    assert time.monotonic() - started < 1


def test_a_part_brings_the_rest_with_a_new_picture_in_the_same_tab(page, site, invoice, now):
    await_stream(page, site, invoice)
    page.get_by_text("USDT", exact=False).first.tap()
    quote = invoice.quotes.get(asset_id="USDT")
    pay(invoice, "USDT", at=now, amount_minor=quote.amount_minor // 2)
    expect(page.get_by_text("Still to pay")).to_be_visible()
    expect(page.locator(".pay-due:visible")).to_have_text(re.compile(r"12\.6263\s+USDT"))
    picture = page.locator("img.qr:visible")
    expect(picture).to_have_js_property("complete", True)
    uri = page.locator("a.pay-qr:visible").get_attribute("href")
    assert uri.endswith("uint256=12626300")
    assert read(picture.screenshot()) == uri


def test_the_countdown_goes_by_the_servers_clock(browser, site, city, now):
    """A phone whose clock is a day ahead shows the same minutes."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.add_init_script("const ahead = 86400000; const real = Date.now; Date.now = () => real() + ahead;")
    page.goto(f"/i/{make_invoice(city.store, now=now).pk}")
    minutes, seconds = page.locator("#pay-clock").inner_text().split(":")
    assert 14 * 60 + 30 < int(minutes) * 60 + int(seconds) <= 15 * 60
    expect(page.locator("#pay-clock")).not_to_have_text(f"{minutes}:{seconds}")
    context.close()


def test_at_the_end_of_the_time_the_address_goes_before_the_server_decides(page, site, city, now):
    then = now - timedelta(minutes=1) + timedelta(seconds=6)
    observations.fetch_all(now=then)
    invoice = make_invoice(city.store, now=then, checkout={"expirationMinutes": 1})
    page.goto(f"/i/{invoice.pk}")
    expect(page.locator("img.qr:visible")).to_have_count(1)
    expect(words(page)).to_have_text(
        "The time to pay is over. Please do not send anything now", timeout=10_000
    )
    expect(page.locator("img.qr:visible")).to_have_count(0)
    assert Invoice.objects.get(pk=invoice.pk).status == "New"


def test_back_to_the_shop_by_itself(page, site, city, now):
    shop = f"{site.url}/login/"
    checkout = {"redirectURL": shop, "redirectAutomatically": True}
    invoice = make_invoice(city.store, now=now, checkout=checkout)
    await_stream(page, site, invoice)
    pay(invoice, at=now)
    page.wait_for_url(shop, timeout=10_000)


def test_a_lost_connection_is_said_and_healed(page, context, site, invoice, now):
    await_stream(page, site, invoice)
    context.set_offline(True)
    expect(page.get_by_text("No connection. Trying again…")).to_be_visible()
    pay(invoice, at=now)
    context.set_offline(False)
    expect(words(page)).to_have_text("Paid", timeout=10_000)
    expect(page.get_by_text("No connection. Trying again…")).to_be_hidden()


def test_without_the_live_server_the_page_polls(page, site, invoice, now):
    page.route("**/live/i/**", lambda route: route.abort())
    page.goto(f"/i/{invoice.pk}")
    pay(invoice, at=now)
    expect(words(page)).to_have_text("Paid", timeout=10_000)


def test_coming_back_from_the_wallet_the_page_looks_at_once(page, site, invoice, now):
    page.route("**/live/i/**", lambda route: route.abort())
    page.goto(f"/i/{invoice.pk}")
    page.wait_for_timeout(500)
    with page.expect_response("**/status", timeout=1000):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_without_script_tabs_and_picture_work_and_the_page_reloads_itself(browser, site, invoice, now):
    context = browser.new_context(
        base_url=site.url, java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    page.goto(f"/i/{invoice.pk}")
    page.get_by_text("ETH", exact=False).first.click()
    expect(page.locator("img.qr:visible")).to_have_count(1)
    assert page.locator("a.pay-qr:visible").get_attribute("href").startswith("ethereum:")
    pay(invoice, at=now)
    page.wait_for_selector("#pay[data-phase=paid]", timeout=15_000)
    context.close()


def test_what_a_phone_downloads_is_under_sixty_kilobytes(page, site, invoice):
    """Bytes of every body, with the pictures of all tabs; the stream is not a download."""
    bodies = {}

    def keep(answer):
        if "/live/" not in answer.url:
            bodies[answer.url] = len(answer.body())

    page.on("response", keep)
    page.goto(f"/i/{invoice.pk}", wait_until="load")
    for code in ("ETH", "USDT", "BTC"):
        page.locator(f"#asset-{code} + label").tap()
        page.wait_for_timeout(150)
    assert len([url for url in bodies if ".png" in url]) == 3
    assert sum(bodies.values()) < 60_000


def test_the_page_paints_while_the_scripts_are_still_on_their_way(page, site, invoice):
    scripts = []
    page.route("**/*.js", lambda route: scripts.append(route))
    page.goto(f"/i/{invoice.pk}", wait_until="commit")
    # One picture of three is visible as soon as the stylesheets hold; until then the parsed page has all of them.
    expect(page.locator("img.qr:visible")).to_have_count(1)
    deadline = time.monotonic() + 5
    while not page.evaluate("performance.getEntriesByName('first-contentful-paint').length"):
        assert time.monotonic() < deadline, "nothing was painted"
        page.wait_for_timeout(20)
    assert len(scripts) == 2
    for script in scripts:
        script.continue_()
    expect(page.get_by_role("button", name="Copy the amount").and_(page.locator(":visible"))).to_be_visible()


def test_the_receipt_prints_on_white(page, site, invoice, now):
    pay(invoice, at=now)
    page.goto(f"/i/{invoice.pk}")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_text("Payment confirmation", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Save or print")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_stays_white_in_the_dark(page, site, invoice, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"/i/{invoice.pk}")
    picture = page.locator("img.qr:visible")
    expect(picture).to_have_js_property("complete", True)
    shot = Image.open(io.BytesIO(picture.screenshot())).convert("L")
    assert shot.getpixel((shot.width // 2, 10)) == 255

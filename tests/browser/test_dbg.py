"""A cashier at the till: keys, one tap to the QR, the whole screen when it is paid, one tap to the next."""

import pytest
from playwright.sync_api import expect

from merchants.models import Role
from payments.models import Invoice
from tests.browser.conftest import log_in
from tests.world import add_member, pay


@pytest.fixture
def till(context, city, site):
    """The till's address, for a browser that a cashier has logged in."""
    log_in(context, add_member(city.merchant, Role.CASHIER), site.url)
    return f"/pos/{city.store.pk}/"


def tap_amount(page, digits):
    for digit in digits:
        page.locator(f"#till-keypad [data-key='{digit}']").tap()


def test_by_finger(page, till):
    page.goto(till)
    tap_amount(page, ["1", "2", "5", "00", "3"])
    page.get_by_role("button", name="Delete the last digit").tap()
    expect(page.locator("#till-amount")).to_have_value("12\u00a0500")
    page.get_by_role("button", name="Show the QR code").tap()
    page.wait_for_url("**/i/*/")
    assert Invoice.objects.get().amount_tiyn == 1_250_000
    expect(page.locator("img.qr:visible")).to_have_count(1)
    assert page.locator("img.qr:visible").bounding_box()["width"] >= 300


def test_by_keyboard(page, till):
    page.goto(till)
    page.keyboard.type("007300,5")
    expect(page.locator("#till-amount")).to_have_value("7\u00a0300,5")
    page.keyboard.press("Enter")
    page.wait_for_timeout(1500); print("DBG", page.url, page.locator("main").inner_text())
    page.wait_for_url("**/i/*/")
    assert Invoice.objects.get().amount_tiyn == 730_050


def test_two_quick_taps_make_one_sale(page, till):
    page.goto(till)
    tap_amount(page, ["7", "00"])
    page.evaluate("for (const _ of [1, 2, 3]) document.getElementById('till-charge').click()")
    page.wait_for_url("**/i/*/")
    assert Invoice.objects.count() == 1


def test_paid_fills_the_screen_and_one_tap_serves_the_next(page, till, now):
    page.goto(till)
    tap_amount(page, ["9", "00"])
    page.get_by_role("button", name="Show the QR code").tap()
    with page.expect_response(lambda answer: "/live/i/" in answer.url):
        page.wait_for_url("**/i/*/")
    pay(Invoice.objects.get(), at=now)
    curtain = page.get_by_role("dialog", name="Paid")
    expect(curtain).to_be_visible()
    assert curtain.bounding_box()["width"] == 390
    expect(curtain.get_by_role("link", name="Next customer")).to_be_focused()
    curtain.get_by_role("link", name="Next customer").tap()
    page.wait_for_url(f"**{till}")
    expect(page.locator("#till-amount")).to_be_focused()
    expect(page.locator("#till-amount")).to_have_value("")
    expect(page.locator(".till-sales")).to_contain_text("900")


def test_a_paid_sale_looked_at_later_shows_no_curtain(page, till, now):
    page.goto(till)
    tap_amount(page, ["9", "00"])
    page.get_by_role("button", name="Show the QR code").tap()
    page.wait_for_url("**/i/*/")
    pay(Invoice.objects.get(), at=now)
    page.get_by_role("dialog").wait_for()
    page.reload()
    expect(page.locator("#pay-words")).to_have_text("Paid")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_cancelling(page, till):
    page.goto(till)
    tap_amount(page, ["1", "00"])
    page.get_by_role("button", name="Show the QR code").tap()
    page.get_by_role("button", name="Cancel this sale").tap()
    page.wait_for_url(f"**{till}")
    assert Invoice.objects.get().status == "Invalid"


def test_a_payment_takes_the_cancel_button_away(page, till, now):
    page.goto(till)
    tap_amount(page, ["1", "00"])
    page.get_by_role("button", name="Show the QR code").tap()
    with page.expect_response(lambda answer: "/live/i/" in answer.url):
        page.wait_for_url("**/i/*/")
    pay(Invoice.objects.get(), at=now, confirmed=False)
    expect(page.get_by_role("button", name="Cancel this sale")).to_be_hidden()


def test_back_to_the_keypad_is_a_fresh_form(page, till):
    page.goto(till)
    key = page.locator("input[name=key]").input_value()
    tap_amount(page, ["1", "00"])
    page.get_by_role("button", name="Show the QR code").tap()
    page.wait_for_url("**/i/*/")
    page.go_back()
    expect(page.locator("input[name=key]")).not_to_have_value(key)


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_sideways_scrolling_at_any_width(page, till, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(till)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

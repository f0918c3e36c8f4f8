"""The checkout page as a phone without script sees it: the right words in every phase, and never an address too many."""

import html
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.staticfiles import finders
from django.utils import timezone

from payments import invoices, matching, observations
from payments.models import Invoice
from payments.presentation import present, status_of, uri_for
from tests.payments.qr_reading import read
from tests.world import arrive, build, build_store, make_invoice, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def city(now):
    return build(now)


@pytest.fixture
def invoice(city, now):
    return make_invoice(city.store, now=now, metadata={"orderId": "1042", "itemDesc": "Two coffees"})


class Elements(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag, **wanted):
        return [
            a
            for name, a in self.tags
            if name == tag and all(a.get(key) == value for key, value in wanted.items())
        ]


def page_of(client, invoice, query=""):
    answer = client.get(f"/i/{invoice.pk}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def addresses_of(invoice):
    return {quote.deposit_address.address for quote in invoice.quotes.select_related("deposit_address")}


def expired(city, now):
    """An invoice of an hour ago that could be paid for half an hour; nobody has decided on it since."""
    then = now - timedelta(hours=1)
    observations.fetch_all(now=then)
    return make_invoice(city.store, now=then, checkout={"expirationMinutes": 30})


def test_it_shows_store_price_and_what_is_bought(client, invoice):
    page = page_of(client, invoice)
    assert "Достық кофе" in page
    assert "12,500\u00a0₸" in page
    assert "Two coffees · № 1042" in page


def test_each_asset_has_a_tab_with_its_qr_link_amount_and_network(client, invoice):
    page = page_of(client, invoice)
    elements = Elements(page)
    assert [tab["value"] for tab in elements.all("input", name="asset")] == ["BTC", "ETH", "USDT"]
    assert [tab["value"] for tab in elements.all("input", name="asset") if "checked" in tab] == ["BTC"]
    assert len([picture for picture in elements.all("img") if picture.get("class") == "qr"]) == 3
    hrefs = {link["href"] for link in elements.all("a") if link["href"].startswith(("bitcoin:", "ethereum:"))}
    assert hrefs == {uri_for(quote, quote.amount_minor) for quote in invoice.quotes.all()}
    assert "0.00036765" in {button["data-copy"] for button in elements.all("button") if "data-copy" in button}
    assert "<strong>USDT (USDT)</strong> on the <strong>Local EVM</strong> network only" in page


def test_the_tab_asked_for_is_open_and_an_unknown_one_opens_the_first(client, invoice):
    def opened(query):
        tabs = Elements(page_of(client, invoice, query)).all("input", name="asset")
        return [tab["value"] for tab in tabs if "checked" in tab]

    assert opened("?asset=USDT") == ["USDT"]
    assert opened("?asset=DOGE") == ["BTC"]


def test_the_qr_in_the_page_says_what_the_link_says(client, invoice):
    elements = Elements(page_of(client, invoice))
    links = [link["href"] for link in elements.all("a", **{"class": "pay-qr"})]
    pictures = [picture["src"] for picture in elements.all("img", **{"class": "qr"})]
    assert [read(client.get(source).content) for source in pictures] == links


def test_it_needs_no_script(client, invoice):
    page = page_of(client, invoice)
    assert '<noscript><meta http-equiv="refresh"' in page
    assert all("defer" in script for script in Elements(page).all("script"))
    assert not [
        a for _tag, a in Elements(page).tags if "style" in a or any(name.startswith("on") for name in a)
    ]


def test_it_sets_no_cookie_and_is_kept_nowhere(client, invoice):
    answer = client.get(f"/i/{invoice.pk}")
    assert not answer.cookies
    assert answer["Cache-Control"] == "no-store"
    assert client.get(f"/i/{invoice.pk}/status")["Cache-Control"] == "no-store"


def test_with_or_without_a_slash(client, invoice):
    assert client.get(f"/i/{invoice.pk}/").status_code == 200


def test_the_language_is_the_stores_and_can_be_switched(client, city, now):
    kazakh = make_invoice(build_store(city.merchant, now=now, language="kk"), now=now)
    assert '<html lang="kk">' in page_of(client, kazakh)
    assert '<html lang="ru">' in page_of(client, kazakh, "?lang=ru")
    assert '<html lang="kk">' in page_of(client, kazakh, "?lang=xx")
    assert client.get(f"/i/{kazakh.pk}?lang=ru")["Content-Language"] == "ru"


def test_what_a_shop_writes_is_never_markup(client, city, now):
    hostile = make_invoice(city.store, now=now, metadata={"itemDesc": '<script>alert("1")</script>'})
    page = page_of(client, hostile)
    assert "<script>alert" not in page
    assert html.escape('<script>alert("1")</script>', quote=False) in page.replace("&quot;", '"')


@pytest.mark.parametrize(
    "path", ["/i/abcdefgh", "/i/abcdefgh/status", "/i/abcdefgh/qr/1.png", "/i/a%00b", "/i/'--"]
)
def test_an_unknown_invoice_is_a_404_in_the_brand(client, city, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Alatau Pay" in answer.content.decode()
    assert city.store.name not in answer.content.decode()


def test_only_reading_is_allowed(client, invoice):
    assert client.post(f"/i/{invoice.pk}").status_code == 405
    assert client.delete(f"/i/{invoice.pk}/status").status_code == 405


class TestPhases:
    def words(self, page):
        return re.search(r'id="pay-words" role="status">([^<]*)<', page).group(1)

    def phase(self, page):
        return Elements(page).all("article", id="pay")[0]["data-phase"]

    def check(self, client, invoice, phase, words):
        page = page_of(client, invoice)
        assert self.phase(page) == phase
        assert self.words(page) == words
        return page

    def test_awaiting(self, client, invoice):
        page = self.check(client, invoice, "awaiting", "Waiting for your payment")
        assert all(address in page for address in addresses_of(invoice))

    def test_seen(self, client, invoice, now):
        transfer = pay(invoice, at=now, confirmed=False)
        page = self.check(client, invoice, "seen", "Payment seen. The network is confirming it")
        assert transfer.txid_hex in page
        assert not any(address in page for address in addresses_of(invoice))

    def test_confirming(self, client, city, now):
        city.bitcoin.confirmations_low_medium_speed = city.bitcoin.confirmations_low_speed = 6
        city.bitcoin.confirmations_medium_speed = 3
        city.bitcoin.save()
        invoice = make_invoice(city.store, now=now)
        pay(invoice, at=now)
        page = self.check(client, invoice, "confirming", "The network is confirming: 1 of 3")
        progress = Elements(page).all("progress")[0]
        assert (progress["max"], progress["value"]) == ("3", "1")

    def test_partial(self, client, invoice, now):
        quote = invoice.quotes.get(asset_id="USDT")
        pay(invoice, "USDT", at=now, amount_minor=quote.amount_minor // 4)
        page = self.check(client, invoice, "partial", "Part of it has arrived. Please pay the rest")
        # A quarter of 25.2526 USDT is 6.313150: to be made whole, 18.9395 at the quote's readable decimals.
        assert "18.9395" in page
        assert "25.2526" not in page

    def test_paid(self, client, city, now):
        invoice = make_invoice(
            city.store, now=now, checkout={"redirectURL": "https://shop.example/thanks?order=1&ok=1"}
        )
        transfer = pay(invoice, at=now)
        page = self.check(client, invoice, "paid", "Paid")
        assert "This is a payment confirmation, not a fiscal receipt." in page
        for fact in (
            "0.00036765\u00a0BTC",
            "12,500\u00a0₸",
            "1 BTC = 34,000,000\u00a0₸",
            transfer.txid_hex,
            "260140900012",
        ):
            assert fact in page
        link = Elements(page).all("a", href="https://shop.example/thanks?order=1&ok=1")
        assert len(link) == 1
        assert "data-redirect" not in link[0]

    def test_paid_and_sent_back_to_the_shop(self, client, city, now):
        checkout = {"redirectURL": "https://shop.example/", "redirectAutomatically": True}
        invoice = make_invoice(city.store, now=now, checkout=checkout)
        assert "data-redirect" not in page_of(client, invoice)
        pay(invoice, at=now)
        assert "data-redirect" in page_of(client, invoice)

    def test_a_script_is_never_linked_to(self, client, invoice, now):
        Invoice.objects.filter(pk=invoice.pk).update(
            redirect_url="javascript:alert(1)", redirect_automatically=True
        )
        pay(invoice, at=now)
        assert "javascript:" not in page_of(client, invoice)

    def test_paid_over(self, client, invoice, now):
        pay(invoice, at=now, amount_minor=2 * invoice.quotes.get(asset_id="BTC").amount_minor)
        assert "You sent more than was asked: 25,000\u00a0₸ in all." in page_of(client, invoice)

    def test_closing(self, client, city, now):
        """The time is over, but no network has been seen to that moment: nothing is decided, and nothing is offered."""
        invoice = expired(city, now)
        words = "The time to pay is over. Please do not send anything now"
        page = self.check(client, invoice, "closing", words)
        assert not any(address in page for address in addresses_of(invoice))
        assert not Elements(page).all("img", **{"class": "qr"})

    def test_expired(self, client, city, now):
        invoice = expired(city, now)
        invoices.apply(invoice.pk, now=now)
        page = self.check(client, invoice, "expired", "The time to pay is over")
        assert not any(address in page for address in addresses_of(invoice))

    def test_expired_with_a_part(self, client, city, now):
        invoice = expired(city, now)
        half = invoice.quotes.get(asset_id="BTC").amount_minor // 2
        pay(invoice, at=now - timedelta(minutes=40), amount_minor=half)
        invoices.apply(invoice.pk, now=now)
        page = self.check(client, invoice, "expired", "The time to pay is over")
        assert re.search(r"Only 6,249\.\d\d\u00a0₸ of 12,500\u00a0₸ has arrived", page)

    def test_paid_late(self, client, city, now):
        invoice = expired(city, now)
        pay(invoice, at=now)
        page = self.check(client, invoice, "expired", "The time to pay is over")
        assert "Your payment came after the time was over." in page

    def test_invalid(self, client, city, invoice, now):
        invoices.mark(invoice.pk, status="Invalid", user=city.owner, now=now)
        page = self.check(client, invoice, "invalid", "This invoice is no longer valid")
        assert not any(address in page for address in addresses_of(invoice))


class TestRest:
    @pytest.mark.parametrize("first", [1, 7, 333, 18_382, 36_764])
    @pytest.mark.parametrize("code", ["BTC", "ETH", "USDT"])
    def test_paying_the_rest_makes_the_invoice_whole(self, invoice, now, first, code):
        pay(invoice, "BTC", at=now, amount_minor=first)
        offer = next(o for o in present(reread(invoice), now=now).offers if o.asset.code == code)
        arrive(invoice, code, amount_minor=offer.due_minor, at=now, height=100)
        matching.match_pending(now=now)
        assert reread(invoice).status == "Settled"

    def test_the_picture_says_the_rest(self, client, invoice, now):
        pay(invoice, "BTC", at=now, amount_minor=10_000)
        source = Elements(page_of(client, invoice)).all("img", **{"class": "qr"})[0]["src"]
        assert read(client.get(source).content).endswith("?amount=0.00026765")


class TestPicture:
    def test_it_is_kept_for_ever(self, client, invoice):
        answer = client.get(f"/i/{invoice.pk}/qr/{invoice.quotes.first().pk}.png")
        assert answer["Content-Type"] == "image/png"
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert not answer.cookies

    @pytest.mark.parametrize("due", ["0", "-1", "1.5", "036765", "36766", "", "9" * 90, "abc", "１"])
    def test_no_amount_that_is_not_due(self, client, invoice, due):
        assert (
            client.get(f"/i/{invoice.pk}/qr/{invoice.quotes.first().pk}.png", {"due": due}).status_code == 404
        )

    def test_no_quote_of_another_invoice(self, client, city, invoice, now):
        other = make_invoice(city.store, now=now)
        assert client.get(f"/i/{other.pk}/qr/{invoice.quotes.first().pk}.png").status_code == 404

    def test_no_number_beyond_the_column(self, client, invoice):
        assert client.get(f"/i/{invoice.pk}/qr/{10**30}.png").status_code == 404


class TestStatus:
    def test_the_public_state(self, client, invoice):
        state = client.get(f"/i/{invoice.pk}/status").json()
        assert state["phase"] == "awaiting"
        assert (state["due_tiyn"], state["paid_tiyn"], state["final"]) == (1_250_000, 0, False)
        assert 890 < state["seconds_left"] <= 900
        assert [asset["code"] for asset in state["assets"]] == ["BTC", "ETH", "USDT"]
        assert state["assets"][0]["due"] == "0.00036765"

    def test_a_payment_in_it(self, client, invoice, now):
        transfer = pay(invoice, at=now)
        state = client.get(f"/i/{invoice.pk}/status").json()
        assert (state["phase"], state["status"], state["final"], state["assets"]) == (
            "paid",
            "Settled",
            True,
            [],
        )
        assert state["payments"] == [
            {
                "txid": transfer.txid_hex,
                "asset": "BTC",
                "amount": "0.00036765",
                "confirmations": 1,
                "required": 1,
                "status": "Settled",
            }
        ]

    def test_nothing_of_the_shop_but_what_the_page_shows(self, client, invoice):
        assert set(client.get(f"/i/{invoice.pk}/status").json()) == {
            "id", "status", "additional_status", "phase", "final", "mark", "amount_tiyn", "paid_tiyn", "due_tiyn",
            "expires_at", "seconds_left", "assets", "payments", "revision",
        }  # fmt: skip

    def test_an_expired_invoice_is_final_when_it_is_watched_no_more(self, city, now):
        invoice = expired(city, now)
        invoices.apply(invoice.pk, now=now)
        invoice = reread(invoice)
        assert not status_of(invoice, now)["final"]
        assert status_of(invoice, invoice.monitoring_expires_at)["final"]

    def test_the_mark_changes_with_what_is_laid_out_and_not_with_the_clock(self, invoice, now):
        before = status_of(invoice, now)["mark"]
        assert status_of(invoice, now + timedelta(minutes=1))["mark"] == before
        pay(invoice, at=now, amount_minor=1000)
        assert status_of(reread(invoice), now)["mark"] != before


class TestCost:
    def test_few_queries(self, client, invoice, now, django_assert_max_num_queries):
        pay(invoice, at=now, amount_minor=1000)
        with django_assert_max_num_queries(4):
            page_of(client, invoice)

    def test_under_sixty_kilobytes_in_all(self, client, invoice):
        """Everything a phone loads, uncompressed, with every tab's picture."""
        page = page_of(client, invoice)
        elements = Elements(page)
        static = [link["href"] for link in elements.all("link")] + [
            script["src"] for script in elements.all("script")
        ]
        total = len(page.encode())
        for address in static:
            path = finders.find(address.removeprefix("/static/"))
            assert path, f"{address} is not among the static files"
            with open(path, "rb") as file:
                total += len(file.read())
        total += sum(len(client.get(image["src"]).content) for image in elements.all("img"))
        assert total < 60_000


def reread(invoice):
    return Invoice.objects.select_related("store").get(pk=invoice.pk)

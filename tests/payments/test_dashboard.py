"""The store's invoices in the dashboard: found by whatever a person has in hand, shown whole, marked by those who may."""

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from merchants import webhooks
from merchants.models import Role
from payments import invoices, matching
from payments.invoice_search import PAGE_ROWS, found, page_of, totals_of
from payments.models import Invoice
from tests.world import (
    BUSINESS_IDS,
    add_member,
    build,
    build_merchant,
    build_store,
    make_invoice,
    pay,
    vanish,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def city(now):
    return build(now)


@pytest.fixture
def owner(client, city):
    """The owner's browser."""
    client.force_login(city.owner, backend=BACKEND)
    return client


def search(city, text="", status="", first_day=None, last_day=None):
    rows = found(city.store, text=text, status=status, first_day=first_day, last_day=last_day)
    return {invoice.pk for invoice in rows}


class TestSearch:
    @pytest.fixture
    def coffee(self, city, now):
        metadata = {"orderId": "A-1042", "itemDesc": "Two coffees"}
        return make_invoice(city.store, now=now, metadata=metadata, additionalSearchTerms=["table 7"])

    @pytest.fixture(autouse=True)
    def other(self, city, now):
        return make_invoice(city.store, "990.50", now=now, metadata={"orderId": "B-7"})

    @pytest.mark.parametrize(
        "text", ["A-1042", "a-1042", "12500", "12 500,00", "coffee", "table 7", "  A-1042 "]
    )
    def test_by_order_amount_and_words(self, city, coffee, text):
        assert search(city, text) == {coffee.pk}

    def test_by_its_number(self, city, coffee):
        assert search(city, coffee.pk) == {coffee.pk}

    @pytest.mark.parametrize("code", ["BTC", "USDT"])
    def test_by_txid_with_and_without_0x_in_any_case(self, city, coffee, now, code):
        transfer = pay(coffee, code, at=now)
        bare = bytes(transfer.txid).hex()
        for text in (bare, bare.upper(), f"0x{bare}"):
            assert search(city, text) == {coffee.pk}

    @pytest.mark.parametrize("code", ["BTC", "ETH"])
    def test_by_address_in_any_case(self, city, coffee, code):
        address = coffee.quotes.get(asset_id=code).deposit_address.address
        assert search(city, address) == {coffee.pk}
        assert search(city, address.lower()) == {coffee.pk}

    @pytest.mark.parametrize("text", ["nothing", "00" * 32, "0x" + "0" * 40, "%", "'; DROP TABLE", "1" * 120])
    def test_what_matches_nothing_finds_nothing(self, city, coffee, text):
        assert search(city, text) == set()

    def test_never_what_another_store_has(self, city, coffee, now):
        theirs = make_invoice(
            build_store(city.merchant, now=now, name="Second"), now=now, metadata={"orderId": "A-1042"}
        )
        transfer = pay(theirs, at=now)
        assert search(city, "A-1042") == {coffee.pk}
        assert search(city, transfer.txid_hex) == set()
        assert search(city, theirs.pk) == set()


class TestFilters:
    def test_by_status(self, city, now):
        settled, new = make_invoice(city.store, now=now), make_invoice(city.store, now=now)
        pay(settled, at=now)
        assert search(city, status="Settled") == {settled.pk}
        assert search(city, status="New") == {new.pk}

    def test_days_are_alataus_and_both_ends_count(self, city, now):
        almaty = ZoneInfo("Asia/Almaty")
        moments = [(22, 23, 59, 59), (23, 0, 0, 0), (23, 23, 59, 59), (24, 0, 0, 0)]
        made = []
        for day, hour, minute, second in moments:
            invoice = make_invoice(city.store, now=now)
            at = datetime(2026, 11, day, hour, minute, second, tzinfo=almaty)
            late = at + timedelta(hours=1)
            Invoice.objects.filter(pk=invoice.pk).update(
                created_at=at, expires_at=late, monitoring_expires_at=late
            )
            made.append(invoice.pk)
        day = date(2026, 11, 23)
        assert search(city, first_day=day, last_day=day) == set(made[1:3])
        assert search(city, first_day=day) == set(made[1:])
        assert search(city, last_day=day) == set(made[:3])

    def test_totals_are_of_everything_found(self, city, now):
        for amount in ("1000", "2000.50"):
            pay(make_invoice(city.store, amount, now=now), at=now)
        make_invoice(city.store, "4000", now=now)
        totals = totals_of(found(city.store, text="", status="", first_day=None, last_day=None))
        assert (totals.count, totals.asked_tiyn) == (3, 700_050)
        assert (totals.settled_count, totals.settled_tiyn) == (2, 300_050)


class TestPages:
    def everything(self, city):
        return found(city.store, text="", status="", first_day=None, last_day=None)

    @pytest.fixture
    def many(self, city, now):
        """More than two pages, many of them of one instant: the order has to be total for nothing to be lost or doubled."""
        template = make_invoice(city.store, now=now)
        rows = []
        for number in range(2 * PAGE_ROWS + 5):
            at = now - timedelta(microseconds=number // 40)
            values = {field.name: getattr(template, field.name) for field in Invoice._meta.concrete_fields}
            values |= {"id": f"bulk{number}", "created_at": at, "idempotency_key": None}
            rows.append(Invoice(**values))
        Invoice.objects.bulk_create(rows)

    def test_reading_on_shows_every_invoice_once(self, city, many):
        seen, cursor, pages = [], "", 0
        while True:
            page = page_of(self.everything(city), cursor=cursor)
            seen += [row.pk for row in page.rows]
            pages += 1
            if not page.next_cursor:
                break
            cursor = page.next_cursor
        assert pages == 3
        assert seen == [row.pk for row in self.everything(city).order_by("-created_at", "id")]

    def test_the_page_links_onwards_and_keeps_the_filters(self, owner, city, many):
        page = owner.get(f"/stores/{city.store.pk}/invoices/?status=New").content.decode()
        link = re.search(r'rel="next" href="([^"]+)"', page).group(1).replace("&amp;", "&")
        assert link.startswith("?status=New&after=")
        older = owner.get(f"/stores/{city.store.pk}/invoices/{link}").content.decode()
        assert 'rel="next"' in older
        assert older != page

    @pytest.mark.parametrize("cursor", ["", "nonsense", "1-", "-x", "9" * 18 + "-x", "9" * 40 + "-x", "1;2"])
    def test_a_bad_cursor_starts_anew(self, city, cursor, now):
        invoice = make_invoice(city.store, now=now)
        assert [row.pk for row in page_of(self.everything(city), cursor=cursor).rows] == [invoice.pk]


class TestList:
    def test_rows_and_badges(self, owner, city, now):
        invoice = make_invoice(city.store, now=now, metadata={"orderId": "A-1042"})
        pay(invoice, at=now, amount_minor=2 * invoice.quotes.first().amount_minor)
        page = owner.get(f"/stores/{city.store.pk}/invoices/").content.decode()
        for words in (invoice.pk, "A-1042", "12,500\u00a0₸", "badge-Settled", "badge-PaidOver"):
            assert words in page

    def test_empty(self, owner, city):
        assert "No invoices yet" in owner.get(f"/stores/{city.store.pk}/invoices/").content.decode()
        assert "Nothing found" in owner.get(f"/stores/{city.store.pk}/invoices/?q=x").content.decode()

    @pytest.mark.parametrize(
        "query",
        [
            "first_day=yesterday",
            "status=Stolen",
            "q=a%00b",
            "after=%00",
            "last_day=9999-12-31",
            "first_day=0001-01-01",
        ],
    )
    def test_questions_that_make_no_sense_are_no_error(self, owner, city, query):
        assert owner.get(f"/stores/{city.store.pk}/invoices/?{query}").status_code == 200

    def test_the_same_number_of_queries_for_one_row_and_for_many(
        self, owner, city, now, django_assert_max_num_queries
    ):
        for _ in range(12):
            make_invoice(city.store, now=now)
        with django_assert_max_num_queries(12):
            owner.get(f"/stores/{city.store.pk}/invoices/")


class TestDetail:
    def test_everything_known(self, owner, city, now):
        webhooks.create_webhook(
            store=city.store,
            url="http://127.0.0.1:9/hook",
            event_types=[],
            automatic_redelivery=True,
            now=now,
        )
        invoice = make_invoice(city.store, now=now, metadata={"orderId": "A-1042", "itemDesc": "Two coffees"})
        transfer = pay(invoice, "USDT", at=now)
        page = owner.get(f"/stores/{city.store.pk}/invoices/{invoice.pk}/").content.decode()
        quotes = invoice.quotes.select_related("deposit_address")
        for words in (
            "A-1042", "Two coffees", transfer.txid_hex, "1 / 1", "25.2526\u00a0USDT", "495\u00a0₸", "Settled",
            "A payment was seen", "InvoiceSettled", "http://127.0.0.1:9/hook",
            *(quote.deposit_address.address for quote in quotes),
        ):  # fmt: skip
            assert words in page

    def test_a_lost_payment_is_an_incident_on_top(self, owner, city, now):
        invoice = make_invoice(city.store, now=now)
        vanish(pay(invoice, at=now))
        matching.match_pending(now=now)
        page = owner.get(f"/stores/{city.store.pk}/invoices/{invoice.pk}/").content.decode()
        assert "A settled invoice lost its payment" in page
        assert "replaced or double-spent" in page

    def test_another_stores_invoice_is_not_found_here(self, owner, city, now):
        second = build_store(city.merchant, now=now, name="Second")
        theirs = make_invoice(second, now=now)
        assert owner.get(f"/stores/{city.store.pk}/invoices/{theirs.pk}/").status_code == 404
        assert owner.get(f"/stores/{second.pk}/invoices/{theirs.pk}/").status_code == 200


class TestMark:
    @pytest.fixture
    def invoice(self, city, now):
        return make_invoice(city.store, now=now)

    def address(self, city, invoice):
        return f"/stores/{city.store.pk}/invoices/{invoice.pk}/"

    @pytest.mark.parametrize("status", ["Settled", "Invalid"])
    def test_by_the_owner(self, owner, city, invoice, status):
        answer = owner.post(self.address(city, invoice), {"status": status}, follow=True)
        assert "The invoice is marked." in answer.content.decode()
        invoice.refresh_from_db()
        assert (invoice.status, invoice.additional_status) == (status, "Marked")
        assert invoice.events.last().actor == city.owner

    @pytest.mark.parametrize("status", ["New", "Expired", "", "Stolen"])
    def test_only_as_settled_or_invalid(self, owner, city, invoice, status):
        answer = owner.post(self.address(city, invoice), {"status": status}, follow=True)
        assert "cannot be marked so" in answer.content.decode()
        invoice.refresh_from_db()
        assert invoice.status == "New"

    def test_only_the_marks_that_are_open_are_offered(self, owner, city, invoice, now):
        assert "Mark as settled" in owner.get(self.address(city, invoice)).content.decode()
        invoices.mark(invoice.pk, status="Settled", user=city.owner, now=now)
        page = owner.get(self.address(city, invoice)).content.decode()
        assert "Mark as settled" not in page
        assert "Mark as invalid" in page

    @pytest.mark.parametrize("role", [Role.CASHIER, Role.ACCOUNTANT])
    def test_not_by_a_colleague_without_the_right(self, client, city, invoice, role):
        client.force_login(add_member(city.merchant, role), backend=BACKEND)
        assert "Mark by hand" not in client.get(self.address(city, invoice)).content.decode()
        assert client.post(self.address(city, invoice), {"status": "Settled"}).status_code == 403
        invoice.refresh_from_db()
        assert invoice.status == "New"


class TestCreate:
    def address(self, city):
        return f"/stores/{city.store.pk}/invoices/new/"

    def test_an_invoice_to_send_as_a_link(self, owner, city, now):
        fields = {"amount": "12 500,50", "description": "Sofa", "order_id": "9", "minutes": "60", "key": "k1"}
        answer = owner.post(self.address(city), fields)
        invoice = Invoice.objects.get(source="dashboard")
        assert answer["Location"] == f"/stores/{city.store.pk}/invoices/{invoice.pk}/"
        assert (invoice.amount_tiyn, invoice.description, invoice.order_id) == (1_250_050, "Sofa", "9")
        assert invoice.expires_at - invoice.created_at == timedelta(hours=1)
        assert invoice.created_by == city.owner

    @pytest.mark.parametrize(
        "fields", [{"amount": "x"}, {"minutes": "0"}, {"minutes": "1441"}, {"key": ""}, {"key": "a b"}]
    )
    def test_a_bad_form_makes_nothing(self, owner, city, fields):
        answer = owner.post(self.address(city), {"amount": "100", "key": "k1", **fields})
        assert answer.status_code == 422
        assert not Invoice.objects.exists()


class TestWhoMay:
    PATHS = ("invoices/", "invoices/new/", "invoices/{}/")

    def codes(self, client, city, invoice):
        return [
            client.get(f"/stores/{city.store.pk}/{path.format(invoice.pk)}").status_code
            for path in self.PATHS
        ]

    @pytest.fixture
    def invoice(self, city, now):
        return make_invoice(city.store, now=now)

    @pytest.mark.parametrize(
        ("role", "codes"),
        [
            (Role.OWNER, [200, 200, 200]),
            (Role.MANAGER, [200, 200, 200]),
            (Role.CASHIER, [200, 200, 200]),
            (Role.ACCOUNTANT, [200, 403, 200]),
        ],
    )
    def test_colleagues(self, client, city, invoice, role, codes):
        client.force_login(add_member(city.merchant, role), backend=BACKEND)
        assert self.codes(client, city, invoice) == codes

    def test_a_stranger_learns_nothing(self, client, city, invoice):
        _merchant, stranger = build_merchant(city.admin, business_id=BUSINESS_IDS[1])
        client.force_login(stranger, backend=BACKEND)
        assert self.codes(client, city, invoice) == [404, 404, 404]
        assert (
            client.post(f"/stores/{city.store.pk}/invoices/{invoice.pk}/", {"status": "Settled"}).status_code
            == 404
        )
        invoice.refresh_from_db()
        assert invoice.status == "New"

    def test_nobody_is_sent_to_log_in(self, client, city, invoice):
        assert self.codes(client, city, invoice) == [302, 302, 302]

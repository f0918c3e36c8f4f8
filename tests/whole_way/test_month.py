"""A month of three shops, told by the program's own verbs and checked against books that know nothing of the program."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from io import BytesIO, StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from alatau_pay.assets import Asset
from chains.models import Network
from merchants.models import User
from payments import deadlines, held, matching, observations
from payments.models import Invoice, Payment
from payments.reconciliation import ledger_to_payments, payouts_to_ledger, payouts_to_statements
from settlements import acquisitions, days, payout_files, payouts, reserve_sales, statements
from settlements.business_day import ALMATY
from settlements.documents.catalogue import DocumentRequest, write_document
from settlements.models import (
    BankStatementLine,
    DaySeal,
    DocumentFormat,
    DocumentKind,
    FileFormat,
    LineStatus,
    Payout,
    PayoutStatus,
)
from settlements.register import compile_register
from tests import world as city
from tests.payments import refunding
from tests.settlements.paid_out import servicing_bank
from tests.whole_way import month_balances, month_bank, month_documents, month_seals
from tests.whole_way.month_books import NETWORK_FEES, RETURNED_PAYOUT, Books
from tests.whole_way.month_plan import (
    DAYS,
    IBANS,
    MONTH,
    SEIZED,
    TRADE,
    YEAR,
    Sale,
    is_business_day,
    rates,
    sales,
)

pytestmark = pytest.mark.django_db(transaction=True)

BTC = Asset("BTC", "BTC", 8)
# Each day, each week from Monday to Sunday that ends in the month, and the month.
PERIODS = [
    *((day, day) for day in range(1, DAYS + 1)),
    *((day, day + 6) for day in range(2, DAYS - 5, 7)),
    (1, DAYS),
]


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of the month in Almaty; the day after the last one is the next month's first."""
    return datetime.combine(date(YEAR, MONTH, 1), time(hour, minute), tzinfo=ALMATY) + timedelta(days=day - 1)


class Month:
    """The gateway living through the plan."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.now = at(1, 0, 1)
        self.set_clock(1, 0, 1)
        self.world = city.build(self.now)
        self.merchants = [self.world.merchant]
        self.stores = [self.world.store]
        for number, policy in ((1, "Hold"), (2, "Merchant")):
            merchant, _owner = city.build_merchant(
                self.world.admin, business_id=city.BUSINESS_IDS[number], now=self.now, iban=IBANS[number]
            )
            self.merchants.append(merchant)
            self.stores.append(city.build_store(merchant, now=self.now, excess_policy=policy))
        self.officer = self.world.admin
        self.second = User.objects.create_superuser("second@city.example", "city-admin-password")
        self.bank = servicing_bank(
            mt_terminal="K059140000000000000000", chief_name="Сейтқали Ә.Б.", accountant_name="Ким О.П."
        )
        self.at_bank_tiyn = 10**12
        self.invoices: dict[int, Invoice] = {}
        self.returned: list[month_bank.Order] = []
        self.paid_out: list[tuple[int, int, int, int]] = []
        self.ordered: list[tuple[int, int, str, str]] = []

    def set_clock(self, day: int, hour: int, minute: int = 0) -> None:
        """It is that moment, the day's prices hold, and every network was seen whole up to now."""
        self.now = at(day, hour, minute)
        self.settings.FIXED_RATES = rates(min(day, DAYS))
        observations.fetch_all(now=self.now)
        Network.objects.update(observed_at=self.now)

    def live(self, plan: list[Sale]) -> None:
        """Day after day: what the chain undid, payouts, sales, decisions; at night the day before is closed."""
        for day in range(1, DAYS + 1):
            self.set_clock(day, 9)
            for sale in plan:
                self.undo(sale, day)
            matching.match_pending(now=self.now)
            self.set_clock(day, 10)
            self.pay_out(day)
            today = [sale for sale in plan if sale.day == day]
            self.set_clock(day, 12)
            for sale in today:
                self.sell(sale)
            self.set_clock(day, 12, 20)
            deadlines.decide_due(now=self.now)
            for sale in today:
                if sale.ending.startswith("late"):
                    city.pay(self.invoices[sale.number], sale.asset, at=self.now)
            self.set_clock(day, 15)
            for sale in plan:
                self.decide(sale, day)
            self.set_clock(day, 16)
            self.trade(day)
            self.set_clock(day + 1, 0, 30)
            days.close_due(now=self.now)

    def sell(self, sale: Sale) -> None:
        """An invoice is made, and paid as the plan says."""
        price = f"{sale.price_tiyn // 100}.{sale.price_tiyn % 100:02d}"
        invoice = city.make_invoice(self.stores[sale.merchant], price, now=self.now)
        self.invoices[sale.number] = invoice
        due = invoice.quotes.get(asset_id=sale.asset).amount_minor
        amounts = {
            "late": [],
            "halves": [due // 2, due - due // 2],
            "short": [due * 7 // 10],
            "over": [due * 13 // 10],
        }
        for amount in amounts.get(sale.ending.split(",")[0], [due]):
            city.pay(invoice, sale.asset, at=self.now, amount_minor=amount)

    def undo(self, sale: Sale, day: int) -> None:
        """A reorganisation takes a settled payment away, or brings it back."""
        if not sale.ending.startswith("reversed"):
            return
        gone = sale.day + (5 if sale.ending.endswith("payout") else 1)
        if day == gone:
            city.vanish(self.payment(sale).transfer)
        elif day == gone + 1 and sale.ending.endswith("back"):
            city.mine(self.payment(sale).transfer)

    def decide(self, sale: Sale, day: int) -> None:
        """What people do about a sale on ``day``."""
        who = {"user": self.officer, "now": self.now}
        if sale.ending.endswith("at the rate now") and day == sale.day + 2:
            held.accept(self.payment(sale).pk, reason="agreed by phone", **who)
        if day != sale.day:
            return
        if sale.ending.endswith("at the rate then"):
            held.accept(self.payment(sale).pk, reason="agreed by phone", rate=held.AT_THEN, **who)
        elif sale.ending in ("short, given back", "late, given back"):
            payment = self.payment(sale)
            address = refunding.address_for(payment)
            self.send(held.refund(payment.pk, address=address, reason="asked for", **who).refund, sale)
        elif sale.ending == "over, given back" and sale.merchant != 2:
            self.send(refunding.approved(self.payment(sale), basis="Excess", **who), sale)
        elif sale.ending == "refunded in full":
            self.send(refunding.approved(self.payment(sale), **who), sale)
        elif sale.ending == "refunded in part":
            part = sale.price_tiyn // 3
            self.send(refunding.approved(self.payment(sale), value_tiyn=part, **who), sale)

    def trade(self, day: int) -> None:
        """Bitcoin is given over to the city, and some is sold; two people each time."""
        paper = {"document_date": self.now.date(), "user": self.officer, "now": self.now, "coin": BTC}
        if day == SEIZED.day:
            seized = acquisitions.prepare(
                wallet="w99",
                source="seizure",
                amount_minor=SEIZED.minor,
                value_tiyn=SEIZED.tiyn,
                document_number="7-СУ",
                reason="court order",
                **paper,
            )
            acquisitions.approve(seized.pk, user=self.second, now=self.now)
        if day == TRADE.day:
            wallet = Network.objects.get(slug="bitcoin").wallets.get()
            sold = reserve_sales.prepare(
                wallet=f"w{wallet.pk}",
                source="payments",
                amount_minor=TRADE.minor,
                proceeds_tiyn=TRADE.tiyn,
                document_number="12",
                reason="tenge for payouts",
                **paper,
            )
            reserve_sales.approve(sold.pk, user=self.second, now=self.now)

    def send(self, refund, sale: Sale) -> None:
        """The cold wallet sends a refund, and the chain shows it."""
        fee_minor = NETWORK_FEES[sale.asset] or None
        assert refunding.send(refund, at=self.now, fee_minor=fee_minor).status == "Completed"

    def payment(self, sale: Sale) -> Payment:
        """The sale's first payment, as it stands."""
        return self.invoices[sale.number].payments.order_by("id")[0]

    def pay_out(self, day: int) -> None:
        """On a business day: payouts prepared, a batch, a second person, the file at the bank, the statement back."""
        self.read_statement(day, paid=[])
        prepared = payouts.prepare_due(now=self.now)
        assert bool(prepared) <= is_business_day(day)
        if self.is_after_return(day):
            # The account sent money back: the schedule leaves it alone until a person asks.
            assert self.merchants[RETURNED_PAYOUT[0]] not in {payout.merchant for payout in prepared}
            prepared.append(
                payouts.prepare(self.merchants[RETURNED_PAYOUT[0]], actor=self.officer, now=self.now)
            )
        if not prepared:
            return
        batch = payouts.batch(prepared, bank=self.bank, actor=self.officer, now=self.now)
        batch = payouts.approve(batch, actor=self.second, now=self.now)
        payouts.take_file(batch, actor=self.officer, now=self.now)
        orders = self.read_files(batch, day)
        payouts.send(batch, actor=self.officer, now=self.now)
        self.read_statement(day, paid=orders)
        for payout in sorted(batch.payouts.all(), key=lambda each: self.merchants.index(each.merchant)):
            whose = self.merchants.index(payout.merchant)
            self.paid_out.append((day, whose, payout.number, payout.amount_tiyn))
            assert payout.status == PayoutStatus.COMPLETED
            if (whose, payout.number) == RETURNED_PAYOUT:
                self.returned = [order for order in orders if order.number == str(payout.pk)]

    def is_after_return(self, day: int) -> bool:
        """The returned payout's tenge came back this morning."""
        return Payout.objects.filter(returned_at=self.now).exists()

    def read_files(self, batch, day: int) -> list[month_bank.Order]:
        """The batch's files agree with each other, are the same when made twice, and say what the bank shall do."""
        files = {name: payout_files.render(batch, name).content for name in FileFormat.values}
        assert files == {name: payout_files.render(batch, name).content for name in FileFormat.values}
        orders = month_bank.read_1c(files[FileFormat.CLIENT_BANK_1C].decode("utf-8-sig"))
        said = sorted((order.tiyn, order.business_id, order.iban) for order in orders)
        others = month_bank.read_others({str(name): content for name, content in files.items()})
        assert {name: sorted(read) for name, read in others.items()} == dict.fromkeys(others, said)
        self.ordered += [(day, *order) for order in said]
        assert all(len(order.purpose) <= 210 for order in orders)
        return orders

    def read_statement(self, day: int, *, paid: list[month_bank.Order]) -> None:
        """The bank's statement is imported twice, as happens, and matched."""
        back = [] if paid or not is_business_day(day) else self.returned
        if not paid and not back:
            return
        content = month_bank.statement(
            f"{day:02d}.{MONTH:02d}.{YEAR}", opening=self.at_bank_tiyn, paid=paid, back=back
        )
        self.at_bank_tiyn += sum(order.tiyn for order in back) - sum(order.tiyn for order in paid)
        for _ in range(2):
            statements.import_(content, file_name=f"{day}.txt", actor=self.officer, now=self.now)
        matched = statements.match(now=self.now)
        assert (matched.completed, matched.returned, matched.open) == (len(paid), len(back), 0)
        if back:
            self.returned = []


@pytest.fixture
def month(settings):
    settings.RATE_AGE_MAX = timedelta(minutes=5)
    told = Month(settings)
    told.live(sales())
    return told


def test_every_account_payout_register_file_and_seal_is_what_independent_books_say(month):
    books = Books(sales())
    merchants = month.merchants
    assert month.paid_out == books.payouts
    ordered = [
        (day, amount, city.BUSINESS_IDS[whose], IBANS[whose]) for day, whose, _, amount in books.payouts
    ]
    assert sorted(month.ordered) == sorted(ordered)
    assert month_balances.found(merchants) == month_balances.without_nothing(books.balances)
    assert month_balances.at_closings(merchants, YEAR, MONTH) == {
        day: month_balances.without_nothing(books.closings[day]) for day in range(1, DAYS + 1)
    }
    for number, merchant in enumerate(merchants):
        for first, last in PERIODS:
            check_register(merchant, number, books, first, last)
        check_documents(merchant, books.register_lines(number))
    assert not BankStatementLine.objects.exclude(status=LineStatus.MATCHED).exists()
    night = date(YEAR, MONTH + 1, 1)
    for compared in (
        ledger_to_payments.compare(),
        payouts_to_ledger.compare(),
        payouts_to_statements.compare(today=night),
    ):
        assert (list(compared.findings), compared.checked_count > 0) == ([], True)
    check_seals()
    said = StringIO()
    call_command("verify_ledger", stdout=said)
    assert "31 sealed days and 0 not sealed" in said.getvalue()


def check_documents(merchant, lines: dict[str, int]) -> None:
    """The month's register as CSV, XLSX, PDF and for 1C: each says the same lines, to the tiyn. So do its invoice and act."""
    first, last = date(YEAR, MONTH, 1), date(YEAR, MONTH, DAYS)

    def made_of(kind: DocumentKind, format_: str = "pdf") -> bytes:
        wanted = DocumentRequest(kind, DocumentFormat(format_), "en", first, last)
        file = BytesIO()
        write_document(merchant, wanted, file, today=date(YEAR, MONTH + 1, 1))
        return file.getvalue()

    made = {format_: made_of(DocumentKind.REGISTER, format_) for format_ in ("csv", "xlsx", "pdf", "1c")}
    assert month_documents.csv_lines(made["csv"]) == lines
    assert month_documents.xlsx_lines(made["xlsx"]) == lines
    assert month_documents.missing_in_pdf(made["pdf"], lines) == []
    assert month_documents.balances_1c(made["1c"]) == (lines["Opening balance"], lines["Closing balance"])
    for kind in (DocumentKind.FEE_INVOICE, DocumentKind.ACT):
        fee, vat = -lines["Fee (without VAT)"], -lines["VAT on the fee"]
        assert month_documents.fee_sums(made_of(kind)) == (fee, vat, fee + vat)


def check_seals() -> None:
    """Every day's seal, out of the raw rows."""
    with connection.cursor() as cursor:
        cursor.execute(month_seals.ENTRIES)
        rows = cursor.fetchall()
    first, last = date(YEAR, MONTH, 1), date(YEAR, MONTH, DAYS)
    found = {row.day_id: bytes(row.seal) for row in DaySeal.objects.all()}
    assert found == month_seals.seals(rows, first=first, last=last)


def check_register(merchant, number: int, books: Books, first: int, last: int) -> None:
    """The register of one merchant's days ``first`` to ``last``."""
    register = compile_register(merchant, date(YEAR, MONTH, first), date(YEAR, MONTH, last))
    totals = register.totals
    found = {
        "gross": totals.gross_tiyn,
        "reversed": totals.reversed_tiyn,
        "refunds": totals.refunds_tiyn,
        "fee": totals.fee_tiyn,
        "vat": totals.vat_tiyn,
        "paid": totals.payouts_tiyn,
        "back": totals.payouts_back_tiyn,
        "opening": register.opening_tiyn,
        "closing": register.closing_tiyn,
    }
    assert found == books.register_of(number, first, last)

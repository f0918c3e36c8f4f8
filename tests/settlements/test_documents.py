"""Registers as CSV, XLSX, PDF and 1C: opened by foreign readers, and the same to the tiyn as the ledger in each."""

import csv
import io
import itertools
import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import openpyxl
import pypdf
import pytest
from client_bank_exchange_1c import Statement

from merchants import bank_account_change
from merchants.models import Merchant
from settlements import ledger, payouts
from settlements.documents import csv_register, statement_1c, xlsx
from settlements.documents.catalogue import DocumentRefused, DocumentRequest, write_document
from settlements.documents.columns import COLUMNS
from settlements.documents.figures import money
from settlements.documents.register_pdf import OPERATIONS_MAX, write_register_pdf
from settlements.documents.wording import LANGUAGES, TEXTS, say
from settlements.models import DocumentFormat, DocumentKind
from settlements.register import Register, compile_register
from tests import world as city
from tests.settlements import books, paid_out
from tests.settlements.books import at

pytestmark = pytest.mark.django_db
FIRST, LAST, AFTER = date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1)
KAZAKH = "ӘҒҚҢӨҰҮҺІ әғқңөұүһі"


@pytest.fixture
def month(world):
    """A month with everything in it; returns its merchant, whose name has every Kazakh letter."""
    merchant = world.merchant
    Merchant.objects.filter(pk=merchant.pk).update(legal_name=f"ТОО «{KAZAKH}»")
    merchant.refresh_from_db()
    books.sale(merchant, 100_001, fee=1_000, vat=160, now=at(31, month=10))
    first = books.sale(merchant, 1_000_000, fee=10_000, vat=1_600, now=at(2), sat=12_345)
    books.sale(merchant, 333_333, fee=3_333, vat=533, now=at(2, 10))
    books.reverse(first, now=at(3))
    books.refund(merchant, 50_000, fee=500, vat=80, now=at(4))
    books.fee_given_back(merchant, fee=100, vat=16, now=at(5))
    books.direct(merchant, fee=300, vat=48, now=at(5, 10))
    books.payout(merchant, 300_000, now=at(6))
    books.payout_cancelled(merchant, 300_000, now=at(7))
    books.payout(merchant, 250_000, now=at(8), number=2)
    return merchant


def made(
    merchant, form=DocumentFormat.PDF, *, kind=DocumentKind.REGISTER, language="ru", today=AFTER, **days
):
    request = DocumentRequest(kind, form, language, days.get("first", FIRST), days.get("last", LAST))
    file = io.BytesIO()
    write_document(merchant, request, file, today=today)
    return file.getvalue()


def text_of(content):
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def local(*parts):
    """What the clock in Almaty shows, without its zone: that is what a cell holds."""
    return datetime(*parts)  # noqa: DTZ001


def cells(content, language="ru"):
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter="," if language == "en" else ";"))


def amount(text):
    return int(Decimal(text.replace(",", ".")) * 100) if text else 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", list(DocumentFormat))
def test_a_month_that_is_over_gives_the_same_bytes_again(month, form, language):
    first = made(month, form, language=language)
    books.sale(month, 10_000, fee=0, vat=0, now=at(1, month=12))
    assert made(month, form, language=language, today=date(2026, 12, 2)) == first


def test_files_bear_the_date_of_their_period_and_not_the_clocks(month):
    about = pypdf.PdfReader(io.BytesIO(made(month))).metadata
    assert about.creation_date.date() == LAST
    assert about.modification_date is None
    book = openpyxl.load_workbook(io.BytesIO(made(month, DocumentFormat.XLSX)))
    assert (book.properties.created.date(), book.properties.modified.date()) == (LAST, LAST)


@pytest.mark.parametrize("language", LANGUAGES)
def test_csv_lines_lead_from_the_opening_to_the_closing_balance(month, language):
    content = made(month, DocumentFormat.CSV, language=language)
    assert content.startswith(b"\xef\xbb\xbf")
    heading, opening, *rows = cells(content, language)
    place = {column.key: heading.index(say(column.key, language)) for column in COLUMNS}
    operations = [row for row in rows if row[place["number"]]]
    lines = {row[place["kind"]]: row for row in rows if not row[place["number"]]}
    balance = amount(opening[place["balance"]])
    assert balance == 100_001 - 1_160
    for row in operations:
        net, paid = amount(row[place["net_column"]]), amount(row[place["payout_column"]])
        taken = amount(row[place["fee_column"]]) + amount(row[place["vat_column"]])
        assert net == amount(row[place["gross_column"]]) - taken
        balance += net + paid
        assert amount(row[place["balance"]]) == balance
    assert amount(lines[say("closing", language)][place["balance"]]) == balance == ledger.owed_tiyn(month)
    assert [
        amount(lines[say(key, language)][place["gross_column"]]) for key in ("gross", "reversed", "refunds")
    ] == [
        1_333_333,
        -1_000_000,
        -50_000,
    ]
    assert amount(lines[say("fee", language)][place["fee_column"]]) == -(10_000 + 3_333 - 10_000 - 500 - 100)
    assert amount(lines[say("vat", language)][place["vat_column"]]) == -(1_600 + 533 - 1_600 - 80 - 16)


@pytest.mark.parametrize("text", ["=1+1", "+7701", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_text_is_never_a_formula(text):
    assert csv_register.cell(text, "ru") == "'" + text


def test_csv_numbers_stay_numbers():
    assert csv_register.cell(Decimal("-0.50"), "ru") == "-0,50"
    assert csv_register.cell(Decimal("-0.50"), "en") == "-0.50"
    assert csv_register.cell(local(2026, 11, 2, 9, 5, 7), "kk") == "02.11.2026 09:05:07"
    assert csv_register.cell(date(2026, 11, 2), "kk") == "02.11.2026"
    assert csv_register.cell(None, "kk") == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_workbook_has_typed_cells_and_totals(month, language):
    content = made(month, DocumentFormat.XLSX, language=language)
    book = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    assert book.sheetnames == [say(key, language) for key in ("summary", "operations", "days")]
    sheet = book[say("operations", language)]
    assert sheet.freeze_panes == "A2"
    heading = [cell.value for cell in sheet[1]]
    place = {column.key: heading.index(say(column.key, language)) for column in COLUMNS}
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert rows[0][place["posted"]] == local(2026, 11, 2, 9)
    assert rows[0][place["gross_column"]] == 10_000
    assert rows[0][place["coin_amount"]] == 0.00012345
    *_operations, total = rows
    totals = compile_register(month, FIRST, LAST).totals
    assert [
        round(total[place[key]] * 100) for key in ("fee_column", "vat_column", "net_column", "payout_column")
    ] == [
        totals.fee_tiyn,
        totals.vat_tiyn,
        totals.net_tiyn,
        -250_000,
    ]
    lines = {row[0].value: row[1].value for row in book[say("summary", language)].iter_rows()}
    assert round(lines[say("closing", language)] * 100) == ledger.owed_tiyn(month)
    days = list(book[say("days", language)].iter_rows(min_row=2, values_only=True))
    assert [row[0] for row in days] == [local(2026, 11, day) for day in range(2, 9)]
    assert round(days[-1][-1] * 100) == ledger.owed_tiyn(month)
    # What programs show that calculate: the same sums.
    formulas = openpyxl.load_workbook(io.BytesIO(content))[say("operations", language)]
    assert formulas.cell(sheet.max_row, place["net_column"] + 1).value == f"=SUM(P2:P{sheet.max_row - 1})"


def test_workbook_text_is_never_a_formula(world):
    invoice = city.make_invoice(world.store, metadata={"orderId": "=HYPERLINK(1)"})
    city.pay(invoice)
    content = made(world.merchant, DocumentFormat.XLSX, last=date(2026, 11, 23))
    sheet = openpyxl.load_workbook(io.BytesIO(content))[say("operations", "ru")]
    order = next(cell for cell in sheet[2] if cell.value == "=HYPERLINK(1)")
    assert order.data_type == "s"


def test_a_number_with_more_digits_than_a_spreadsheet_holds_is_exact_text(merchant):
    books.sale(merchant, 100, fee=0, vat=0, now=at(2), sat=1_234_567_890_123_456_789)
    content = made(merchant, DocumentFormat.XLSX)
    row = openpyxl.load_workbook(io.BytesIO(content))[say("operations", "ru")][2]
    assert "12345678901.23456789" in [cell.value for cell in row]


def test_a_workbook_of_more_rows_than_a_sheet_has_is_refused(month):
    register = compile_register(month, FIRST, LAST)
    some_sums = next(iter(register.totals.by_kind.values()))
    some_sums.count = xlsx.ROWS_MAX
    with pytest.raises(xlsx.TooManyRows):
        xlsx.write_xlsx(register, io.BytesIO(), language="ru")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_can_be_read_with_every_kazakh_letter(month, language):
    reader = pypdf.PdfReader(io.BytesIO(made(month, language=language)))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert KAZAKH in text
    assert "₸" in text
    assert month.business_id in text
    assert "01.11.2026 – 30.11.2026" in text
    assert say("not_fiscal", language) in text
    assert say("page", language, number=1, count=len(reader.pages)) in text
    totals = compile_register(month, FIRST, LAST).totals
    shown = text.replace("\u00a0", "").replace(" ", "").replace(",", ".")
    for tiyn in (totals.gross_tiyn, totals.fee_tiyn, totals.net_tiyn, ledger.owed_tiyn(month)):
        whole, fraction = divmod(tiyn, 100)
        plain = f"{whole:,}".replace(",", "." if language == "en" else "") + f".{fraction:02d}"
        assert plain in shown
    fonts = {font["/BaseFont"] for page in reader.pages for font in page["/Resources"]["/Font"].values()}
    assert all("DejaVu" in name for name in fonts)
    assert all(page["/Resources"]["/Font"] for page in reader.pages)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_figure_of_a_big_merchant_is_cut_off(merchant, language):
    gross, fee, vat = 987_654_321_099, 9_876_543_211, 1_580_246_914
    for hour in (9, 10):
        books.sale(merchant, gross, fee=fee, vat=vat, now=at(2, hour), sat=123_456_789_012_345)
    books.payout(merchant, gross, now=at(3))
    for kind in DocumentKind:
        text = text_of(made(merchant, kind=kind, language=language))
        figures = [2 * fee, 2 * vat, 2 * (fee + vat)]
        if kind is DocumentKind.REGISTER:
            figures = [
                gross,
                fee,
                vat,
                gross - fee - vat,
                2 * gross,
                2 * fee,
                2 * vat,
                2 * (gross - fee - vat),
            ]
        for tiyn in figures:
            # More often than in the lines of the summary, or above the sum in words.
            assert text.count(money(tiyn, language)) >= 2, (kind, tiyn)
        assert not re.search(r"\d…", text), kind


def test_columns_of_the_workbook_are_wide_enough_for_a_big_merchants_total(merchant):
    """Where a number does not fit, a spreadsheet shows ####."""
    books.sale(merchant, 987_654_321_099, fee=9_876_543_211, vat=1_580_246_914, now=at(2))
    sheet = openpyxl.load_workbook(io.BytesIO(made(merchant, DocumentFormat.XLSX)))[say("operations", "ru")]
    # Neighbours of one width are told together.
    width_of = {
        index: group.width
        for group in sheet.column_dimensions.values()
        for index in range(group.min, group.max + 1)
    }
    for index, column in enumerate(COLUMNS, start=1):
        if column.is_total or column.key == "balance":
            # Bold, grouped, with tiyn and room for a sign.
            assert width_of[index] >= len("-9 876 543 210,99") + 1, column.key


def test_an_open_period_says_that_it_is_preliminary(month):
    for form in (DocumentFormat.PDF, DocumentFormat.XLSX, DocumentFormat.CSV):
        texts = {}
        for today in (LAST, AFTER):
            content = made(month, form, today=today)
            if form is DocumentFormat.PDF:
                texts[today] = pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
            elif form is DocumentFormat.CSV:
                texts[today] = content.decode("utf-8-sig")
            else:
                sheet = openpyxl.load_workbook(io.BytesIO(content))[say("summary", "ru")]
                texts[today] = " ".join(str(row[0]) for row in sheet.values)
        assert say("preliminary", "ru") in texts[LAST]
        assert say("preliminary", "ru") not in texts[AFTER]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_1c_statement_says_which_of_its_documents_are_preliminary(month, language):
    """A file of tomorrow has other amounts under the same numbers; of the days that are over nothing changes any more."""
    books.sale(month, 10_000, fee=0, vat=0, now=at(30))
    for today, days in ((LAST, {"30.11.2026"}), (AFTER, set())):
        content = made(month, DocumentFormat.STATEMENT_1C, language=language, today=today)
        documents = read_1c(content)[1]
        said = f"({say('preliminary_1c', language)})"
        assert {row["ДатаДокумента"] for row in documents if row["НазначениеПлатежа"].endswith(said)} == days
        assert {row["ДатаДокумента"] for row in documents} > days


class LongRegister(Register):
    """The one operation of a register, more often than a PDF prints them."""

    def operations(self):
        return itertools.repeat(next(super().operations()), OPERATIONS_MAX + 1)


def test_a_pdf_names_the_other_files_where_it_cannot_hold_the_operations(merchant):
    books.sale(merchant, 100, fee=0, vat=0, now=at(2))
    day = date(2026, 11, 2)
    short = compile_register(merchant, day, day)
    file = io.BytesIO()
    long = LongRegister(merchant, day, day, short.opening_tiyn, short.totals)
    write_register_pdf(long, file, language="ru", operator_name="Alatau Pay")
    (page,) = pypdf.PdfReader(file).pages
    text = page.extract_text()
    assert say("too_many", "ru", count=OPERATIONS_MAX + 1) in text
    # The totals are those of all operations, printed or not.
    assert "2\u00a0001,00" in text


def read_1c(content):
    """Header and documents of an exchange file, as a program would read it: key=value lines between marks."""
    assert content.endswith(b"\r\n")
    header, documents, current = {}, [], None
    for line in content.decode("utf-8").split("\r\n"):
        key, _, value = line.partition("=")
        if key == "СекцияДокумент":
            current = {}
        elif line == "КонецДокумента":
            documents.append(current)
            current = None
        elif current is not None:
            current[key] = value
        else:
            header[key] = value
    return header, documents


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_1c_statement_adds_up_and_a_foreign_reader_reads_it(month, language):
    content = made(month, DocumentFormat.STATEMENT_1C, language=language)
    header, documents = read_1c(content)
    assert content.startswith("1CClientBankExchange\r\nВерсияФормата=2.00\r\nКодировка=UTF8".encode())
    came = sum(amount(row.get("СуммаПриход", "")) for row in documents)
    went = sum(amount(row.get("СуммаРасход", "")) for row in documents)
    assert amount(header["НачальныйОстаток"]) == 100_001 - 1_160
    assert amount(header["ВсегоПоступило"]) == came
    assert amount(header["ВсегоСписано"]) == went
    assert amount(header["КонечныйОстаток"]) == amount(header["НачальныйОстаток"]) + came - went
    assert amount(header["КонечныйОстаток"]) == ledger.owed_tiyn(month)
    assert len({row["НомерДокумента"] for row in documents}) == len(documents)
    assert all(row["НазначениеПлатежа"] and len(row["НазначениеПлатежа"]) <= 210 for row in documents)
    fee = next(row for row in documents if row["НомерДокумента"] == "2611025")
    assert amount(fee["СуммаРасход"]) == 13_333
    assert fee["КодНазначенияПлатежа"] == statement_1c.FEE_KNP
    statement = Statement.from_text(content.decode("utf-8").replace("\r\n", "\n"))
    assert statement.balance.account_number == statement_1c.virtual_account(month)
    assert [
        statement.balance.initial_balance,
        statement.balance.total_income,
        statement.balance.total_expense,
        statement.balance.final_balance,
    ] == [
        Decimal(header[key])
        for key in ("НачальныйОстаток", "ВсегоПоступило", "ВсегоСписано", "КонечныйОстаток")
    ]
    assert [row.payment.purpose for row in statement.documents] == [
        row["НазначениеПлатежа"] for row in documents
    ]
    assert statement.header.filter_date_till == LAST


def test_the_1c_statement_names_a_payouts_bank_as_it_was_and_goes_by_the_banks_codes(db):
    merchant = paid_out.merchant()
    bank = paid_out.servicing_bank(knp="859")
    batch = paid_out.sent_batch(paid_out.payout(of=merchant), bank=bank)
    payout = batch.payouts.get()
    bank_account_change.request(
        merchant,
        iban="KZ39601A001000000017",
        bank_bic="HSBKKZKX",
        actor=paid_out.owner_of(merchant),
        now=paid_out.NOW,
    )
    bank_account_change.tell(now=paid_out.NOW)
    bank_account_change.apply_due(now=paid_out.NOW + timedelta(days=2))
    merchant.refresh_from_db()
    assert merchant.bank_bic == "HSBKKZKX"
    days = {"first": date(2026, 11, 22), "last": date(2026, 11, 23)}
    _header, documents = read_1c(made(merchant, DocumentFormat.STATEMENT_1C, **days))
    (paid,) = [row for row in documents if row["ПолучательИИК"] == payout.iban]
    assert (paid["ПолучательБанкБИК"], paid["ПолучательБанкНаименование"]) == ("CASPKZKA", payout.bank_name)
    assert paid["ПолучательБанкНаименование"]
    assert paid["КодНазначенияПлатежа"] == "859"
    (sales,) = [row for row in documents if "СуммаПриход" in row]
    assert sales["КодНазначенияПлатежа"] == "859"
    assert all(row["ДатаВалютирования"] == row["ДатаОперации"] for row in documents)


def test_a_payout_by_another_bank_goes_by_that_banks_code(db):
    merchant = paid_out.merchant()
    paid_out.servicing_bank(knp="859")
    other = paid_out.servicing_bank(knp="190", bic="CASPKZKA", iban="KZ87722C000000000001")
    payout = paid_out.sent_batch(paid_out.payout(of=merchant), bank=other).payouts.get()
    days = {"first": date(2026, 11, 22), "last": date(2026, 11, 23)}
    _header, documents = read_1c(made(merchant, DocumentFormat.STATEMENT_1C, **days))
    codes = {row["КодНазначенияПлатежа"] for row in documents if row["ПолучательИИК"] == payout.iban}
    assert codes == {"190"}


def test_every_file_closes_with_the_ledgers_balance_after_a_direct_fee_was_set_off_and_paid(month):
    books.direct_fee_set_off(month, 232, now=at(9))
    books.direct_fee_paid(month, 116, now=at(10))
    owed = ledger.owed_tiyn(month)
    header, _documents = read_1c(made(month, DocumentFormat.STATEMENT_1C))
    assert amount(header["КонечныйОстаток"]) == owed
    heading, *rows = cells(made(month, DocumentFormat.CSV))
    place = {column.key: heading.index(say(column.key, "ru")) for column in COLUMNS}
    lines = {row[place["kind"]]: row for row in rows if not row[place["number"]]}
    assert amount(lines[say("closing", "ru")][place["balance"]]) == owed
    assert amount(lines[say("corrections", "ru")][place["gross_column"]]) == -232
    (paid,) = [row for row in rows if "Order 12: paid" in row[place["note"]]]
    assert "−1,16" in paid[place["note"]]
    book = openpyxl.load_workbook(io.BytesIO(made(month, DocumentFormat.XLSX)), data_only=True)
    summary = {row[0].value: row[1].value for row in book[say("summary", "ru")].iter_rows()}
    parts = ("gross", "reversed", "refunds", "corrections", "fee", "vat")
    assert round(summary[say("net", "ru")] * 100) == sum(
        round(summary[say(key, "ru")] * 100) for key in parts
    )


def test_a_document_that_does_not_exist_is_refused(month):
    with pytest.raises(DocumentRefused):
        DocumentRequest(DocumentKind.ACT, DocumentFormat.CSV, "ru", FIRST, LAST)
    with pytest.raises(DocumentRefused):
        DocumentRequest(DocumentKind.REGISTER, DocumentFormat.CSV, "de", FIRST, LAST)
    with pytest.raises(DocumentRefused):
        DocumentRequest(DocumentKind.REGISTER, DocumentFormat.CSV, "ru", LAST, FIRST)
    with pytest.raises(DocumentRefused):
        DocumentRequest(DocumentKind.REGISTER, DocumentFormat.CSV, "ru", FIRST, date(2027, 11, 2))
    with pytest.raises(DocumentRefused):
        made(month, today=date(2026, 10, 31))


def test_every_text_is_there_in_every_language_with_the_same_places():
    places = re.compile(r"{\w+}")
    for key, texts in TEXTS.items():
        assert all(texts), key
        assert len({tuple(sorted(places.findall(text))) for text in texts}) == 1, key


def test_a_register_of_a_payouts_days_explains_the_payout_and_names_it(db):
    merchant = paid_out.merchant()
    paid_out.sale(merchant, now=paid_out.NOW - timedelta(days=1))
    payout = payouts.prepare(merchant, actor=paid_out.owner_of(merchant), now=paid_out.NOW)
    totals = compile_register(merchant, payout.first_day, payout.last_day).totals
    assert totals.net_tiyn == payout.amount_tiyn - payout.other_tiyn
    assert [totals.gross_tiyn, totals.fee_tiyn, totals.vat_tiyn, totals.refunds_tiyn] == [
        payout.gross_tiyn,
        payout.fee_tiyn,
        payout.vat_tiyn,
        payout.refunds_tiyn,
    ]
    days = {"first": date(2026, 11, 22), "last": date(2026, 11, 23)}
    named = f"№{payout.number} · {payout.iban}"
    (row,) = [row for row in cells(made(merchant, DocumentFormat.CSV, **days)) if named in row]
    assert f"-{payout.amount_tiyn // 100},{payout.amount_tiyn % 100:02d}" in row
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(made(merchant, **days))).pages)
    assert named in text
    _header, documents = read_1c(made(merchant, DocumentFormat.STATEMENT_1C, **days))
    (paid,) = [row for row in documents if row["ПолучательИИК"] == payout.iban]
    assert amount(paid["СуммаРасход"]) == payout.amount_tiyn
    assert f"№{payout.number}" in paid["НазначениеПлатежа"]


def test_a_rate_is_a_number_in_a_spreadsheet_and_short_in_a_table(world):
    """The database keeps twelve places: 34000000.000000000000 has more digits than a cell holds."""
    city.pay(city.make_invoice(world.store))
    day = {"first": date(2026, 11, 23), "last": date(2026, 11, 23)}
    book = openpyxl.load_workbook(io.BytesIO(made(world.merchant, DocumentFormat.XLSX, language="en", **day)))
    heading, row, *_ = book["Operations"].iter_rows(values_only=True)
    assert dict(zip(heading, row, strict=True))["Rate, ₸"] == 34_000_000
    table = made(world.merchant, DocumentFormat.CSV, language="en", **day).decode("utf-8-sig")
    operation = list(csv.DictReader(io.StringIO(table)))[1]
    assert operation["Rate, ₸"] == "34000000"

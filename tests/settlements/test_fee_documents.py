"""The fee invoice and the act of a month: the ledger's fee, with the VAT of the day, and the sum in words."""

import io
from datetime import date

import pypdf
import pytest

from settlements.documents.catalogue import DocumentRefused, DocumentRequest, month_of, write_document
from settlements.documents.figures import in_words, money, percent
from settlements.documents.wording import LANGUAGES, month_name, say
from settlements.fee_statement import compile_fee_statement
from settlements.fees import FeeUnknown
from settlements.models import DocumentFormat, DocumentKind, ServicingBank, VatRate
from tests import world as city
from tests.settlements import books
from tests.settlements.books import at

pytestmark = pytest.mark.django_db
DECEMBER, JANUARY = date(2025, 12, 1), date(2026, 1, 1)


def made(merchant, kind, month, *, language="ru", today=date(2026, 3, 1)):
    first, last = month_of(month)
    file = io.BytesIO()
    write_document(
        merchant, DocumentRequest(kind, DocumentFormat.PDF, language, first, last), file, today=today
    )
    return file.getvalue()


def text_of(content):
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return "\n".join(page.extract_text() for page in pages).replace("\u00a0", " ")


def test_the_vat_is_that_of_the_day_on_which_the_document_is_dated(merchant):
    books.sale(merchant, 1_000_000, fee=10_000, vat=1_200, now=at(31, 23, month=12, year=2025))
    books.sale(merchant, 1_000_000, fee=10_000, vat=1_600, now=at(1, 0, month=1, year=2026))
    december, january = compile_fee_statement(merchant, DECEMBER), compile_fee_statement(merchant, JANUARY)
    assert (december.last, january.last) == (date(2025, 12, 31), date(2026, 1, 31))
    assert [(line.vat_basis_points, line.fee_tiyn, line.vat_tiyn) for line in december.lines] == [
        (1200, 10_000, 1_200)
    ]
    assert [(line.vat_basis_points, line.fee_tiyn, line.vat_tiyn) for line in january.lines] == [
        (1600, 10_000, 1_600)
    ]
    assert "12 %" in text_of(made(merchant, DocumentKind.ACT, DECEMBER))
    assert "16 %" in text_of(made(merchant, DocumentKind.ACT, JANUARY))


def test_the_rates_are_the_dated_rows(merchant):
    VatRate.objects.create(valid_from=date(2026, 2, 10), rate_basis_points=1850)
    books.sale(merchant, 100_000, fee=1_000, vat=160, now=at(9, month=2, year=2026))
    books.sale(merchant, 100_000, fee=1_000, vat=185, now=at(10, month=2, year=2026))
    statement = compile_fee_statement(merchant, date(2026, 2, 15))
    assert [(line.vat_basis_points, line.vat_tiyn) for line in statement.lines] == [(1850, 185), (1600, 160)]
    assert (statement.fee_tiyn, statement.vat_tiyn, statement.total_tiyn) == (2_000, 345, 2_345)


def test_a_reversal_gives_back_at_the_rate_of_the_day_that_it_undoes(merchant):
    sold = books.sale(merchant, 1_000_000, fee=10_000, vat=1_200, now=at(31, month=12, year=2025))
    books.sale(merchant, 500_000, fee=5_000, vat=800, now=at(2, month=1, year=2026))
    books.reverse(sold, now=at(3, month=1, year=2026))
    lines = compile_fee_statement(merchant, JANUARY).lines
    assert [(line.vat_basis_points, line.fee_tiyn, line.vat_tiyn) for line in lines] == [
        (1600, 5_000, 800),
        (1200, -10_000, -1_200),
    ]


def test_without_a_rate_there_is_no_act(merchant):
    books.sale(merchant, 100_000, fee=1_000, vat=160, now=at(2, month=1, year=2026))
    VatRate.objects.all().delete()
    with pytest.raises(FeeUnknown):
        compile_fee_statement(merchant, JANUARY)


def test_a_month_without_operations_has_a_line_of_nothing(merchant):
    statement = compile_fee_statement(merchant, JANUARY)
    assert [(line.vat_basis_points, line.total_tiyn) for line in statement.lines] == [(1600, 0)]
    assert in_words(0, "ru") in text_of(made(merchant, DocumentKind.ACT, JANUARY))


def test_direct_settlement_is_to_be_paid_and_the_rest_was_withheld(merchant):
    books.sale(merchant, 1_000_000, fee=10_000, vat=1_600, now=at(2, month=1, year=2026))
    books.direct(merchant, fee=300, vat=48, now=at(3, month=1, year=2026))
    statement = compile_fee_statement(merchant, JANUARY)
    assert (statement.total_tiyn, statement.withheld_tiyn, statement.due_tiyn) == (11_948, 11_600, 348)
    text = text_of(made(merchant, DocumentKind.FEE_INVOICE, JANUARY))
    assert say("withheld", "ru", amount="116,00 ₸") in text
    assert say("to_pay", "ru", amount="3,48 ₸") in text


def test_a_direct_fee_that_was_paid_is_no_part_of_another_months_invoice(merchant):
    books.direct(merchant, fee=300, vat=48, now=at(3, month=1, year=2026))
    books.direct(merchant, fee=100, vat=16, now=at(1, month=2, year=2026))
    books.direct_fee_paid(merchant, 348, now=at(2, month=2, year=2026))
    books.direct_fee_waived(merchant, fee=10, vat=2, now=at(3, month=2, year=2026))
    january, february = (compile_fee_statement(merchant, date(2026, month, 1)) for month in (1, 2))
    assert (january.total_tiyn, january.withheld_tiyn, january.due_tiyn) == (348, 0, 348)
    assert (february.total_tiyn, february.withheld_tiyn, february.due_tiyn) == (104, 0, 104)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [DocumentKind.ACT, DocumentKind.FEE_INVOICE])
def test_the_document_names_both_sides_the_sum_and_the_sum_in_words(merchant, settings, kind, language):
    settings.OPERATOR_NAME, settings.OPERATOR_BUSINESS_ID = "ТОО «Алатау Төлем»", "260140900017"
    settings.OPERATOR_ADDRESS = "Алатау қаласы, Орталық алаң 1"
    ServicingBank.objects.create(
        name="АО «Народный Банк Казахстана»",
        bic="HSBKKZKX",
        iban="KZ39601A001000000017",
        payer_name="ТОО «Алатау Төлем»",
        payer_business_id="260140900017",
        valid_from=date(2025, 1, 1),
    )
    books.sale(merchant, 131_034_400, fee=13_103_400, vat=2_096_650, now=at(2, month=1, year=2026))
    content = made(merchant, kind, JANUARY, language=language)
    # A line may be broken anywhere.
    text = " ".join(text_of(content).split())
    for part in (
        say(kind, language),
        say("document_number", language, number=f"2026-01/{merchant.business_id}", date="31.01.2026"),
        "ТОО «Алатау Төлем»",
        "260140900017",
        "KZ39601A001000000017",
        merchant.legal_name,
        merchant.business_id,
        month_name(2026, 1, language),
        money(13_103_400, language).replace("\u00a0", " "),
        money(2_096_650, language).replace("\u00a0", " "),
        money(15_200_050, language).replace("\u00a0", " "),
        percent(1600, language).replace("\u00a0", " "),
        say("not_fiscal", language),
        "₸",
    ):
        assert part in text, part
    assert in_words(15_200_050, language) in text
    assert made(merchant, kind, JANUARY, language=language) == content


def test_the_sum_in_words():
    assert in_words(15_200_050, "ru") == "Сто пятьдесят две тысячи тенге, пятьдесят тиынов"
    assert in_words(15_200_050, "kk") == "Жүз елу екі мың теңге, елу тиын"
    assert in_words(15_200_050, "en") == "One hundred and fifty-two thousand tenge, fifty tiyn"
    assert in_words(-101, "ru") == "Минус один тенге, один тиын"


def test_two_merchants_documents_of_a_month_have_numbers_of_their_own(world):
    """The operator books them all: a number is one document's of its kind, and the same each time it is made."""
    other, _owner = city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])
    numbers = [
        compile_fee_statement(merchant, month).number
        for merchant in (world.merchant, other)
        for month in (DECEMBER, JANUARY)
    ]
    assert len(set(numbers)) == 4
    assert compile_fee_statement(other, JANUARY).number == numbers[-1]


@pytest.mark.parametrize("kind", [DocumentKind.ACT, DocumentKind.FEE_INVOICE])
def test_a_month_that_is_not_over_has_neither(merchant, kind):
    with pytest.raises(DocumentRefused):
        made(merchant, kind, JANUARY, today=date(2026, 1, 31))
    assert made(merchant, kind, JANUARY, today=date(2026, 2, 1))

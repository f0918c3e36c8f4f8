"""A batch of payouts as the bank's file: every figure of the rows, the same bytes twice, and nothing of another batch."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from client_bank_exchange_1c import Document, Header
from django.utils import timezone, translation

from merchants.models import Merchant
from settlements import payout_files, payout_policy
from settlements.models import FileEncoding, FileFormat, KnpCode, PayoutBatch
from settlements.payout_files import OrderRefused
from settlements.payout_schedule import Terms
from tests.settlements import paid_out
from tests.settlements.bank_data import read_1c, read_mt

pytestmark = pytest.mark.django_db
TERMINAL = "K059140000000000000000"


@pytest.fixture
def batch():
    bank = paid_out.servicing_bank(mt_terminal=TERMINAL)
    rows = [
        paid_out.payout(15_200_050),
        paid_out.payout(4_000_000, of=paid_out.merchant(legal_name="ИП Өмірбек", legal_form="Entrepreneur")),
    ]
    return paid_out.approved_batch(*rows, bank=bank)


def test_the_file_pays_what_the_rows_say(batch):
    written = payout_files.render(batch)
    text = written.content.decode()
    _, documents = read_1c(text)
    rows = list(batch.payouts.order_by("id"))
    assert [
        (
            int(d["НомерДокумента"]),
            d["Сумма"],
            d["ПолучательИИК"],
            d["ПолучательНаименование"],
            d["ПолучательКБЕ"],
        )
        for d in documents
    ] == [
        (rows[0].pk, "152000.50", rows[0].iban, rows[0].payee_name, "17"),
        (rows[1].pk, "40000.00", rows[1].iban, "ИП Өмірбек", rows[1].kbe),
    ]
    assert {d["КодНазначенияПлатежа"] for d in documents} == {"190"}
    plain = text.replace("\r\n", "\n")
    assert [d.payment.purpose for d in Document.from_text(plain)] == [row.purpose for row in rows]
    assert sum(d.amount for d in Document.from_text(plain)) * 100 == Decimal(batch.total_tiyn)
    header = Header.from_text(plain)
    assert (f"{header.creation_date:%d.%m.%Y}", f"{header.creation_time}") == ("23.11.2026", "09:00:00")
    assert (written.name, written.warnings) == (f"1c_to_kl_{batch.number}.txt", ())


@pytest.mark.parametrize("file_format", FileFormat.values)
@pytest.mark.parametrize("encoding", FileEncoding.values)
def test_every_format_in_every_encoding_is_the_same_twice(batch, file_format, encoding):
    first = payout_files.render(batch, file_format, encoding)
    batch.refresh_from_db()
    batch.approved_at += timedelta(days=3)
    assert payout_files.render(batch, file_format, encoding) == first
    assert str(batch.payouts.first().iban).encode() in first.content


def test_a_warning_says_whose_text_became_what(batch):
    number = batch.payouts.order_by("id").first().pk
    warning = payout_files.render(batch, encoding=FileEncoding.WINDOWS_1251).warnings[0]
    assert str(warning) == f"№{number} name: ТОО «Достық кофе» → ТОО «Достык кофе»"


def test_the_banks_own_format_and_encoding_are_the_default(batch):
    bank = batch.servicing_bank
    bank.file_format, bank.file_encoding = FileFormat.MT102, FileEncoding.WINDOWS_1251
    written = payout_files.render(batch)
    (message,) = read_mt(written.content.decode("cp1251"))
    assert message[-1] == ("32A", "261123KZT192000,50")
    assert [warning.written for warning in written.warnings] == ["ТОО «ДОСТЫК КОФЕ»", "ИП ОМІРБЕК"]


def test_the_template_of_the_codes_is_the_banks():
    bank = paid_out.servicing_bank(remittance_template="KNP{knp}")
    made = paid_out.approved_batch(paid_out.payout(), paid_out.payout(4_000_000), bank=bank)
    content = payout_files.render(made, FileFormat.PAIN_001).content.decode()
    assert content.count("<Ustrd>KNP190</Ustrd>") == 2


@pytest.mark.parametrize("file_format", FileFormat.values)
def test_the_file_is_the_same_after_everything_around_it_changed(batch, file_format, settings):
    first = payout_files.render(batch, file_format)
    for row in batch.payouts.select_related("merchant"):
        Merchant.objects.filter(pk=row.merchant_id).update(legal_name="ТОО «Басқа»", legal_form="State")
        owner = paid_out.owner_of(row.merchant)
        payout_policy.change(row.merchant, Terms("manual"), kbe="28", actor=owner, now=paid_out.NOW)
    KnpCode.objects.update(meaning="x", valid_to=date(2026, 11, 24))
    settings.PAYOUT_REMITTANCE_TEMPLATE = "KNP{knp}"
    settings.OPERATOR_NAME, settings.OPERATOR_KBE, settings.TIME_ZONE = "Other", "15", "UTC"
    again = PayoutBatch.objects.get(pk=batch.pk)
    with timezone.override("UTC"), translation.override("kk"):
        assert payout_files.render(again, file_format) == first


def test_a_bank_whose_mt_header_is_not_known_gets_no_mt_file(batch):
    batch.servicing_bank.mt_terminal = ""
    with pytest.raises(OrderRefused, match="MT header"):
        payout_files.render(batch, FileFormat.MT100)


def test_a_name_that_cannot_be_written_is_refused_with_its_payout():
    row = paid_out.payout(of=paid_out.merchant(legal_name="ТОО 你好"))
    made = paid_out.batch(row)
    assert "ТОО 你好" in payout_files.render(made).content.decode()
    with pytest.raises(OrderRefused, match=f"order {row.pk}, name: U\\+4F60"):
        payout_files.render(made, encoding=FileEncoding.WINDOWS_1251)

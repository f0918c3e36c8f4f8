"""What every bank file keeps: the same bytes twice, no character lost in silence, no text that breaks out of its field."""

import csv
import io
from dataclasses import replace
from datetime import date, time
from decimal import Decimal

import pytest
from client_bank_exchange_1c import Document, Header

from settlements.bank_files import client_bank_1c, csv_file, mt, pain001
from settlements.bank_files.orders import OrderRefused, PaymentOrder, Rewritten
from settlements.bank_files.scribe import Encoding
from settlements.bank_files.transliteration import CharacterRefused, one_line, to_windows_1251
from tests.settlements.bank_data import BATCH, COFFEE, DATA, PURPOSE, order, read_1c, with_name

UTF_8, WINDOWS = Encoding.UTF_8, Encoding.WINDOWS_1251
WRITERS = {
    "1c_utf8.txt": lambda batch: client_bank_1c.write(batch, UTF_8),
    "1c_windows.txt": lambda batch: client_bank_1c.write(batch, WINDOWS),
    "mt100.txt": lambda batch: mt.write_mt100(batch, WINDOWS),
    "mt102.txt": lambda batch: mt.write_mt102(batch, UTF_8),
    "pain001.xml": pain001.write,
    "payouts.csv": lambda batch: csv_file.write(batch, UTF_8),
}
ATTACKS = [
    "ТОО\nКонецДокумента\nСекцияДокумент=ПлатежноеПоручение\nСумма=999999.00",
    "КонецДокумента",
    "ТОО КОНЕЦФАЙЛА 1CClientBankExchange",
    "=cmd|' /C calc'!A0",
    "ТОО\r\n:32A:261123KZT9999999,00\r\n-}",
    "ТОО :59:KZ00000000000000000X /IDN/000000000000 {4: -}",
    "ТОО\u2028:32B:KZT1,00",
    "</Nm><Nm>Другое ТОО",
    '";"x',
    "+7 701 000 00 00",
    "@SUM(1)",
]


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_what_it_was_byte_by_byte(name):
    written = WRITERS[name](BATCH)
    assert written.content == WRITERS[name](BATCH).content
    assert written.content == (DATA / name).read_bytes()


def test_1c_is_read_by_a_program_that_is_not_ours():
    text = client_bank_1c.write(BATCH, UTF_8).content.decode().replace("\r\n", "\n")
    header, documents = Header.from_text(text), Document.from_text(text)
    assert (header.format_version, header.encoding) == ("2.00", "UTF8")
    assert (header.creation_date, header.creation_time) == (date(2026, 11, 23), time(18))
    assert (header.filter_account_numbers, header.filter_document_types) == (
        BATCH.payer.iban,
        "ПлатежноеПоручение",
    )
    assert [document.amount for document in documents] == [
        Decimal("152000.50"),
        Decimal("40000.00"),
        Decimal("1.01"),
    ]
    assert [document.payment.purpose for document in documents] == [PURPOSE.format(n) for n in (17, 18, 19)]


def test_1c_names_both_sides_by_the_keys_of_kazakhstan():
    content = client_bank_1c.write(BATCH, UTF_8).content
    assert b"\n" not in content.replace(b"\r\n", b"")
    _, documents = read_1c(content.decode())
    assert documents[1] == {
        "СекцияДокумент": "ПлатежноеПоручение",
        "НомерДокумента": "18",
        "ДатаДокумента": "23.11.2026",
        "ДатаВалютирования": "23.11.2026",
        "Сумма": "40000.00",
        "Валюта": "KZT",
        "ПлательщикНаименование": 'ТОО "Alatau Pay"',
        "ПлательщикБИН_ИИН": "260140900012",
        "ПлательщикКБЕ": "17",
        "ПлательщикИИК": "KZ39601A001000000017",
        "ПлательщикБанкНаименование": 'АО "Народный Банк Казахстана"',
        "ПлательщикБанкБИК": "HSBKKZKX",
        "ПолучательНаименование": "ИП Өмірбек Ғани",
        "ПолучательБИН_ИИН": "850312300125",
        "ПолучательКБЕ": "19",
        "ПолучательИИК": "KZ48722C000098765432",
        "ПолучательБанкНаименование": 'АО "Kaspi Bank"',
        "ПолучательБанкБИК": "CASPKZKA",
        "КодНазначенияПлатежа": "190",
        "НазначениеПлатежа": PURPOSE.format(18),
    }


def test_windows_1251_lists_each_name_that_is_written_otherwise():
    written = client_bank_1c.write(BATCH, WINDOWS)
    assert written.warnings == (
        Rewritten(17, "name", 'ТОО "Достық кофе"', 'ТОО "Достык кофе"'),
        Rewritten(18, "name", "ИП Өмірбек Ғани", "ИП Омірбек Гани"),
        Rewritten(19, "name", 'ТОО "Кітап үйі"', 'ТОО "Кітап уйі"'),
    )
    header, _ = read_1c(written.content.decode("cp1251"))
    assert header["Кодировка"] == "Windows"
    assert client_bank_1c.write(BATCH, UTF_8).warnings == ()


def test_every_kazakh_letter_and_the_tenge_sign_have_their_way_into_windows_1251():
    assert to_windows_1251("ӘәҒғҚқҢңӨөҰұҮүҺһІі ₸ Café №") == "АаГгКкНнОоУуУуХхІі тг Cafe №"


@pytest.mark.parametrize("character", ["你", "ß", "\u202e", "\u200b", "\ue000"])
def test_a_character_that_cannot_be_written_is_refused_by_name(character):
    with pytest.raises(OrderRefused, match=rf"order 17, name: U\+{ord(character):04X}"):
        client_bank_1c.write(with_name(f"ТОО {character}"), WINDOWS)


def test_a_name_of_control_characters_is_no_name():
    with pytest.raises(OrderRefused, match="nothing to be seen"):
        client_bank_1c.write(with_name("\x1b\x00"), UTF_8)


def test_utf_8_takes_every_visible_letter_and_no_invisible_one():
    assert one_line(" ТОО\t你ß\x00\n\u2029№ ") == "ТОО 你ß №"
    with pytest.raises(CharacterRefused):
        one_line("ТОО \u202eоот")


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("encoding", [UTF_8, WINDOWS])
def test_no_name_breaks_out_of_its_field_in_1c(name, encoding):
    text = client_bank_1c.write(with_name(name), encoding).content.decode(encoding)
    _, documents = read_1c(text)
    assert [document["Сумма"] for document in documents] == ["152000.50"]
    assert documents[0]["ПолучательИИК"] == COFFEE.iban
    # A program that searches for the marks instead of reading lines finds each exactly once.
    (by_another,) = Document.from_text(text.replace("\r\n", "\n"))
    assert (by_another.amount, by_another.payment.purpose) == (Decimal("152000.50"), PURPOSE.format(17))
    for mark in ("КонецДокумента", "КонецФайла", "1CClientBankExchange"):
        assert text.lower().count(mark.lower()) == 1


@pytest.mark.parametrize("name", ATTACKS)
def test_no_name_breaks_out_of_its_cell_or_begins_a_formula(name):
    rows = list(
        csv.DictReader(io.StringIO(csv_file.write(with_name(name), UTF_8).content.decode(), newline=""))
    )
    assert [(row["amount"], row["payee_iban"]) for row in rows] == [("152000.50", COFFEE.iban)]
    assert rows[0]["payee_name"][0] not in "=+-@"
    assert not any(len(row) != len(csv_file.COLUMNS) for row in rows)


def test_a_changed_text_is_shown_and_an_unchanged_one_is_not():
    written = csv_file.write(with_name("=1+1"), UTF_8)
    assert written.warnings == (Rewritten(17, "name", "=1+1", "'=1+1"),)
    assert not written.content.startswith(b"\xef\xbb\xbf")


def test_a_bank_without_a_name_is_refused_in_1c():
    nameless = replace(BATCH, orders=(replace(order(17, COFFEE, 1), payee=replace(COFFEE, bank_name=" ")),))
    with pytest.raises(OrderRefused, match="CASPKZKA has no name"):
        client_bank_1c.write(nameless, UTF_8)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_tiyn": 0},
        {"amount_tiyn": -1},
        {"knp": "19"},
        {"knp": "190\n"},
        {"knp": "١٩٠"},
        {"purpose": "x" * 211},
        {"purpose": " "},
        {"number": 0},
    ],
)
def test_an_order_that_no_bank_takes_is_refused(changes):
    with pytest.raises(OrderRefused):
        replace(order(17, COFFEE, 1), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"iban": "KZ84722C00001234567"},
        {"iban": "KZ84722C000012345678\n"},
        {"bank_bic": "CASPDEFF"},
        {"kbe": "7"},
        {"kbe": "10"},
        {"business_id": "26014090030"},
        {"name": " "},
    ],
)
def test_a_party_that_no_bank_takes_is_refused(changes):
    with pytest.raises(OrderRefused):
        replace(COFFEE, **changes)


def test_a_float_is_no_amount():
    with pytest.raises(TypeError):
        PaymentOrder(17, COFFEE, 1.5, "190", "x")  # type: ignore[arg-type]


def test_a_batch_says_in_which_zone_it_was_made():
    with pytest.raises(TypeError, match="zone"):
        replace(BATCH, made_at=BATCH.made_at.replace(tzinfo=None))


def test_a_batch_has_orders_and_no_number_twice():
    with pytest.raises(OrderRefused, match="no orders"):
        replace(BATCH, orders=())
    with pytest.raises(OrderRefused, match="two orders of number 17"):
        replace(BATCH, orders=(order(17, COFFEE, 1), order(17, COFFEE, 2)))


def test_a_purpose_that_grows_over_the_limit_is_refused():
    grown = replace(BATCH, orders=(order(17, COFFEE, 1, "₸" * 210),))
    assert client_bank_1c.write(grown, UTF_8).warnings == ()
    with pytest.raises(OrderRefused, match="over 210"):
        client_bank_1c.write(grown, WINDOWS)

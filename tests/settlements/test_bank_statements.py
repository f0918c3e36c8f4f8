"""Statements of one account over two days, as five banks write them, and what is wrong with worse ones."""

from dataclasses import replace
from datetime import date

import pytest

from settlements.bank_files import client_bank_1c as orders_1c
from settlements.bank_files.scribe import Encoding
from settlements.bank_statements import client_bank_1c
from settlements.bank_statements.lines import (
    Direction,
    Doubt,
    DoubtKind,
    StatementLine,
    StatementRefused,
    amount_of,
    day_of,
)
from tests.settlements.bank_data import BATCH, DATA, statement_1c, statement_document

OUR_ACCOUNT = "KZ39601A001000000017"
SECTION = f"СекцияРасчСчет\nРасчСчет={OUR_ACCOUNT}\nКонецРасчСчет\n"
FILES = ("plain", "lower_case", "upper_case", "doubled", "commas")
PURPOSE = "Возмещение по платежам Alatau Pay за 22.11.2026, реестр №4, 12 оп., комиссия 1520,00 удержана, в т.ч. НДС 209,66"


def sample(name):
    return (DATA / f"statement_{name}.txt").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_every_bank_says_the_same_five_movements(name):
    statement = client_bank_1c.read(sample(name))
    assert [
        (line.direction, line.amount_tiyn, line.booked_on.day, line.document_number, line.is_return)
        for line in statement.lines
    ] == [
        ("out", 15_200_050, 23, "17", False),
        ("out", 4_000_000, 23, "18", False),
        ("out", 25_000, 23, "5501", False),
        ("in", 4_000_000, 24, "991", True),
        ("in", 100_000_000, 24, "77", False),
    ]
    assert {line.account_iban for line in statement.lines} == {OUR_ACCOUNT}
    assert statement.doubts == ()


@pytest.mark.parametrize("name", FILES)
def test_every_bank_says_who_and_what_for(name):
    first, *_, returned, _capital = client_bank_1c.read(sample(name)).lines
    assert replace(first, raw=()) == StatementLine(
        account_iban=OUR_ACCOUNT,
        direction=Direction.OUT,
        amount_tiyn=15_200_050,
        booked_on=date(2026, 11, 23),
        document_number="17",
        purpose=PURPOSE,
        counterparty_name='ТОО "Достык кофе"',
        counterparty_business_id="260140900305",
        counterparty_iban="KZ84722C000012345678",
        counterparty_bic="CASPKZKA",
        knp="190",
    )
    assert returned.counterparty_iban == "KZ48722C000098765432"
    assert returned.counterparty_name == "ИП Омирбек Гани"


@pytest.mark.parametrize("name", FILES)
def test_the_balances_are_the_accounts_of_each_day(name):
    balances = client_bank_1c.read(sample(name)).balances
    assert balances[0].opening_tiyn == 50_000_000
    assert balances[-1].closing_tiyn == 134_774_950
    assert sum(balance.incoming_tiyn for balance in balances) == 104_000_000
    assert sum(balance.outgoing_tiyn for balance in balances) == 19_225_050
    assert (balances[0].first_day, balances[-1].last_day) == (date(2026, 11, 23), date(2026, 11, 24))


def test_what_the_file_said_is_kept_key_by_key():
    line = client_bank_1c.read(sample("upper_case")).lines[0]
    assert ("СУММАРАСХОД", "152000.50") in line.raw
    assert ("ПОЛУЧАТЕЛЬБАНКНАИМЕНОВАНИЕ", 'АО "Kaspi Bank"') in line.raw


def test_two_equal_movements_that_are_written_twice_stay_two():
    one = statement_document(document_number="7", outgoing="100.00")
    order = statement_document(kind="ПлатежноеПоручение", document_number="7", amount="100.00")
    lines = client_bank_1c.read(statement_1c(one, order, one, order)).lines
    assert [line.amount_tiyn for line in lines] == [10_000, 10_000]


def test_a_payment_order_that_repeats_nothing_is_a_movement_of_its_own():
    one = statement_document(document_number="7", outgoing="100.00")
    order = statement_document(kind="ПлатежноеПоручение", document_number="8", amount="55.00")
    lines = client_bank_1c.read(statement_1c(one, order)).lines
    assert [(line.direction, line.amount_tiyn) for line in lines] == [("out", 10_000), ("out", 5_500)]


@pytest.mark.parametrize("kind", ["ПлатежноеПоручение", "Платежное поручение"])
@pytest.mark.parametrize("section", ["", SECTION])
def test_a_payment_order_that_the_bank_has_not_carried_out_is_no_movement(kind, section):
    """Some banks list the day's orders beside what moved: one that has only the day it was written on paid nobody."""
    moved = statement_document(document_number="7", outgoing="100.00")
    order = statement_document(kind=kind, document_number="8", amount="55.00").replace(
        "ДатаОперации", "ДатаДокумента"
    )
    statement = client_bank_1c.read(statement_1c(moved, order, section=section))
    assert [line.document_number for line in statement.lines] == ["7"]
    assert statement.doubts == (Doubt(DoubtKind.LEFT_OUT, "8"),)
    carried_out = order.replace("КонецДокумента", "ДатаСписано=24.11.2026\nКонецДокумента")
    assert len(client_bank_1c.read(statement_1c(moved, carried_out, section=section)).lines) == 2


@pytest.mark.parametrize("encoding", Encoding)
def test_the_file_that_went_to_the_bank_is_no_statement(encoding):
    with pytest.raises(StatementRefused, match="payment orders"):
        client_bank_1c.read(orders_1c.write(BATCH, encoding).content)


def test_a_dialect_that_calls_its_movements_orders_is_known_by_its_account_section():
    order = statement_document(kind="Платежное поручение", document_number="8", amount="55.00")
    lines = client_bank_1c.read(statement_1c(order, section=SECTION)).lines
    assert [(line.direction, line.amount_tiyn) for line in lines] == [("out", 5_500)]


def test_a_transfer_between_the_operators_own_accounts_is_a_line_on_each():
    order = statement_document(kind="ПлатежноеПоручение", amount="10.00", payee_iban="KZ60601A001000000099")
    text = statement_1c(order, section=SECTION).replace(
        f"РасчСчет={OUR_ACCOUNT}\n".encode(),
        f"РасчСчет={OUR_ACCOUNT}\nРасчСчет=KZ60601A001000000099\n".encode(),
        1,
    )
    assert [(line.direction, line.account_iban) for line in client_bank_1c.read(text).lines] == [
        ("in", "KZ60601A001000000099"), ("out", OUR_ACCOUNT)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "encoding", "doubted"),
    [
        ("UTF8", "utf-8", False),
        ("UTF-8", "utf-8-sig", False),
        ("Windows", "cp1251", False),
        ("windows-1251", "cp1251", False),
        (None, "cp1251", False),
        (None, "utf-8", False),
        ("UTF8", "cp1251", True),
        ("Windows", "utf-8", True),
        ("DOS", "cp866", False),
    ],
)
def test_the_encoding_is_seen_whatever_is_declared(declared, encoding, doubted):
    text = statement_1c(statement_document(outgoing="1.00")).decode()
    named = f"Кодировка={declared}\n" if declared else ""
    content = text.replace("Кодировка=UTF8\n", named).encode(encoding)
    statement = client_bank_1c.read(content)
    assert statement.lines[0].counterparty_name == 'ТОО "Достык кофе"'
    assert [doubt.kind for doubt in statement.doubts] == ([DoubtKind.ENCODING] if doubted else [])


def test_a_purpose_over_several_lines_is_one_text_whatever_stands_in_it():
    purpose = "Оплата\nСумма=1\nпо счету = 5\nhttps://a.kz/?x=1\n\nвсего"
    line = client_bank_1c.read(statement_1c(statement_document(outgoing="7.00", purpose=purpose))).lines[0]
    assert line.amount_tiyn == 700
    assert line.purpose == "Оплата Сумма=1 по счету = 5 https://a.kz/?x=1 всего"


def test_balances_that_do_not_add_up_are_doubted_and_read_all_the_same():
    content = (
        sample("plain").decode().replace("КонечныйОстаток=1347749.50", "КонечныйОстаток=1347749.51").encode()
    )
    statement = client_bank_1c.read(content)
    assert len(statement.lines) == 5
    assert statement.doubts == (
        Doubt(
            DoubtKind.BALANCE,
            f"{OUR_ACCOUNT}: 500000.00 + 1040000.00 − 192250.50 ≠ 1347749.51",
        ),
    )


def test_documents_that_do_not_add_up_to_the_turnover_are_doubted():
    content = sample("plain").decode().replace("СуммаРасход=250.00", "СуммаРасход=251.00").encode()
    assert client_bank_1c.read(content).doubts == (
        Doubt(DoubtKind.TURNOVER, f"{OUR_ACCOUNT} out: 192251.50 ≠ 192250.50"),
    )


def test_a_document_of_no_sum_is_left_out_and_named():
    statement = client_bank_1c.read(statement_1c(statement_document(document_number="9", outgoing="0.00")))
    assert (statement.lines, statement.doubts) == ((), (Doubt(DoubtKind.EMPTY_SUM, "9"),))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "first line"),
        (b"PK\x03\x04", "first line"),
        ("1CClientBankExchange\nВерсияФормата=2.00\nКонецФайла\n".encode(), "no statement"),
        ("1CClientBankExchange\nСекцияДокумент=Выписка\nКонецДокумента\n".encode(), "names no account"),
        (b"1CClientBankExchange\n\x98\xff", "neither UTF-8"),
        (b"1CClientBankExchange\n\x00", "no text"),
        (sample("plain")[:-400], "cut off"),
        (statement_1c(statement_document(outgoing="1.00", incoming="1.00")), "both comes in and goes out"),
        (statement_1c(statement_document(outgoing="12x")), "'12x' is no amount"),
        (statement_1c(statement_document(outgoing="1,234")), "'1,234' is no amount"),
        (statement_1c(statement_document(outgoing="-5.00")), "has the amount -5.00"),
        (statement_1c(statement_document(outgoing="1.00", day="31.02.2026")), "'31.02.2026' is no day"),
        (statement_1c(statement_document(outgoing="1.00", currency="USD")), "not in tenge"),
        (
            statement_1c(
                statement_document(kind="ПлатежноеПоручение", amount="1.00", payer_iban="KZ60601A001000000099"),
                section=SECTION,
            ),
            "of no account of the file",
        ),
        ("1CClientBankExchange\nРасчСчет=KZ1\nСекцияДокумент=Выписка\nСекцияДокумент=Выписка\n".encode(), "inside another"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_whole(content, why):
    with pytest.raises(StatementRefused, match=why):
        client_bank_1c.read(content)


@pytest.mark.parametrize(
    ("text", "tiyn"),
    [
        ("152000.50", 15_200_050),
        ("152000,5", 15_200_050),
        ("152 000,50", 15_200_050),
        ("152\u00a0000.50", 15_200_050),
        ("152,000.50", 15_200_050),
        ("1.234.567,80", 123_456_780),
        ("1'000.00", 100_000),
        ("7", 700),
        ("-1.05", -105),
        ("0.1", 10),
    ],
)
def test_an_amount_is_read_as_countries_write_it(text, tiyn):
    assert amount_of(text) == tiyn


@pytest.mark.parametrize(
    "text", ["", "1,234", "1.234", "1e5", "NaN", "٣", "1,2,3", "0x10", "1.005", "1" + "0" * 15]
)
def test_an_amount_that_could_be_two_is_refused(text):
    with pytest.raises(StatementRefused):
        amount_of(text)


@pytest.mark.parametrize("text", ["23.11.2026", "2026-11-23", "23.11.2026 18:00:05", "2026-11-23T18:00:05"])
def test_a_day_is_read_with_or_without_its_time(text):
    assert day_of(text) == date(2026, 11, 23)


@pytest.mark.parametrize("text", ["", "11/23/2026", "23.11.26", "30.02.2026"])
def test_another_day_is_refused(text):
    with pytest.raises(StatementRefused):
        day_of(text)


def test_two_equal_movements_differ_and_two_exports_of_one_agree():
    whole = client_bank_1c.read(sample("plain"))
    again = client_bank_1c.read(sample("upper_case"))
    assert whole.identities() == again.identities()
    one = statement_document(document_number="7", outgoing="100.00")
    twice = client_bank_1c.read(statement_1c(one, one)).identities()
    assert len(set(twice)) == 2
    assert client_bank_1c.read(statement_1c(one)).identities() == twice[:1]


@pytest.mark.parametrize(
    "change",
    [
        {"account_iban": "KZ60601A001000000099"},
        {"booked_on": date(2026, 11, 22)},
        {"direction": Direction.IN},
        {"amount_tiyn": 15_200_051},
        {"document_number": "16"},
        {"counterparty_iban": "KZ48722C000098765432"},
        {"purpose": "Возмещение"},
    ],
)
def test_a_movement_is_another_one_when_any_of_its_facts_differs(change):
    line = client_bank_1c.read(sample("plain")).lines[0]
    assert line.identity() != replace(line, **change).identity()


def test_what_stands_after_the_end_of_the_file_is_not_left_out_unseen():
    content = statement_1c(statement_document(outgoing="1.00"))
    assert len(client_bank_1c.read(content + b"\r\n\x1a").lines) == 1
    with pytest.raises(StatementRefused, match="goes on after"):
        client_bank_1c.read(content + statement_1c(statement_document(outgoing="2.00")))


def test_balances_without_turnovers_are_checked_against_the_lines():
    """A bank need not say what came and went; what the account held before and after says it, too."""
    section = f"СекцияРасчСчет\nРасчСчет={OUR_ACCOUNT}\nНачальныйОстаток=500.00\nКонечныйОстаток={{}}\nКонецРасчСчет\n"
    document = statement_document(outgoing="100.00")
    assert client_bank_1c.read(statement_1c(document, section=section.format("400.00"))).doubts == ()
    assert client_bank_1c.read(statement_1c(document, section=section.format("401.00"))).doubts == (
        Doubt(DoubtKind.BALANCE, f"{OUR_ACCOUNT}: 500.00 + 0.00 − 100.00 ≠ 401.00"),
    )


def test_balances_of_several_days_without_turnovers_are_checked_together():
    days = "".join(
        f"СекцияРасчСчет\nРасчСчет={OUR_ACCOUNT}\nНачальныйОстаток={opening}\nКонечныйОстаток={closing}\nКонецРасчСчет\n"
        for opening, closing in (("500.00", "400.00"), ("400.00", "390.00"))
    )
    documents = [
        statement_document(outgoing="100.00"),
        statement_document(outgoing="10.00", day="24.11.2026"),
    ]
    assert client_bank_1c.read(statement_1c(*documents, section=days)).doubts == ()
    assert [doubt.kind for doubt in client_bank_1c.read(statement_1c(documents[0], section=days)).doubts] == [
        DoubtKind.BALANCE
    ]

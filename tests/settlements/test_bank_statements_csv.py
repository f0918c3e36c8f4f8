"""A table is read by the headings that its bank uses."""

from dataclasses import replace

import pytest

from settlements.bank_statements import csv_mapped
from settlements.bank_statements.lines import Doubt, DoubtKind, StatementRefused
from tests.settlements.bank_data import DATA

COLUMNS = csv_mapped.Columns(
    account_iban="KZ39601A001000000017",
    day="Дата",
    incoming="Кредит",
    outgoing="Дебет",
    document_number="номер",
    purpose="НАЗНАЧЕНИЕ  ПЛАТЕЖА",
    counterparty_name="Корреспондент",
    counterparty_iban="ИИК корреспондента",
    counterparty_business_id="БИН",
    encoding="windows-1251",
)
SIGNED = csv_mapped.Columns(
    account_iban="KZ1", day="Date", day_format="%Y-%m-%d", amount="Sum", delimiter=","
)


def test_a_table_with_two_columns_of_amounts():
    statement = csv_mapped.read((DATA / "statement_table.csv").read_bytes(), COLUMNS)
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
    first = statement.lines[0]
    assert (first.account_iban, first.counterparty_iban, first.counterparty_business_id) == (
        "KZ39601A001000000017", "KZ84722C000012345678", "260140900305"
    )  # fmt: skip
    assert ("Дебет", "152 000,50") in first.raw
    assert statement.doubts == (Doubt(DoubtKind.LEFT_OUT, "Итого · 192 250,50 · 1 040 000,00"),)


def test_a_table_with_one_signed_column():
    lines = csv_mapped.read(
        "\ufeffDate,Sum\r\n2026-11-23,-10.5\r\n2026-11-24,−3.00\r\n2026-11-25,7\r\n".encode(), SIGNED
    ).lines
    assert [(line.direction, line.amount_tiyn) for line in lines] == [
        ("out", 1050),
        ("out", 300),
        ("in", 700),
    ]


def test_a_line_of_no_sum_is_left_out_and_shown():
    statement = csv_mapped.read(
        b"Date,Sum\n2026-11-23,0.00\n2026-11-23,\n\n",
        replace(SIGNED, amount="", incoming="Sum", outgoing="Sum"),
    )
    assert statement.lines == ()
    assert [doubt.detail for doubt in statement.doubts] == ["2026-11-23 · 0.00", "2026-11-23"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no line has all the columns"),
        (b"Date;Sum\n", "no line has all the columns"),
        (b"Date,Sum\n23.11.2026,1\n", "no day of the form"),
        (b"Date,Sum\n2026-11-23,1.5 KZT\n", "no amount"),
        (b'Date,Sum\n"2026-11-23,1\n', "not a table"),
        (b"Date,Sum\n\x00", "no text"),
        ("Дата".encode("cp1251"), "not utf-8"),
    ],
)
def test_what_cannot_be_understood_is_refused_whole(content, why):
    with pytest.raises(StatementRefused, match=why):
        csv_mapped.read(content, SIGNED)


@pytest.mark.parametrize("changes", [{"amount": ""}, {"incoming": "In", "outgoing": "Out"}, {"day": ""}])
def test_a_mapping_has_a_day_and_amounts_of_one_kind(changes):
    with pytest.raises(StatementRefused, match="a mapping has"):
        replace(SIGNED, **changes)


@pytest.mark.parametrize("day_format", ["%d.%d.%Y", "%d.%m", "%m.%Y", "%Q", "%", "", "day", "\ud800"])
def test_a_mapping_has_the_form_of_a_whole_day(day_format):
    """Without a year every line would be of 1900; a directive that stands twice ended in a bare error page."""
    with pytest.raises(StatementRefused, match="whole day"):
        replace(SIGNED, day_format=day_format)


def test_a_movement_is_not_both_ways():
    with pytest.raises(StatementRefused, match="both comes in"):
        csv_mapped.read(
            b"Date,In,Out\n2026-11-23,1,1\n", replace(SIGNED, amount="", incoming="In", outgoing="Out")
        )


TWO_COLUMNS = replace(SIGNED, amount="", incoming="In", outgoing="Out")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (b"2026-11-23,-5,\n", "below nothing"),
        (b"2026-11-23,,5\n2026-11-24,,-5\n", "with a minus and without"),
    ],
)
def test_a_column_that_takes_back_what_it_said_is_left_to_a_person(rows, why):
    """A reversal is written as a minus among plain amounts; taken for money of its own, it would count twice."""
    with pytest.raises(StatementRefused, match=why):
        csv_mapped.read(b"Date,In,Out\n" + rows, TWO_COLUMNS)


def test_a_column_of_outgoing_amounts_may_be_all_below_nothing():
    lines = csv_mapped.read(b"Date,In,Out\n2026-11-23,0.00,-5\n2026-11-24,0.00,-6\n", TWO_COLUMNS).lines
    assert [(line.direction, line.amount_tiyn) for line in lines] == [("out", 500), ("out", 600)]


def test_a_heading_that_stands_twice_is_not_chosen_by_chance():
    with pytest.raises(StatementRefused, match="iban stands twice"):
        csv_mapped.read(b"Date,Sum,IBAN,IBAN\n2026-11-23,1,A,B\n", replace(SIGNED, counterparty_iban="IBAN"))
    assert len(csv_mapped.read(b"Date,Sum,Note,Note\n2026-11-23,1,A,B\n", SIGNED).lines) == 1

"""The register as an Excel workbook: summary, operations, days. Numbers are numbers, days are dates, text is never a formula.

Written row by row (xlsxwriter's constant memory): a year of operations takes the memory of one row, and disk in the
directory for temporary files.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from settlements.documents import figures
from settlements.documents.columns import COLUMNS, Column, Value, tenge
from settlements.documents.lines import beside, summary
from settlements.documents.reading import Progress, Reading, no_progress
from settlements.documents.wording import say
from settlements.register import Register, Totals

# A sheet's last row; xlsxwriter drops what lies beyond without a word.
ROWS_MAX = 1_048_576 - 2
# What a double, and so a cell of a spreadsheet, holds exactly.
DIGITS_MAX = 15
_FORMATS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 14},
    "bold": {"bold": True},
    "quiet": {"font_color": "#666666", "italic": True},
    "heading": {"bold": True, "bg_color": "#E8EEF0", "bottom": 1, "text_wrap": True, "valign": "top"},
    "money": {"num_format": "#,##0.00"},
    "sum": {"num_format": "#,##0.00", "bold": True, "top": 1},
    "sum_text": {"bold": True, "top": 1},
    "instant": {"num_format": "dd.mm.yyyy hh:mm:ss"},
    "day": {"num_format": "dd.mm.yyyy"},
    "exact": {"num_format": "0.##################"},
    "rate": {"num_format": "#,##0.00####"},
}
_COLUMN_FORMATS = {"coin_amount": "exact", "rate": "rate", "official_rate": "rate"}
_DAY_COLUMNS = (
    "day",
    "count",
    "gross",
    "reversed",
    "refunds",
    "corrections",
    "fee",
    "vat",
    "net_column",
    "payout_column",
    "balance",
)


class TooManyRows(Exception):
    """More operations than a sheet of a workbook can hold; CSV holds any number."""


def write_xlsx(
    register: Register,
    target: BinaryIO,
    *,
    language: str,
    preliminary: bool = False,
    progress: Progress = no_progress,
) -> None:
    """Write the whole register to ``target``. A period that is over gives the same bytes whenever it is written.

    Raises:
        TooManyRows: see there.
    """
    if register.entry_count > ROWS_MAX:
        raise TooManyRows(f"{register.entry_count} operations; a sheet holds {ROWS_MAX}")
    book = xlsxwriter.Workbook(
        target,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "nan_inf_to_errors": False,
        },
    )
    # The properties hold a date; one of the document, since the clock's would make two copies differ.
    stamp = datetime.combine(register.last, time(23, 59, 59))
    book.set_properties({"title": say("register", language), "author": "Alatau Pay", "created": stamp})
    sheet = _Sheets(book, register, language, Reading(register, progress))
    sheet.operations()
    sheet.days()
    sheet.summary(preliminary)
    book.close()


class _Sheets:
    """The three sheets of one workbook; the summary stands first and is written last, when the totals are known."""

    def __init__(
        self, book: xlsxwriter.Workbook, register: Register, language: str, reading: Reading
    ) -> None:
        self.register, self.language, self.reading = register, language, reading
        self.formats = {name: book.add_format(settings) for name, settings in _FORMATS.items()}
        names = [say(key, language) for key in ("summary", "operations", "days")]
        self.summary_sheet, self.operations_sheet, self.days_sheet = map(book.add_worksheet, names)

    def operations(self) -> None:
        """A row an operation below a frozen heading, with a filter, and the totals below."""
        sheet = self.operations_sheet
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.repeat_rows(0)
        for index, column in enumerate(COLUMNS):
            sheet.set_column(index, index, column.width)
            sheet.write_string(0, index, say(column.key, self.language), self.formats["heading"])
        number = 0
        for number, row in enumerate(self.reading.rows(), start=1):
            for index, column in enumerate(COLUMNS):
                self._write(sheet, number, index, column, column.value(row, self.language))
        sheet.autofilter(0, 0, max(number, 1), len(COLUMNS) - 1)
        if number:
            self._totals_row(sheet, number)

    def _totals_row(self, sheet: Any, last: int) -> None:
        totals = self.reading.totals
        earned = totals.net_tiyn + totals.fee_tiyn + totals.vat_tiyn
        amounts = {
            "gross_column": earned,
            "fee_column": totals.fee_tiyn,
            "vat_column": totals.vat_tiyn,
            "net_column": totals.net_tiyn,
            "payout_column": totals.movement_tiyn - totals.net_tiyn,
        }
        for index, column in enumerate(COLUMNS):
            if column.key == "kind":
                sheet.write_string(last + 1, index, say("total", self.language), self.formats["sum_text"])
            elif column.is_total:
                letter = xl_col_to_name(index)
                # The value beside the formula is what programs show that do not calculate.
                formula = f"=SUM({letter}2:{letter}{last + 1})"
                sheet.write_formula(last + 1, index, formula, self.formats["sum"], tenge(amounts[column.key]))
            elif column.key == "balance":
                sheet.write_number(last + 1, index, tenge(self.reading.balance_tiyn), self.formats["sum"])
            else:
                sheet.write_blank(last + 1, index, None, self.formats["sum_text"])

    def days(self) -> None:
        """A row a day on which anything happened, with the balance at its end."""
        sheet = self.days_sheet
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(_DAY_COLUMNS), 18)
        for index, key in enumerate(_DAY_COLUMNS):
            sheet.write_string(0, index, say(key, self.language), self.formats["heading"])
        balance_tiyn = self.register.opening_tiyn
        for line, (day, totals) in enumerate(sorted(self.reading.days.items()), start=1):
            balance_tiyn += totals.movement_tiyn
            self._day(sheet, line, day, totals, balance_tiyn)

    def _day(self, sheet: Any, line: int, day: date, totals: Totals, balance_tiyn: int) -> None:
        sheet.write_datetime(line, 0, datetime.combine(day, time.min), self.formats["day"])
        sheet.write_number(line, 1, totals.operation_count)
        amounts = (
            totals.gross_tiyn,
            -totals.reversed_tiyn,
            -totals.refunds_tiyn,
            totals.corrections_tiyn,
            -totals.fee_tiyn,
            -totals.vat_tiyn,
            totals.net_tiyn,
            totals.movement_tiyn - totals.net_tiyn,
            balance_tiyn,
        )
        for index, amount_tiyn in enumerate(amounts, start=2):
            sheet.write_number(line, index, tenge(amount_tiyn), self.formats["money"])

    def summary(self, preliminary: bool) -> None:
        """Whose, when, and the lines that add up."""
        sheet, language = self.summary_sheet, self.language
        sheet.set_column(0, 0, 48)
        sheet.set_column(1, 1, 22)
        sheet.set_column(2, 2, 12)
        merchant = self.register.merchant
        sheet.write_string(0, 0, f"Alatau Pay · {say('register', language)}", self.formats["title"])
        facts = [
            ("merchant", merchant.legal_name),
            ("business_id", merchant.business_id),
            ("period", f"{figures.day(self.register.first)} – {figures.day(self.register.last)}"),
        ]
        for line, (key, text) in enumerate(facts, start=1):
            sheet.write_string(line, 0, say(key, language))
            sheet.write_string(line, 1, text, self.formats["bold"])
        for index, key in enumerate(("line", "amount", "count")):
            sheet.write_string(5, index, say(key, language), self.formats["heading"])
        totals = self.reading.totals
        line = 6
        for line, row in enumerate([*summary(self.register.opening_tiyn, totals), *beside(totals)], start=6):
            label = self.formats["sum_text"] if row.is_sum else None
            sheet.write_string(line, 0, say(row.key, language), label)
            sheet.write_number(
                line, 1, tenge(row.amount_tiyn), self.formats["sum" if row.is_sum else "money"]
            )
            if row.count is not None:
                sheet.write_number(line, 2, row.count)
        notes = ["time_zone", "not_fiscal", *(["preliminary"] if preliminary else [])]
        for below, key in enumerate(notes, start=line + 2):
            sheet.write_string(below, 0, say(key, language), self.formats["quiet"])

    def _write(self, sheet: Any, line: int, index: int, column: Column, value: Value) -> None:
        if value is None or value == "":
            return
        if isinstance(value, str):
            sheet.write_string(line, index, value)
        elif isinstance(value, datetime):
            sheet.write_datetime(line, index, value, self.formats["instant"])
        elif isinstance(value, Decimal) and len(value.as_tuple().digits) > DIGITS_MAX:
            # More digits than a spreadsheet's number has: shown exactly, as text.
            sheet.write_string(line, index, format(value, "f"))
        elif isinstance(value, Decimal | int):
            name = _COLUMN_FORMATS.get(column.key, "money" if isinstance(value, Decimal) else None)
            sheet.write_number(line, index, value, self.formats[name] if name else None)

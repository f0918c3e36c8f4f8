"""The register as CSV: one heading, a row an operation, and rows without a number for the balances and totals.

UTF-8 with a byte order mark, since without one Excel reads Kazakh and Russian letters as windows-1251. In Kazakh and Russian,
cells are parted by semicolons and decimals by a comma, as Excel expects there; in English by commas and points. Text that a
spreadsheet would run as a formula begins with an apostrophe.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import BinaryIO

from settlements.documents.columns import COLUMNS, Value, tenge
from settlements.documents.lines import SummaryLine, beside, summary
from settlements.documents.reading import Progress, Reading, no_progress
from settlements.documents.wording import say
from settlements.register import Register

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# In which column a line of the summary stands.
_LINE_COLUMNS = {
    "opening": "balance",
    "gross": "gross_column",
    "reversed": "gross_column",
    "refunds": "gross_column",
    "corrections": "gross_column",
    "fee": "fee_column",
    "vat": "vat_column",
    "net": "net_column",
    "payouts": "payout_column",
    "payouts_back": "payout_column",
    "closing": "balance",
    "direct_fee": "note",
    "direct_vat": "note",
}


def write_csv(
    register: Register,
    target: BinaryIO,
    *,
    language: str,
    preliminary: bool = False,
    progress: Progress = no_progress,
) -> None:
    """Write the whole register to ``target``, row by row: memory does not grow with the number of operations.

    Where it is ``preliminary``, the last row says so beside no figure.
    """
    reading = Reading(register, progress)
    target.write(codecs.BOM_UTF8)
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, delimiter="," if language == "en" else ";", lineterminator="\r\n")
    writer.writerow([say(column.key, language) for column in COLUMNS])
    opening, *_ = summary(register.opening_tiyn, reading.totals)
    writer.writerow(_line_cells(opening, language))
    for row in reading.rows():
        writer.writerow([cell(column.value(row, language), language) for column in COLUMNS])
    for line in _closing_lines(reading):
        writer.writerow(_line_cells(line, language))
    if preliminary:
        writer.writerow(_cells(kind=say("preliminary", language)))
    text.flush()
    # The target is the caller's to close.
    text.detach()


def cell(value: Value, language: str) -> str:
    """A value as a cell's text. Text is made harmless where a spreadsheet would take it for a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, datetime):
        return value.strftime("%d.%m.%Y %H:%M:%S")
    if isinstance(value, date):
        return value.strftime("%d.%m.%Y")
    number = format(value, "f") if isinstance(value, Decimal) else str(value)
    return number if language == "en" else number.replace(".", ",")


def _closing_lines(reading: Reading) -> Iterable[SummaryLine]:
    lines = summary(reading.register.opening_tiyn, reading.totals)
    return [*lines[1:], *beside(reading.totals)]


def _line_cells(line: SummaryLine, language: str) -> list[str]:
    amount = {_LINE_COLUMNS[line.key]: cell(tenge(line.amount_tiyn), language)}
    return _cells(kind=say(line.key, language), **amount)


def _cells(**filled: str) -> list[str]:
    return list({**dict.fromkeys((column.key for column in COLUMNS), ""), **filled}.values())

"""Reading the month's registers back as an accountant's programs do. Imports nothing of the project."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

import openpyxl
from pypdf import PdfReader


def csv_lines(content: bytes) -> dict[str, int]:
    """The lines of the summary, in tiyn; the operations' own columns have to add up to them."""
    table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    return _lines(table[0], table[1:])


def xlsx_lines(content: bytes) -> dict[str, int]:
    """The same out of the workbook's first sheet."""
    book = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    found = {}
    for row in book.worksheets[0].iter_rows(values_only=True):
        cells = [cell for cell in row if cell not in (None, "")]
        amounts = [cell for cell in cells[1:] if isinstance(cell, int | float)]
        if amounts:
            found[cells[0]] = _tiyn(amounts[0])
    return found


def missing_in_pdf(content: bytes, lines: dict[str, int]) -> list[str]:
    """Those of ``lines`` that cannot be read on one line of the PDF."""
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    said = re.sub(r"[  ]", " ", text).replace("−", "-").splitlines()
    wanted = {line: f"{Decimal(amount) / 100:,.2f}" for line, amount in lines.items()}
    return [line for line, amount in wanted.items() if not any(line in row and amount in row for row in said)]


def fee_sums(content: bytes) -> tuple[int, int, int]:
    """Fee, VAT and both together of a fee invoice or an act: its one line, which its total has to repeat."""
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    amount = r"(\d[\d, ]*\.\d\d)"
    line = re.search(rf"1 {amount} 16 ?% {amount} {amount}", re.sub(r"[\s\u00a0\u202f]+", " ", text))
    total = re.search(rf"Total {amount} {amount} {amount}", re.sub(r"[\s\u00a0\u202f]+", " ", text))
    assert line and total and line.groups() == total.groups(), text
    fee, vat, both = (_tiyn(found.replace(",", "").replace(" ", "")) for found in total.groups())
    return fee, vat, both


def balances_1c(content: bytes) -> tuple[int, int]:
    """Opening and closing balance, in tiyn; between them the documents have to add up."""
    text = content.decode()
    said = {key: _tiyn(value) for key, value in re.findall(r"^(\w+)=(-?\d+\.\d\d)\r?$", text, re.MULTILINE)}
    came = sum(map(_tiyn, re.findall(r"^СуммаПриход=([\d.]+)\r?$", text, re.MULTILINE)))
    went = sum(map(_tiyn, re.findall(r"^СуммаРасход=([\d.]+)\r?$", text, re.MULTILINE)))
    assert said["НачальныйОстаток"] + came - went == said["КонечныйОстаток"]
    return said["НачальныйОстаток"], said["КонечныйОстаток"]


def _lines(heading: list[str], table: list[list[str]]) -> dict[str, int]:
    found, sums = {}, dict.fromkeys(("Gross", "Fee", "VAT", "Net"), 0)
    for row in table:
        named = dict(zip(heading, row, strict=True))
        if row[0]:
            for column in sums:
                sums[column] += _tiyn(named[column] or 0)
        else:
            label, amount = [cell for cell in row if cell][:2]
            found[label] = _tiyn(amount)
    assert sums["Net"] == found["Due for the period"]
    return found


def _tiyn(amount: object) -> int:
    tiyn = Decimal(str(amount)) * 100
    assert tiyn == tiyn.to_integral_value()
    return int(tiyn)

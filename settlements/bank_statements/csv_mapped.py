"""Statements as a table, with a mapping that says which column means what: each bank has its own headings."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from settlements.bank_statements.lines import (
    Direction,
    Doubt,
    DoubtKind,
    StatementFile,
    StatementLine,
    StatementRefused,
    amount_of,
    compact,
    plain,
    speaks_of_return,
    with_checks,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The headings of a bank's table; "" for a column that it does not have. Headings are found in any case.

    Either ``amount`` is signed (what goes out is negative), or ``incoming`` and ``outgoing`` are two columns. The headings
    are the first line in which all named columns stand: banks like to put their name and address above.
    """

    account_iban: str
    day: str
    day_format: str = "%d.%m.%Y"
    amount: str = ""
    incoming: str = ""
    outgoing: str = ""
    document_number: str = ""
    reference: str = ""
    purpose: str = ""
    counterparty_name: str = ""
    counterparty_business_id: str = ""
    counterparty_iban: str = ""
    counterparty_bic: str = ""
    knp: str = ""
    delimiter: str = ";"
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if not self.day or bool(self.amount) == bool(self.incoming and self.outgoing):
            raise StatementRefused(
                "a mapping has a day and either one signed amount or two columns of amounts"
            )
        if not _tells_a_day(self.day_format):
            raise StatementRefused(
                f"a mapping has the form of a whole day, such as %d.%m.%Y, not {self.day_format!r}"
            )

    def headings(self) -> set[str]:
        """All columns that the table must have, as they are compared."""
        named = (
            self.day, self.amount, self.incoming, self.outgoing, self.document_number, self.reference, self.purpose,
            self.counterparty_name, self.counterparty_business_id, self.counterparty_iban, self.counterparty_bic, self.knp,
        )  # fmt: skip
        return {plain(heading) for heading in named if heading}


def read(content: bytes, columns: Columns) -> StatementFile:
    """The statement in ``content``. Lines without a day or a sum are totals and remarks: left out, with a doubt each.

    Raises:
        StatementRefused: another encoding, a column is missing or stands twice, or a day or an amount cannot be understood.
    """
    try:
        text = content.decode("utf-8-sig" if columns.encoding == "utf-8" else columns.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise StatementRefused(f"the text is not {columns.encoding}") from error
    if "\x00" in text:
        raise StatementRefused("the file is no text")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=columns.delimiter, strict=True))
    except csv.Error as error:
        raise StatementRefused(f"not a table: {error}") from error
    start = next(
        (index for index, row in enumerate(rows) if columns.headings() <= {plain(cell) for cell in row}), None
    )
    if start is None:
        raise StatementRefused(f"no line has all the columns {', '.join(sorted(columns.headings()))}")
    headings = rows[start]
    _require_one_of_each(headings, columns)
    _require_one_sign([dict(zip(headings, row, strict=False)) for row in rows[start + 1 :]], columns)
    lines, doubts = [], []
    for row in rows[start + 1 :]:
        line = _line(dict(zip(headings, row, strict=False)), columns)
        if line is not None:
            lines.append(line)
        elif any(cell.strip() for cell in row):
            doubts.append(
                Doubt(DoubtKind.LEFT_OUT, " · ".join(cell.strip() for cell in row if cell.strip())[:200])
            )
    return with_checks(lines, (), doubts)


def _require_one_of_each(headings: list[str], columns: Columns) -> None:
    """A table of both sides of a payment has some headings twice; which of the two is meant, the mapping cannot say."""
    counts = Counter(plain(heading) for heading in headings)
    twice = sorted(heading for heading in columns.headings() if counts[heading] > 1)
    if twice:
        raise StatementRefused(f"the column {twice[0]} stands twice")


def _require_one_sign(rows: list[dict[str, str]], columns: Columns) -> None:
    """A bank may write its column of outgoing amounts with a minus; a minus among plain ones takes back what it said."""
    if not columns.outgoing:
        return
    cells = [_cells(row).get(plain(columns.outgoing), "") for row in rows if _is_movement(row, columns)]
    amounts = [amount_of(_with_minus(cell)) for cell in cells if cell]
    if any(amount < 0 for amount in amounts) and any(amount > 0 for amount in amounts):
        raise StatementRefused(f"the column {columns.outgoing} has amounts with a minus and without")


def _is_movement(row: dict[str, str], columns: Columns) -> bool:
    return _day(_cells(row).get(plain(columns.day), ""), columns.day_format) is not None


def _cells(row: dict[str, str]) -> dict[str, str]:
    return {plain(heading): cell.strip() for heading, cell in row.items()}


def _line(row: dict[str, str], columns: Columns) -> StatementLine | None:
    by_heading = _cells(row)

    def cell(heading: str) -> str:
        return by_heading.get(plain(heading), "") if heading else ""

    day = _day(cell(columns.day), columns.day_format)
    if day is None:
        return None
    amount_tiyn = _amount(cell(columns.amount), cell(columns.incoming), cell(columns.outgoing))
    if amount_tiyn == 0:
        return None
    purpose = " ".join(cell(columns.purpose).split())
    return StatementLine(
        account_iban=columns.account_iban,
        direction=Direction.IN if amount_tiyn > 0 else Direction.OUT,
        amount_tiyn=abs(amount_tiyn),
        booked_on=day,
        document_number=cell(columns.document_number),
        reference=cell(columns.reference),
        purpose=purpose,
        counterparty_name=cell(columns.counterparty_name),
        counterparty_business_id=compact(cell(columns.counterparty_business_id)),
        counterparty_iban=compact(cell(columns.counterparty_iban)),
        counterparty_bic=compact(cell(columns.counterparty_bic)),
        knp=cell(columns.knp),
        is_return=speaks_of_return(purpose),
        raw=tuple((heading, value) for heading, value in row.items() if value),
    )


def _day(text: str, day_format: str) -> date | None:
    """The day in a cell; None in a line that is no movement: no digit stands where the day would begin."""
    if not text[:1].isdigit():
        return None
    try:
        return datetime.strptime(text.split()[0], day_format).date()  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        raise StatementRefused(f"{text!r} is no day of the form {day_format}") from error


def _tells_a_day(day_format: str) -> bool:
    """Whether a day that is written so is read again as the same day, with its month and year."""
    day = date(2031, 11, 23)
    try:
        return datetime.strptime(day.strftime(day_format), day_format).date() == day  # noqa: DTZ007 - a day has no zone
    # A directive that stands twice is a mistake in a regular expression, to Python.
    except (ValueError, re.error):
        return False


def _amount(signed: str, incoming: str, outgoing: str) -> int:
    """Tiyn, below zero for what goes out."""
    if signed:
        return amount_of(_with_minus(signed))
    came, went = (amount_of(_with_minus(text)) if text else 0 for text in (incoming, outgoing))
    if came < 0:
        raise StatementRefused(f"the incoming amount {incoming} is below nothing")
    went = abs(went)
    if came and went:
        raise StatementRefused(f"one line both comes in ({incoming}) and goes out ({outgoing})")
    return came - went


def _with_minus(text: str) -> str:
    return text.replace("−", "-")

"""Which documents there are, in which formats, and making one: the one door to all writers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import BinaryIO

from merchants.models import Merchant
from settlements.documents.csv_register import write_csv
from settlements.documents.fee_pdf import write_act, write_fee_invoice
from settlements.documents.reading import Progress, no_progress
from settlements.documents.register_pdf import write_register_pdf
from settlements.documents.statement_1c import write_statement_1c
from settlements.documents.wording import LANGUAGES
from settlements.documents.xlsx import write_xlsx
from settlements.fee_statement import compile_fee_statement
from settlements.models import DocumentFormat, DocumentKind
from settlements.operator_requisites import operator_on
from settlements.register import Register, compile_register

FORMATS = {
    DocumentKind.REGISTER: (
        DocumentFormat.PDF,
        DocumentFormat.XLSX,
        DocumentFormat.CSV,
        DocumentFormat.STATEMENT_1C,
    ),
    DocumentKind.FEE_INVOICE: (DocumentFormat.PDF,),
    DocumentKind.ACT: (DocumentFormat.PDF,),
}
CONTENT_TYPES = {
    DocumentFormat.PDF: "application/pdf",
    DocumentFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    DocumentFormat.CSV: "text/csv; charset=utf-8",
    DocumentFormat.STATEMENT_1C: "text/plain; charset=utf-8",
}
# The longest period of one document: a leap year.
DAYS_MAX = 366
# A longer period, or more operations, is nothing to wait for in front of a page.
DAYS_AT_ONCE_MAX = 31
OPERATIONS_AT_ONCE_MAX = 5000


class DocumentRefused(Exception):
    """There is no such document: its format, its language or its period does not fit."""


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """What is wanted. A fee invoice and an act are those of the month that ``first`` lies in.

    Raises:
        DocumentRefused: see there.
    """

    kind: DocumentKind
    format: DocumentFormat
    language: str
    first: date
    last: date

    def __post_init__(self) -> None:
        if self.format not in FORMATS[self.kind]:
            raise DocumentRefused(f"{self.kind} is not made as {self.format}")
        if self.language not in LANGUAGES:
            raise DocumentRefused(f"no documents in {self.language}")
        if not self.first <= self.last < self.first + timedelta(days=DAYS_MAX):
            raise DocumentRefused(f"a document spans 1 to {DAYS_MAX} days")

    @property
    def file_name(self) -> str:
        """ "register-2026-11-23.pdf", "register-2026-11-01_2026-11-30.xlsx", "act-2026-11.pdf"."""
        if self.kind is not DocumentKind.REGISTER:
            return f"{self.kind.replace('_', '-')}-{self.first:%Y-%m}.{self.format}"
        period = f"{self.first:%Y-%m-%d}" + (f"_{self.last:%Y-%m-%d}" if self.last != self.first else "")
        if self.format is DocumentFormat.STATEMENT_1C:
            return f"1c-{period}.txt"
        return f"register-{period}.{self.format}"

    @property
    def content_type(self) -> str:
        """The media type of the file."""
        return CONTENT_TYPES[self.format]


def month_of(day: date) -> tuple[date, date]:
    """The first and the last day of the month that ``day`` lies in."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def is_long(request: DocumentRequest, *, operation_count: int) -> bool:
    """Whether the document is one for the background: a long period, or a great many operations."""
    days = (request.last - request.first).days + 1
    return days > DAYS_AT_ONCE_MAX or operation_count > OPERATIONS_AT_ONCE_MAX


def write_document(
    merchant: Merchant,
    request: DocumentRequest,
    target: BinaryIO,
    *,
    today: date,
    progress: Progress = no_progress,
) -> None:
    """Write the document to ``target``. Whoever makes it again of a period that is over before ``today`` gets the same bytes.

    Raises:
        DocumentRefused: the period has not begun, or the month of an act or a fee invoice is not over.
        settlements.documents.xlsx.TooManyRows: see there.
        settlements.fees.FeeUnknown: no rate of VAT is entered for a day of the month.
    """
    if request.first > today:
        raise DocumentRefused("the period has not begun")
    if request.kind is DocumentKind.REGISTER:
        register = compile_register(merchant, request.first, request.last)
        _write_register(register, request, target, today=today, progress=progress)
        return
    if month_of(request.first)[1] >= today:
        raise DocumentRefused("the month is not over")
    statement = compile_fee_statement(merchant, request.first)
    write = write_act if request.kind is DocumentKind.ACT else write_fee_invoice
    write(statement, target, language=request.language, operator=operator_on(statement.last))


def _write_register(
    register: Register,
    request: DocumentRequest,
    target: BinaryIO,
    *,
    today: date,
    progress: Progress,
) -> None:
    language = request.language
    preliminary = request.last >= today
    operator = operator_on(register.last)
    match request.format:
        case DocumentFormat.PDF:
            write_register_pdf(
                register,
                target,
                language=language,
                operator_name=operator.name,
                preliminary=preliminary,
                progress=progress,
            )
        case DocumentFormat.XLSX:
            write_xlsx(register, target, language=language, preliminary=preliminary, progress=progress)
        case DocumentFormat.CSV:
            write_csv(register, target, language=language, preliminary=preliminary, progress=progress)
        case DocumentFormat.STATEMENT_1C:
            write_statement_1c(
                register, target, language=language, operator=operator, today=today, progress=progress
            )

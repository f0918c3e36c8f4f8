"""The merchant's account with the operator as a statement that 1C loads: 1CClientBankExchange 2.00, dialect of Kazakhstan.

For each day a document for its gross sales, its reversals, refunds, corrections, the fee and the VAT on it, and one for each
payout. Opening balance + receipts - outlays = closing balance. The account is a virtual one, named by the merchant's number:
the statement of the merchant's bank stays apart, and a payout is a transfer between the two.

UTF-8 without a byte order mark, as the header says; lines end in CRLF. Dates are of the period, not of the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import BinaryIO

from alatau_pay.money import format_minor
from merchants.models import Merchant
from settlements.bank_files.client_bank_1c import LINE_END, VERSION
from settlements.bank_files.transliteration import one_line
from settlements.documents.figures import day as day_text
from settlements.documents.lines import summary
from settlements.documents.reading import Progress, no_progress, payouts_of
from settlements.documents.wording import say
from settlements.models import Payout
from settlements.operations import ROWS_AT_ONCE, Operation, OperationKind
from settlements.operator_requisites import Operator
from settlements.payout_policy import kbe_of
from settlements.register import Register, Totals

# «Прочие услуги»: the operator's fee. What passes through to the merchant goes by the code of the payouts, which is a setting of
# the servicing bank; this one where none is entered.
FEE_KNP = "859"
PASSING_KNP = "190"
PURPOSE_LENGTH_MAX = 210
# The lines of a day, each with the digit that its documents' numbers end in.
_DAY_LINES = {"gross": "1", "reversed": "2", "refunds": "3", "corrections": "4", "fee": "5", "vat": "6"}
_FEE_LINES = {"fee", "vat"}


@dataclass(frozen=True, slots=True)
class Document:
    """One line of the statement: a receipt (``amount_tiyn`` above nothing) or an outlay."""

    number: str
    day: date
    amount_tiyn: int
    knp: str
    purpose: str
    # What went to the merchant's own account, or came back from there; None for what is between it and the operator.
    payout: Payout | None = None


@dataclass(slots=True)
class _Day:
    totals: Totals = field(default_factory=Totals)
    payouts: list[Operation] = field(default_factory=list)


def write_statement_1c(
    register: Register,
    target: BinaryIO,
    *,
    language: str,
    operator: Operator,
    today: date,
    progress: Progress = no_progress,
) -> None:
    """Write the statement of the register's days. Memory grows with the days and payouts, not with the operations.

    The documents of ``today`` say that they are preliminary: tomorrow's file has other amounts under the same numbers.
    """
    knp = operator.payout_knp or PASSING_KNP
    documents = [
        document if document.day < today else _preliminary(document, language)
        for document in _documents(register, language, knp, progress)
    ]
    for line in _lines(register, documents, operator):
        target.write((line + LINE_END).encode())


def _preliminary(document: Document, language: str) -> Document:
    return replace(document, purpose=f"{document.purpose} ({say('preliminary_1c', language)})")


def virtual_account(merchant: Merchant) -> str:
    """What the merchant's account with the operator is called: twenty characters, as an ИИК has, but of no bank."""
    return f"ALATAU00{merchant.business_id}"


def _documents(register: Register, language: str, passing_knp: str, progress: Progress) -> Iterator[Document]:
    days: dict[date, _Day] = {}
    for number, operation in enumerate(register.operations(), start=1):
        if operation.business_date not in days:
            days[operation.business_date] = _Day()
        of_day = days[operation.business_date]
        of_day.totals.add(operation)
        if operation.kind in (OperationKind.PAYOUT, OperationKind.PAYOUT_BACK):
            of_day.payouts.append(operation)
        if number % ROWS_AT_ONCE == 0:
            progress(number)
    payouts = payouts_of(operation for of_day in days.values() for operation in of_day.payouts)
    for day, of_day in days.items():
        yield from _day_documents(day, of_day.totals, language, passing_knp)
        for position, operation in enumerate(of_day.payouts, start=1):
            payout = payouts.get(operation.reference)
            yield _payout_document(operation, position, payout, language, passing_knp)


def _day_documents(day: date, totals: Totals, language: str, passing_knp: str) -> Iterator[Document]:
    for line in summary(0, totals):
        if line.key in _DAY_LINES and line.amount_tiyn:
            number = f"{day:%y%m%d}{_DAY_LINES[line.key]}"
            knp = FEE_KNP if line.key in _FEE_LINES else passing_knp
            purpose = say("purpose_1c", language, line=say(line.key, language), day=day_text(day))
            if line.count:
                purpose += f", {line.count}"
            yield Document(number, day, line.amount_tiyn, knp, purpose)


def _payout_document(
    operation: Operation, position: int, payout: Payout | None, language: str, passing_knp: str
) -> Document:
    day = operation.business_date
    named = say(operation.kind, language) + (f" №{payout.number}" if payout else "")
    purpose = say("purpose_1c", language, line=named, day=day_text(day))
    return Document(
        number=f"{day:%y%m%d}7{position}",
        day=day,
        amount_tiyn=operation.net_tiyn,
        knp=payout.batch.servicing_bank.knp if payout and payout.batch else passing_knp,
        purpose=purpose,
        payout=payout,
    )


def _lines(register: Register, documents: list[Document], operator: Operator) -> Iterator[str]:
    account = virtual_account(register.merchant)
    came = sum(document.amount_tiyn for document in documents if document.amount_tiyn > 0)
    went = -sum(document.amount_tiyn for document in documents if document.amount_tiyn < 0)
    first, last = day_text(register.first), day_text(register.last)
    yield from (
        "1CClientBankExchange",
        f"ВерсияФормата={VERSION}",
        "Кодировка=UTF8",
        "Отправитель=Alatau Pay",
        "Получатель=",
        f"ДатаСоздания={last}",
        "ВремяСоздания=23:59:59",
        f"ДатаНачала={first}",
        f"ДатаКонца={last}",
        f"РасчСчет={account}",
        "Документ=Выписка",
        "СекцияРасчСчет",
        f"ДатаНачала={first}",
        f"ДатаКонца={last}",
        f"РасчСчет={account}",
        f"НачальныйОстаток={_amount(register.opening_tiyn)}",
        f"ВсегоПоступило={_amount(came)}",
        f"ВсегоСписано={_amount(went)}",
        f"КонечныйОстаток={_amount(register.opening_tiyn + came - went)}",
        "КонецРасчСчет",
    )
    kbe = kbe_of(register.merchant)
    for document in documents:
        yield from _document_lines(document, register.merchant, kbe, operator)
    yield "КонецФайла"


def _document_lines(document: Document, merchant: Merchant, kbe: str, operator: Operator) -> Iterator[str]:
    is_receipt = document.amount_tiyn > 0
    ours = _party(merchant.legal_name, merchant.business_id, kbe, virtual_account(merchant), "Alatau Pay", "")
    if payout := document.payout:
        # As it was paid: the merchant may have another bank by now.
        theirs = _party(
            payout.payee_name,
            payout.payee_business_id,
            payout.kbe,
            payout.iban,
            payout.bank_name,
            payout.bank_bic,
        )
    else:
        theirs = _party(
            operator.name,
            operator.business_id,
            operator.kbe,
            operator.iban,
            operator.bank_name,
            operator.bank_bic,
        )
    payer, payee = (theirs, ours) if is_receipt else (ours, theirs)
    day = day_text(document.day)
    yield from (
        "СекцияДокумент=Выписка",
        "ВидДокумента=ПлатежноеПоручение",
        f"НомерДокумента={document.number}",
        f"ДатаДокумента={day}",
        f"ДатаВалютирования={day}",
        f"ДатаОперации={day}",
        f"{'СуммаПриход' if is_receipt else 'СуммаРасход'}={_amount(abs(document.amount_tiyn))}",
        "Валюта=KZT",
        *(f"Плательщик{key}={value}" for key, value in payer.items()),
        *(f"Получатель{key}={value}" for key, value in payee.items()),
        f"КодНазначенияПлатежа={document.knp}",
        f"НазначениеПлатежа={one_line(document.purpose)[:PURPOSE_LENGTH_MAX]}",
        "КонецДокумента",
    )


def _party(
    name: str, business_id: str, kbe: str, account: str, bank_name: str, bank_bic: str
) -> dict[str, str]:
    return {
        "Наименование": one_line(name),
        "БИН_ИИН": business_id,
        "КБЕ": kbe,
        "ИИК": account,
        "БанкНаименование": one_line(bank_name),
        "БанкБИК": bank_bic,
    }


def _amount(amount_tiyn: int) -> str:
    return format_minor(amount_tiyn, 2)

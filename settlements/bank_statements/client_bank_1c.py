"""Statements in 1CClientBankExchange, of the banks of Kazakhstan with their quirks.

What was seen: section words in capitals (Jusan), ``СекцияДокумент=выписка`` (Kaspi), each movement twice, as ``Выписка`` and
as ``ПлатежноеПоручение`` (Forte), КБЕ of one digit, versions 2.00, 2.0 and 1.01, the keys of the Russian dialect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from settlements.bank_statements.lines import (
    CURRENCIES,
    AccountBalance,
    Direction,
    Doubt,
    DoubtKind,
    StatementFile,
    StatementLine,
    StatementRefused,
    amount_of,
    compact,
    day_of,
    speaks_of_return,
    with_checks,
)
from settlements.bank_statements.sections_1c import Section, Sections, read_sections

_STATEMENT = "выписка"
# Written by the bank when money moved; the others are the payer's wishes.
_DAYS_OF_MOVEMENT = ("датаоперации", "датасписано", "датапоступило")


def read(content: bytes) -> StatementFile:
    """The statement in ``content``.

    Raises:
        StatementRefused: not such a file, or a document whose account, direction, day or amount cannot be understood.
    """
    sections = read_sections(content)
    if not sections.accounts and not any(document.kind == _STATEMENT for document in sections.documents):
        # Whoever brought the file that went to the bank would complete payouts that nobody paid.
        raise StatementRefused("the file holds payment orders, or nothing: it is no statement")
    balances = [_balance(account) for account in sections.accounts]
    own = {compact(account) for account in sections.accounts_named} | {each.account_iban for each in balances}
    own.discard("")
    if not own:
        raise StatementRefused("the file names no account (РасчСчет)")
    doubts = []
    if sections.is_encoding_wrong:
        doubts.append(Doubt(DoubtKind.ENCODING, sections.header.get("кодировка")))
    lines: list[StatementLine] = []
    for document in _without_doubles(sections):
        if not _has_moved(document):
            doubts.append(Doubt(DoubtKind.LEFT_OUT, document.get("номердокумента", "номер")))
            continue
        found = list(_lines(document, frozenset(own)))
        lines += found
        if not found:
            doubts.append(Doubt(DoubtKind.EMPTY_SUM, document.get("номердокумента", "номер")))
    return with_checks(lines, balances, doubts)


def _balance(account: Section) -> AccountBalance:
    def amount(key: str) -> int | None:
        return amount_of(account.values[key]) if account.get(key) else None

    return AccountBalance(
        account_iban=compact(account.get("расчсчет")),
        first_day=day_of(account.get("датаначала")) if account.get("датаначала") else None,
        last_day=day_of(account.get("датаконца")) if account.get("датаконца") else None,
        opening_tiyn=amount("начальныйостаток"),
        incoming_tiyn=amount("всегопоступило"),
        outgoing_tiyn=amount("всегосписано"),
        closing_tiyn=amount("конечныйостаток"),
    )


def _without_doubles(sections: Sections) -> Iterator[Section]:
    """Documents, each movement once: a payment order that repeats a statement's document only fills in what it lacks."""
    doubles: Counter[tuple[str, ...]] = Counter()
    orders = {}
    statements = [document for document in sections.documents if document.kind == _STATEMENT]
    doubles.update(_movement(document) for document in statements)
    singles = []
    for document in sections.documents:
        if document.kind == _STATEMENT:
            continue
        movement = _movement(document)
        if doubles[movement]:
            doubles[movement] -= 1
            orders[movement] = document
        else:
            singles.append(document)
    for document in statements:
        order = orders.get(_movement(document))
        for key, value in order.values.items() if order else ():
            if not document.values.get(key) and not key.startswith("сумма"):
                document.values[key] = value
        yield document
    yield from singles


def _has_moved(document: Section) -> bool:
    """False for a payment order that has only the days that its payer wrote on it: the bank has not carried it out."""
    if document.kind == _STATEMENT or document.get(*_DAYS_OF_MOVEMENT):
        return True
    return bool(_nonzero(document, "суммаприход") or _nonzero(document, "суммарасход"))


def _movement(document: Section) -> tuple[str, ...]:
    amount = (
        document.get("сумма") or _nonzero(document, "суммаприход") or _nonzero(document, "суммарасход") or "0"
    )
    return (
        document.get("номердокумента", "номер"),
        str(amount_of(amount)),
        _party(document, "плательщик").iban,
        _party(document, "получатель").iban,
    )


@dataclass(frozen=True, slots=True)
class _Party:
    name: str
    business_id: str
    iban: str
    bic: str


def _party(document: Section, role: str) -> _Party:
    return _Party(
        name=document.get(f"{role}наименование", role, f"{role}1"),
        business_id=compact(
            document.get(f"{role}бин_иин", f"{role}бин", f"{role}иин", f"{role}инн", f"{role}иинбин")
        ),
        iban=compact(document.get(f"{role}иик", f"{role}счет", f"{role}расчсчет")),
        bic=compact(document.get(f"{role}банкбик", f"{role}бик")),
    )


def _lines(document: Section, own: frozenset[str]) -> Iterator[StatementLine]:
    """A line for a document; two where the operator pays from one of the file's accounts to another; none for no sum."""
    payer, payee = _party(document, "плательщик"), _party(document, "получатель")
    line = _common(document)
    incoming, outgoing = _nonzero(document, "суммаприход"), _nonzero(document, "суммарасход")
    if incoming and outgoing:
        raise StatementRefused(f"document {line.document_number} both comes in and goes out")
    if not incoming and not outgoing:
        amount = _nonzero(document, "сумма")
        if amount and not {payer.iban, payee.iban} & own:
            raise StatementRefused(f"document {line.document_number} is of no account of the file")
        incoming = amount if payee.iban in own else ""
        outgoing = amount if payer.iban in own else ""
    if incoming:
        yield _with(line, Direction.IN, incoming, payee, payer, own)
    if outgoing:
        yield _with(line, Direction.OUT, outgoing, payer, payee, own)


def _common(document: Section) -> StatementLine:
    number = document.get("номердокумента", "номер")
    if document.get("валюта").upper() not in CURRENCIES:
        raise StatementRefused(f"document {number} is not in tenge")
    day = document.get(*_DAYS_OF_MOVEMENT, "датавалютирования", "датадокумента", "дата")
    purpose = document.get("назначениеплатежа")
    return StatementLine(
        account_iban="",
        direction=Direction.IN,
        amount_tiyn=0,
        booked_on=day_of(day),
        document_number=number,
        purpose=purpose,
        knp=document.get("кодназначенияплатежа", "кнп"),
        is_return=speaks_of_return(purpose),
        raw=tuple(document.raw),
    )


def _with(
    line: StatementLine, direction: Direction, amount: str, ours: _Party, theirs: _Party, own: frozenset[str]
) -> StatementLine:
    account_iban = ours.iban if ours.iban in own else next(iter(own)) if len(own) == 1 else ""
    if not account_iban:
        raise StatementRefused(f"document {line.document_number} does not say on which account it is")
    amount_tiyn = amount_of(amount)
    if amount_tiyn <= 0:
        raise StatementRefused(f"document {line.document_number} has the amount {amount}")
    return replace(
        line,
        account_iban=account_iban,
        direction=direction,
        amount_tiyn=amount_tiyn,
        counterparty_name=theirs.name,
        counterparty_business_id=theirs.business_id,
        counterparty_iban=theirs.iban,
        counterparty_bic=theirs.bic,
    )


def _nonzero(document: Section, key: str) -> str:
    text = document.get(key)
    return text if text and amount_of(text) else ""

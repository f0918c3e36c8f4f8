"""ISO 20022 camt.053 by the schema's own types, in the versions 02 to 12.

An entry with several transactions becomes a line for each, where each says its amount and they add up to the entry; else
one line, with a doubt. Only booked entries count. A document type declaration, and with it every entity, is refused before
anything else looks at the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Any
from xml.etree import ElementTree

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException
from xsdata.exceptions import ConverterError, ParserError
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.parsers.handlers import XmlEventHandler

from settlements.bank_statements.lines import (
    CURRENCIES,
    DIGITS_MAX,
    AccountBalance,
    Direction,
    Doubt,
    DoubtKind,
    StatementFile,
    StatementLine,
    StatementRefused,
    amount_of,
    compact,
    speaks_of_return,
    with_checks,
)

# The schema's own elements go a dozen deep; what a bank adds inside SplmtryData has room as well.
DEPTH_MAX = 64
VERSIONS = tuple(f"{version:02}" for version in range(2, 13))

_ROOT = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.(\d\d)\}Document")
_CODES = re.compile(r"\bEKNP\s*\d{4}[A-Z]{3}(\d{3})\b")
_DIRECTIONS = {"CRDT": Direction.IN, "DBIT": Direction.OUT}


def read(content: bytes) -> StatementFile:
    """The statement in ``content``.

    Raises:
        StatementRefused: no camt.053 of a known version, a document type declaration, or an entry that makes no sense.
    """
    document = _parse(content)
    if not document.bk_to_cstmr_stmt.stmt:
        raise StatementRefused("the message has no statement in it")
    lines: list[StatementLine] = []
    balances: list[AccountBalance] = []
    doubts: list[Doubt] = []
    for statement in document.bk_to_cstmr_stmt.stmt:
        account_iban = _iban(statement.acct)
        if not account_iban:
            raise StatementRefused("a statement names no account")
        balances.append(_balance(statement, account_iban))
        for entry in statement.ntry:
            status = _code(entry.sts)
            if status != "BOOK":
                doubts.append(
                    Doubt(DoubtKind.NOT_BOOKED, f"{entry.acct_svcr_ref or entry.ntry_ref or ''} {status}")
                )
                continue
            found, is_split = _lines(entry, account_iban)
            lines += found
            if not is_split:
                doubts.append(Doubt(DoubtKind.NOT_SPLIT, found[0].document_number))
    return with_checks(lines, balances, doubts)


def _parse(content: bytes) -> Any:
    try:
        root = defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise StatementRefused("a statement has no document type declaration and no entities") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise StatementRefused(f"not XML: {error}") from error
    match = _ROOT.fullmatch(root.tag)
    if match is None or match.group(1) not in VERSIONS:
        raise StatementRefused(f"{root.tag[:100]} is no camt.053 of a known version")
    _require_shallow(root)
    types = import_module(f"pyiso20022.camt.camt_053_001_{match.group(1)}")
    # Banks add elements of their own; what we read must still be of its type.
    config = ParserConfig(fail_on_unknown_properties=False, fail_on_converter_warnings=True)
    try:
        return XmlParser(config=config, handler=XmlEventHandler).parse(
            ElementTree.ElementTree(root), types.Document
        )
    except (ParserError, ConverterError, TypeError, ValueError) as error:
        raise StatementRefused(f"not a valid camt.053: {error}") from error


def _require_shallow(root: ElementTree.Element) -> None:
    """xsdata walks down by recursion, and a library may have raised Python's limit beyond what the stack holds (py_ecc does):
    the process would end."""
    level, depth = [root], 1
    while level := [child for element in level for child in element]:
        depth += 1
        if depth > DEPTH_MAX:
            raise StatementRefused("the elements of the file are too deep inside each other")


def _balance(statement: Any, account_iban: str) -> AccountBalance:
    stated = {_code(balance.tp.cd_or_prtry): _signed(balance) for balance in statement.bal}
    totals = statement.txs_summry
    days = statement.fr_to_dt
    return AccountBalance(
        account_iban=account_iban,
        first_day=_date(days.fr_dt_tm) if days and days.fr_dt_tm else None,
        last_day=_date(days.to_dt_tm) if days and days.to_dt_tm else None,
        opening_tiyn=stated.get("OPBD", stated.get("PRCD")),
        incoming_tiyn=_total(totals and totals.ttl_cdt_ntries),
        outgoing_tiyn=_total(totals and totals.ttl_dbt_ntries),
        closing_tiyn=stated.get("CLBD"),
    )


def _lines(entry: Any, account_iban: str) -> tuple[list[StatementLine], bool]:
    """The lines of an entry, and whether they are as many as its transactions."""
    total_tiyn = _tiyn(entry.amt)
    if total_tiyn <= 0:
        raise StatementRefused(
            f"entry {entry.acct_svcr_ref or entry.ntry_ref or ''} has the amount {entry.amt.value}"
        )
    transactions = [details for group in entry.ntry_dtls for details in group.tx_dtls]
    if len(transactions) <= 1:
        return [_line(entry, transactions[0] if transactions else None, account_iban, total_tiyn)], True
    amounts = [_transaction_amount(transaction) for transaction in transactions]
    if None in amounts or sum(amount or 0 for amount in amounts) != total_tiyn:
        return [_line(entry, None, account_iban, total_tiyn)], False
    pairs = zip(transactions, amounts, strict=True)
    return [_line(entry, transaction, account_iban, amount or 0) for transaction, amount in pairs], True


def _transaction_amount(transaction: Any) -> int | None:
    """Tiyn of one transaction of an entry; None where it does not say. Before version 03 it stood in the details alone."""
    amount = getattr(transaction, "amt", None)
    if amount is None and transaction.amt_dtls and transaction.amt_dtls.tx_amt:
        amount = transaction.amt_dtls.tx_amt.amt
    if amount is None:
        return None
    return _tiyn(amount) or None


def _line(entry: Any, transaction: Any, account_iban: str, amount_tiyn: int) -> StatementLine:
    direction = _direction(entry)
    refs = transaction.refs if transaction else None
    purpose = _purpose(entry, transaction)
    party = _counterparty(transaction, direction, account_iban) if transaction else _Party()
    codes = _CODES.search(purpose)
    is_return = bool(entry.rvsl_ind) or bool(transaction and transaction.rtr_inf) or speaks_of_return(purpose)
    return StatementLine(
        account_iban=account_iban,
        direction=direction,
        amount_tiyn=amount_tiyn,
        booked_on=_day(entry),
        document_number=(refs and refs.instr_id)
        or (refs and refs.acct_svcr_ref)
        or entry.acct_svcr_ref
        or "",
        reference=_reference(refs),
        purpose=purpose,
        counterparty_name=party.name,
        counterparty_business_id=party.business_id,
        counterparty_iban=party.iban,
        counterparty_bic=party.bic,
        knp=codes.group(1) if codes else "",
        is_return=is_return,
        raw=tuple(_raw(entry, "Ntry", leave_out="ntry_dtls")) + tuple(_raw(transaction, "TxDtls")),
    )


def _reference(refs: Any) -> str:
    reference: str = (refs and refs.end_to_end_id) or ""
    return "" if reference == "NOTPROVIDED" else reference


def _purpose(entry: Any, transaction: Any) -> str:
    parts = list(transaction.rmt_inf.ustrd) if transaction and transaction.rmt_inf else []
    further = [transaction.addtl_tx_inf if transaction else None, entry.addtl_ntry_inf]
    return " ".join(" ".join(parts or [part for part in further if part]).split())


@dataclass(frozen=True, slots=True)
class _Party:
    name: str = ""
    business_id: str = ""
    iban: str = ""
    bic: str = ""


def _counterparty(transaction: Any, direction: Direction, account_iban: str) -> _Party:
    """The other side: the creditor of what went out, the debtor of what came in.

    A returned payment may still name the parties of the payment that it undoes: then the other side is its creditor.
    """
    parties, agents = transaction.rltd_pties, transaction.rltd_agts
    sides = ("cdtr", "dbtr") if direction == Direction.OUT else ("dbtr", "cdtr")
    found = [_party(parties, agents, side) for side in sides]
    return found[1] if found[0].iban == account_iban else found[0]


def _party(parties: Any, agents: Any, side: str) -> _Party:
    party, account = getattr(parties, side, None), getattr(parties, f"{side}_acct", None)
    if party is not None and hasattr(party, "pty"):
        party = party.pty
    return _Party(
        name=(party and party.nm) or "",
        business_id=_business_id(party),
        iban=_iban(account),
        bic=_bic(getattr(agents, f"{side}_agt", None)),
    )


def _business_id(party: Any) -> str:
    identity = party.id if party else None
    for of_kind in (identity and identity.org_id, identity and identity.prvt_id):
        for other in of_kind.othr if of_kind else ():
            if re.fullmatch(r"\d{12}", other.id or "", re.ASCII):
                return str(other.id)
    return ""


def _iban(account: Any) -> str:
    identity = account.id if account else None
    if not identity:
        return ""
    return compact(identity.iban or (identity.othr and identity.othr.id) or "")


def _bic(agent: Any) -> str:
    bank = agent.fin_instn_id if agent else None
    return compact(getattr(bank, "bicfi", None) or getattr(bank, "bic", None) or "")


def _day(entry: Any) -> date:
    for stated in (entry.bookg_dt, entry.val_dt):
        if stated and (stated.dt or stated.dt_tm):
            return _date(stated.dt or stated.dt_tm)
    raise StatementRefused(f"entry {entry.acct_svcr_ref or entry.ntry_ref or ''} has no day")


def _date(stated: Any) -> date:
    """The calendar day of an XML date or time, as it is written, whatever its zone."""
    try:
        return date(stated.year, stated.month, stated.day)
    except (ValueError, AttributeError) as error:
        raise StatementRefused(f"{stated} is no day") from error


def _code(choice: Any) -> str:
    """The code of a choice of code or proprietary word; in early versions it is the code itself."""
    code = getattr(choice, "cd", None) or getattr(choice, "prtry", None) or choice
    return str(getattr(code, "value", code))


def _direction(movement: Any) -> Direction:
    direction = _DIRECTIONS.get(_code(movement.cdt_dbt_ind))
    if direction is None:
        raise StatementRefused("an amount is neither a credit nor a debit")
    return direction


def _signed(balance: Any) -> int:
    return _tiyn(balance.amt) if _direction(balance) == Direction.IN else -_tiyn(balance.amt)


def _total(summary: Any) -> int | None:
    return _decimal(summary.sum) if summary and summary.sum is not None else None


def _tiyn(amount: Any) -> int:
    if amount.ccy not in CURRENCIES:
        raise StatementRefused(f"an amount is in {amount.ccy}, not in tenge")
    return _decimal(amount.value)


def _decimal(value: Any) -> int:
    # An empty element is an empty text; and 1E+999999 would be a megabyte to write out.
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value.adjusted()) > DIGITS_MAX:
        raise StatementRefused(f"{value} is no amount")
    return amount_of(format(value, "f"))


def _raw(value: Any, name: str, leave_out: str = "") -> Iterator[tuple[str, str]]:
    """Every text under ``value`` with the path of its field."""
    if value is None or value == []:
        return
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _raw(each, f"{name}[{index}]" if len(value) > 1 else name)
    elif hasattr(value, "__dataclass_fields__"):
        for field in value.__dataclass_fields__:
            if field != leave_out:
                yield from _raw(getattr(value, field), f"{name}.{field}")
    else:
        yield name, str(getattr(value, "value", value))

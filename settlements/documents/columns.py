"""The columns of a register's list of operations, as CSV and XLSX have them: the same figures in the same order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from alatau_pay.money import format_minor
from settlements.business_day import ALMATY
from settlements.documents.figures import money
from settlements.documents.reading import RegisterRow
from settlements.documents.wording import say
from settlements.operations import Operation, OperationKind

# A cell's value before a format writes it: tenge as an exact Decimal of two places, an instant in Almaty without its zone.
Value = str | int | Decimal | date | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its heading, its width in characters, and its value of a row. ``total`` says it is summed up."""

    key: str
    width: int
    value: Callable[[RegisterRow, str], Value]
    is_total: bool = False


def tenge(amount_tiyn: int) -> Decimal:
    """Tiyn as an exact number of tenge."""
    return Decimal(format_minor(amount_tiyn, 2))


def rate(value: Decimal | None) -> Decimal | None:
    """A rate without the zeros that the database keeps behind it: with them a spreadsheet takes it for more than it can hold."""
    if value is None:
        return None
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def local(moment: datetime | None) -> datetime | None:
    """An instant as the clock in Almaty showed it, to the second."""
    return moment.astimezone(ALMATY).replace(tzinfo=None, microsecond=0) if moment else None


def coin_text(row: RegisterRow) -> str:
    """The amount of coin, exact: "0.00012345"; empty where no coin moved."""
    operation = row.operation
    return (
        format_minor(operation.coin_minor, operation.coin_decimals, trim=True) if operation.coin_code else ""
    )


def _earned(amount: Callable[[RegisterRow], int]) -> Callable[[RegisterRow, str], Value]:
    """An amount of what was earned; nothing of payouts, nor of direct settlement, whose fee is not withheld from anything."""
    return lambda row, _language: tenge(amount(row)) if row.is_earned else None


def note_text(row: RegisterRow, language: str) -> str:
    """What else there is to say: a correction's reason, a payout's number and account, a fee that was not withheld."""
    operation = row.operation
    if row.payout is not None:
        return f"№{row.payout.number} · {row.payout.iban}"
    if operation.kind is not OperationKind.DIRECT:
        return operation.description
    return " · ".join(filter(None, (operation.description, _debt_text(operation, language))))


def _debt_text(operation: Operation, language: str) -> str:
    if operation.due_tiyn != operation.fee_tiyn + operation.vat_tiyn:
        return say("debt_note", language, amount=money(operation.due_tiyn, language))
    amounts = {"fee": money(operation.fee_tiyn, language), "vat": money(operation.vat_tiyn, language)}
    return say("direct_note", language, **amounts)


COLUMNS = (
    Column("number", 7, lambda row, _: row.number),
    Column("posted", 17, lambda row, _: local(row.operation.posted_at)),
    Column("kind", 20, lambda row, language: say(row.operation.kind, language)),
    Column("invoice", 24, lambda row, _: row.details.invoice_id),
    Column("order", 18, lambda row, _: row.details.order_id),
    Column("store", 20, lambda row, _: row.details.store_name),
    Column("asset", 9, lambda row, _: row.details.coin_symbol or row.operation.coin_code),
    Column("network", 16, lambda row, _: row.details.network_name),
    Column("coin_amount", 18, lambda row, _: Decimal(coin_text(row)) if coin_text(row) else None),
    Column("rate", 16, lambda row, _: rate(row.details.rate_tenge)),
    Column("rate_sources", 40, lambda row, _: row.details.rate_sources),
    Column("official_rate", 14, lambda row, _: rate(row.details.official_rate)),
    Column("gross_column", 20, _earned(lambda row: row.operation.gross_tiyn), is_total=True),
    Column("fee_column", 20, _earned(lambda row: row.operation.fee_tiyn), is_total=True),
    Column("vat_column", 20, _earned(lambda row: row.operation.vat_tiyn), is_total=True),
    Column("net_column", 20, _earned(lambda row: row.operation.net_tiyn), is_total=True),
    Column(
        "payout_column",
        20,
        lambda row, _: tenge(row.operation.net_tiyn) if row.is_payout else None,
        is_total=True,
    ),
    Column("balance", 20, lambda row, _: tenge(row.balance_tiyn)),
    Column("happened", 17, lambda row, _: local(row.details.happened_at)),
    Column("txid", 68, lambda row, _: row.details.txid),
    Column("reference", 16, lambda row, _: row.operation.reference),
    Column("note", 30, note_text),
)

"""A batch as a table: RFC 4180, UTF-8 without a mark at its start, amounts with a dot, dates as 2026-11-23."""

from __future__ import annotations

import csv
import io

from settlements.bank_files.orders import CURRENCY, BankFile, PaymentBatch, PaymentOrder
from settlements.bank_files.scribe import Encoding, Scribe

COLUMNS = (
    "number", "reference", "date", "value_date", "amount", "currency",
    "payer_name", "payer_business_id", "payer_code", "payer_iban", "payer_bank_bic",
    "payee_name", "payee_business_id", "payee_code", "payee_iban", "payee_bank_bic", "payee_bank_name",
    "purpose_code", "purpose",
)  # fmt: skip


def write(batch: PaymentBatch, encoding: Encoding) -> BankFile:
    """The batch as a table, a line for each order under a line of headings.

    Raises:
        OrderRefused: a text cannot be written in ``encoding``.
    """
    scribe = Scribe(encoding, guard=harmless)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for order in batch.orders:
        writer.writerow(_row(batch, order, scribe))
    return BankFile(f"payouts_{batch.number}.csv", scribe.encode(table.getvalue()), scribe.warnings)


def harmless(text: str) -> str:
    """``text`` so that a spreadsheet takes it for a text: one that would begin a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _row(batch: PaymentBatch, order: PaymentOrder, scribe: Scribe) -> tuple[str | int, ...]:
    payer, payee = batch.payer, order.payee
    return (
        order.number,
        order.reference,
        f"{batch.made_at:%Y-%m-%d}",
        f"{batch.value_date:%Y-%m-%d}",
        order.amount,
        CURRENCY,
        scribe.text(payer.name, number=None, field="name"),
        payer.business_id,
        payer.kbe,
        payer.iban,
        payer.bank_bic,
        scribe.text(payee.name, number=order.number, field="name"),
        payee.business_id,
        payee.kbe,
        payee.iban,
        payee.bank_bic,
        scribe.text(payee.bank_name, number=order.number, field="bank"),
        order.knp,
        scribe.text(order.purpose, number=order.number, field="purpose"),
    )

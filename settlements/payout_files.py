"""A batch of payouts as a file for its bank. Made from the rows on request: the same bytes every time, and no clock."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.timezone import localtime

from settlements.bank_files import client_bank_1c, csv_file, mt, pain001
from settlements.bank_files.orders import BankFile, OrderRefused, Party, PaymentBatch, PaymentOrder
from settlements.bank_files.scribe import Encoding
from settlements.business_day import ALMATY
from settlements.models import FileFormat, Payout, PayoutBatch, ServicingBank

__all__ = ["BankFile", "OrderRefused", "render"]

_WRITERS: dict[str, Callable[[PaymentBatch, Encoding], BankFile]] = {
    FileFormat.CLIENT_BANK_1C: client_bank_1c.write,
    FileFormat.MT100: mt.write_mt100,
    FileFormat.MT102: mt.write_mt102,
    FileFormat.PAIN_001: lambda batch, _encoding: pain001.write(batch),
    FileFormat.CSV: csv_file.write,
}


def render(batch: PayoutBatch, file_format: str = "", encoding: str = "") -> BankFile:
    """The file of ``batch``, in the bank's own format and encoding where none is named (``FileFormat``, ``FileEncoding``).

    pain.001 is UTF-8 always. ``warnings`` of the file are the texts that stand in it otherwise than they were given.

    Raises:
        OrderRefused: a payout's data would not be taken by a bank, or a text cannot be written; the message names both.
    """
    bank = batch.servicing_bank
    write = _WRITERS[file_format or bank.file_format]
    return write(payment_batch(batch), Encoding(encoding or bank.file_encoding))


def payment_batch(batch: PayoutBatch) -> PaymentBatch:
    """The rows of ``batch`` as the writers take them; the number of an order is the id of its payout.

    Raises:
        OrderRefused: see ``render``.
    """
    bank = batch.servicing_bank
    payouts = batch.payouts.order_by("id")
    return PaymentBatch(
        number=batch.number,
        payer=_payer(bank),
        value_date=batch.value_date,
        made_at=localtime(batch.prepared_at, ALMATY),
        orders=tuple(_order(payout, bank) for payout in payouts),
        chief_name=bank.chief_name,
        accountant_name=bank.accountant_name,
        mt_terminal=bank.mt_terminal,
        mt_system=bank.mt_system,
        remittance_template=bank.remittance_template,
    )


def _payer(bank: ServicingBank) -> Party:
    return Party(
        name=bank.payer_name,
        business_id=bank.payer_business_id,
        kbe=bank.payer_kbe,
        iban=bank.iban,
        bank_bic=bank.bic,
        bank_name=bank.name,
    )


def _order(payout: Payout, bank: ServicingBank) -> PaymentOrder:
    payee = Party(
        name=payout.payee_name,
        business_id=payout.payee_business_id,
        kbe=payout.kbe,
        iban=payout.iban,
        bank_bic=payout.bank_bic,
        bank_name=payout.bank_name,
    )
    return PaymentOrder(
        number=payout.pk, payee=payee, amount_tiyn=payout.amount_tiyn, knp=bank.knp, purpose=payout.purpose
    )

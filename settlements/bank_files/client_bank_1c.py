"""1CClientBankExchange 2.00 in the dialect of Kazakhstan: ``key=value`` lines that 1C and the banks' programs load.

The keys are those of "Бухгалтерия для Казахстана": ИИК is the account, БИН_ИИН the number of the business. Amounts have a
dot. An empty КБе, КНП or bank's name makes banks refuse the whole file, so it is refused here, with its name.
"""

from __future__ import annotations

import re

from settlements.bank_files.orders import (
    CURRENCY,
    PURPOSE_LENGTH_MAX,
    BankFile,
    OrderRefused,
    Party,
    PaymentBatch,
)
from settlements.bank_files.orders import PaymentOrder as Order
from settlements.bank_files.scribe import Encoding, Scribe

VERSION = "2.00"
DOCUMENT = "ПлатежноеПоручение"
LINE_END = "\r\n"
_ENCODING_NAMES = {Encoding.UTF_8: "UTF8", Encoding.WINDOWS_1251: "Windows"}
# Words that begin and end sections: programs that search for them would find them inside a name, too.
_MARK = re.compile(r"(Секция|Конец)(?=(?:Документ|РасчСчет|Файла))|(1CClientBank)(?=Exchange)", re.IGNORECASE)


def write(batch: PaymentBatch, encoding: Encoding) -> BankFile:
    """The batch as a file of payment orders.

    Raises:
        OrderRefused: a bank has no name, or a text cannot be written in ``encoding``.
    """
    scribe = Scribe(encoding, guard=_without_marks)
    lines = [*_header(batch, scribe)]
    for order in batch.orders:
        lines += _section(batch, order, scribe)
    lines.append("КонецФайла")
    content = scribe.encode("".join(line + LINE_END for line in lines))
    return BankFile(f"1c_to_kl_{batch.number}.txt", content, scribe.warnings)


def _header(batch: PaymentBatch, scribe: Scribe) -> list[str]:
    day = f"{batch.value_date:%d.%m.%Y}"
    return [
        "1CClientBankExchange",
        f"ВерсияФормата={VERSION}",
        f"Кодировка={_ENCODING_NAMES[scribe.encoding]}",
        f"Отправитель={scribe.text(batch.sender, number=None, field='sender')}",
        "Получатель=",
        f"ДатаСоздания={batch.made_at:%d.%m.%Y}",
        f"ВремяСоздания={batch.made_at:%H:%M:%S}",
        f"ДатаНачала={day}",
        f"ДатаКонца={day}",
        f"РасчСчет={batch.payer.iban}",
        f"Документ={DOCUMENT}",
    ]


def _section(batch: PaymentBatch, order: Order, scribe: Scribe) -> list[str]:
    purpose = scribe.text(order.purpose, number=order.number, field="purpose")
    if len(purpose) > PURPOSE_LENGTH_MAX:
        raise OrderRefused(
            f"order {order.number}: the purpose written out is over {PURPOSE_LENGTH_MAX} characters"
        )
    return [
        f"СекцияДокумент={DOCUMENT}",
        f"НомерДокумента={order.number}",
        f"ДатаДокумента={batch.made_at:%d.%m.%Y}",
        f"ДатаВалютирования={batch.value_date:%d.%m.%Y}",
        f"Сумма={order.amount}",
        f"Валюта={CURRENCY}",
        *_party("Плательщик", batch.payer, scribe, number=None),
        *_party("Получатель", order.payee, scribe, number=order.number),
        f"КодНазначенияПлатежа={order.knp}",
        f"НазначениеПлатежа={purpose}",
        "КонецДокумента",
    ]


def _party(role: str, party: Party, scribe: Scribe, *, number: int | None) -> list[str]:
    if not party.bank_name.strip():
        raise OrderRefused(f"{party.name}: the bank {party.bank_bic} has no name")
    return [
        f"{role}Наименование={scribe.text(party.name, number=number, field='name')}",
        f"{role}БИН_ИИН={party.business_id}",
        f"{role}КБЕ={party.kbe}",
        f"{role}ИИК={party.iban}",
        f"{role}БанкНаименование={scribe.text(party.bank_name, number=number, field='bank')}",
        f"{role}БанкБИК={party.bank_bic}",
    ]


def _without_marks(text: str) -> str:
    return _MARK.sub(r"\1\2 ", text)

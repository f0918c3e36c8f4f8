"""The month's bank: writes statements as a bank in Kazakhstan does, and reads payment files back with a reader of its own.

Imports nothing of the project.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from decimal import Decimal
from xml.etree import ElementTree

OPERATOR = "KZ39601A001000000017"


@dataclass(frozen=True)
class Order:
    """A payment that the bank was given."""

    number: str
    tiyn: int
    payee: str
    business_id: str
    iban: str
    purpose: str


def read_1c(text: str) -> list[Order]:
    """The orders of a 1CClientBankExchange file."""
    documents = re.findall(r"^СекцияДокумент=.*?^КонецДокумента", text, re.DOTALL | re.MULTILINE)
    orders = []
    for document in documents:
        said = dict(line.split("=", 1) for line in document.splitlines() if "=" in line)
        orders.append(
            Order(
                number=said["НомерДокумента"],
                tiyn=int(Decimal(said["Сумма"]) * 100),
                payee=said["ПолучательНаименование"],
                business_id=said["ПолучательБИН_ИИН"],
                iban=said["ПолучательИИК"],
                purpose=said["НазначениеПлатежа"],
            )
        )
    return orders


def read_others(files: dict[str, bytes]) -> dict[str, list[tuple[int, str, str]]]:
    """What the other formats tell the bank to pay: tiyn, business id and account of each payee, in the file's order.

    Their own totals have to be those of their orders.
    """
    mt100, mt102 = files["MT100"].decode(), files["MT102"].decode()
    payee = r"[^{]*?^:59:(\w+)\r$[^{]*?^/IDN/(\d{12})"
    table = csv.DictReader(io.StringIO(files["CSV"].decode()))
    read = {
        "MT100": _orders(re.findall(r"^:32A:\d{6}KZT([\d,]+)" + payee, mt100, re.MULTILINE)),
        "MT102": _orders(re.findall(r"^:32B:KZT([\d,]+)" + payee, mt102, re.MULTILINE)),
        "pain.001": _pain_001(files["pain.001"]),
        "CSV": _orders([(row["amount"], row["payee_iban"], row["payee_business_id"]) for row in table]),
    }
    totals = re.findall(r"^:32A:\d{6}KZT([\d,]+)", mt102, re.MULTILINE)
    assert sum(map(_tiyn, totals)) == sum(tiyn for tiyn, _, _ in read["MT102"])
    return read


def _orders(rows: list[tuple[str, str, str]]) -> list[tuple[int, str, str]]:
    """Amount, account, business id → tiyn, business id, account."""
    return [(_tiyn(amount), business_id, iban) for amount, iban, business_id in rows]


def _pain_001(content: bytes) -> list[tuple[int, str, str]]:
    root = ElementTree.fromstring(content)
    found = [
        (
            _tiyn(transfer.findtext(".//{*}InstdAmt") or ""),
            transfer.findtext("{*}Cdtr//{*}Othr/{*}Id") or "",
            transfer.findtext("{*}CdtrAcct//{*}IBAN") or "",
        )
        for transfer in root.iterfind(".//{*}CdtTrfTxInf")
    ]
    totals = {_tiyn(total.text or "") for total in root.iterfind(".//{*}CtrlSum")}
    assert totals == {sum(tiyn for tiyn, _, _ in found)}
    return found


def statement(day: str, *, opening: int, paid: list[Order], back: list[Order]) -> bytes:
    """The statement of ``day`` ("dd.mm.yyyy"): ``paid`` left the account, ``back`` was returned to it. Sums in tiyn."""
    spent, received = sum(order.tiyn for order in paid), sum(order.tiyn for order in back)
    lines = [
        "1CClientBankExchange",
        "ВерсияФормата=2.00",
        "Кодировка=UTF8",
        f"ДатаНачала={day}",
        f"ДатаКонца={day}",
        f"РасчСчет={OPERATOR}",
        "СекцияРасчСчет",
        f"ДатаНачала={day}",
        f"ДатаКонца={day}",
        f"РасчСчет={OPERATOR}",
        f"НачальныйОстаток={_dot(opening)}",
        f"ВсегоПоступило={_dot(received)}",
        f"ВсегоСписано={_dot(spent)}",
        f"КонечныйОстаток={_dot(opening + received - spent)}",
        "КонецРасчСчет",
    ]
    for order in paid:
        lines += _document(day, order, order.number, income="", outgo=_dot(order.tiyn), purpose=order.purpose)
    for order in back:
        purpose = f"Возврат: счет получателя закрыт. {order.purpose}"
        lines += _document(day, order, f"9{order.number}", income=_dot(order.tiyn), outgo="", purpose=purpose)
    return "\r\n".join([*lines, "КонецФайла", ""]).encode()


def _document(day: str, order: Order, number: str, *, income: str, outgo: str, purpose: str) -> list[str]:
    ours = ['ТОО "Alatau Pay"', "260140900012", OPERATOR, "HSBKKZKX"]
    theirs = [order.payee, order.business_id, order.iban, "CASPKZKA"]
    payer, payee = (theirs, ours) if income else (ours, theirs)
    fields = ("Наименование", "БИН_ИИН", "ИИК", "БанкБИК")
    return [
        "СекцияДокумент=Выписка",
        "ВидДокумента=ПлатежноеПоручение",
        f"НомерДокумента={number}",
        f"ДатаДокумента={day}",
        f"ДатаОперации={day}",
        f"СуммаПриход={income}",
        f"СуммаРасход={outgo}",
        "Валюта=KZT",
        *(f"Плательщик{field}={text}" for field, text in zip(fields, payer, strict=True)),
        *(f"Получатель{field}={text}" for field, text in zip(fields, payee, strict=True)),
        "КодНазначенияПлатежа=190",
        f"НазначениеПлатежа={purpose}",
        "КонецДокумента",
    ]


def _tiyn(amount: str) -> int:
    return int(Decimal(amount.replace(",", ".")) * 100)


def _dot(tiyn: int) -> str:
    return f"{tiyn // 100}.{tiyn % 100:02d}"

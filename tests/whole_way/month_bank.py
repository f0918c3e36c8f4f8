"""The month's bank: writes statements as a bank in Kazakhstan does, and reads payment files back with a reader of its own.

Imports nothing of the project.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

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


def totals_of_other_files(files: dict[str, bytes]) -> dict[str, int]:
    """Tiyn in all by format: MT100's and MT102's amounts, pain.001's control sum, the amounts column of a table."""
    mt100 = sum(_comma(amount) for amount in re.findall(r":32A:\d{6}KZT([\d,]+)", files["MT100"].decode()))
    mt102 = sum(_comma(amount) for amount in re.findall(r":32B:KZT([\d,]+)", files["MT102"].decode()))
    pain = re.search(rb"<CtrlSum>([\d.]+)</CtrlSum>", re.sub(rb"<(/?)\w+:", rb"<\1", files["pain.001"]))
    assert pain
    return {"MT100": mt100, "MT102": mt102, "pain.001": int(Decimal(pain[1].decode()) * 100)}


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


def _comma(amount: str) -> int:
    return int(Decimal(amount.replace(",", ".")) * 100)


def _dot(tiyn: int) -> str:
    return f"{tiyn // 100}.{tiyn % 100:02d}"

"""A synthetic batch for the bank, and what reads the files back without knowing how they were written."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from settlements.bank_files.orders import Party, PaymentBatch, PaymentOrder

ALMATY = ZoneInfo("Asia/Almaty")
DATA = Path(__file__).parent / "data"
PAYER = Party(
    'ТОО "Alatau Pay"',
    "260140900012",
    "17",
    "KZ39601A001000000017",
    "HSBKKZKX",
    'АО "Народный Банк Казахстана"',
)
COFFEE = Party(
    'ТОО "Достық кофе"', "260140900305", "17", "KZ84722C000012345678", "CASPKZKA", 'АО "Kaspi Bank"'
)
TAILOR = Party("ИП Өмірбек Ғани", "850312300125", "19", "KZ48722C000098765432", "CASPKZKA", 'АО "Kaspi Bank"')
BOOKS = Party(
    'ТОО "Кітап үйі"', "191040012345", "17", "KZ118562203100000001", "KCJBKZKX", 'АО "Банк ЦентрКредит"'
)
PURPOSE = "Возмещение по платежам Alatau Pay за 22.11.2026, реестр №{}, 12 оп., комиссия 1520,00 удержана, в т.ч. НДС 209,66"


def order(number: int, payee: Party, amount_tiyn: int, purpose: str | None = None) -> PaymentOrder:
    return PaymentOrder(number, payee, amount_tiyn, "190", purpose or PURPOSE.format(number))


BATCH = PaymentBatch(
    number=5,
    payer=PAYER,
    value_date=date(2026, 11, 23),
    made_at=datetime(2026, 11, 23, 18, tzinfo=ALMATY),
    orders=(order(17, COFFEE, 15_200_050), order(18, TAILOR, 4_000_000), order(19, BOOKS, 101)),
    chief_name="Сейтқали Айгүл",
    mt_terminal="K059140000000000000000",
)
TOTAL = "192001.51"


def with_name(name: str) -> PaymentBatch:
    """The batch with one order, to a payee of this name."""
    return replace(BATCH, orders=(order(17, replace(COFFEE, name=name), 15_200_050),))


def read_1c(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Header and documents of a 1C file by its line structure alone: each a mapping of its keys."""
    header: dict[str, str] = {}
    documents: list[dict[str, str]] = []
    target = header
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "СекцияДокумент":
            documents.append(target := {})
        elif key in {"КонецДокумента", "КонецФайла"} and not value:
            target = {}
        assert key not in target, f"{key} twice"
        target[key] = value
    return header, documents


def read_mt(text: str) -> list[list[tuple[str, str]]]:
    """Messages of an MT file, each as (tag, value) in order; lines without a tag go on with the tag before."""
    messages: list[list[tuple[str, str]]] = []
    for line in text.split("\r\n"):
        if line.startswith("{4:"):
            messages.append([])
        elif line.startswith(":"):
            _, tag, value = line.split(":", 2)
            messages[-1].append((tag, value))
        elif line and line != "-}" and not line.startswith("{"):
            tag, value = messages[-1][-1]
            messages[-1][-1] = (tag, f"{value}\n{line}")
    return messages


def mt_fields(value: str) -> dict[str, str]:
    """The /WORD/ parts of a tag's value; lines without one go on with the part before, joined without a space."""
    fields: dict[str, str] = {}
    word = ""
    for line in value.split("\n"):
        if line.startswith("/"):
            _, word, text = line.split("/", 2)
            assert word not in fields, f"{word} twice"
            fields[word] = text
        elif word:
            fields[word] += line
    return fields


def statement_document(
    *,
    kind: str = "Выписка",
    document_number: str = "1",
    day: str = "23.11.2026",
    incoming: str = "",
    outgoing: str = "",
    amount: str = "",
    payer_iban: str = PAYER.iban,
    payee_iban: str = COFFEE.iban,
    payee_name: str = 'ТОО "Достык кофе"',
    payee_business_id: str = COFFEE.business_id,
    purpose: str = "Оплата",
    currency: str = "KZT",
) -> str:
    """One document of a statement in 1C's format."""
    sums = {"Сумма": amount, "СуммаПриход": incoming, "СуммаРасход": outgoing}
    fields = {
        "НомерДокумента": document_number,
        "ДатаОперации": day,
        **{key: value for key, value in sums.items() if value},
        "Валюта": currency,
        "ПлательщикИИК": payer_iban,
        "ПолучательНаименование": payee_name,
        "ПолучательБИН_ИИН": payee_business_id,
        "ПолучательИИК": payee_iban,
        "НазначениеПлатежа": purpose,
    }
    return "\n".join(
        [f"СекцияДокумент={kind}", *(f"{key}={value}" for key, value in fields.items()), "КонецДокумента"]
    )


def statement_1c(*documents: str, account_iban: str = PAYER.iban, section: str = "") -> bytes:
    """A statement of one account in 1C's format; ``section`` is its СекцияРасчСчет, if any."""
    header = f"1CClientBankExchange\nВерсияФормата=2.00\nКодировка=UTF8\nРасчСчет={account_iban}\n{section}"
    return "\n".join([header.rstrip("\n"), *documents, "КонецФайла", ""]).encode()

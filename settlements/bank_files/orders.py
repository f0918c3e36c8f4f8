"""What a bank file says, whatever its format: a batch of payment orders from one account. Amounts are tiyn.

The codes: КОд and КБе are two digits each, residency (1, 2) and sector of the economy (1 to 9), of the payer and the payee;
КНП is three digits, the purpose of the payment (NBK Board Resolution No. 203 of 31.08.2016).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from alatau_pay.money import format_minor

PURPOSE_LENGTH_MAX = 210
CURRENCY = "KZT"
# Where КНП and КБе go in pain.001, which has no field for them; a bank may want it otherwise.
REMITTANCE_TEMPLATE = "EKNP {kod}{kbe}{currency}{knp}"

_SHAPES = {
    "iban": re.compile(r"KZ\d{5}[A-Z0-9]{13}", re.ASCII),
    "bank_bic": re.compile(r"[A-Z]{4}KZ[A-Z0-9]{2}(?:[A-Z0-9]{3})?", re.ASCII),
    "business_id": re.compile(r"\d{12}", re.ASCII),
    "kbe": re.compile(r"[12][1-9]", re.ASCII),
    "knp": re.compile(r"\d{3}", re.ASCII),
}


class OrderRefused(ValueError):
    """What a bank would not take: a field is missing, malformed, too long, or cannot be written. The message names it."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who pays or is paid: ``business_id`` is a БИН or ИИН, ``kbe`` the two digits of КОд or КБе."""

    name: str
    business_id: str
    kbe: str
    iban: str
    bank_bic: str
    bank_name: str

    def __post_init__(self) -> None:
        for field in ("iban", "bank_bic", "business_id", "kbe"):
            _require_shape(field, getattr(self, field), of=self.name)
        if not self.name.strip():
            raise OrderRefused(f"the holder of {self.iban} has no name")


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """One payment. ``number`` is unique among all orders of the payer: bank statements name it."""

    number: int
    payee: Party
    amount_tiyn: int
    knp: str
    purpose: str

    def __post_init__(self) -> None:
        if isinstance(self.amount_tiyn, bool) or not isinstance(self.amount_tiyn, int):
            raise TypeError("an amount is an integer of tiyn")
        if self.number <= 0 or self.amount_tiyn <= 0:
            raise OrderRefused(f"order {self.number}: its number and its amount are above nothing")
        _require_shape("knp", self.knp, of=f"order {self.number}")
        if not 0 < len(self.purpose.strip()) <= PURPOSE_LENGTH_MAX:
            raise OrderRefused(f"order {self.number}: the purpose has 1 to {PURPOSE_LENGTH_MAX} characters")

    @property
    def reference(self) -> str:
        """What goes with the payment from bank to bank and comes back in camt.053; at most 16 characters."""
        return reference_of(self.number)

    @property
    def amount(self) -> str:
        """The amount as "152000.50"."""
        return format_minor(self.amount_tiyn, 2)


@dataclass(frozen=True, slots=True)
class PaymentBatch:
    """Payment orders that go to the payer's bank together.

    ``made_at`` is when the batch was prepared, in the zone whose time the file shows: no file ever looks at a clock.
    ``mt_terminal`` and ``mt_system`` are what the bank assigned for the header of MT messages.
    """

    number: int
    payer: Party
    value_date: date
    made_at: datetime
    orders: tuple[PaymentOrder, ...]
    sender: str = "Alatau Pay"
    chief_name: str = ""
    accountant_name: str = ""
    mt_terminal: str = ""
    mt_system: str = "SCLEAR"
    remittance_template: str = REMITTANCE_TEMPLATE

    def __post_init__(self) -> None:
        if self.made_at.utcoffset() is None:
            raise TypeError("the time of a batch has a zone")
        if not self.orders:
            raise OrderRefused(f"batch {self.number} has no orders")
        twice = [
            number for number, count in Counter(order.number for order in self.orders).items() if count > 1
        ]
        if twice:
            raise OrderRefused(f"batch {self.number} has two orders of number {twice[0]}")

    @property
    def total_tiyn(self) -> int:
        """What all orders pay."""
        return sum(order.amount_tiyn for order in self.orders)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A text that stands otherwise in the file than was given. ``number`` is the order's; None is the payer's side."""

    number: int | None
    field: str
    given: str
    written: str

    def __str__(self) -> str:
        return f"{f'№{self.number}' if self.number else '–'} {self.field}: {self.given} → {self.written}"


@dataclass(frozen=True, slots=True)
class BankFile:
    """A file for the bank: its name, its bytes, and every text that could not be written as given."""

    name: str
    content: bytes
    warnings: tuple[Rewritten, ...] = ()


def reference_of(number: int) -> str:
    """The reference of the order with this number: "AP17"."""
    return f"AP{number}"


def _require_shape(field: str, text: str, *, of: str) -> None:
    if not _SHAPES[field].fullmatch(text):
        raise OrderRefused(f"{of}: {text!r} is no {field}")

"""What happens in the month: 400 sales of three merchants in March 2026, the same every time. Imports nothing of the project."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

YEAR, MONTH, DAYS = 2026, 3, 31
# The e-gov calendar: weekends, 9 March for the 8th, Nauryz from the 21st to the 25th.
HOLIDAYS = {9, 21, 22, 23, 24, 25}
# Whose account each merchant's payouts go to.
IBANS = ["KZ84722C000012345678", "KZ62722C000012345686", "KZ40722C000012345694"]
DECIMALS = {"BTC": (8, 8), "ETH": (18, 8), "USDT": (6, 4)}
# How many sales end how; all others are paid exactly.
ENDINGS = {
    "halves": 16,
    "short, accepted at the rate then": 6,
    "short, accepted at the rate now": 6,
    "short, given back": 6,
    "short, left": 4,
    "late, accepted at the rate then": 6,
    "late, accepted at the rate now": 6,
    "late, given back": 6,
    "late, left": 4,
    "over": 20,
    "over, given back": 8,
    "refunded in full": 8,
    "refunded in part": 8,
    "reversed": 6,
    "reversed after the payout": 2,
    "reversed and back": 5,
}


@dataclass(frozen=True)
class Sale:
    """One invoice: which merchant's (0 to 2; the last one's store keeps an excess), when, in what, how much, how it ends."""

    number: int
    merchant: int
    day: int
    asset: str
    price_tiyn: int
    ending: str


@dataclass(frozen=True)
class Coins:
    """Bitcoin that the city comes by or sells on a day, in satoshi, and the tenge of the document, in tiyn."""

    day: int
    minor: int
    tiyn: int


SEIZED = Coins(day=10, minor=50_000_000, tiyn=1_700_000_000)
TRADE = Coins(day=20, minor=3_000_000, tiyn=115_000_000)


def rates(day: int) -> dict[str, Decimal]:
    """Tenge for one whole coin on a day of the month."""
    return {
        "BTC": Decimal(34_000_000 + 137_111 * day),
        "ETH": Decimal(1_700_000 - 9_373 * day),
        "USDT": Decimal("495.37") + Decimal(day) / 4,
    }


def is_business_day(day: int) -> bool:
    """Banks work: neither a weekend nor a holiday."""
    return date(YEAR, MONTH, day).weekday() < 5 and day not in HOLIDAYS


def sales() -> list[Sale]:
    """All sales in the order of their days."""
    dice = random.Random(20260321)
    endings = [ending for ending, count in ENDINGS.items() for _ in range(count)]
    endings += ["exact"] * (400 - len(endings))
    dice.shuffle(endings)
    planned = []
    for number, ending in enumerate(endings):
        # What ends days later has to end within the month.
        day = dice.randint(1, 31 if ending in ("exact", "halves", "over") else 24)
        asset = dice.choice(["BTC", "ETH", "USDT"])
        planned.append(Sale(number, number % 3, day, asset, dice.randint(50_000, 9_000_000), ending))
    return sorted(planned, key=lambda sale: (sale.day, sale.number))

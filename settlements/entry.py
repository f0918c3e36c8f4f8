"""What a journal entry is made of: account names, lines, and a balanced set of them. Pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from alatau_pay.assets import Asset

DEBIT = "D"
CREDIT = "C"


class EntryRefused(ValueError):
    """The figures cannot make a balanced entry."""


@dataclass(frozen=True, slots=True)
class AccountName:
    """Which account: its kind, its asset, the merchant that it is kept for, and the part of the kind that it is.

    A reserve's part says where the coins lie and whence they came ("w7.payments": wallet 7, settled payments). The tenge
    side of the exchange position has a part for each coin: what that coin cost.
    """

    kind: str
    asset: Asset
    merchant_id: str = ""
    part: str = ""

    @property
    def code(self) -> str:
        """The account's unique code: "payable:KZT:<merchant>", "reserve:BTC:w7.payments"."""
        return ":".join(filter(None, (self.kind, self.asset.code, self.merchant_id, self.part)))


@dataclass(frozen=True, slots=True)
class Line:
    """One posting: ``amount_minor`` > 0 smallest units of the account's asset on ``side``."""

    account: AccountName
    side: str
    amount_minor: int

    def __post_init__(self) -> None:
        if isinstance(self.amount_minor, bool) or not isinstance(self.amount_minor, int):
            raise EntryRefused("a posting's amount is an integer")
        if self.amount_minor <= 0:
            raise EntryRefused("a posting's amount is positive; its side says the direction")
        if self.side not in (DEBIT, CREDIT):
            raise EntryRefused(f"no such side: {self.side!r}")


@dataclass(frozen=True)
class Entry:
    """A balanced set of lines under a recipe's name.

    Raises:
        EntryRefused: an asset does not balance, or there is nothing to post.
    """

    recipe: str
    lines: tuple[Line, ...]
    description: str = ""

    def __post_init__(self) -> None:
        sums: defaultdict[str, int] = defaultdict(int)
        for line in self.lines:
            sums[line.account.asset.code] += line.amount_minor if line.side == DEBIT else -line.amount_minor
        if len(self.lines) < 2:
            raise EntryRefused("an entry has at least two lines")
        if unbalanced := [code for code, total in sums.items() if total]:
            raise EntryRefused(f"{self.recipe} does not balance in {', '.join(unbalanced)}")

    @cached_property
    def content_sha256(self) -> bytes:
        """A digest of the recipe and the lines: tells a repeated command from another one under the same key."""
        rows = [f"{line.account.code} {line.side} {line.amount_minor}" for line in self.lines]
        return hashlib.sha256("\n".join([self.recipe, *rows]).encode()).digest()


def entry_of(recipe: str, *rows: tuple[AccountName, str, int], description: str = "") -> Entry:
    """The entry of ``rows`` without those that move nothing.

    Raises:
        EntryRefused: an amount is negative, or the rows do not balance.
    """
    lines = tuple(Line(account, side, amount) for account, side, amount in rows if amount != 0)
    return Entry(recipe, lines, description)

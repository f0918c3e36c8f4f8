"""Assets: what an amount is counted in.

An asset's ``code`` is unique in this installation and names the asset *on its network* (the ledger's unit); its
``symbol`` is what people read and what a rate is quoted for. Tether on two networks is two assets with one symbol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CODE_PATTERN = re.compile(r"^[A-Z][A-Z0-9.]{1,31}$")
DECIMALS_MAX = 36


@dataclass(frozen=True, slots=True)
class Asset:
    """A unit of account: tenge, or a coin or token on one network.

    ``decimals`` is the power of ten between the asset and its smallest unit (tiyn 2, satoshi 8, wei 18).

    Raises:
        ValueError: the code is not upper-case letters, digits and dots, or decimals are out of 0..36.
    """

    code: str
    symbol: str
    decimals: int

    def __post_init__(self) -> None:
        if not CODE_PATTERN.fullmatch(self.code):
            raise ValueError(f"not an asset code: {self.code!r}")
        if isinstance(self.decimals, bool) or not isinstance(self.decimals, int):
            raise ValueError("decimals is an integer")
        if not 0 <= self.decimals <= DECIMALS_MAX:
            raise ValueError(f"decimals out of range: {self.decimals}")

    @property
    def minor_per_unit(self) -> int:
        """How many smallest units make one of the asset: 100 tiyn, 100 000 000 satoshi."""
        return int(10**self.decimals)


KZT = Asset(code="KZT", symbol="KZT", decimals=2)

"""A merchant's bank account: an IBAN of Kazakhstan, and a hint which bank it is at.

The list of banks behind the hint is partly stale, so it fills in a field and asks a question; it refuses nothing.
"""

from __future__ import annotations

import re

_IBAN = re.compile(r"^KZ\d{2}\d{3}[A-Z0-9]{13}$", re.ASCII)
_BIC = re.compile(r"^[A-Z]{4}KZ[A-Z0-9]{2}(?:[A-Z0-9]{3})?$", re.ASCII)


class BankAccountRefused(ValueError):
    """The text is not an IBAN of Kazakhstan, or not a BIC of a bank there."""


def parse_iban(text: str) -> str:
    """The IBAN in ``text``: upper case, without spaces.

    Raises:
        BankAccountRefused: not KZ, 2 check digits, 3 digits of the bank, 13 letters or digits; or the check digits are wrong.
    """
    iban = "".join(text.split()).upper()
    if not _IBAN.match(iban):
        raise BankAccountRefused("not an IBAN of Kazakhstan")
    # ISO 7064: the first four characters at the end, letters as 10..35, the remainder by 97 is 1.
    if int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 != 1:
        raise BankAccountRefused("the IBAN's check digits are wrong")
    return iban


def parse_bic(text: str) -> str:
    """The BIC in ``text``: upper case, 8 or 11 characters, of a bank in Kazakhstan.

    Raises:
        BankAccountRefused: anything else.
    """
    bic = "".join(text.split()).upper()
    if not _BIC.match(bic):
        raise BankAccountRefused("not a BIC of a bank in Kazakhstan")
    return bic


def hint_bic(iban: str) -> str | None:
    """The BIC that the bank code of a valid ``iban`` is listed under, or None where the list knows none."""
    # Slow to import (it reads the banks of the world), and only an application needs it.
    from schwifty import BIC
    from schwifty.exceptions import SchwiftyException

    try:
        return parse_bic(str(BIC.from_bank_code("KZ", iban[4:7])))
    except (SchwiftyException, BankAccountRefused):
        return None


def is_same_bank(first_bic: str, second_bic: str) -> bool:
    """True when both name one bank: the last three characters of a BIC name only its branch."""
    return first_bic[:8] == second_bic[:8]

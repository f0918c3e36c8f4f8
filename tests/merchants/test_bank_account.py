"""IBANs of Kazakhstan, and the hint at their bank."""

import pytest

from merchants.bank_account import BankAccountRefused, hint_bic, is_same_bank, parse_bic, parse_iban


@pytest.mark.parametrize(
    ("iban", "bic"),
    [
        ("KZ84722C000012345678", "CASPKZKA"),
        ("KZ39601A001000000017", "HSBKKZKX"),
        ("KZ308562203000000017", "KCJBKZKX"),
        ("KZ1496511F0008300017", "IRTYKZKA"),
        ("KZ199480000000000017", "EURIKZKA"),
        ("KZ86125KZT5004100100", "NBRKKZKX"),
    ],
)
def test_a_valid_account_hints_at_its_bank(iban, bic):
    assert parse_iban(iban) == iban
    assert hint_bic(iban) == bic


def test_spaces_and_small_letters_are_mended():
    assert parse_iban(" kz84 722c 0000 1234 5678 ") == "KZ84722C000012345678"


@pytest.mark.parametrize(
    "text",
    [
        "KZ85722C000012345678",  # check digits
        "KZ84722C000012345687",  # two digits swapped
        "KZ84722C00001234567",  # too short
        "KZ84722C0000123456789",  # too long
        "DE89370400440532013000",  # another country
        "KZ84A22C000012345678",  # a letter in the bank's code
        "КZ84722C000012345678",  # a Cyrillic К
        "",
    ],
)
def test_what_is_no_account_of_kazakhstan_is_refused(text):
    with pytest.raises(BankAccountRefused):
        parse_iban(text)


def test_an_unknown_bank_gives_no_hint_and_no_error():
    assert hint_bic("KZ00999" + "0" * 13) is None


def test_a_row_of_the_list_that_is_no_bank_of_kazakhstan_gives_no_hint():
    assert hint_bic("KZ00550" + "0" * 13) is None


@pytest.mark.parametrize("text", ["CASPKZKA", "caspkzka", "CASPKZKAXXX"])
def test_a_bic_has_8_or_11_characters(text):
    assert parse_bic(text) == text.upper()


@pytest.mark.parametrize("text", ["CASPKZ", "CASPRUMM", "CASPKZKAX", "1ASPKZKA", ""])
def test_what_is_no_bic_of_kazakhstan_is_refused(text):
    with pytest.raises(BankAccountRefused):
        parse_bic(text)


def test_a_branch_is_the_same_bank():
    assert is_same_bank("CASPKZKA", "CASPKZKAXXX")
    assert not is_same_bank("CASPKZKA", "HSBKKZKX")

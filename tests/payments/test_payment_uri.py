"""The URIs in the QR, as BIP-21 and ERC-681 write them."""

import pytest

from payments import payment_uri

ADDRESS = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
CONTRACT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"


def test_bitcoin_amounts_are_decimal_without_exponent():
    assert payment_uri.bitcoin("bcrt1qx", 36_765) == "bitcoin:bcrt1qx?amount=0.00036765"
    assert payment_uri.bitcoin("bcrt1qx", 1) == "bitcoin:bcrt1qx?amount=0.00000001"
    assert payment_uri.bitcoin("bcrt1qx", 200_000_000) == "bitcoin:bcrt1qx?amount=2"


def test_a_coin_names_its_chain_and_wei():
    assert (
        payment_uri.evm_coin(ADDRESS, 10**17, chain_id=31337)
        == f"ethereum:{ADDRESS}@31337?value=100000000000000000"
    )


def test_a_token_calls_transfer_on_its_contract():
    uri = payment_uri.evm_token(ADDRESS, 25_000_000, chain_id=1, contract=CONTRACT)
    assert uri == f"ethereum:{CONTRACT}@1/transfer?address={ADDRESS}&uint256=25000000"


@pytest.mark.parametrize("amount", [0, -1, 1.5, True])
def test_a_uri_asks_for_a_positive_integer(amount):
    with pytest.raises(ValueError, match="positive integer"):
        payment_uri.bitcoin("bcrt1qx", amount)

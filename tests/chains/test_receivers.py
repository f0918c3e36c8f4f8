"""Addresses that people type: which are read, which are refused. Vectors of BIP-173, BIP-350, BIP-84, BIP-86 and EIP-55."""

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.derivation import derive_bitcoin, normalise_bitcoin
from chains.receivers import AddressRefused, read_bitcoin, read_evm
from tests.world import BITCOIN_KEY

SEGWIT = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
TAPROOT = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"
NESTED_TEST = "2Mww8dCYPUpKHofjgcXcBCEGmniw9CoaiD2"
LEGACY = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"


@pytest.mark.parametrize(
    ("text", "chain", "read"),
    [
        (SEGWIT, "main", SEGWIT),
        (f"  {SEGWIT}\n", "main", SEGWIT),
        (SEGWIT.upper(), "main", SEGWIT),
        (TAPROOT, "main", TAPROOT),
        (TAPROOT.upper(), "main", TAPROOT),
        (LEGACY, "main", LEGACY),
        (NESTED_TEST, "test", NESTED_TEST),
        (NESTED_TEST, "regtest", NESTED_TEST),
    ],
)
def test_an_address_of_its_network_is_read(text, chain, read):
    assert read_bitcoin(text, chain) == read


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        (SEGWIT, "test"),
        (SEGWIT, "regtest"),
        (LEGACY, "regtest"),
        (NESTED_TEST, "main"),
        ("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", "main"),
        # Mixed case, a changed character, version 1 with the checksum of version 0, an unknown version.
        (SEGWIT.replace("q", "Q", 1), "main"),
        (SEGWIT[:-1] + "p", "main"),
        ("bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqr9a0ap", "main"),
        ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "main"),
        (LEGACY[:-1] + "b", "main"),
        ("", "main"),
        ("x" * 5000, "main"),
        ("0x9858EfFD232B4033E47d90003D41EC34EcaEda94", "main"),
    ],
)
def test_any_other_is_refused(text, chain):
    with pytest.raises(AddressRefused):
        read_bitcoin(text, chain)


@given(st.integers(0, 2**31 - 1))
def test_every_address_that_we_give_out_is_read_back(index):
    address = derive_bitcoin(normalise_bitcoin(BITCOIN_KEY, "regtest"), index, "regtest").address
    assert read_bitcoin(address.upper(), "regtest") == address


@given(st.text(max_size=90))
def test_no_text_breaks_the_reader(text):
    for chain in ("main", "test", "signet", "regtest"):
        with pytest.raises(AddressRefused):
            read_bitcoin(text, chain)


@pytest.mark.skipif(
    importlib.util.find_spec("bdkpython") is None, reason="bdkpython has no wheel for this machine"
)
@pytest.mark.parametrize("text", [SEGWIT, TAPROOT, LEGACY, SEGWIT[:-1] + "p", NESTED_TEST])
def test_bdk_agrees(text):
    import bdkpython

    try:
        bdkpython.Address(text, bdkpython.Network.BITCOIN)
        is_address = True
    except bdkpython.AddressParseError:
        is_address = False
    if is_address:
        assert read_bitcoin(text, "main") == text
    else:
        with pytest.raises(AddressRefused):
            read_bitcoin(text, "main")


def test_evm_addresses():
    address = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
    assert read_evm(address) == read_evm(address.lower()) == read_evm("0x" + address[2:].upper()) == address
    for wrong in (address[:-1], address.swapcase(), "0x" + "0" * 40, SEGWIT, ""):
        with pytest.raises(AddressRefused):
            read_evm(wrong)

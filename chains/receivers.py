"""Addresses that other people give us, to be paid to: read, checked against their network, and written in one way.

embit alone would take an address of another network and refuse a SegWit address in capitals, as QR codes like to write it;
this is the adapter that holds both guards. Pure. Sources: BIP-13, BIP-173, BIP-350, EIP-55.
"""

from __future__ import annotations

from embit import base58, bech32, script
from embit.base import EmbitError
from embit.networks import NETWORKS

from chains.evm.addresses import checksum_address
from chains.evm.forwarder import read_address
from chains.key_guard import KeyRefused

_ADDRESS_LENGTH_MAX = 100


class AddressRefused(ValueError):
    """Not an address of that network. The message is for the person who typed it."""


def read_bitcoin(text: str, chain: str) -> str:
    """The address of ``chain`` (main, test, signet, regtest) as wallets write it: SegWit in lower case.

    Raises:
        AddressRefused: a mistyped one, one of another network, or a kind of address that is not known yet.
    """
    text = text.strip()
    if len(text) > _ADDRESS_LENGTH_MAX:
        raise AddressRefused("this is too long to be an address")
    network = NETWORKS[chain]
    lowered = text.lower()
    # Every bech32 address of any network has its separator after a short readable part; ours is known.
    if lowered.startswith(f"{network['bech32']}1"):
        if text not in (lowered, text.upper()):
            raise AddressRefused("a SegWit address is in small letters or in capitals, never in both")
        version, program = bech32.decode(network["bech32"], lowered)
        if version is None or version > 1 or (version == 1 and len(program) != 32):
            raise AddressRefused("this is not an address: a character is wrong")
        return lowered
    try:
        payload = base58.decode_check(text)
    except (EmbitError, ValueError) as error:
        raise AddressRefused("this is not an address of this network, or a character is wrong") from error
    if len(payload) != 21 or payload[:1] not in (network["p2pkh"], network["p2sh"]):
        raise AddressRefused("this is an address of another network")
    return text


def read_evm(text: str) -> str:
    """The address with its EIP-55 letter case.

    Raises:
        AddressRefused: not 0x and 40 digits, a wrong letter case, or the zero address.
    """
    try:
        return checksum_address(read_address(text.strip(), "receiver"))
    except KeyRefused as error:
        raise AddressRefused(str(error)) from error


def bitcoin_script(address: str) -> bytes:
    """The scriptPubKey of an address that ``read_bitcoin`` gave: what the chain shows of it."""
    return bytes(script.address_to_scriptpubkey(address).data)

"""Asking a token contract about itself, through web3: its ABI coding, its checksums, its view of what reverted.

web3 takes a second and 60 MB to import, so it is imported here only, and only when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chains.nodes import NodeUnreachable

DECIMALS_MAX = 36
SYMBOL_LENGTH_MAX = 16
NAME_LENGTH_MAX = 60


class TokenRefused(ValueError):
    """The address holds no token that could be admitted. The message is for a person."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a contract says of itself: its 20 bytes, decimals, symbol and name ("" where it says nothing)."""

    contract: bytes
    decimals: int
    symbol: str
    name: str

    @property
    def address(self) -> str:
        """The contract's address with its checksum."""
        from web3 import Web3

        return str(Web3.to_checksum_address(self.contract))


def parse_address(text: str) -> bytes:
    """The 20 bytes of an address that a person pasted.

    Raises:
        TokenRefused: not an address, or its letters' case contradicts its checksum (EIP-55).
    """
    from web3 import Web3

    text = text.strip()
    digits = text[2:]
    is_address = text.startswith("0x") and Web3.is_address(text)
    # All in one case means that whoever wrote it left the checksum out.
    has_checksum = digits not in (digits.lower(), digits.upper())
    if not is_address or (has_checksum and not Web3.is_checksum_address(text)):
        raise TokenRefused("This is not an address: 0x and 40 digits, its checksum (letter case) intact.")
    return bytes.fromhex(digits)


def read_token(node_url: str, contract: bytes, *, chain_id: int, timeout_seconds: float) -> Token:
    """Decimals, symbol and name of the ERC-20 ``contract`` (20 bytes) as the contract itself states them.

    Raises:
        TokenRefused: no contract there, not a token, or decimals that no asset here can have.
        NodeUnreachable: the node gave no usable answer; nothing is known of the contract.
    """
    from web3 import HTTPProvider, Web3
    from web3.exceptions import Web3Exception

    provider = HTTPProvider(
        node_url,
        request_kwargs={"timeout": timeout_seconds},
        # web3's own retries do not cover a refused connection; a person is waiting, and may press again.
        exception_retry_configuration=None,
    )
    web3 = Web3(provider)
    try:
        if web3.eth.chain_id != chain_id:
            raise TokenRefused("The node that was asked follows another chain.")
        address = Web3.to_checksum_address(contract)
        if not web3.eth.get_code(address):
            raise TokenRefused("There is no contract at this address on this network.")
        decimals = _decimals(web3, address)
        return Token(contract, decimals, _text(web3, address, "symbol"), _text(web3, address, "name"))
    except (OSError, Web3Exception) as error:
        # Not chained: requests' errors repeat the address, which may hold a password.
        raise NodeUnreachable(f"the node gave no usable answer: {type(error).__name__}") from None


def _decimals(web3: Any, address: Any) -> int:
    decimals = _call(web3, address, "decimals", "uint8")
    if not isinstance(decimals, int) or not 0 <= decimals <= DECIMALS_MAX:
        raise TokenRefused(
            "This contract states no decimals between 0 and 36: it is not a token we can admit."
        )
    return decimals


def _text(web3: Any, address: Any, function: str) -> str:
    """A text of the contract, in today's form (string) or the early one (bytes32)."""
    text = _call(web3, address, function, "string")
    if not isinstance(text, str):
        word = _call(web3, address, function, "bytes32")
        text = word.rstrip(b"\0").decode("utf-8", errors="replace") if isinstance(word, bytes) else ""
    printable = "".join(letter for letter in text if letter.isprintable()).strip()
    return printable[: SYMBOL_LENGTH_MAX if function == "symbol" else NAME_LENGTH_MAX]


def _call(web3: Any, address: Any, function: str, output: str) -> Any:
    """What a function without arguments answers; None when the contract has none such or answers otherwise."""
    from web3.exceptions import BadFunctionCallOutput, ContractLogicError

    abi = [
        {
            "type": "function",
            "name": function,
            "inputs": [],
            "outputs": [{"name": "", "type": output}],
            "stateMutability": "view",
        }
    ]
    answer: Callable[[], Any] = getattr(
        web3.eth.contract(address=address, abi=abi).functions, function
    )().call
    try:
        return answer()
    except (BadFunctionCallOutput, ContractLogicError, OverflowError):
        return None

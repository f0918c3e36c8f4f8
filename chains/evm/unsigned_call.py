"""A call that somebody else signs: what the program prepares and a treasurer's wallet sends. Pure.

Sources: EIP-681 (ethereum: URIs), the contract ABI of Solidity.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_hash.auto import keccak

from chains.evm.addresses import checksum_address
from chains.evm.forwarder import Forwarder, salt

FLUSH = "flush(uint256[],address[])"
# What one call of the factory takes (NUMBERS_MAX, TOKENS_MAX of the contract).
ADDRESSES_MAX = 256
TOKENS_MAX = 16


@dataclass(frozen=True, slots=True)
class UnsignedCall:
    """A call of a contract that moves no coin of the sender. ``to`` has its checksum; ``gas_estimate`` is in gas.

    ``uri`` is the same call as EIP-681 writes it, "" where it cannot be written so.
    """

    to: str
    data: bytes
    chain_id: int
    gas_estimate: int | None = None
    uri: str = ""

    def json(self) -> str:
        """The file that wallets and signing programs take: ``to``, ``value`` (0), ``data``, ``chainId``."""
        content = {"to": self.to, "value": "0", "data": "0x" + self.data.hex(), "chainId": self.chain_id}
        return json.dumps(content, indent=1) + "\n"


def flush_call(
    forwarder: Forwarder, *, indexes: Sequence[int], tokens: Sequence[bytes], chain_id: int
) -> UnsignedCall:
    """The call that deploys what is not deployed of the deposit addresses ``indexes`` and empties them of coin and ``tokens``.

    Raises:
        ValueError: no index, one twice or out of range, or more than one call takes.
    """
    numbers = [int.from_bytes(salt(index), "big") for index in indexes]
    if not 0 < len(numbers) <= ADDRESSES_MAX or len(set(numbers)) != len(numbers):
        raise ValueError(f"one call empties 1 to {ADDRESSES_MAX} addresses, each named once")
    if len(tokens) > TOKENS_MAX or len(set(tokens)) != len(tokens):
        raise ValueError(f"one call moves at most {TOKENS_MAX} tokens, each named once")
    contracts = [checksum_address(token) for token in tokens]
    arguments = encode(["uint256[]", "address[]"], [numbers, contracts])
    to = checksum_address(forwarder.factory)
    lists = f"uint256[]=[{','.join(map(str, numbers))}]&address[]=[{','.join(contracts)}]"
    return UnsignedCall(
        to=to,
        data=bytes(keccak(FLUSH.encode())[:4]) + arguments,
        chain_id=chain_id,
        uri=f"ethereum:{to}@{chain_id}/flush?{lists}",
    )

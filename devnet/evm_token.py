"""The test token of the EVM development chain: compile it, deploy it always at one address, mint it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from devnet.evm_wallet import EvmWallet, Rpc, uint_call

SOURCE = Path(__file__).with_name("evm_token.vy")
DECIMALS = 6
#: The only thing this key ever does is its first transaction, so the token's address never changes.
_DEPLOYER_KEY = keccak(text="alatau pay: the deployer of the development token")
DEPLOYER_ADDRESS = str(Account.from_key(_DEPLOYER_KEY).address)
DEPLOYER_GRANT_WEI = 10**18


def _first_contract_of(address: str) -> str:
    """The address of the contract that an account creates with nonce 0: keccak of RLP([address, empty])."""
    return str(to_checksum_address(keccak(b"\xd6\x94" + bytes.fromhex(address[2:]) + b"\x80")[12:]))


TOKEN_ADDRESS = _first_contract_of(DEPLOYER_ADDRESS)


@cache
def compile_token() -> tuple[list[dict[str, Any]], str]:
    """The token's ABI and its creation code as 0x hex; takes about half a second."""
    from vyper import compile_code

    compiled = compile_code(SOURCE.read_text(), output_formats=["abi", "bytecode"])
    return compiled["abi"], compiled["bytecode"]


def deploy_token(rpc: Rpc) -> str:
    """Deploy the token unless it is there, and return its address, which is the same on every chain.

    Raises RuntimeError when the deployer's first transaction was used for something else.
    """
    if rpc("eth_getCode", TOKEN_ADDRESS, "latest") != "0x":
        return TOKEN_ADDRESS
    if int(rpc("eth_getTransactionCount", DEPLOYER_ADDRESS, "pending"), 16):
        raise RuntimeError(f"{DEPLOYER_ADDRESS} has already made another contract on this chain")
    rpc("anvil_setBalance", DEPLOYER_ADDRESS, hex(DEPLOYER_GRANT_WEI))
    deployer = EvmWallet(rpc, private_key=_DEPLOYER_KEY)
    transaction_hash = deployer.send(to=None, calldata=compile_token()[1], gas=2_000_000)
    receipt = deployer.wait(transaction_hash)
    if receipt["contractAddress"] is None or to_checksum_address(receipt["contractAddress"]) != TOKEN_ADDRESS:
        raise RuntimeError(f"the token came to lie at {receipt['contractAddress']}, not at {TOKEN_ADDRESS}")
    return TOKEN_ADDRESS


def mint_token(rpc: Rpc, receiver: str, amount_units: int) -> str:
    """Mint to an address and return the hash; ``amount_units`` are millionths of a token."""
    wallet = EvmWallet(rpc)
    hash_ = wallet.send(to=TOKEN_ADDRESS, calldata=uint_call("mint(address,uint256)", receiver, amount_units))
    wallet.wait(hash_)
    return hash_


def token_balance(rpc: Rpc, owner: str) -> int:
    """The token units (millionths) that an address holds at the latest block."""
    calldata = uint_call("balanceOf(address)", owner)
    return int(rpc("eth_call", {"to": TOKEN_ADDRESS, "data": calldata}, "latest"), 16)

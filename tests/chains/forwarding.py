"""What the tests of forwarders share: contracts made for them, and reading what a chain holds."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from chains.evm import forwarder
from chains.evm.addresses import checksum_address
from chains.evm.forwarder import Forwarder
from chains.evm.unsigned_call import UnsignedCall, flush_call
from chains.models import DepositAddress, OnChainAsset
from devnet import evm_forwarder
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.build_contracts import compile_source
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet, Rpc, uint_call
from tests.chains.conftest import Watched

SOURCES = Path(__file__).with_name("contracts")
TOKEN_NOT_MOVED = "0x" + keccak(text="TokenNotMoved(address)").hex()
COIN_NOT_MOVED = "0x" + keccak(text="CoinNotMoved(uint256)").hex()
NOT_FLUSHED = "0x" + keccak(text="ForwarderNotFlushed(uint256)").hex()
#: Anybody: an account of the development chain that has nothing to do with treasury or deployer.
STRANGER_ACCOUNT = 7

#: Other code for a factory: reverts; needs 18 million gas; refuses call data of over 224 bytes (three addresses).
FACTORY_REVERTS = "0x5f5ffd"
FACTORY_NEEDS_MUCH_GAS = "0x620aae605b600190038060045700"
FACTORY_REFUSES_THREE = "0x3660e010600857005b5f5ffd"

GOOD, SILENT, FALSE, REVERTS, FEE, CALLS_BACK, NO_BALANCE, LONG_ANSWER, BURNS_GAS, STRICT_CALLS_BACK = range(
    10
)


def text(address: bytes) -> str:
    """The address with its checksum."""
    return checksum_address(address)


@cache
def creation_code(name: str) -> str:
    """The creation code of a contract of the tests, as 0x hex."""
    return str(compile_source(SOURCES / f"{name}.vy")["bytecode"])


@dataclass(frozen=True)
class Chain:
    """An EVM chain with the forwarder contracts on it, and a stranger who pays for the gas."""

    rpc: Rpc
    forwarder: Forwarder
    stranger: EvmWallet

    def address(self, number: int) -> str:
        return text(forwarder.derive(str(self.forwarder), number).key)

    def coin(self, owner: str) -> int:
        return int(self.rpc("eth_getBalance", owner, "latest"), 16)

    def tokens(self, token: str, owner: str) -> int:
        return int(
            self.rpc("eth_call", {"to": token, "data": uint_call("balanceOf(address)", owner)}, "latest"), 16
        )

    def code(self, address: str) -> bytes:
        return bytes.fromhex(self.rpc("eth_getCode", address, "latest")[2:])

    @property
    def treasury(self) -> str:
        return text(self.forwarder.treasury)

    def call(self, numbers: list[int], tokens: list[str] | None = None) -> UnsignedCall:
        contracts = [bytes.fromhex(token[2:]) for token in tokens or []]
        return flush_call(self.forwarder, indexes=numbers, tokens=contracts, chain_id=CHAIN_ID)

    def flush(
        self, numbers: list[int], tokens: list[str] | None = None, *, gas: int | None = None
    ) -> dict[str, Any]:
        """The stranger sends the call that the program prepares; the receipt."""
        return self.send(self.call(numbers, tokens), gas=gas)

    def send(self, call: UnsignedCall, *, gas: int | None = None) -> dict[str, Any]:
        return self.stranger.wait(self.stranger.send(to=call.to, calldata="0x" + call.data.hex(), gas=gas))

    def make(self, name: str, *arguments: int) -> str:
        """Deploy a contract of the tests; its address."""
        data = creation_code(name) + b"".join(number.to_bytes(32, "big") for number in arguments).hex()
        return text(
            bytes.fromhex(
                self.stranger.wait(self.stranger.send(to=None, calldata=data))["contractAddress"][2:]
            )
        )

    def token(self, manner: int, paid: dict[str, int]) -> str:
        """A token of that manner, minted to the addresses in ``paid``."""
        token = self.make("odd_token", manner)
        for owner, amount in paid.items():
            self.mint(token, owner, amount)
        return token

    def mint(self, token: str, owner: str, amount: int) -> None:
        self.stranger.wait(
            self.stranger.send(to=token, calldata=uint_call("mint(address,uint256)", owner, amount))
        )


def new_chain(anvil: AnvilProcess) -> Chain:
    """The forwarder contracts of a new treasury, deployed on this chain."""
    made = evm_forwarder.deploy(anvil.rpc, os.urandom(20))
    return Chain(anvil.rpc, made, EvmWallet(anvil.rpc, account_index=STRANGER_ACCOUNT))


def events(receipt: dict[str, Any], topic: str) -> list[dict[str, Any]]:
    """The logs of a receipt with this first topic."""
    return [log for log in receipt["logs"] if log["topics"][0] == topic]


def assets() -> list[OnChainAsset]:
    """The coin and the token of the network."""
    return list(OnChainAsset.objects.order_by("code"))


def pay_both(watched: Watched, resident: EvmWallet, purposes: list[str]) -> list[DepositAddress]:
    """A quarter of an ether and 1.5 tokens to the address of each purpose, not mined yet."""
    addresses = [watched.address(purpose) for purpose in purposes]
    for address in addresses:
        resident.pay_coin(address.address, 25 * 10**16)
        resident.pay_token(TOKEN_ADDRESS, address.address, 1_500_000)
    return addresses


def send(anvil: AnvilProcess, file_text: str, *, gas: int | None = None) -> dict[str, Any]:
    """A stranger signs and sends what the program prepared, as a wallet does with the file; the receipt."""
    call = json.loads(file_text)
    stranger = EvmWallet(anvil.rpc, account_index=STRANGER_ACCOUNT)
    assert (call["chainId"], call["value"]) == (CHAIN_ID, "0")
    sent = stranger.send(to=call["to"], calldata=call["data"], value_wei=int(call["value"]), gas=gas)
    anvil.rpc("anvil_mine", "0x1")
    return stranger.wait(sent)


def replace_factory(anvil: AnvilProcess, contracts: Forwarder, code: str) -> None:
    """Put other code in the place of a factory; no other test has the same one."""
    anvil.rpc("anvil_setCode", text(contracts.factory), code)

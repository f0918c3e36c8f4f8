"""The resident's wallet on the EVM development chain: pays the coin and tokens, replaces what is pending.

It holds a private key, which is why it lives here and never in the gateway. Plain JSON-RPC, without web3.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from eth_account import Account
from eth_utils.address import is_checksum_address, to_checksum_address
from eth_utils.crypto import keccak

from devnet.anvil import MNEMONIC

RESIDENT_ACCOUNT = 0
TRANSFER_CALL = "transfer(address,uint256)"
DEFAULT_TIP_WEI = 10**9
#: Nodes replace a pending transaction only for at least a tenth more of both fees.
REPLACEMENT_PERCENT = 125
COIN_TRANSFER_GAS = 21_000
RECEIPT_TIMEOUT_SECONDS = 30.0
RECEIPT_PAUSE_SECONDS = 0.02

URI = re.compile(r"ethereum:(?:pay-)?(0x[0-9a-fA-F]{40})(?:@(\d+))?(?:/(\w+))?(?:\?(.*))?")

Rpc = Callable[..., Any]


class EvmWalletError(Exception):
    """The wallet cannot do what was asked; the message says why."""


@dataclass(frozen=True)
class EvmPaymentRequest:
    """What an EIP-681 URI asks for. ``token`` is None for the chain's coin; the amount is in its smallest unit."""

    receiver: str
    amount: int
    chain_id: int | None
    token: str | None


def parse_payment_uri(uri: str) -> EvmPaymentRequest:
    """Read an EIP-681 URI for the coin or for a token's ``transfer``. Raises EvmWalletError for any other."""
    match = URI.fullmatch(uri)
    if match is None:
        raise EvmWalletError(f"not a payment URI: {uri}")
    target, chain_id, function, query = match.groups()
    parameters = dict(parse_qsl(query or ""))
    chain = int(chain_id) if chain_id else None
    if function is None:
        return EvmPaymentRequest(_checked(target), _integer(parameters.get("value")), chain, None)
    if function != "transfer":
        raise EvmWalletError(f"the URI asks to call {function}, which is no payment")
    receiver = _checked(parameters.get("address", ""))
    return EvmPaymentRequest(receiver, _integer(parameters.get("uint256")), chain, _checked(target))


def _checked(address: str) -> str:
    """The address with its checksum. Raises EvmWalletError on a malformed one or a wrong checksum."""
    if not re.fullmatch("0x[0-9a-fA-F]{40}", address):
        raise EvmWalletError(f"not an address: {address}")
    has_checksum = address[2:] not in (address[2:].lower(), address[2:].upper())
    if has_checksum and not is_checksum_address(address):
        raise EvmWalletError(f"wrong checksum: {address}")
    return str(to_checksum_address(address))


def _integer(text: str | None) -> int:
    """A number of EIP-681, exponents allowed. Raises EvmWalletError when it is missing or not whole."""
    if text is None:
        raise EvmWalletError("the URI names no amount")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise EvmWalletError(f"not an amount: {text}") from None
    if not number.is_finite() or number < 0 or number != int(number):
        raise EvmWalletError(f"not a whole amount: {text}")
    return int(number)


def uint_call(signature: str, address: str, *numbers: int) -> str:
    """The calldata of a function of one address and any whole numbers, as 0x hex."""
    words = [bytes(12) + bytes.fromhex(address[2:]), *(number.to_bytes(32, "big") for number in numbers)]
    return "0x" + (keccak(text=signature)[:4] + b"".join(words)).hex()


class EvmWallet:
    """Pays from one key; ``rpc`` is called with a method and its arguments, as ``NodeProcess.rpc`` is."""

    def __init__(
        self, rpc: Rpc, *, account_index: int = RESIDENT_ACCOUNT, private_key: bytes | None = None
    ) -> None:
        self._rpc = rpc
        self._account = Account.from_key(private_key) if private_key else _junk_account(account_index)
        self.address = str(self._account.address)
        self.chain_id = int(rpc("eth_chainId"), 16)

    def balance_wei(self) -> int:
        """The coin balance at the latest block."""
        return int(self._rpc("eth_getBalance", self.address, "latest"), 16)

    def pay(self, uri: str) -> str:
        """Pay what an EIP-681 URI asks and return the transaction's hash. Raises EvmWalletError on a wrong chain."""
        request = parse_payment_uri(uri)
        if request.chain_id is not None and request.chain_id != self.chain_id:
            raise EvmWalletError(f"the URI is for chain {request.chain_id}, the node is on {self.chain_id}")
        if request.token is None:
            return self.pay_coin(request.receiver, request.amount)
        return self.pay_token(request.token, request.receiver, request.amount)

    def pay_coin(self, receiver: str, amount_wei: int) -> str:
        """Send the chain's coin and return the transaction's hash."""
        return self.send(to=receiver, value_wei=amount_wei)

    def pay_token(self, token: str, receiver: str, amount_units: int) -> str:
        """Send a token, in its smallest unit, and return the transaction's hash."""
        return self.send(to=token, calldata=uint_call(TRANSFER_CALL, receiver, amount_units))

    def send(
        self,
        *,
        to: str | None,
        value_wei: int = 0,
        calldata: str = "0x",
        gas: int | None = None,
        nonce: int | None = None,
        tip_wei: int = DEFAULT_TIP_WEI,
        fee_cap_wei: int | None = None,
    ) -> str:
        """Sign and send one transaction and return its hash; ``to`` None makes a contract."""
        base_fee = int(self._rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": self._next_nonce() if nonce is None else nonce,
            "value": value_wei,
            "data": calldata,
            "maxPriorityFeePerGas": tip_wei,
            "maxFeePerGas": fee_cap_wei or 2 * base_fee + tip_wei,
        }
        if to is not None:
            fields["to"] = to_checksum_address(to)
        fields["gas"] = gas or self._gas(fields)
        raw = self._account.sign_transaction(fields).raw_transaction
        return str(self._rpc("eth_sendRawTransaction", "0x" + bytes(raw).hex()))

    def replace(self, transaction_hash: str, *, to: str | None = None, value_wei: int | None = None) -> str:
        """Replace a pending transaction by one of the same nonce at higher fees; returns the new hash.

        The same payment again unless ``to`` or ``value_wei`` say otherwise; a new ``to`` drops the calldata.
        """
        pending = self._rpc("eth_getTransactionByHash", transaction_hash)
        if pending is None or pending["blockHash"] is not None:
            raise EvmWalletError(f"{transaction_hash} is not pending")
        return self.send(
            to=to or pending["to"],
            value_wei=int(pending["value"], 16) if value_wei is None else value_wei,
            calldata="0x" if to else pending["input"],
            nonce=int(pending["nonce"], 16),
            tip_wei=_raised(pending["maxPriorityFeePerGas"]),
            fee_cap_wei=_raised(pending["maxFeePerGas"]),
        )

    def cancel(self, transaction_hash: str) -> str:
        """Replace a pending payment by one of nothing to the wallet itself; returns the new hash."""
        return self.replace(transaction_hash, to=self.address, value_wei=0)

    def wait(self, transaction_hash: str) -> dict[str, Any]:
        """The receipt once it is mined. Raises EvmWalletError when it failed or does not come."""
        deadline = time.monotonic() + RECEIPT_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self._rpc("eth_getTransactionReceipt", transaction_hash)
            if receipt is None:
                time.sleep(RECEIPT_PAUSE_SECONDS)
            elif receipt["status"] != "0x1":
                raise EvmWalletError(f"{transaction_hash} was mined but failed")
            else:
                return receipt
        raise EvmWalletError(f"{transaction_hash} was not mined in time")

    def _next_nonce(self) -> int:
        return int(self._rpc("eth_getTransactionCount", self.address, "pending"), 16)

    def _gas(self, fields: dict[str, Any]) -> int:
        """What the node estimates, with a fifth more: a token's first receipt writes a new slot."""
        if fields["data"] == "0x" and self._rpc("eth_getCode", fields["to"], "latest") == "0x":
            return COIN_TRANSFER_GAS
        call = {"from": self.address, "data": fields["data"], "value": hex(fields["value"])}
        call |= {"to": fields["to"]} if "to" in fields else {}
        return int(self._rpc("eth_estimateGas", call), 16) * 6 // 5


def _raised(fee_hex: str) -> int:
    return int(fee_hex, 16) * REPLACEMENT_PERCENT // 100 + 1


def _junk_account(index: int) -> Any:
    """An account of the mnemonic that every development chain knows; its key is public."""
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")

"""What deposit addresses hold on the chain now, as a node says: for the page that prepares emptying them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alatau_pay.money import Money
from chains.evm.question import ask, quantity
from chains.models import DepositAddress, Network, OnChainAsset
from chains.nodes import Call, NodeUnreachable

# The first four bytes of keccak of balanceOf(address).
_BALANCE_OF = "0x70a08231"


@dataclass(frozen=True, slots=True)
class Holding:
    """A deposit address and what it holds of each asset that it holds anything of."""

    address: DepositAddress
    amounts: tuple[tuple[OnChainAsset, int], ...]

    @property
    def money(self) -> list[Money]:
        """The amounts with their assets, to be read by people."""
        return [Money(amount_minor, asset.asset) for asset, amount_minor in self.amounts]


def read(
    network: Network, addresses: Sequence[DepositAddress], assets: Sequence[OnChainAsset]
) -> list[Holding]:
    """Those of ``addresses`` that hold something of ``assets``, at the latest block of one node.

    One batch of calls for all of them (split where it is very long). Never call it inside a database transaction.

    Raises:
        NodeUnavailable, NodeWrongChain: no usable answer, also for one balance among many.
    """
    questions = [(address, asset) for address in addresses for asset in assets]
    results = ask(network, [_balance(address, asset) for address, asset in questions])
    amounts: dict[int, list[tuple[OnChainAsset, int]]] = {}
    for (address, asset), result in zip(questions, results, strict=True):
        amount_minor = quantity(result)
        if amount_minor is None:
            raise NodeUnreachable(f"the node did not say how much {asset.code} {address.address} holds")
        if amount_minor:
            amounts.setdefault(address.pk, []).append((asset, amount_minor))
    return [Holding(address, tuple(amounts[address.pk])) for address in addresses if address.pk in amounts]


def _balance(address: DepositAddress, asset: OnChainAsset) -> Call:
    owner = bytes(address.key)
    if asset.contract is None:
        return "eth_getBalance", ["0x" + owner.hex(), "latest"]
    call = {"to": "0x" + bytes(asset.contract).hex(), "data": _BALANCE_OF + owner.rjust(32, b"\0").hex()}
    return "eth_call", [call, "latest"]

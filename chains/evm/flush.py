"""Emptying the deposit addresses of a forwarder wallet: which hold money, and the call that brings it to the treasury.

The server signs nothing and needs no key: whoever pays the gas sends the call, and the contracts know one destination only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chains.evm import forwarder
from chains.evm.holdings import Holding
from chains.evm.question import ask, quantity
from chains.evm.unsigned_call import UnsignedCall, flush_call
from chains.models import DepositAddress, OnChainAsset, TransferState, Wallet
from chains.nodes import NodeError

# Since EIP-7825 a transaction may use 2^24 gas; a little is left for balances that grow meanwhile.
GAS_MAX = 16_000_000
ADDRESSES_PER_CALL = 100


class FlushRefused(ValueError):
    """No call can be prepared. The message is for a person."""


def paid_addresses(wallet: Wallet, *, before_index: int | None, count_max: int) -> list[DepositAddress]:
    """The wallet's addresses that a mined transfer ever paid, the newest first, at most ``count_max``.

    ``before_index`` continues an earlier list below its last derivation index.
    """
    paid = DepositAddress.objects.filter(wallet=wallet, transfers__state=TransferState.MINED).distinct()
    if before_index is not None:
        paid = paid.filter(derivation_index__lt=before_index)
    return list(paid.order_by("-derivation_index")[:count_max])


def call_for(
    wallet: Wallet, addresses: Sequence[DepositAddress], tokens: Sequence[OnChainAsset]
) -> UnsignedCall:
    """The call that empties ``addresses`` of the coin and of ``tokens``, without asking a node.

    Raises:
        FlushRefused: not a forwarder wallet, an address of another wallet, or more than one call takes.
    """
    network = wallet.network
    if not forwarder.is_forwarder(wallet.public_key) or network.chain_id is None:
        raise FlushRefused("Only the addresses of a forwarder wallet can be emptied by a call.")
    if any(address.wallet_id != wallet.pk for address in addresses):
        raise FlushRefused("An address of another wallet is among them.")
    if any(token.network_id != network.pk for token in tokens):
        raise FlushRefused("A token of another network is among them.")
    try:
        return flush_call(
            forwarder.parse(wallet.public_key),
            indexes=[address.derivation_index for address in addresses],
            tokens=[bytes(token.contract) for token in tokens if token.contract is not None],
            chain_id=network.chain_id,
        )
    except ValueError as error:
        raise FlushRefused(str(error)) from error


def prepare_flush(
    wallet: Wallet, addresses: Sequence[DepositAddress], tokens: Sequence[OnChainAsset]
) -> UnsignedCall:
    """The same call with the node's estimate of its gas. Never call it inside a database transaction.

    Raises:
        FlushRefused: as ``call_for``; or the node says that the call fails, or it needs more gas than one may use.
        NodeUnavailable, NodeWrongChain: no usable answer.
    """
    call = call_for(wallet, addresses, tokens)
    # Nobody in particular calls: named as the sender, the treasury would make paying it look cheaper than it is.
    request = {"to": call.to, "data": "0x" + call.data.hex()}
    (result,) = ask(wallet.network, [("eth_estimateGas", [request])])
    if isinstance(result, NodeError):
        raise FlushRefused(f"The node says that the call would fail: {result.message}")
    gas = quantity(result)
    if gas is None or gas > GAS_MAX:
        raise FlushRefused("The call needs more gas than one may use. Empty fewer addresses at once.")
    return replace(call, gas_estimate=gas)


def prepare_largest(wallet: Wallet, holdings: Sequence[Holding]) -> tuple[UnsignedCall, int]:
    """The call that empties the first of ``holdings``, as many as one call can, of all they hold; and how many these are.

    Raises:
        FlushRefused, NodeUnavailable, NodeWrongChain: as ``prepare_flush``.
    """
    count = min(len(holdings), ADDRESSES_PER_CALL)
    while True:
        chosen = holdings[:count]
        held = {asset.code: asset for holding in chosen for asset, _ in holding.amounts if asset.contract}
        try:
            return prepare_flush(wallet, [holding.address for holding in chosen], list(held.values())), count
        except FlushRefused:
            # Too large for one call, which nodes say in many ways: half as many may do.
            if count <= 1:
                raise
            count //= 2

"""The forwarder contracts on an EVM development chain."""

from __future__ import annotations

from eth_utils.address import to_checksum_address

from chains.evm.forwarder import Forwarder
from chains.evm.forwarder_code import DEPLOYER, deployments
from devnet.evm_wallet import EvmWallet, Rpc


def deploy_forwarder(rpc: Rpc, treasury: str) -> tuple[str, str]:
    """Deploy factory and implementation for ``treasury`` unless they are there; returns their addresses in that order."""
    forwarder = deploy(rpc, bytes.fromhex(treasury[2:]))
    return str(to_checksum_address(forwarder.factory)), str(to_checksum_address(forwarder.implementation))


def deploy(rpc: Rpc, treasury: bytes) -> Forwarder:
    """The same with bytes: the forwarder wallet of ``treasury``, its contracts deployed. Its ``str`` is imported as a wallet."""
    forwarder, contracts = deployments(treasury)
    wallet = EvmWallet(rpc)
    for contract in contracts:
        if rpc("eth_getCode", "0x" + contract.address.hex(), "latest") == "0x":
            wallet.wait(wallet.send(to="0x" + DEPLOYER.hex(), calldata="0x" + contract.data.hex()))
    return forwarder

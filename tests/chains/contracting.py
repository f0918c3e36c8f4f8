"""Contracts of the tests, on a development chain."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from devnet.anvil import AnvilProcess
from devnet.build_contracts import compile_source
from devnet.evm_wallet import EvmWallet

SOURCES = Path(__file__).with_name("contracts")


@cache
def creation_code(name: str) -> str:
    """The creation code of a contract of the tests, as 0x hex."""
    return str(compile_source(SOURCES / f"{name}.vy")["bytecode"])


def deploy(anvil: AnvilProcess, wallet: EvmWallet, name: str) -> str:
    """Deploy a contract of the tests and mine it; returns its address."""
    txid = wallet.send(to=None, calldata=creation_code(name), gas=3_000_000)
    anvil.rpc("anvil_mine", "0x1")
    return str(wallet.wait(txid)["contractAddress"])

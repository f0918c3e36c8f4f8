"""Gas to bring what an invoice was paid to the treasury: forwarders emptied by one call, against addresses of a wallet ("hd")
swept one by one, where a token's address needs coin for its gas first. Gas does not depend on the machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from bench.figures import Figure, at_most
from chains.evm.addresses import checksum_address
from chains.evm.forwarder import Forwarder, derive
from chains.evm.unsigned_call import flush_call
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.evm_forwarder import deploy
from devnet.evm_token import TOKEN_ADDRESS, deploy_token, mint_token
from devnet.evm_wallet import COIN_TRANSFER_GAS, EvmWallet, Rpc, uint_call

INVOICES = 100
COIN_WEI = 10**16
TOKEN_UNITS = 1_000_000
RIVAL = "hd, each address swept by its own key"
GAS_LIMIT = 16_000_000
TOKEN = bytes.fromhex(TOKEN_ADDRESS[2:])


@dataclass(frozen=True, slots=True)
class _Bench:
    """A chain with the contracts on it; the treasury holds something of everything already, as it does in use."""

    rpc: Rpc
    forwarder: Forwarder
    payer: EvmWallet

    def address(self, number: int) -> str:
        return derive(str(self.forwarder), number).address

    def pay(self, numbers: Sequence[int], *, coin: bool, token: bool) -> None:
        for number in numbers:
            if coin:
                self.rpc("anvil_setBalance", self.address(number), hex(COIN_WEI))
            if token:
                mint_token(self.rpc, self.address(number), TOKEN_UNITS)

    def flush(self, numbers: Sequence[int], tokens: Sequence[bytes]) -> float:
        """Gas per address of one call that empties them all."""
        call = flush_call(self.forwarder, indexes=numbers, tokens=tokens, chain_id=CHAIN_ID)
        sent = self.payer.send(to=call.to, calldata="0x" + call.data.hex(), gas=GAS_LIMIT)
        return int(self.payer.wait(sent)["gasUsed"], 16) / len(numbers)


def measure() -> Iterator[Figure]:
    """One call for a hundred paid addresses: the first time, which deploys them, and every later time."""
    with tempfile.TemporaryDirectory(prefix="alatau-pay-bench-") as scratch, AnvilProcess(scratch) as node:
        bench = _prepare(node.rpc)
        # An address that holds both pays for its token's transfer itself; the coin's then costs as much as funding would.
        hd_coin, hd_token = float(COIN_TRANSFER_GAS), _hd_token(node.rpc)
        yield from _figures(bench, "coin", [], hd_coin, first=0, coin=True, token=False)
        yield from _figures(bench, "token", [TOKEN], hd_token, first=1000, coin=False, token=True)
        yield from _figures(bench, "coin and token", [TOKEN], hd_token, first=2000, coin=True, token=True)
        single = [3000]
        bench.pay(single, coin=False, token=True)
        yield _figure("token, one address alone, first time", bench.flush(single, [TOKEN]), hd_token)
        received = node.rpc("eth_estimateGas", {"to": bench.address(3000), "value": "0x1"})
        yield at_most(
            "gas to pay coin to a deployed forwarder, above a plain transfer",
            int(received, 16) - hd_coin,
            "gas",
            100,
        )


def _prepare(rpc: Rpc) -> _Bench:
    deploy_token(rpc)
    bench = _Bench(rpc, deploy(rpc, os.urandom(20)), EvmWallet(rpc))
    treasury = checksum_address(bench.forwarder.treasury)
    rpc("anvil_setBalance", treasury, hex(COIN_WEI))
    mint_token(rpc, treasury, TOKEN_UNITS)
    return bench


def _figures(
    bench: _Bench, what: str, tokens: Sequence[bytes], hd: float, *, first: int, coin: bool, token: bool
) -> Iterator[Figure]:
    numbers = range(first, first + INVOICES)
    for time, demand_ratio in (("first time", None), ("again", 0.75)):
        bench.pay(numbers, coin=coin, token=token)
        yield _figure(
            f"{what}, {INVOICES} in one call, {time}", bench.flush(numbers, tokens), hd, demand_ratio
        )


def _figure(what: str, gas: float, hd: float, demand_ratio: float | None = None) -> Figure:
    ratio = gas / hd
    demand = "none" if demand_ratio is None else f"at most {demand_ratio:g} times the rival"
    met = demand_ratio is None or ratio <= demand_ratio
    return Figure(
        f"gas per invoice: {what}", round(gas, 1), "gas", demand, met, RIVAL, round(hd, 1), round(ratio, 3)
    )


def _hd_token(rpc: Rpc) -> float:
    """Gas to sweep a token from an address of a wallet: coin for the gas is sent there, then the token from there."""
    owner = EvmWallet(rpc, private_key=keccak(os.urandom(32)))
    treasury = EvmWallet(rpc).address
    mint_token(rpc, treasury, TOKEN_UNITS)
    mint_token(rpc, owner.address, TOKEN_UNITS)
    rpc("anvil_setBalance", owner.address, hex(COIN_WEI))
    call = uint_call("transfer(address,uint256)", treasury, TOKEN_UNITS)
    moved = owner.wait(owner.send(to=TOKEN_ADDRESS, calldata=call))
    return COIN_TRANSFER_GAS + int(moved["gasUsed"], 16)

"""What forwarders cost, and that too little gas never passes for a token's fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devnet.anvil import AnvilProcess
from devnet.evm_wallet import EvmWalletError
from tests.chains.forwarding import (
    BURNS_GAS,
    GOOD,
    NOT_FLUSHED,
    SILENT,
    TOKEN_NOT_MOVED,
    Chain,
    events,
    new_chain,
)


@pytest.fixture
def chain(anvil: AnvilProcess) -> Chain:
    """The forwarders of a treasury that no other test has."""
    return new_chain(anvil)


@pytest.mark.parametrize(
    ("manners", "coin", "first_max", "again_max"),
    [([], True, 55_000, 12_700), ([GOOD], False, 55_200, 14_200), ([GOOD, SILENT], True, 69_500, 29_500)],
    ids=["coin", "token", "coin and two tokens"],
)
def test_gas_per_invoice(
    chain: Chain,
    manners: list[int],
    coin: bool,
    first_max: int,
    again_max: int,
    record_property: Callable[..., None],
) -> None:
    numbers = list(range(20))
    chain.rpc("anvil_setBalance", chain.treasury, "0x1")
    tokens = [chain.token(manner, {chain.treasury: 1}) for manner in manners]
    for time, gas_max in (("first", first_max), ("again", again_max)):
        for number in numbers:
            if coin:
                chain.rpc("anvil_setBalance", chain.address(number), "0x5")
            for token in tokens:
                chain.mint(token, chain.address(number), 7)
        gas = int(chain.flush(numbers, tokens)["gasUsed"], 16) // len(numbers)
        record_property(f"gas per invoice, {time}", gas)
        print(f"gas per invoice, {time}: {gas}")
        assert gas <= gas_max


def test_receiving_coin_costs_fifteen_gas_once_deployed(chain: Chain) -> None:
    chain.flush([0])
    receipt = chain.stranger.wait(chain.stranger.pay_coin(chain.address(0), 1))
    assert int(receipt["gasUsed"], 16) == 21_000 + 15


def test_the_nodes_estimate_is_enough_for_every_transfer(chain: Chain) -> None:
    tokens = [chain.token(GOOD, {chain.address(n): 10 for n in range(3)}) for _ in range(16)]
    call = chain.call([0, 1, 2], tokens)
    request = {"from": chain.stranger.address, "to": call.to, "data": "0x" + call.data.hex()}
    receipt = chain.flush([0, 1, 2], tokens, gas=int(chain.rpc("eth_estimateGas", request), 16))
    assert [chain.tokens(token, chain.treasury) for token in tokens] == [30] * 16
    assert events(receipt, TOKEN_NOT_MOVED) + events(receipt, NOT_FLUSHED) == []


@pytest.mark.parametrize("gas", [40_000, 90_000, 150_000, 250_000, 400_000, 600_000])
def test_too_little_gas_reverts_all_and_slanders_no_token(chain: Chain, gas: int) -> None:
    tokens = [chain.token(GOOD, {chain.address(0): 10}) for _ in range(16)]
    with pytest.raises(EvmWalletError, match="mined but failed"):
        chain.flush([0], tokens, gas=gas)
    assert [chain.tokens(token, chain.treasury) for token in tokens] == [0] * 16


def test_a_token_that_burns_all_gas_does_not_burn_that_of_the_others(chain: Chain) -> None:
    bad = chain.token(BURNS_GAS, {chain.address(0): 700})
    good = chain.token(GOOD, {chain.address(0): 5, chain.address(1): 6})
    receipt = chain.flush([0, 1], [bad, good], gas=1_000_000)
    assert len(events(receipt, TOKEN_NOT_MOVED)) == 1
    assert chain.tokens(good, chain.treasury) == 11

"""The forwarder contracts on a real chain: money goes to the treasury and nowhere else, whoever calls and whatever tokens do."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chains.evm import forwarder
from chains.evm.forwarder_code import artifact, factory_code, implementation_code
from devnet import evm_forwarder
from devnet.anvil import AnvilProcess
from devnet.evm_wallet import EvmWallet, EvmWalletError, uint_call
from devnet.process import JsonRpcError
from tests.chains.forwarding import (
    CALLS_BACK,
    COIN_NOT_MOVED,
    FALSE,
    FEE,
    GOOD,
    LONG_ANSWER,
    NO_BALANCE,
    NOT_FLUSHED,
    REVERTS,
    SILENT,
    STRANGER_ACCOUNT,
    STRICT_CALLS_BACK,
    TOKEN_NOT_MOVED,
    Chain,
    events,
    new_chain,
    text,
)

ETHER = 10**18


@pytest.fixture
def chain(anvil: AnvilProcess) -> Chain:
    """The forwarders of a treasury that no other test has."""
    return new_chain(anvil)


def pay(chain: Chain, number: int, amount: int) -> None:
    chain.stranger.wait(chain.stranger.pay_coin(chain.address(number), amount))


def test_the_code_on_the_chain_is_the_committed_code_with_its_treasury(chain: Chain) -> None:
    made = chain.forwarder
    assert chain.code(text(made.implementation)) == implementation_code(made.treasury)
    assert chain.code(text(made.factory)) == factory_code(made.implementation)


def test_the_offline_address_is_the_factorys_own_and_the_deployed_one(chain: Chain) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(number=st.integers(0, 2**256 - 1))
    def agree(number: int) -> None:
        calldata = uint_call("address_of(uint256)", "0x" + "00" * 20)[:10] + number.to_bytes(32, "big").hex()
        answer = chain.rpc("eth_call", {"to": text(chain.forwarder.factory), "data": calldata}, "latest")
        offline = forwarder.deposit_address(
            chain.forwarder.factory, chain.forwarder.implementation, number.to_bytes(32, "big")
        )
        assert bytes.fromhex(answer[26:]) == offline

    agree()
    chain.flush([0, 5, 2**31 - 1])
    for number in (0, 5, 2**31 - 1):
        assert chain.code(chain.address(number)) == forwarder.runtime_code(chain.forwarder.implementation)
    assert chain.code(chain.address(1)) == b""


def test_anybody_may_empty_and_only_the_treasury_gets(chain: Chain) -> None:
    token = chain.token(GOOD, {chain.address(0): 700})
    pay(chain, 0, ETHER)
    spent_from = chain.coin(chain.stranger.address)
    receipt = chain.flush([0], [token])
    assert (chain.coin(chain.treasury), chain.tokens(token, chain.treasury)) == (ETHER, 700)
    assert (chain.coin(chain.address(0)), chain.tokens(token, chain.address(0))) == (0, 0)
    fee = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert chain.coin(chain.stranger.address) == spent_from - fee
    assert chain.tokens(token, chain.stranger.address) == 0


def test_anybody_may_also_call_a_deployed_forwarder_itself(chain: Chain) -> None:
    chain.flush([0])
    pay(chain, 0, 5)
    single = replace(chain.call([0]), to=chain.address(0), data=_flush_of_one())
    chain.send(single)
    assert chain.coin(chain.treasury) == 5


def _flush_of_one() -> bytes:
    """The call data of the forwarder's own ``flush`` with an empty list of tokens."""
    return bytes.fromhex(uint_call("flush(address[])", "0x" + "00" * 19 + "20", 0)[2:])


def test_coin_arrives_before_and_after_deployment_and_emptying_twice_does_no_harm(chain: Chain) -> None:
    pay(chain, 3, 10)
    chain.flush([3])
    assert chain.coin(chain.treasury) == 10
    again = chain.flush([3])
    assert (chain.coin(chain.treasury), again["logs"]) == (10, [])
    pay(chain, 3, 32)
    chain.flush([3])
    assert chain.coin(chain.treasury) == 42


def test_a_contract_that_pays_with_the_stipend_is_accepted_before_and_after_deployment(chain: Chain) -> None:
    payer = chain.make("payer")
    for balance in (7, 14):
        call = uint_call("pay_with_stipend(address)", chain.address(0))
        chain.stranger.wait(chain.stranger.send(to=payer, calldata=call, value_wei=7))
        chain.flush([0])
        assert chain.coin(chain.treasury) == balance
    assert chain.code(chain.address(0)) != b""


def test_the_usual_minimal_proxy_would_refuse_the_stipend(chain: Chain) -> None:
    usual = bytes.fromhex("363d3d373d3d3d363d73") + chain.forwarder.implementation
    usual += bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    chain.rpc("anvil_setCode", chain.address(0), "0x" + usual.hex())
    call = uint_call("pay_with_stipend(address)", chain.address(0))
    with pytest.raises(EvmWalletError, match="mined but failed"):
        chain.stranger.wait(
            chain.stranger.send(to=chain.make("payer"), calldata=call, value_wei=7, gas=100_000)
        )


def test_coin_that_comes_with_data_is_accepted(chain: Chain) -> None:
    payer = chain.make("payer")
    chain.flush([0])
    call = uint_call("pay_with_data(address)", chain.address(0))
    chain.stranger.wait(chain.stranger.send(to=payer, calldata=call, value_wei=9))
    chain.flush([0])
    assert chain.coin(chain.treasury) == 9


@pytest.mark.parametrize("manner", [GOOD, SILENT, LONG_ANSWER])
def test_tokens_that_say_yes_or_nothing_are_moved(chain: Chain, manner: int) -> None:
    token = chain.token(manner, {chain.address(0): 700})
    receipt = chain.flush([0], [token])
    assert chain.tokens(token, chain.treasury) == 700
    assert events(receipt, TOKEN_NOT_MOVED) == []


def test_a_token_that_takes_a_fee_brings_what_is_left(chain: Chain) -> None:
    token = chain.token(FEE, {chain.address(0): 700})
    chain.flush([0], [token])
    assert (chain.tokens(token, chain.treasury), chain.tokens(token, chain.address(0))) == (630, 0)


@pytest.mark.parametrize("manner", [FALSE, REVERTS, NO_BALANCE])
def test_a_token_that_says_no_is_reported_and_blocks_nothing(chain: Chain, manner: int) -> None:
    bad = chain.token(manner, {chain.address(0): 700})
    good = chain.token(GOOD, {chain.address(0): 5})
    pay(chain, 0, 11)
    receipt = chain.flush([0], [bad, good])
    (event,) = events(receipt, TOKEN_NOT_MOVED)
    assert (event["address"], event["topics"][1][-40:]) == (chain.address(0).lower(), bad[2:].lower())
    assert (chain.coin(chain.treasury), chain.tokens(good, chain.treasury)) == (11, 5)
    assert events(receipt, NOT_FLUSHED) == []


def test_an_address_without_a_contract_is_no_token(chain: Chain) -> None:
    nothing = text(os.urandom(20))
    (event,) = events(chain.flush([0], [nothing]), TOKEN_NOT_MOVED)
    assert event["topics"][1][-40:] == nothing[2:].lower()


def test_a_token_that_calls_back_moves_its_own_balance_to_the_treasury_and_nothing_else(chain: Chain) -> None:
    good = chain.token(GOOD, {chain.address(0): 5, chain.address(1): 6})
    token = chain.token(CALLS_BACK, {chain.address(0): 700, chain.address(1): 300})
    factory = uint_call("call_back_through(address,uint256)", text(chain.forwarder.factory), 1)
    chain.stranger.wait(chain.stranger.send(to=token, calldata=factory))
    pay(chain, 0, 11)
    pay(chain, 1, 12)
    receipt = chain.flush([0, 1], [token, good])
    called_back = chain.rpc(
        "eth_call", {"to": token, "data": uint_call("calls_back()", "0x" + "00" * 20)[:10]}, "latest"
    )
    assert int(called_back, 16) == 2
    assert chain.tokens(token, chain.treasury) == 1000
    assert (chain.coin(chain.treasury), chain.tokens(good, chain.treasury)) == (23, 11)
    assert events(receipt, NOT_FLUSHED) == []


def test_a_token_that_undoes_itself_by_calling_back_stays_and_is_reported(chain: Chain) -> None:
    token = chain.token(STRICT_CALLS_BACK, {chain.address(0): 700})
    pay(chain, 0, 11)
    receipt = chain.flush([0], [token])
    assert len(events(receipt, TOKEN_NOT_MOVED)) == 1
    assert (chain.coin(chain.treasury), chain.tokens(token, chain.address(0))) == (11, 700)


def test_many_invoices_and_tokens_go_in_one_call_and_one_that_fails_does_not_stop_the_others(
    chain: Chain,
) -> None:
    numbers = list(range(20))
    paid = {chain.address(number): 100 + number for number in numbers}
    tokens = [chain.token(manner, paid) for manner in (GOOD, SILENT, FALSE)]
    chain.flush([4, 5])
    # Number 13 cannot be emptied at all: something else lies at its address.
    chain.rpc("anvil_setCode", chain.address(13), "0x5f5ffd")
    for number in numbers:
        chain.rpc("anvil_setBalance", chain.address(number), hex(1000 + number))
    receipt = chain.flush(numbers, tokens, gas=12_000_000)
    (failed,) = events(receipt, NOT_FLUSHED)
    assert int(failed["topics"][1], 16) == 13
    assert len(events(receipt, TOKEN_NOT_MOVED)) == 19
    assert chain.coin(chain.treasury) == sum(1000 + number for number in numbers if number != 13)
    moved = sum(100 + number for number in numbers if number != 13)
    assert [chain.tokens(token, chain.treasury) for token in tokens] == [moved, moved, 0]
    assert chain.tokens(tokens[2], chain.address(3)) == 103


def test_a_treasury_that_refuses_coin_still_gets_its_tokens_and_the_coin_later(anvil: AnvilProcess) -> None:
    stranger = EvmWallet(anvil.rpc, account_index=STRANGER_ACCOUNT)
    chain = Chain(anvil.rpc, evm_forwarder.deploy(anvil.rpc, os.urandom(20)), stranger)
    treasury = chain.make("payer")
    chain = replace(chain, forwarder=evm_forwarder.deploy(anvil.rpc, bytes.fromhex(treasury[2:])))
    stranger.wait(stranger.send(to=treasury, calldata=uint_call("refuse(bool)", "0x" + "00" * 19 + "01")))
    token = chain.token(GOOD, {chain.address(0): 5})
    pay(chain, 0, 11)
    receipt = chain.flush([0], [token])
    (event,) = events(receipt, COIN_NOT_MOVED)
    assert (int(event["data"], 16), chain.coin(treasury), chain.tokens(token, treasury)) == (11, 0, 5)
    stranger.wait(stranger.send(to=treasury, calldata=uint_call("refuse(bool)", "0x" + "00" * 20)))
    chain.flush([0])
    assert chain.coin(treasury) == 11


def test_the_contracts_refuse_no_treasury_and_no_implementation(chain: Chain) -> None:
    for contract in ("Forwarder", "ForwarderFactory"):
        data = artifact(contract)["creation"] + "00" * 32
        with pytest.raises(JsonRpcError, match="no treasury|no implementation"):
            chain.rpc("eth_estimateGas", {"from": chain.stranger.address, "data": data})


def test_one_call_takes_256_addresses_and_16_tokens_and_no_more(chain: Chain) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        chain.call(list(range(257)))
    with pytest.raises(ValueError, match="named once"):
        chain.call([1, 1])
    with pytest.raises(ValueError, match="at most 16"):
        chain.call([1], [text(bytes([n]) * 20) for n in range(1, 18)])
    chain.flush(list(range(256)), gas=16_000_000)
    assert chain.code(chain.address(255)) != b""

"""What a token contract says of itself, asked on a real node through web3."""

from __future__ import annotations

import pytest

from chains.evm.token_contract import TokenRefused, parse_address, read_token
from chains.nodes import NodeUnreachable
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from devnet.process import free_port

TOKEN = bytes.fromhex(TOKEN_ADDRESS[2:])


def test_a_token_states_its_decimals_symbol_and_name(anvil: AnvilProcess, evm_resident: EvmWallet) -> None:
    token = read_token(anvil.url, TOKEN, chain_id=CHAIN_ID, timeout_seconds=5)
    assert (token.decimals, token.symbol, token.name) == (6, "tUSDT", "Test Tether USD")
    assert token.address == TOKEN_ADDRESS


def test_an_address_without_a_contract_is_no_token(anvil: AnvilProcess, evm_resident: EvmWallet) -> None:
    with pytest.raises(TokenRefused, match="no contract"):
        read_token(anvil.url, bytes(range(20)), chain_id=CHAIN_ID, timeout_seconds=5)


@pytest.mark.parametrize(
    "code", ["0x5f5ffd", "0x60ff5f5260205ff3", "0x00"], ids=["reverts", "255 decimals", "says nothing"]
)
def test_a_contract_that_is_no_token_is_refused(
    anvil: AnvilProcess, evm_resident: EvmWallet, code: str
) -> None:
    address = "0x" + "7e" * 20
    anvil.rpc("anvil_setCode", address, code)
    with pytest.raises(TokenRefused, match="decimals"):
        read_token(anvil.url, bytes.fromhex(address[2:]), chain_id=CHAIN_ID, timeout_seconds=5)


def test_a_token_that_names_itself_in_the_early_form_is_understood(
    anvil: AnvilProcess, evm_resident: EvmWallet
) -> None:
    """Whatever is called, 32 bytes come back: as a number too large for decimals, as bytes32 a name."""
    address = "0x" + "7f" * 20
    word = (6).to_bytes(32, "big").hex()
    anvil.rpc("anvil_setCode", address, f"0x7f{word}5f5260205ff3")
    token = read_token(anvil.url, bytes.fromhex(address[2:]), chain_id=CHAIN_ID, timeout_seconds=5)
    assert (token.decimals, token.symbol) == (6, "")


def test_a_node_of_another_chain_is_not_asked_further(anvil: AnvilProcess, evm_resident: EvmWallet) -> None:
    with pytest.raises(TokenRefused, match="another chain"):
        read_token(anvil.url, TOKEN, chain_id=1, timeout_seconds=5)


def test_a_node_that_does_not_answer_says_nothing_of_the_contract() -> None:
    url = f"http://user:secret-word@127.0.0.1:{free_port()}"
    with pytest.raises(NodeUnreachable) as failure:
        read_token(url, TOKEN, chain_id=CHAIN_ID, timeout_seconds=1)
    assert "secret-word" not in str(failure.value)


@pytest.mark.parametrize("text", [TOKEN_ADDRESS, TOKEN_ADDRESS.lower(), f" {TOKEN_ADDRESS} "])
def test_an_address_is_read_as_people_write_it(text: str) -> None:
    assert parse_address(text) == TOKEN


@pytest.mark.parametrize(
    "text", ["", "0x12", TOKEN_ADDRESS[:-1], "0x" + TOKEN_ADDRESS[2:].swapcase(), "0x" + "zz" * 20]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        parse_address(text)

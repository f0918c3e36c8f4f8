"""An EVM network read through providers as they are: that refuse ranges, leave logs out, lack tags, answer oddly."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from chains import readers
from chains.condition import StepStatus
from chains.evm.block_range import MOST
from chains.evm.reader import EvmReader
from chains.evm.rpc import EvmRpc
from chains.models import TransferState
from chains.nodes import JsonRpcNode
from chains.observation import Position
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from tests.chains.conftest import Watched
from tests.chains.provider import SLOW_SECONDS, Provider, Refusal

Mine = Callable[..., None]


@pytest.fixture
def provider(anvil: AnvilProcess, evm: Watched, settings: Any) -> Iterator[Provider]:
    with Provider(anvil.url).running() as server:
        settings.NODE_URLS = {**settings.NODE_URLS, "evm": [server.url]}
        yield server


def refusing_logs_over(blocks_max: int, refusal: Callable[[int, int], Refusal]) -> Callable[..., Any]:
    def manner(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and "fromBlock" in params[0]:
            first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            if last - first + 1 > blocks_max:
                return refusal(first, last)
        return result

    return manner


STYLES = {
    "too many results": lambda first, last: Refusal(-32005, "query returned more than 10000 results"),
    "too many, with a suggestion": lambda first, last: Refusal(
        -32602,
        "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range, or this block range "
        f"should work: [{first:#x}, {first + 4:#x}]",
    ),
    "range too wide": lambda first, last: Refusal(-32000, "block range is too wide"),
    "invalid parameters": lambda first, last: Refusal(-32602, "eth_getLogs is limited to a 5 range"),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_provider_that_refuses_wide_ranges_is_asked_for_less_until_it_answers(
    evm: Watched, evm_resident: EvmWallet, provider: Provider, mine: Mine, style: str
) -> None:
    provider.manner = refusing_logs_over(5, STYLES[style])
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 42)
    mine(60)
    assert evm.catch_up().status is StepStatus.CURRENT
    assert evm.only_transfer().amount_minor == 42
    wide = [
        params
        for (params,) in provider.asked_for("eth_getLogs")
        if "fromBlock" in params and int(params["toBlock"], 16) - int(params["fromBlock"], 16) >= 5
    ]
    # Refused once or twice, not at every second question.
    assert 1 <= len(wide) <= 2


def test_a_provider_that_takes_small_requests_only_is_asked_for_less(
    evm: Watched, evm_resident: EvmWallet, provider: Provider, mine: Mine
) -> None:
    provider.calls_max = 10
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 42)
    mine(40)
    assert evm.catch_up().status is StepStatus.CURRENT
    assert evm.only_transfer().amount_minor == 42


def test_a_provider_that_times_out_on_wide_ranges_is_asked_for_less_at_the_next_step(
    evm: Watched, evm_resident: EvmWallet, provider: Provider, mine: Mine, settings: Any
) -> None:
    settings.NODE_TIMEOUT_SECONDS = SLOW_SECONDS / 2
    provider.calls_fast = 10
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 42)
    mine(20)
    assert evm.step().status is StepStatus.NODE_DOWN
    assert evm.step().status is StepStatus.MORE
    provider.calls_fast = 10_000
    assert evm.catch_up().status is StepStatus.CURRENT
    assert evm.only_transfer().amount_minor == 42


def test_a_fast_provider_is_asked_for_more_and_more(evm: Watched, provider: Provider, mine: Mine) -> None:
    mine(300)
    assert evm.catch_up().status is StepStatus.CURRENT
    widest = max(sum(name == "eth_getBlockByNumber" for name, _ in batch) for batch in provider.asked)
    assert widest == MOST


def test_few_addresses_are_asked_for_by_name_and_many_are_not(
    evm: Watched, evm_resident: EvmWallet, provider: Provider, mine: Mine
) -> None:
    address = evm.address()
    evm_resident.pay_token(TOKEN_ADDRESS, address.address, 1)
    mine()
    evm.catch_up()
    topics = [params["topics"] for (params,) in provider.asked_for("eth_getLogs") if "fromBlock" in params]
    word = "0x" + bytes(address.key).rjust(32, b"\0").hex()
    assert topics
    assert all(each[1:] == [None, [word]] for each in topics)
    for number in range(readers.FEW_RECIPIENTS):
        evm.address(f"further {number}")
    provider.asked.clear()
    evm_resident.pay_token(TOKEN_ADDRESS, address.address, 2)
    mine()
    evm.catch_up()
    topics = [params["topics"] for (params,) in provider.asked_for("eth_getLogs") if "fromBlock" in params]
    assert topics
    assert all(len(each) == 1 for each in topics)
    assert [row.amount_minor for row in evm.transfers()] == [1, 2]


def test_an_address_given_out_after_the_filter_was_made_is_not_missed(
    anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    new = bytes(range(20))
    evm_resident.pay_token(TOKEN_ADDRESS, "0x" + new.hex(), 42)
    mine()
    tip = int(anvil.rpc("eth_blockNumber"), 16)
    few = iter([frozenset([b"old" * 6 + b"!!"]), frozenset([b"old" * 6 + b"!!", new])])
    with closing(JsonRpcNode(anvil.url, timeout_seconds=5)) as node:
        reader = EvmReader(
            EvmRpc(node),
            chain_id=CHAIN_ID,
            anchor=Position(0, bytes(32)),
            contracts=[bytes.fromhex(TOKEN_ADDRESS[2:])],
            recipients=lambda: next(few),
        )
        (block,) = reader.blocks(tip, tip, lambda keys: {new} & set(keys))
    assert [transfer.amount_minor for transfer in block.transfers] == [42]


def leaves_out_logs(*, from_receipts: bool) -> Callable[..., Any]:
    def manner(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs":
            return []
        if from_receipts and method == "eth_getBlockReceipts":
            return [receipt | {"logs": []} for receipt in result]
        return result

    return manner


def test_logs_that_a_provider_leaves_out_are_taken_from_the_receipts(
    evm: Watched,
    evm_resident: EvmWallet,
    provider: Provider,
    mine: Mine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.manner = leaves_out_logs(from_receipts=False)
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 42)
    mine(3)
    with caplog.at_level(logging.WARNING, logger="chains.evm.log_check"):
        assert evm.catch_up().status is StepStatus.CURRENT
    transfer = evm.only_transfer()
    assert (transfer.state, transfer.amount_minor, transfer.index) == (TransferState.MINED, 42, 0)
    assert "left out transfers" in caplog.text


def test_a_provider_whose_receipts_contradict_the_header_is_left_for_the_next(
    anvil: AnvilProcess,
    evm: Watched,
    evm_resident: EvmWallet,
    provider: Provider,
    mine: Mine,
    settings: Any,
) -> None:
    provider.manner = leaves_out_logs(from_receipts=True)
    before = evm.network.cursor_height
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 42)
    mine(3)
    result = evm.step()
    assert result.status is StepStatus.NODE_DOWN
    assert "leaves out logs" in result.detail
    assert evm.network.cursor_height == before
    settings.NODE_URLS = {**settings.NODE_URLS, "evm": [provider.url, anvil.url]}
    assert evm.catch_up().status is StepStatus.CURRENT
    assert evm.only_transfer().amount_minor == 42


def test_blocks_without_logs_of_ours_are_asked_for_once(
    evm: Watched, evm_resident: EvmWallet, provider: Provider, mine: Mine
) -> None:
    evm.address()
    evm_resident.send(to=evm_resident.address, value_wei=1)
    mine(20)
    evm.catch_up()
    assert provider.asked_for("eth_getBlockReceipts") == []
    assert all("blockHash" not in params for (params,) in provider.asked_for("eth_getLogs"))


ODD: dict[str, Callable[[str, list[Any], Any], Any]] = {
    "a block without its hash": lambda method, params, result: (
        {"number": result["number"]} if method == "eth_getBlockByNumber" and result else result
    ),
    "a block that is a number": lambda method, params, result: (
        7 if method == "eth_getBlockByNumber" and params[1] else result
    ),
    "transactions that are no list": lambda method, params, result: (
        result | {"transactions": None}
        if method == "eth_getBlockByNumber" and params[1] and result
        else result
    ),
    "logs that are text": lambda method, params, result: "none" if method == "eth_getLogs" else result,
    "a log without topics": lambda method, params, result: (
        [{"address": TOKEN_ADDRESS}] if method == "eth_getLogs" else result
    ),
    "a block's time that is a word": lambda method, params, result: (
        result | {"timestamp": "noon"}
        if method == "eth_getBlockByNumber" and params[1] and result
        else result
    ),
    "a receipt of a receipt": lambda method, params, result: (
        [result] if method == "eth_getTransactionReceipt" else result
    ),
    "a chain id that is a list": lambda method, params, result: [] if method == "eth_chainId" else result,
}


@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_answer_is_that_nodes_fault_and_the_next_node_is_asked(
    anvil: AnvilProcess,
    evm: Watched,
    evm_resident: EvmWallet,
    provider: Provider,
    mine: Mine,
    settings: Any,
    oddity: str,
) -> None:
    provider.manner = ODD[oddity]
    before = evm.network
    address = evm.address().address
    evm_resident.pay_token(TOKEN_ADDRESS, address, 42)
    evm_resident.pay_coin(address, 10**15)
    mine()
    assert evm.step().status is StepStatus.NODE_DOWN
    assert (evm.network.cursor_height, evm.network.observed_at) == (before.cursor_height, before.observed_at)
    settings.NODE_URLS = {**settings.NODE_URLS, "evm": [provider.url, anvil.url]}
    assert evm.catch_up().status is StepStatus.CURRENT
    assert sorted(row.amount_minor for row in evm.transfers()) == [42, 10**15]


def test_a_provider_without_traces_is_not_asked_for_them_at_every_block(
    evm: Watched, provider: Provider, mine: Mine
) -> None:
    provider.manner = lambda method, params, result: (
        Refusal(-32601, "the method does not exist") if "trace" in method else result
    )
    for _ in range(3):
        mine()
        evm.catch_up()
    assert len(provider.asked_for("trace_block")) == len(provider.asked_for("debug_traceBlockByHash")) == 1

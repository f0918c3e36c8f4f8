"""Nothing on an EVM network is confirmed before the network itself calls it final."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chains import confirmations, rewinding
from chains.models import Network
from devnet.anvil import AnvilProcess
from devnet.evm_wallet import EvmWallet
from tests.chains.conftest import Watched
from tests.chains.provider import Provider, Refusal

Mine = Callable[..., None]


def enough(evm: Watched, required: int = 1) -> bool:
    return confirmations.enough(evm.only_transfer(), evm.network, required)


# The development node: safe is one block behind the newest, finalized two.
@pytest.mark.parametrize(("tag", "behind"), [("safe", 1), ("finalized", 2)])
def test_a_payment_above_the_final_block_is_not_confirmed(
    evm: Watched, evm_resident: EvmWallet, mine: Mine, tag: str, behind: int
) -> None:
    Network.objects.filter(pk="evm").update(finality_tag=tag)
    evm_resident.pay_coin(evm.address().address, 10**15)
    mine()
    evm.catch_up()
    for _ in range(behind):
        assert confirmations.of(evm.only_transfer(), evm.network) >= 1
        assert not enough(evm)
        mine()
        evm.catch_up()
    assert enough(evm)
    assert not enough(evm, required=behind + 2)


def test_a_tag_that_nobody_has_read_confirms_nothing(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    evm_resident.pay_coin(evm.address().address, 10**15)
    mine(10)
    evm.catch_up()
    assert enough(evm)
    Network.objects.filter(pk="evm").update(finality_tag="finalized", final_height=None)
    assert not enough(evm)
    evm.step()
    assert enough(evm)


def test_finality_that_advances_without_a_new_block_is_written(
    anvil: AnvilProcess, evm: Watched, mine: Mine, provider: Provider
) -> None:
    held_back = {"blocks": 5}

    def late(method: str, params: list[Any], result: Any) -> Any:
        if params[:1] == ["finalized"]:
            height = int(anvil.rpc("eth_blockNumber"), 16) - held_back["blocks"]
            return anvil.rpc("eth_getBlockByNumber", hex(height), False)
        return result

    provider.manner = late
    Network.objects.filter(pk="evm").update(finality_tag="finalized")
    mine(8)
    evm.catch_up()
    first = evm.network
    assert first.final_height == (first.cursor_height or 0) - 5
    held_back["blocks"] = 3
    evm.step()
    assert evm.network.final_height == (first.cursor_height or 0) - 3
    held_back["blocks"] = 7
    evm.step()
    assert evm.network.final_height == (first.cursor_height or 0) - 3


@pytest.mark.parametrize("answer", [None, Refusal(-32602, "unknown block tag")])
def test_at_a_node_without_the_tag_the_deepest_confirmations_stand_in_for_it(
    evm: Watched, mine: Mine, provider: Provider, caplog: pytest.LogCaptureFixture, answer: Refusal | None
) -> None:
    provider.manner = lambda method, params, result: answer if params[:1] == ["safe"] else result
    Network.objects.filter(pk="evm").update(finality_tag="safe")
    mine(8)
    with caplog.at_level(logging.WARNING, logger="chains.evm.reader"):
        for _ in range(3):
            evm.catch_up()
    network = evm.network
    assert network.final_height == (network.cursor_height or 0) - network.confirmations_low_speed + 1
    assert sum("does not know the tag" in record.message for record in caplog.records) == 1


def test_a_network_taken_back_by_hand_has_its_finality_read_anew(evm: Watched, mine: Mine) -> None:
    Network.objects.filter(pk="evm").update(finality_tag="safe")
    mine(5)
    evm.catch_up()
    final = evm.network.final_height
    rewinding.rewind("evm", height=(evm.network.cursor_height or 0) - 3)
    assert evm.network.final_height is None
    evm.catch_up()
    assert evm.network.final_height == final


@pytest.fixture
def provider(anvil: AnvilProcess, evm: Watched, settings: Any) -> Iterator[Provider]:
    with Provider(anvil.url).running() as server:
        settings.NODE_URLS = {**settings.NODE_URLS, "evm": [server.url]}
        yield server

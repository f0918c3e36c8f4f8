"""Several nodes of a network: looked after by their heads, failed over from, and stopped when they contradict each other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from chains import alerts, health, readers, watcher
from chains.condition import StepStatus
from chains.models import Network, NodeHealth, TransferState
from chains.node_state import NodeState
from chains.tasks import check_nodes
from devnet.anvil import AnvilProcess
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess, free_port
from tests.chains.conftest import Watched
from tests.chains.node_proxy import NodeProxy

ELSEWHERE = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"
SECRET = "secret-word"


@pytest.fixture(scope="module")
def second_node(
    bitcoin_node: NodeProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BitcoinNodeProcess]:
    """Another Bitcoin node beside each first one, to which a test brings the first one's blocks."""
    with BitcoinNodeProcess(tmp_path_factory.mktemp("second"), keep_mempool=False) as node:
        yield node


@pytest.fixture
def proxy(bitcoin_node: NodeProcess) -> Iterator[NodeProxy]:
    with NodeProxy(bitcoin_node.url).running() as running:
        yield running


def bring_blocks(source: NodeProcess, target: NodeProcess) -> None:
    """Give ``target`` every block of ``source`` that it lacks, as a peer would."""
    for height in range(target.rpc("getblockcount") + 1, source.rpc("getblockcount") + 1):
        assert (
            target.rpc("submitblock", source.rpc("getblock", source.rpc("getblockhash", height), 0)) is None
        )


def states(network: Network) -> dict[str, NodeState]:
    return {name: doubt.state for name, doubt in health.doubts(network).items()}


def name_of(node: NodeProcess | NodeProxy) -> str:
    return f"127.0.0.1:{node.port}"


@pytest.fixture
def two_nodes(
    bitcoin: Watched, bitcoin_node: NodeProcess, second_node: BitcoinNodeProcess, settings: Any
) -> Watched:
    """The network with two real nodes that hold the same blocks."""
    bring_blocks(bitcoin_node, second_node)
    settings.NODE_URLS = {"bitcoin": [bitcoin_node.url, second_node.url]}
    return bitcoin


def test_each_node_is_asked_how_far_it_is_at_most_every_ten_seconds(
    two_nodes: Watched, bitcoin_node: NodeProcess
) -> None:
    now = timezone.now()
    assert health.check("bitcoin", now=now)
    assert not health.check("bitcoin", now=now + timedelta(seconds=9))
    assert health.check("bitcoin", now=now + timedelta(seconds=10))
    first, second = NodeHealth.objects.filter(network_id="bitcoin")
    assert (first.name, first.priority, second.priority) == (name_of(bitcoin_node), 0, 1)
    for row in (first, second):
        assert (row.head_height, bytes(row.head_hash)) == (
            bitcoin_node.rpc("getblockcount"),
            bytes.fromhex(bitcoin_node.rpc("getbestblockhash")),
        )
        assert (row.head_since, row.answered_at, row.fault) == (now, now + timedelta(seconds=10), "")
    assert states(two_nodes.network) == {}


def test_a_node_that_is_no_longer_configured_is_forgotten_and_a_new_one_is_asked_at_once(
    two_nodes: Watched, bitcoin_node: NodeProcess, second_node: BitcoinNodeProcess, settings: Any
) -> None:
    now = timezone.now()
    settings.NODE_URLS = {"bitcoin": [bitcoin_node.url]}
    health.check("bitcoin", now=now)
    settings.NODE_URLS = {"bitcoin": [second_node.url, bitcoin_node.url]}
    assert health.check("bitcoin", now=now + timedelta(seconds=1))
    rows = NodeHealth.objects.filter(network_id="bitcoin").values_list("name", "priority")
    assert list(rows) == [(name_of(second_node), 0), (name_of(bitcoin_node), 1)]
    settings.NODE_URLS = {"bitcoin": [second_node.url]}
    health.check("bitcoin", now=now + timedelta(seconds=20))
    assert [row.name for row in NodeHealth.objects.filter(network_id="bitcoin")] == [name_of(second_node)]


def test_a_node_down_and_back_is_logged_once_each_and_its_password_never(
    bitcoin: Watched, bitcoin_node: NodeProcess, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    settings.NODE_URLS = {"bitcoin": [f"http://watcher:{SECRET}@127.0.0.1:{port}", bitcoin_node.url]}
    now = timezone.now()
    with caplog.at_level(logging.INFO, logger="chains"):
        for round_ in range(3):
            health.check("bitcoin", now=now + timedelta(seconds=10 * round_))
            assert bitcoin.step().status is StepStatus.CURRENT
        assert states(bitcoin.network) == {f"127.0.0.1:{port}": NodeState.DOWN}
        down = NodeHealth.objects.get(name=f"127.0.0.1:{port}")
        assert (down.answered_at, down.head_height) == (None, None)
        with NodeProxy(bitcoin_node.url, port=port).running():
            settings.NODE_URLS = {"bitcoin": [with_port(bitcoin_node.url, port), bitcoin_node.url]}
            for round_ in range(3, 6):
                health.check("bitcoin", now=now + timedelta(seconds=10 * round_))
                bitcoin.catch_up()
            assert states(bitcoin.network) == {}
            assert readers.choice_for(bitcoin.network).in_order()[0].name == f"127.0.0.1:{port}"
    health_lines = [record.message for record in caplog.records if record.name == "chains.health"]
    assert len(health_lines) == 2
    assert "is down" in health_lines[0]
    assert "is well again" in health_lines[1]
    assert SECRET not in caplog.text
    assert SECRET not in down.fault


def with_port(url: str, port: int) -> str:
    return f"{url.rpartition(':')[0]}:{port}"


def test_the_watcher_says_once_that_a_node_failed_and_once_that_it_answers_again(
    two_nodes: Watched, second_node: BitcoinNodeProcess, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    urls = list(settings.NODE_URLS["bitcoin"])
    settings.NODE_URLS = {"bitcoin": urls[::-1]}
    second_node.kill()
    try:
        with caplog.at_level(logging.INFO, logger="chains.readers"):
            for _ in range(4):
                assert two_nodes.step().status is StepStatus.CURRENT
                rest(two_nodes.network)
            second_node.start()
            for _ in range(3):
                assert two_nodes.catch_up().status is StepStatus.CURRENT
    finally:
        if not second_node.is_running:
            second_node.start()
    messages = [record.message for record in caplog.records]
    assert len(messages) == 2
    assert "failed, others go first" in messages[0]
    assert messages[1] == f"node {name_of(second_node)} answers again"


def rest(network: Network) -> None:
    """The pauses of the network's nodes are over."""
    for candidate in readers.choice_for(network).candidates:
        candidate.retry_at = 0.0


def test_the_second_node_goes_on_where_the_first_one_died(
    two_nodes: Watched,
    resident: BitcoinWallet,
    bitcoin_node: NodeProcess,
    second_node: BitcoinNodeProcess,
    settings: Any,
) -> None:
    settings.NODE_URLS = {"bitcoin": settings.NODE_URLS["bitcoin"][::-1]}
    assert two_nodes.step().status is StepStatus.CURRENT
    resident.pay(two_nodes.address().address, 5_000)
    resident.mine()
    second_node.kill()
    try:
        assert two_nodes.catch_up().status is StepStatus.CURRENT
    finally:
        second_node.start()
    assert two_nodes.only_transfer().state == TransferState.MINED
    assert two_nodes.network.cursor_height == bitcoin_node.rpc("getblockcount")


def test_the_next_node_is_asked_when_the_first_lacks_a_block_that_we_have(
    two_nodes: Watched,
    bitcoin_node: NodeProcess,
    second_node: BitcoinNodeProcess,
    settings: Any,
) -> None:
    settings.NODE_URLS = {"bitcoin": settings.NODE_URLS["bitcoin"][::-1]}
    two_nodes.catch_up()
    newest = second_node.rpc("getbestblockhash")
    second_node.rpc("invalidateblock", newest)
    later = timezone.now() + timedelta(seconds=30)
    try:
        assert step_at(later).status is StepStatus.CURRENT
        assert two_nodes.network.observed_at == later
    finally:
        second_node.rpc("reconsiderblock", newest)


def test_a_stuck_node_is_asked_last_while_another_follows(
    two_nodes: Watched,
    resident: BitcoinWallet,
    bitcoin_node: NodeProcess,
    second_node: BitcoinNodeProcess,
    settings: Any,
) -> None:
    """The second node is preferred and hears of no more blocks."""
    settings.NODE_URLS = {"bitcoin": settings.NODE_URLS["bitcoin"][::-1]}
    now = timezone.now()
    health.check("bitcoin", now=now)
    resident.pay(two_nodes.address().address, 5_000)
    resident.mine()
    # Within the limit the preferred node's word stands, and it knows nothing of the payment.
    health.check("bitcoin", now=now + timedelta(minutes=99))
    two_nodes.catch_up()
    assert two_nodes.transfers() == []
    health.check("bitcoin", now=now + timedelta(minutes=101))
    assert states(two_nodes.network) == {name_of(second_node): NodeState.STUCK}
    two_nodes.catch_up()
    assert two_nodes.only_transfer().state == TransferState.MINED
    bring_blocks(bitcoin_node, second_node)
    health.check("bitcoin", now=now + timedelta(minutes=102))
    assert states(two_nodes.network) == {}


def test_a_node_far_behind_the_other_is_asked_last_at_once(
    two_nodes: Watched,
    resident: BitcoinWallet,
    bitcoin_node: NodeProcess,
    second_node: BitcoinNodeProcess,
    settings: Any,
) -> None:
    settings.NODE_URLS = {"bitcoin": settings.NODE_URLS["bitcoin"][::-1]}
    resident.mine(3)
    health.check("bitcoin", now=timezone.now())
    assert states(two_nodes.network) == {name_of(second_node): NodeState.BEHIND}
    two_nodes.catch_up()
    assert two_nodes.network.cursor_height == bitcoin_node.rpc("getblockcount")


def test_while_every_node_is_stuck_nothing_is_observed_so_nothing_expires(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    resident.pay(bitcoin.address().address, 5_000)
    bitcoin.catch_up()
    now = timezone.now()
    health.check("bitcoin", now=now)
    health.check("bitcoin", now=now + timedelta(minutes=101))
    before = bitcoin.network.observed_at
    later = timezone.now() + timedelta(minutes=101)
    result = step_at(later)
    assert result.status is StepStatus.NODE_BEHIND
    assert "no new block for 101 minutes" in result.detail
    assert bitcoin.network.observed_at == before
    assert bitcoin.only_transfer().state == TransferState.SEEN
    # The next block is believed as soon as it is there.
    resident.mine()
    for _ in range(5):
        result = step_at(later + timedelta(seconds=5))
    assert result.status is StepStatus.CURRENT
    assert bitcoin.network.observed_at == later + timedelta(seconds=5)
    assert bitcoin.only_transfer().state == TransferState.MINED


def step_at(now: datetime) -> watcher.StepResult:
    return watcher.step("bitcoin", now=now)


def test_a_head_that_is_young_enough_is_fine_however_long_nothing_is_paid(bitcoin: Watched) -> None:
    now = timezone.now()
    health.check("bitcoin", now=now)
    health.check("bitcoin", now=now + timedelta(minutes=99))
    later = now + timedelta(minutes=99)
    assert step_at(later).status is StepStatus.CURRENT
    assert bitcoin.network.observed_at == later


def test_two_nodes_that_disagree_about_a_confirmed_block_stop_the_network(
    two_nodes: Watched,
    bitcoin_node: NodeProcess,
    tmp_path: Any,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with BitcoinNodeProcess(tmp_path, keep_mempool=False) as other:
        height = bitcoin_node.rpc("getblockcount")
        for below in range(1, height - 8):
            other.rpc("submitblock", bitcoin_node.rpc("getblock", bitcoin_node.rpc("getblockhash", below), 0))
        for _ in range(9):
            other.rpc("generateblock", ELSEWHERE, [])
        settings.NODE_URLS = {"bitcoin": [bitcoin_node.url, other.url]}
        assert two_nodes.step().status is StepStatus.CURRENT
        cursor = two_nodes.network.cursor_height
        assert health.check("bitcoin", now=timezone.now())
        assert two_nodes.step().status is StepStatus.HALTED
    halted = two_nodes.network
    confirmed = halted.cursor_height - halted.confirmations_low_speed
    assert halted.halted_reason == (
        f"{name_of(bitcoin_node)} and {name_of(other)} have different blocks at confirmed height {confirmed}"
    )
    assert halted.cursor_height == cursor
    alerts.review(now=timezone.now())
    assert [alert.detail for alert in halted.alerts.filter(cleared_at=None)] == [halted.halted_reason]
    assert sum("network halted" in record.message for record in caplog.records) == 1


def test_nodes_that_differ_in_blocks_not_yet_confirmed_are_waited_for(
    two_nodes: Watched, bitcoin_node: NodeProcess, tmp_path: Any, settings: Any
) -> None:
    with BitcoinNodeProcess(tmp_path, keep_mempool=False) as other:
        height = bitcoin_node.rpc("getblockcount")
        for below in range(1, height - 1):
            other.rpc("submitblock", bitcoin_node.rpc("getblock", bitcoin_node.rpc("getblockhash", below), 0))
        for _ in range(2):
            other.rpc("generateblock", ELSEWHERE, [])
        settings.NODE_URLS = {"bitcoin": [bitcoin_node.url, other.url]}
        health.check("bitcoin", now=timezone.now())
    assert two_nodes.network.halted_at is None


def test_a_node_that_lies_about_a_confirmed_block_stops_the_network(
    bitcoin: Watched, bitcoin_node: NodeProcess, proxy: NodeProxy, settings: Any
) -> None:
    settings.NODE_URLS = {"bitcoin": [bitcoin_node.url, proxy.url]}
    now = timezone.now()
    health.check("bitcoin", now=now)
    assert bitcoin.network.halted_at is None
    proxy.rewrite = lambda method, params, result: (
        "ab" * 32 if method == "getblockhash" and params[0] > 0 else result
    )
    health.check("bitcoin", now=now + timedelta(seconds=10))
    assert "different blocks at confirmed height" in bitcoin.network.halted_reason


def test_a_single_node_that_contradicts_what_it_said_before_stops_the_network(
    bitcoin: Watched, proxy: NodeProxy, settings: Any
) -> None:
    settings.NODE_URLS = {"bitcoin": [proxy.url]}
    assert bitcoin.step().status is StepStatus.CURRENT
    proxy.rewrite = lambda method, params, result: (
        "ab" * 32 if method == "getblockhash" and params[0] > 0 else result
    )
    health.check("bitcoin", now=timezone.now())
    assert "than the one that was read" in bitcoin.network.halted_reason


def test_a_lie_told_only_once_is_asked_again_and_stops_nothing(
    bitcoin: Watched, bitcoin_node: NodeProcess, proxy: NodeProxy, settings: Any
) -> None:
    """As when blocks are replaced between two questions."""
    settings.NODE_URLS = {"bitcoin": [bitcoin_node.url, proxy.url]}
    told = []

    def lie_once(method: str, params: list[Any], result: Any) -> Any:
        if method == "getblockhash" and params[0] > 0 and not told:
            told.append(params)
            return "ab" * 32
        return result

    proxy.rewrite = lie_once
    health.check("bitcoin", now=timezone.now())
    assert told
    assert bitcoin.network.halted_at is None


def test_a_node_of_another_chain_stops_the_network_also_when_it_is_only_the_second(
    bitcoin: Watched, bitcoin_node: NodeProcess, proxy: NodeProxy, settings: Any
) -> None:
    settings.NODE_URLS = {"bitcoin": [bitcoin_node.url, proxy.url]}
    proxy.rewrite = lambda method, params, result: (
        {**result, "chain": "main"} if method == "getblockchaininfo" else result
    )
    assert bitcoin.step().status is StepStatus.CURRENT
    health.check("bitcoin", now=timezone.now())
    assert bitcoin.network.halted_reason == f"{name_of(proxy)} is a node of 'main', not of 'regtest'"
    assert bitcoin.step().status is StepStatus.HALTED


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda method, params, result: None if method == "getblockchaininfo" else result,
        lambda method, params, result: {**result, "blocks": -5} if method == "getblockchaininfo" else result,
        lambda method, params, result: "00" * 80 if method == "getblockheader" else result,
        lambda method, params, result: "zz" if method == "getblockheader" else result,
        lambda method, params, result: 7 if method == "getblockhash" else result,
    ],
    ids=["no answer", "impossible height", "another header", "no header", "no hash"],
)
def test_an_answer_that_is_none_is_a_fault_of_the_node_and_nothing_else(
    bitcoin: Watched, proxy: NodeProxy, settings: Any, rewrite: Any
) -> None:
    settings.NODE_URLS = {"bitcoin": [proxy.url]}
    proxy.rewrite = rewrite
    health.check("bitcoin", now=timezone.now())
    assert states(bitcoin.network) == {name_of(proxy): NodeState.DOWN}
    assert bitcoin.network.halted_at is None


def test_evm_nodes_are_looked_after_alike(evm: Watched, anvil: AnvilProcess, settings: Any) -> None:
    with NodeProxy(anvil.url).running() as proxy:
        settings.NODE_URLS = {"evm": [anvil.url, proxy.url]}
        anvil.rpc("anvil_mine", "0x14")
        evm.catch_up()
        now = timezone.now()
        health.check("evm", now=now)
        assert states(evm.network) == {}
        rows = NodeHealth.objects.filter(network_id="evm")
        assert {row.head_height for row in rows} == {int(anvil.rpc("eth_blockNumber"), 16)}
        health.check("evm", now=now + timedelta(minutes=16))
        assert set(states(evm.network).values()) == {NodeState.STUCK}

        def other_blocks(method: str, params: list[Any], result: Any) -> Any:
            is_block = method == "eth_getBlockByNumber" and params[0] not in {"latest", "0x0"}
            return {**result, "hash": "0x" + "cd" * 32} if is_block else result

        proxy.rewrite = other_blocks
        health.check("evm", now=now + timedelta(minutes=17))
    assert "different blocks at confirmed height" in evm.network.halted_reason


def test_an_evm_node_of_another_chain_or_anchor_stops_the_network(
    evm: Watched, anvil: AnvilProcess, settings: Any
) -> None:
    with NodeProxy(anvil.url).running() as proxy:
        settings.NODE_URLS = {"evm": [proxy.url]}
        proxy.rewrite = lambda method, params, result: "0x1" if method == "eth_chainId" else result
        health.check("evm", now=timezone.now())
    assert "is a node of chain 1" in evm.network.halted_reason


def test_a_disabled_network_is_not_asked(bitcoin: Watched) -> None:
    Network.objects.filter(pk="bitcoin").update(enabled=False)
    assert not health.check("bitcoin", now=timezone.now())
    assert not NodeHealth.objects.exists()


def test_the_task_asks_the_nodes_of_one_network(bitcoin: Watched, bitcoin_node: NodeProcess) -> None:
    assert check_nodes("bitcoin")
    assert not check_nodes("bitcoin")
    assert NodeHealth.objects.get().name == name_of(bitcoin_node)

"""A node that contradicts what we know stops its network; a person starts it again."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from chains import halting, readers
from chains.condition import StepStatus
from chains.models import Block, TransferState
from chains.tasks import watch_all
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess, free_port
from tests.chains.conftest import Watched

ELSEWHERE = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"


def fork(node: NodeProcess, *, blocks: int) -> None:
    """Replace the newest ``blocks`` blocks by one more of others."""
    height = node.rpc("getblockcount")
    node.rpc("invalidateblock", node.rpc("getblockhash", height - blocks + 1))
    for _ in range(blocks + 1):
        node.rpc("generateblock", ELSEWHERE, [])


@pytest.mark.parametrize("field", ["bitcoin_chain", "anchor_hash_hex"])
def test_a_node_of_another_chain_halts_the_network(
    bitcoin: Watched, resident: BitcoinWallet, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    resident.pay(bitcoin.address().address, 5_000)
    network = bitcoin.network
    setattr(network, field, "test" if field == "bitcoin_chain" else "ab" * 32)
    network.save(update_fields=[field])
    for _ in range(3):
        assert bitcoin.step().status is StepStatus.HALTED
    halted = bitcoin.network
    assert halted.halted_at is not None
    assert halted.observed_at == network.observed_at
    assert bitcoin.transfers() == []
    assert sum("network halted" in record.message for record in caplog.records) == 1
    assert watch_all() == 0


def test_a_reorganisation_deeper_than_what_is_kept_halts_and_touches_no_transfer(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    resident.pay(bitcoin.address().address, 5_000)
    resident.mine()
    bitcoin.catch_up()
    before = bitcoin.network
    Block.objects.filter(height__lte=before.cursor_height - 3).delete()
    fork(bitcoin_node, blocks=5)
    assert bitcoin.catch_up().status is StepStatus.HALTED
    halted = bitcoin.network
    assert "kept blocks" in halted.halted_reason
    assert (halted.cursor_height, halted.cursor_hash) == (before.cursor_height, before.cursor_hash)
    assert bitcoin.only_transfer().state == TransferState.MINED


def test_a_person_takes_a_halted_network_back_and_everything_is_found_again_once(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    resident.pay(bitcoin.address("stays").address, 5_000)
    resident.mine(4)
    lost = resident.pay(bitcoin.address("moves").address, 6_000)
    resident.mine(2)
    bitcoin.catch_up()
    rows = {row.pk for row in bitcoin.transfers()}
    Block.objects.filter(height__lt=bitcoin.network.cursor_height).delete()
    fork(bitcoin_node, blocks=3)
    assert bitcoin.catch_up().status is StepStatus.HALTED

    call_command("resume_network", "bitcoin", from_height=bitcoin_node.rpc("getblockcount") - 10)
    assert bitcoin.network.halted_at is None
    assert bitcoin.catch_up().status is StepStatus.CURRENT
    states = {row.amount_minor: row.state for row in bitcoin.transfers()}
    assert states == {5_000: TransferState.MINED, 6_000: TransferState.SEEN}
    assert bitcoin_node.rpc("getmempoolentry", lost)
    resident.mine()
    bitcoin.catch_up()
    assert {(row.pk, row.state) for row in bitcoin.transfers()} == {(pk, TransferState.MINED) for pk in rows}


def test_resuming_goes_on_where_it_stopped(bitcoin: Watched, resident: BitcoinWallet) -> None:
    halting.halt("bitcoin", reason="looked odd", now=timezone.now())
    resident.pay(bitcoin.address().address, 5_000)
    assert bitcoin.step().status is StepStatus.HALTED
    call_command("resume_network", "bitcoin")
    bitcoin.catch_up()
    assert len(bitcoin.transfers()) == 1
    with pytest.raises(CommandError, match="was not halted"):
        call_command("resume_network", "bitcoin")
    with pytest.raises(CommandError, match="no network"):
        call_command("resume_network", "nowhere")
    with pytest.raises(CommandError, match="not below"):
        call_command("resume_network", "bitcoin", from_height=10**6)


def test_a_node_behind_us_is_not_believed_and_changes_nothing(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    resident.pay(bitcoin.address().address, 5_000)
    (block_hash,) = resident.mine()
    bitcoin.catch_up()
    before = bitcoin.network
    bitcoin_node.rpc("invalidateblock", block_hash)
    assert bitcoin.step().status is StepStatus.NODE_BEHIND
    after = bitcoin.network
    assert (after.cursor_height, after.observed_at) == (before.cursor_height, before.observed_at)
    assert bitcoin.only_transfer().state == TransferState.MINED
    bitcoin_node.rpc("reconsiderblock", block_hash)
    assert bitcoin.catch_up().status is StepStatus.CURRENT
    assert bitcoin.only_transfer().state == TransferState.MINED


def test_the_next_node_answers_when_the_first_does_not(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess, settings: Any
) -> None:
    settings.NODE_URLS = {"bitcoin": [f"http://user:secret-word@127.0.0.1:{free_port()}", bitcoin_node.url]}
    resident.pay(bitcoin.address().address, 5_000)
    assert bitcoin.catch_up().status is StepStatus.CURRENT
    assert len(bitcoin.transfers()) == 1
    names = [reader.name for reader in readers.choice_for(bitcoin.network).in_order()]
    assert names[0] == f"127.0.0.1:{bitcoin_node.port}"


def test_a_node_that_refuses_our_password_is_down_and_the_password_is_told_nobody(
    bitcoin: Watched, bitcoin_node: NodeProcess, settings: Any
) -> None:
    settings.NODE_URLS = {"bitcoin": [f"http://user:secret-word@127.0.0.1:{bitcoin_node.port}"]}
    result = bitcoin.step()
    assert result.status is StepStatus.NODE_DOWN
    assert "401" in result.detail
    assert "secret-word" not in result.detail


def test_a_network_without_a_node_is_down(bitcoin: Watched, settings: Any) -> None:
    settings.NODE_URLS = {}
    result = bitcoin.step()
    assert (result.status, "NODE_URLS" in result.detail) == (StepStatus.NODE_DOWN, True)


def test_a_disabled_network_is_not_read(bitcoin: Watched, resident: BitcoinWallet) -> None:
    network = bitcoin.network
    network.enabled = False
    network.save(update_fields=["enabled"])
    resident.pay(bitcoin.address().address, 5_000)
    assert bitcoin.step().status is StepStatus.HALTED
    assert bitcoin.transfers() == []


def test_breaking_and_recovering_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    from datetime import timedelta

    from chains import condition

    at = timezone.now()
    with caplog.at_level(logging.INFO, logger="chains"):
        for second in range(90):
            condition.note("made up", StepStatus.NODE_DOWN, "no answer", at=at + timedelta(seconds=second))
        for second in range(90, 100):
            condition.note("made up", StepStatus.CURRENT, "", at=at + timedelta(seconds=second))
    messages = [record.message for record in caplog.records if record.name == "chains.watcher"]
    assert messages == ["node down: no answer", "node down: no answer", "recovered"]

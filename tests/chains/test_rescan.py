"""Looking back over blocks: everything is found, once, wherever it was interrupted, and the cursor stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chains import readers, rescanning
from chains.bitcoin.reader import BitcoinReader
from chains.models import Block, Rescan, Transfer, TransferState
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from devnet.process import NodeProcess
from tests.chains.conftest import Watched, make_bitcoin_network
from tests.chains.test_watcher_process import connection_text, is_waiting_to_write, wait_until

ELSEWHERE = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"


@pytest.fixture
def missed(bitcoin: Watched, resident: BitcoinWallet) -> list[int]:
    """Heights of three payments that were read, and whose rows are not there: as if the addresses had come later."""
    heights = []
    for number in range(3):
        resident.pay(bitcoin.address(f"invoice {number}").address, 1_000 + number)
        resident.mine(20)
        bitcoin.catch_up()
        heights.append(bitcoin.transfers()[-1].block_height)
    Transfer.objects.all().delete()
    return [int(height or 0) for height in heights]


def rescan(*arguments: str) -> str:
    out = StringIO()
    call_command("rescan", "--network", "bitcoin", *arguments, stdout=out)
    return out.getvalue()


def found() -> list[tuple[int, int | None]]:
    rows = Transfer.objects.order_by("block_height")
    assert {row.state for row in rows} <= {TransferState.MINED}
    return [(row.amount_minor, row.block_height) for row in rows]


def test_what_was_missed_is_found_and_the_cursor_stays(bitcoin: Watched, missed: list[int]) -> None:
    before = bitcoin.network
    said = rescan("--from-height", "1")
    assert found() == [(1_000, missed[0]), (1_001, missed[1]), (1_002, missed[2])]
    assert all(row.pending_match for row in bitcoin.transfers())
    after = bitcoin.network
    assert (after.cursor_height, after.observed_at) == (before.cursor_height, before.observed_at)
    assert "3 payments" in said
    assert said.count("%") <= 10


def test_run_twice_it_finds_nothing_twice(bitcoin: Watched, missed: list[int]) -> None:
    rescan("--from-height", "1")
    Transfer.objects.update(pending_match=False)
    assert "0 payments" in rescan("--from-height", "1")
    assert len(found()) == 3
    assert not Transfer.objects.filter(pending_match=True).exists()
    assert list(Rescan.objects.order_by("id").values_list("found", flat=True)) == [3, 0]


def test_only_the_blocks_asked_for_are_looked_through(bitcoin: Watched, missed: list[int]) -> None:
    rescan("--from-height", str(missed[1]), "--to-height", str(missed[2] - 1))
    assert found() == [(1_001, missed[1])]


def test_only_the_wallet_asked_for_is_looked_for(bitcoin: Watched, missed: list[int]) -> None:
    from chains import addresses, wallets
    from tests.chains.conftest import new_account_key

    other = wallets.import_wallet(
        network=bitcoin.network,
        label="other",
        owner="someone",
        public_key=new_account_key("regtest"),
        now=timezone.now(),
    )
    addresses.allocate(wallet=other, purpose="theirs", now=timezone.now())
    rescan("--from-height", "1", "--wallet", str(other.pk))
    assert found() == []
    rescan("--from-height", "1", "--wallet", str(bitcoin.wallet.pk))
    assert len(found()) == 3


def test_interrupted_it_goes_on_where_it_was(bitcoin: Watched, missed: list[int]) -> None:
    begun = rescanning.begin("bitcoin", first_height=1, now=timezone.now())
    part = rescanning.advance(begun, now=timezone.now())
    assert part.finished_at is None
    assert 1 < part.next_height <= part.last_height
    again = rescanning.begin("bitcoin", first_height=1, now=timezone.now())
    assert (again.pk, again.next_height) == (begun.pk, part.next_height)
    assert f"going on at block {part.next_height}" in rescan("--from-height", "1")
    assert len(found()) == 3
    assert Rescan.objects.get().finished_at is not None


def test_two_at_once_do_not_count_the_same_blocks(bitcoin: Watched, missed: list[int]) -> None:
    begun = rescanning.begin("bitcoin", first_height=1, now=timezone.now())
    rescanning.advance(begun, now=timezone.now())
    with pytest.raises(rescanning.CannotRescan, match="another process"):
        rescanning.advance(begun, now=timezone.now())


def test_a_block_that_is_not_of_our_chain_writes_nothing(bitcoin: Watched, missed: list[int]) -> None:
    Block.objects.filter(height=missed[2]).update(hash=b"another".ljust(32))
    with pytest.raises(CommandError, match="not the one we follow"):
        rescan("--from-height", str(missed[1]))
    assert found() == []
    assert Rescan.objects.get().next_height == missed[1]


def test_blocks_that_were_not_read_yet_are_refused(bitcoin: Watched, missed: list[int]) -> None:
    beyond = (bitcoin.network.cursor_height or 0) + 1
    with pytest.raises(CommandError, match="not all at or below"):
        rescan("--from-height", "1", "--to-height", str(beyond))
    assert not Rescan.objects.exists()


def test_a_date_finds_the_first_block_of_that_day(bitcoin: Watched, missed: list[int]) -> None:
    tomorrow = timezone.localdate() + timedelta(days=2)
    assert "0 payments" in rescan("--from-date", tomorrow.isoformat())
    rescan("--from-date", "2020-01-01")
    assert len(found()) == 3
    with pytest.raises(CommandError, match="not a date"):
        rescan("--from-date", "yesterday")


def test_a_node_that_is_down_says_how_to_go_on(
    bitcoin: Watched, missed: list[int], bitcoin_node: NodeProcess
) -> None:
    bitcoin_node.stop()
    try:
        with pytest.raises(CommandError, match="run the same command again"):
            rescan("--from-height", "1")
    finally:
        bitcoin_node.start()
    assert found() == []


@pytest.fixture(scope="module")
def filtering_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BitcoindProcess]:
    if find_bitcoind() is None:
        pytest.skip("no bitcoind: the development node keeps no block filters")
    with BitcoindProcess(tmp_path_factory.mktemp("filters"), block_filters=True) as node:
        yield node


@pytest.fixture(scope="module")
def filtering_resident(filtering_node: BitcoindProcess) -> BitcoinWallet:
    wallet = BitcoinWallet(filtering_node.rpc)
    wallet.fund(coins=20)
    return wallet


def wait_for_filters(node: BitcoindProcess) -> None:
    deadline = time.monotonic() + 10
    while True:
        index = node.rpc("getindexinfo")["basic block filter index"]
        if index["synced"] and index["best_block_height"] == node.rpc("getblockcount"):
            return
        assert time.monotonic() < deadline, "the filters are not built"
        time.sleep(0.02)


def test_with_block_filters_only_blocks_that_may_pay_us_are_read(
    filtering_node: BitcoindProcess, filtering_resident: BitcoinWallet, db: None, settings: Any
) -> None:
    bitcoin = make_bitcoin_network(filtering_node, settings)
    bitcoin.catch_up()
    heights = []
    for number in range(3):
        filtering_resident.pay(bitcoin.address(f"invoice {number}").address, 1_000 + number)
        filtering_resident.mine(300)
        bitcoin.catch_up()
        heights.append(bitcoin.transfers()[-1].block_height)
    Transfer.objects.all().delete()
    wait_for_filters(filtering_node)
    reader = readers.choice_for(bitcoin.network).in_order()[0]
    assert isinstance(reader, BitcoinReader)
    told = reader.heights_with_hits(1, bitcoin.network.cursor_height or 0, {bitcoin.wallet.public_key: 3})
    assert told is not None
    assert set(told) >= set(heights)
    assert len(told) < 20
    rescan("--from-height", "1")
    assert [height for _, height in found()] == heights
    assert Rescan.objects.get().found == 3


def test_killed_in_the_middle_it_goes_on_and_finds_everything_once(
    bitcoin_node: NodeProcess,
    resident: BitcoinWallet,
    transactional_db: None,
    settings: Any,
    program_environment: dict[str, str],
) -> None:
    bitcoin = make_bitcoin_network(bitcoin_node, settings)
    bitcoin.catch_up()
    first = bitcoin.network.cursor_height or 0
    resident.mine(100)
    for number in range(3):
        resident.pay(bitcoin.address(f"invoice {number}").address, 1_000 + number)
        resident.mine()
    bitcoin.catch_up()
    Transfer.objects.all().delete()
    environment = {**program_environment, "NODE_URLS": f"bitcoin={bitcoin_node.url}"}
    command = [sys.executable, "manage.py", "rescan", "--network", "bitcoin", "--from-height", str(first)]
    with psycopg.connect(connection_text()) as blocker:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        # Whoever writes a transfer has to wait here: the first blocks hold none and are looked through already.
        blocker.execute("LOCK TABLE chains_transfer IN SHARE MODE")
        wait_until(lambda: is_waiting_to_write(blocker, "chains_transfer"))
        process.send_signal(signal.SIGKILL)
        process.wait()
        blocker.rollback()
    stopped = Rescan.objects.get()
    assert first < stopped.next_height <= stopped.last_height
    assert found() == []
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert [amount for amount, _ in found()] == [1_000, 1_001, 1_002]
    assert Rescan.objects.get().finished_at is not None


def test_on_an_evm_network_tokens_and_coin_are_found_again(
    evm: Watched, evm_resident: EvmWallet, mine: Callable[[int], None]
) -> None:
    address = evm.address()
    evm_resident.pay_coin(address.address, 5_000)
    evm_resident.pay_token(TOKEN_ADDRESS, address.address, 7_000)
    mine(3)
    evm.catch_up()
    before = {(row.txid_hex, row.index, row.amount_minor) for row in evm.transfers()}
    assert len(before) == 2
    Transfer.objects.all().delete()
    out = StringIO()
    for _ in range(2):
        call_command("rescan", "--network", "evm", "--from-height", "1", stdout=out)
        assert {(row.txid_hex, row.index, row.amount_minor) for row in evm.transfers()} == before


def test_the_height_of_an_instant_is_never_too_high(bitcoin: Watched, missed: list[int]) -> None:
    del missed
    block = Block.objects.order_by("height")[5]
    assert rescanning.height_at("bitcoin", block.time) <= block.height
    assert rescanning.height_at("bitcoin", datetime(2009, 1, 1, tzinfo=UTC)) == 0

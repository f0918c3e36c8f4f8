"""What only the development node has to show: it keeps its chain, and ends with its parent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devnet.bitcoin_block import GENESIS_RAW, RegtestBlock, subsidy_sat
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.kernel_chain import GENESIS, KernelChain
from devnet.process import JsonRpcError, NodeStartError

SHOP = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"
REPOSITORY = Path(__file__).parents[2]


def test_the_chain_the_fork_and_the_mempool_outlive_a_stop(tmp_path: Path) -> None:
    with BitcoinNodeProcess(tmp_path) as node:
        wallet = BitcoinWallet(node.rpc)
        wallet.fund()
        stale = wallet.mine()[0]
        node.rpc("invalidateblock", stale)
        node.rpc("generatetoaddress", 1, SHOP)
        txid = wallet.pay(SHOP, 10_000)
        before = [node.rpc("getbestblockhash"), node.rpc("getrawmempool"), len(wallet.coins())]
        node.restart()
        assert [node.rpc("getbestblockhash"), node.rpc("getrawmempool"), len(wallet.coins())] == before
        assert before[1] == [txid]
        assert node.rpc("getblockheader", stale)["confirmations"] == -1
        assert {"active", "invalid"} == {tip["status"] for tip in node.rpc("getchaintips")}
        node.rpc("reconsiderblock", stale)
        assert node.rpc("getrawmempool") == [txid]


def test_a_kill_costs_the_mempool_and_no_block(tmp_path: Path) -> None:
    with BitcoinNodeProcess(tmp_path) as node:
        wallet = BitcoinWallet(node.rpc)
        wallet.fund()
        wallet.pay(SHOP, 10_000)
        tip = node.rpc("getbestblockhash")
        node.kill()
        node.start()
        assert (node.rpc("getbestblockhash"), node.rpc("getrawmempool")) == (tip, [])


def test_a_forgetful_node_drops_its_mempool(tmp_path: Path) -> None:
    with BitcoinNodeProcess(tmp_path, keep_mempool=False) as node:
        wallet = BitcoinWallet(node.rpc)
        wallet.fund()
        txid = wallet.pay(SHOP, 10_000)
        node.restart()
        with pytest.raises(JsonRpcError, match="-5"):
            node.rpc("getrawtransaction", txid)


def test_a_record_cut_short_by_a_kill_is_dropped(tmp_path: Path) -> None:
    with BitcoinNodeProcess(tmp_path) as node:
        node.rpc("generatetoaddress", 5, SHOP)
    log = tmp_path / "blocks.log"
    log.write_bytes(log.read_bytes()[:-10])
    with BitcoinNodeProcess(tmp_path) as node:
        assert node.rpc("getblockcount") == 4
        node.rpc("generatetoaddress", 1, SHOP)
        node.restart()
        assert node.rpc("getblockcount") == 5


def test_some_hundred_blocks_start_within_a_second(tmp_path: Path) -> None:
    """A second of the processor: what else the machine does meanwhile is not the node's."""
    with BitcoinNodeProcess(tmp_path) as node:
        node.rpc("generatetoaddress", 400, SHOP)
    started_at = time.process_time()
    chain = KernelChain(tmp_path)
    assert time.process_time() - started_at < 1
    assert chain.height == 400
    chain.close()


def test_blocks_come_by_themselves_when_asked_to(tmp_path: Path) -> None:
    with BitcoinNodeProcess(tmp_path, block_interval=0.1) as node:
        deadline = time.monotonic() + 10
        while node.rpc("getblockcount") < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert node.rpc("getblockcount") >= 3


def test_a_taken_port_is_said_in_the_error(tmp_path: Path) -> None:
    with BitcoinNodeProcess(tmp_path / "one") as first:
        second = BitcoinNodeProcess(tmp_path / "two", port=first.port)
        with pytest.raises(NodeStartError, match=f"port {first.port} is taken"):
            second.start()
        assert first.rpc("getblockcount") == 0


def test_one_that_does_not_come_up_shows_what_it_printed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NodeStartError, match="FileExistsError"):
        BitcoinNodeProcess(tmp_path / "file").start()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_it_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from devnet.bitcoin_node import BitcoinNodeProcess\n"
        f"node = BitcoinNodeProcess({str(tmp_path)!r}).start()\n"
        "print(node.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=REPOSITORY) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
    deadline = time.monotonic() + 10
    while _is_running(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(child)


def test_the_stop_method_ends_it(tmp_path: Path) -> None:
    with BitcoinNodeProcess(tmp_path) as node:
        pid = node.pid
        assert "stopping" in node.rpc("stop")
        deadline = time.monotonic() + 10
        while _is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _is_running(pid)


def test_the_first_block_is_regtests() -> None:
    assert GENESIS.hash == "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
    with pytest.raises(ValueError, match="ends too early"):
        RegtestBlock.parse(GENESIS_RAW[:-1])
    with pytest.raises(ValueError, match="not one whole block"):
        RegtestBlock.parse(GENESIS_RAW + b"\x00")


@pytest.mark.parametrize(
    ("height", "subsidy"), [(1, 5_000_000_000), (149, 5_000_000_000), (150, 2_500_000_000)]
)
def test_the_subsidy_halves(height: int, subsidy: int) -> None:
    assert subsidy_sat(height) == subsidy
    assert subsidy_sat(64 * 150) == 0


def _is_running(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

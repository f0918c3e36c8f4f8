"""The development Bitcoin node itself; ``python -m devnet.bitcoin_node --port N --datadir D`` runs it.

A regtest node on Bitcoin Core's own validation engine (libbitcoinkernel) with a mempool, blocks on demand and
forks on demand, speaking the JSON-RPC methods that a watcher and a wallet use. It has no peers and no wallet.
One conformance suite holds it and the real bitcoind to the same answers.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from devnet.bitcoin_chain_methods import ChainMethods
from devnet.bitcoin_control_methods import ControlMethods
from devnet.bitcoin_mining_methods import MiningMethods
from devnet.bitcoin_pool_methods import PoolMethods
from devnet.bitcoin_publisher import Publisher
from devnet.bitcoin_transaction import BitcoinTransaction
from devnet.json_rpc_server import Dispatcher, JsonRpcServer
from devnet.kernel_chain import ChainChange, KernelChain
from devnet.mempool import Mempool, PoolChange
from devnet.relay_policy import PoolRejectionError

#: Where blocks made by --block-interval send their reward: the hash of no known key.
MINER_ADDRESS = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"


class BitcoinNode:
    """The chain, the mempool and the methods over them, kept in ``datadir``."""

    def __init__(
        self, datadir: Path, *, keep_mempool: bool, zmq_port: int | None, stop: Callable[[], None]
    ) -> None:
        self.chain = KernelChain(datadir)
        self.pool = Mempool(self.chain)
        self._mempool_path = datadir / "mempool.hex"
        self._keep_mempool = keep_mempool
        self._publisher = Publisher(zmq_port) if zmq_port else None
        self.mining = MiningMethods(self.chain, self.pool, self._on_chain_change)
        parts = [
            ChainMethods(self.chain, self.pool),
            PoolMethods(self.chain, self.pool, self._on_pool_change),
            self.mining,
            ControlMethods(self.chain, stop),
        ]
        self.dispatcher = Dispatcher(_public_methods(parts))
        self._load_mempool()

    def mine(self) -> None:
        """Mine one block, as --block-interval does."""
        with self.dispatcher.lock:
            self.mining.generatetoaddress(1, MINER_ADDRESS)

    def close(self) -> None:
        """Save the mempool and free the engine. What a kill leaves out is the mempool, as with bitcoind."""
        with self.dispatcher.lock:
            if self._keep_mempool:
                lines = [entry.transaction.raw.hex() + "\n" for entry in self.pool.entries.values()]
                self._mempool_path.write_text("".join(lines))
            self.chain.close()
            if self._publisher:
                self._publisher.close()

    def _load_mempool(self) -> None:
        if not self._keep_mempool or not self._mempool_path.exists():
            return
        for line in self._mempool_path.read_text().split():
            try:
                self.pool.accept(BitcoinTransaction.parse(bytes.fromhex(line)), now=int(time.time()))
            except PoolRejectionError:
                continue  # the chain moved on without it
        self._mempool_path.unlink()

    def _on_chain_change(self, change: ChainChange, invalidated: bool) -> None:
        pool_change = self.pool.follow(change, invalidated=invalidated)
        if self._publisher:
            self._publisher.chain_changed(change)
            self._publisher.pool_changed(pool_change)

    def _on_pool_change(self, change: PoolChange) -> None:
        if self._publisher:
            self._publisher.pool_changed(change)


def _public_methods(parts: list[Any]) -> Mapping[str, Callable[..., Any]]:
    return {
        name: getattr(part, name) for part in parts for name in vars(type(part)) if not name.startswith("_")
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="devnet.bitcoin_node", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--port", type=int, required=True, help="of the JSON-RPC server, on 127.0.0.1")
    parser.add_argument("--datadir", type=Path, required=True, help="keeps the chain between runs")
    parser.add_argument("--rpc-user", default="devnet")
    parser.add_argument("--rpc-password", default=os.environ.get("DEVNET_RPC_PASSWORD", "devnet"))
    parser.add_argument("--block-interval", type=float, metavar="SECONDS", help="mine a block this often")
    parser.add_argument("--forget-mempool", action="store_true", help="do not keep the mempool between runs")
    parser.add_argument(
        "--zmq-port", type=int, help="publish rawtx, hashtx, rawblock, hashblock and sequence"
    )
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM, SIGINT or the ``stop`` method."""
    arguments = _arguments()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    node = BitcoinNode(
        arguments.datadir,
        keep_mempool=not arguments.forget_mempool,
        zmq_port=arguments.zmq_port,
        stop=stopping.set,
    )
    server = JsonRpcServer(
        port=arguments.port,
        user=arguments.rpc_user,
        password=arguments.rpc_password,
        dispatcher=node.dispatcher,
    )
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"regtest at height {node.chain.height}, JSON-RPC on 127.0.0.1:{arguments.port}", flush=True)
    while not stopping.wait(arguments.block_interval):
        node.mine()
    server.shutdown()
    node.close()


if __name__ == "__main__":
    main()

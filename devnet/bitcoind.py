"""Bitcoin Core's ``bitcoind``: where to find it, and a regtest process of it."""

from __future__ import annotations

from pathlib import Path

from devnet.bitcoind_binary import find_bitcoind
from devnet.process import NodeProcess, free_port

__all__ = ["BitcoindProcess", "find_bitcoind"]

ZMQ_TOPICS = ("rawtx", "hashtx", "rawblock", "hashblock", "sequence")


class BitcoindProcess(NodeProcess):
    """A regtest bitcoind as a child process; a context manager, stopped at the end.

    It keeps the index of all transactions and talks to nobody. ``datadir`` outlives it. Raises
    FileNotFoundError when there is no bitcoind: ask ``find_bitcoind()`` first.
    """

    def __init__(
        self,
        datadir: Path | str,
        *,
        port: int | None = None,
        user: str = "devnet",
        password: str = "devnet",
        keep_mempool: bool = True,
        zmq_port: int | None = None,
        block_filters: bool = False,
    ) -> None:
        binary = find_bitcoind()
        if binary is None:
            raise FileNotFoundError("bitcoind not found: run make bitcoind")
        self.datadir = Path(datadir)
        self.datadir.mkdir(parents=True, exist_ok=True)
        self.zmq_port = zmq_port
        chosen_port = port or free_port()
        self._block_filters = block_filters
        self._write_configuration(chosen_port, user, password, keep_mempool)
        command = [str(binary), "-regtest", f"-datadir={self.datadir.absolute()}"]
        super().__init__(command, port=chosen_port, user=user, password=password)

    def _write_configuration(self, port: int, user: str, password: str, keep_mempool: bool) -> None:
        """Settings go by a file, not by the command line, where others could read the password."""
        settings: dict[str, object] = {"rpcport": port, "rpcuser": user, "rpcpassword": password}
        settings |= {
            "rpcbind": "127.0.0.1",
            "rpcallowip": "127.0.0.1",
            "listen": 0,
            "dnsseed": 0,
            "connect": 0,
        }
        settings |= {"txindex": 1, "server": 1, "printtoconsole": 0, "persistmempool": int(keep_mempool)}
        settings |= {"fallbackfee": "0.00001", "dbcache": 16, "rpcthreads": 4, "disablewallet": 1}
        settings["blockfilterindex"] = int(self._block_filters)
        lines = ["regtest=1", "[regtest]", *(f"{name}={value}" for name, value in settings.items())]
        if self.zmq_port:
            address = f"tcp://127.0.0.1:{self.zmq_port}"
            lines += [f"zmqpub{topic}={address}" for topic in ZMQ_TOPICS]
        (self.datadir / "bitcoin.conf").write_text("\n".join(lines) + "\n")

    def probe(self) -> None:
        """Ask for the block count; a warming-up node answers an error."""
        self.rpc("getblockcount")

"""The development Bitcoin node as a child process; ``python -m devnet.bitcoin_node --port N --datadir D`` runs it.

Importing this module stays cheap: the validation engine is loaded only where the node itself runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from devnet.process import NodeProcess, free_port


class BitcoinNodeProcess(NodeProcess):
    """A development node as a child process; a context manager, stopped at the end.

    ``datadir`` outlives it; ``restart()`` comes back on the same port with the same chain.
    """

    def __init__(
        self,
        datadir: Path | str,
        *,
        port: int | None = None,
        user: str = "devnet",
        password: str = "devnet",
        block_interval: float | None = None,
        keep_mempool: bool = True,
        zmq_port: int | None = None,
    ) -> None:
        self.datadir = Path(datadir)
        self.zmq_port = zmq_port
        chosen_port = port or free_port()
        command = [sys.executable, "-m", "devnet.bitcoin_server", "--port", str(chosen_port)]
        command += ["--datadir", str(self.datadir), "--rpc-user", user]
        command += ["--block-interval", str(block_interval)] if block_interval else []
        command += ["--zmq-port", str(zmq_port)] if zmq_port else []
        command += [] if keep_mempool else ["--forget-mempool"]
        # The password goes by the environment, where other users of the machine cannot list it.
        environment = {"DEVNET_RPC_PASSWORD": password, "PYTHONPATH": str(Path(__file__).parents[1])}
        super().__init__(command, port=chosen_port, user=user, password=password, environment=environment)

    def probe(self) -> None:
        """Ask for the block count."""
        self.rpc("getblockcount")


if __name__ == "__main__":
    from devnet.bitcoin_server import main

    main()

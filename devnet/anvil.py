"""anvil, the EVM development chain, as a child process; its binary comes from npm."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Self

import orjson

from devnet.process import NodeProcess, free_port

CHAIN_ID = 31337
MNEMONIC = "test test test test test test test test test test test junk"
REPOSITORY = Path(__file__).parents[1]


def find_anvil() -> Path | None:
    """The anvil to run: the one named by ``ANVIL``, the platform's binary in node_modules, or the one on PATH.

    Never the shim in node_modules/.bin, whose process id is that of node and not of anvil. Raises
    FileNotFoundError when ``ANVIL`` names no executable file.
    """
    named = os.environ.get("ANVIL")
    if named:
        resolved = shutil.which(named)
        if resolved is None:
            raise FileNotFoundError(f"ANVIL={named} is not an executable file")
        return Path(resolved)
    installed = sorted((REPOSITORY / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
    if installed:
        return installed[0]
    on_path = shutil.which("anvil")
    return Path(on_path) if on_path else None


class AnvilProcess(NodeProcess):
    """An anvil with chain id 31337 and the junk accounts; a context manager, stopped at the end.

    Its state is kept in ``datadir`` when it is stopped, and lost back to the last stop when it is killed; with
    ``save_seconds`` it is also written that often, so that a kill loses no more than that.
    Without ``block_time`` (seconds) each transaction is mined at once; with it they wait in the mempool.
    Raises FileNotFoundError when there is no anvil.
    """

    def __init__(
        self,
        datadir: Path | str,
        *,
        port: int | None = None,
        block_time: float | None = None,
        mine_at_once: bool = True,
        keep_history: bool = False,
        save_seconds: int | None = None,
    ) -> None:
        binary = find_anvil()
        if binary is None:
            raise FileNotFoundError("anvil not found: run npm install")
        self.datadir = Path(datadir)
        self.datadir.mkdir(parents=True, exist_ok=True)
        chosen_port = port or free_port()
        command = [
            str(binary),
            "--host",
            "127.0.0.1",
            "--port",
            str(chosen_port),
            "--chain-id",
            str(CHAIN_ID),
        ]
        command += ["--mnemonic", MNEMONIC, "--state", str(self.datadir / "state.json"), "--silent"]
        # safe = latest - 1 and finalized = latest - 2, so that tests can reach them.
        command += ["--slots-in-an-epoch", "1", "--transaction-block-keeper", "100000"]
        command += ["--block-time", str(block_time)] if block_time else []
        command += [] if mine_at_once or block_time else ["--no-mining"]
        command += ["--state-interval", str(save_seconds)] if save_seconds else []
        command += ["--preserve-historical-states"] if keep_history else []
        super().__init__(command, port=chosen_port)

    def start(self) -> Self:
        """Start, from the last whole state: anvil refuses one that a kill cut short in the middle of writing."""
        state, last_whole = self.datadir / "state.json", self.datadir / "state.last-whole.json"
        if _is_whole(state):
            shutil.copyfile(state, last_whole)
        elif _is_whole(last_whole):
            shutil.copyfile(last_whole, state)
        else:
            state.unlink(missing_ok=True)
        return super().start()

    def probe(self) -> None:
        """Ask for the chain id."""
        self.rpc("eth_chainId")


def _is_whole(state: Path) -> bool:
    """Whether the file is there and holds a whole JSON document."""
    try:
        orjson.loads(state.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return False
    return True

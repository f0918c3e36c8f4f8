"""The JSON-RPC methods about the node itself, with Bitcoin Core's keys, types and errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from devnet.bitcoin_json import WARNINGS, btc
from devnet.json_rpc_server import RpcError
from devnet.kernel_chain import KernelChain
from devnet.relay_policy import MIN_RELAY_FEE_SAT_PER_KVB

VERSION = 310000
SUBVERSION = "/AlatauPayDevelopmentNode:1.0/"
PROTOCOL_VERSION = 70016


class ControlMethods:
    """Every public method here is a JSON-RPC method of the same name."""

    def __init__(self, chain: KernelChain, stop: Callable[[], None]) -> None:
        self._chain = chain
        self._stop = stop
        self._started_at = time.monotonic()

    def getnetworkinfo(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "subversion": SUBVERSION,
            "protocolversion": PROTOCOL_VERSION,
            "localservices": f"{0:016x}",
            "localservicesnames": [],
            "localrelay": False,
            "timeoffset": 0,
            "networkactive": False,
            "connections": 0,
            "connections_in": 0,
            "connections_out": 0,
            "networks": [],
            "relayfee": btc(MIN_RELAY_FEE_SAT_PER_KVB),
            "incrementalfee": btc(MIN_RELAY_FEE_SAT_PER_KVB),
            "localaddresses": [],
            "warnings": WARNINGS,
        }

    def getindexinfo(self, index_name: str = "") -> dict[str, Any]:
        if index_name not in ("", "txindex"):
            return {}
        return {"txindex": {"synced": True, "best_block_height": self._chain.height}}

    def getconnectioncount(self) -> int:
        return 0

    def uptime(self) -> int:
        return int(time.monotonic() - self._started_at)

    def ping(self) -> None:
        return None

    def stop(self, wait: int = 0) -> str:
        if wait < 0:
            raise RpcError(-8, "wait cannot be negative")
        self._stop()
        return "Development node stopping"

"""One script of calls on both Bitcoin nodes: every answer has the same keys and types, every error the same text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.process import JsonRpcError, NodeProcess

SHOP = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"
TAPROOT = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
LEGACY = "mh5CE8Nbj38iND267s4XnvhSmhDW7yWc6Q"
NESTED = "2MvMhrRzhzPDeU9QvbpTmybKSBGjUmC6TTu"
UNKNOWN = "ab" * 32
#: What a node says of itself, the reason why an address is none, and what a miner writes into its coinbase.
OF_THE_NODE_ALONE = {
    "warnings",
    "networks",
    "subversion",
    "localservices",
    "localservicesnames",
    "error",
    "coinbase",
}


def shape(value: Any) -> Any:
    """The value with everything but its form taken away."""
    if isinstance(value, dict):
        return {key: "…" if key in OF_THE_NODE_ALONE else shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\(hex\)#\w{8}", "(hex)#sum", re.sub(r"[0-9a-f]{40,}", "hex", value))
    return type(value).__name__


def answer(node: NodeProcess, method: str, *params: Any) -> Any:
    """The shape of an answer; for an error its code and text, where Core's text is not its help page."""
    try:
        return shape(node.rpc(method, *params))
    except JsonRpcError as error:
        return (error.code, "help" if error.code == -1 else re.sub(r"[0-9a-f]{64}", "hex", error.message))


def script(node: NodeProcess) -> Iterator[tuple[str, Any]]:
    """Calls made one after the other, each with its shape."""

    def call(method: str, *params: Any) -> tuple[str, Any]:
        return re.sub(r"[0-9a-f]{64,}", "hex", f"{method}{params!r}"), answer(node, method, *params)

    wallet = BitcoinWallet(node.rpc)
    wallet.fund()
    height = node.rpc("getblockcount")
    yield "height", height
    paid = wallet.sign([(SHOP, 1000), (TAPROOT, 2000), (LEGACY, 3000), (NESTED, 4000)])
    yield call("testmempoolaccept", [paid.raw_hex])
    yield call("sendrawtransaction", paid.raw_hex)
    yield call("decoderawtransaction", paid.raw_hex)
    for verbosity in (0, 1, 2, True, False):
        yield call("getrawtransaction", paid.txid, verbosity)
    yield call("getmempoolentry", paid.txid)
    yield call("getrawmempool", False, True)
    yield call("gettxout", paid.txid, 1)
    yield call("gettxspendingprevout", [{"txid": paid.coins[0].outpoint.txid, "vout": 0}])
    yield call("getmempoolinfo")
    rival = wallet.sign([(SHOP, 1000)], coins=paid.coins, fee_rate=1)
    yield call("testmempoolaccept", [rival.raw_hex])
    wallet.bump(paid.txid, fee_rate=30)
    yield call("getrawtransaction", paid.txid)
    first, second = wallet.mine(2)
    for verbosity in (0, 1, 2, 3):
        yield call("getblock", first, verbosity)
    for verbose in (True, False):
        yield call("getblockheader", second, verbose)
    for method in (
        "getblockchaininfo",
        "getnetworkinfo",
        "getindexinfo",
        "getchaintips",
        "getmempoolinfo",
        "uptime",
    ):
        yield call(method)
    yield call("scantxoutset", "start", [f"addr({TAPROOT})", f"addr({LEGACY})", {"desc": f"addr({NESTED})"}])
    yield call("scantxoutset", "status")
    yield call("scantxoutset", "abort")
    yield call("scantxoutset", "nothing")
    for address in (SHOP, TAPROOT, LEGACY, NESTED, "bcrt1pfeesnyr2tx", "x"):
        yield call("validateaddress", address)
    yield call("invalidateblock", second)
    yield call("getblockheader", second)
    yield call("getchaintips")
    yield call("getrawtransaction", node.rpc("getblock", second)["tx"][0], True, second)
    yield call("reconsiderblock", second)
    yield call("getblockcount")
    yield call("submitblock", node.rpc("getblock", second, 0))
    yield call("submitblock", "00")
    yield call("generateblock", SHOP, [])
    yield call("generateblock", f"raw({'51' * 2})", [UNKNOWN])
    yield call("generatetodescriptor", 1, f"addr({SHOP})")
    for method in ("getblock", "getblockheader", "invalidateblock", "getmempoolentry", "getrawtransaction"):
        for wrong in (UNKNOWN, "00", "zz" * 32, 5, True, [], None):
            yield call(method, wrong)
    yield call("gettxout", UNKNOWN, -1)
    yield call("gettxspendingprevout", [])
    yield call("gettxspendingprevout", [{"txid": UNKNOWN, "vout": -1}])
    yield call("estimatesmartfee", 0)
    yield call("estimatesmartfee", 1009)
    yield call("estimatesmartfee", 2, "nonsense")
    yield call("getblockhash", 10**9)
    yield call("generatetoaddress", 1, "nonsense")
    yield call("sendrawtransaction", "nonsense")
    yield call("testmempoolaccept", [])
    yield call("nosuchmethod")


def test_both_nodes_answer_alike(tmp_path: Path) -> None:
    if find_bitcoind() is None:
        pytest.skip("bitcoind not found: run make bitcoind")
    with (
        BitcoinNodeProcess(tmp_path / "development") as development,
        BitcoindProcess(tmp_path / "core") as core,
    ):
        ours, theirs = list(script(development)), list(script(core))
    assert len(ours) > 90
    assert [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]] == []


def test_a_shape_keeps_keys_and_types_and_drops_values() -> None:
    assert shape({"a": [1, Decimal(1), "ab" * 32, "x"], "b": None}) == {
        "a": ["int", "Decimal", "hex", "x"],
        "b": "NoneType",
    }
    assert shape({"a": 1}) != shape({"a": "1"})

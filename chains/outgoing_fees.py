"""What the network took for the operator's own payments: asked of a node once they are in a block.

Never inside a database transaction: a node may take seconds. A node that does not know leaves the question open.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection
from contextlib import closing
from decimal import Decimal
from typing import Any

from django.conf import settings

from chains import outgoing
from chains.evm.addresses import checksum_address
from chains.evm.question import ask as ask_evm
from chains.evm.question import quantity
from chains.models import Network, NetworkKind, OutgoingTransfer, TransferState
from chains.nodes import Call, JsonRpcNode, NodeUnavailable, NodeUnreachable, NodeWrongChain

logger = logging.getLogger(__name__)

SATOSHI_PER_BITCOIN = 100_000_000
ASKED_AT_ONCE = 100


def fetch() -> int:
    """Ask for the fees that are not known yet, network by network. Returns how many chain transactions were answered for."""
    waiting = OutgoingTransfer.objects.filter(state=TransferState.MINED, fee_minor__isnull=True)
    answered = 0
    for slug in list(waiting.values_list("network_id", flat=True).order_by("network_id").distinct()):
        network = Network.objects.get(pk=slug)
        rows = waiting.filter(network=network).values_list("txid", "block_hash", "sender").order_by("id")
        asked: dict[bytes, bytes] = {}
        senders: defaultdict[bytes, set[str]] = defaultdict(set)
        for txid, block_hash, sender in rows[:ASKED_AT_ONCE]:
            asked[bytes(txid)] = bytes(block_hash or b"")
            senders[bytes(txid)].add(sender)
        try:
            fees = _fees(network, asked, senders)
        except (NodeUnavailable, NodeWrongChain) as error:
            logger.warning("no fees from %s: %s", slug, error)
            continue
        for txid, fee_minor in fees.items():
            waiting.filter(network=network, txid=txid).update(fee_minor=fee_minor)
        answered += len(fees)
    return answered


def ask_bitcoin(network: Network, calls: list[Call]) -> list[Any]:
    """The results of ``calls`` in order, from the first node of a Bitcoin network that answers; a failed one is a NodeError.

    Raises:
        NodeUnavailable: none gave a usable answer. NodeWrongChain: a node follows another chain.
    """
    urls = settings.NODE_URLS.get(network.slug, [])
    if network.kind != NetworkKind.BITCOIN or not urls:
        raise NodeUnreachable("no Bitcoin node is set for this network (NODE_URLS)")
    failure: NodeUnavailable | None = None
    for url in urls:
        with closing(JsonRpcNode(url, timeout_seconds=settings.NODE_TIMEOUT_SECONDS)) as node:
            try:
                anchor, *results = node.batch([("getblockhash", [network.anchor_height]), *calls])
            except NodeUnavailable as error:
                failure = error
                continue
            if anchor != network.anchor_hash_hex.removeprefix("0x"):
                raise NodeWrongChain(f"{node.name} is not a node of {network.slug}")
            return list(results)
    assert failure is not None  # there was a node, and it did not answer
    raise failure


def satoshi(amount_btc: float | int) -> int:
    """An amount of a Bitcoin node's JSON, which has at most eight decimals, in satoshi."""
    return int((Decimal(repr(amount_btc)) * SATOSHI_PER_BITCOIN).to_integral_value())


def _fees(network: Network, asked: dict[bytes, bytes], senders: dict[bytes, set[str]]) -> dict[bytes, int]:
    """The fee of each txid whose block is given, in the coin's smallest unit; one that no node knows is left out."""
    if network.kind == NetworkKind.BITCOIN:
        calls: list[Call] = [
            ("getrawtransaction", [txid.hex(), 2, block.hex()]) for txid, block in asked.items()
        ]
        results = [_bitcoin_fee(result) for result in ask_bitcoin(network, calls)]
    else:
        calls = [("eth_getTransactionReceipt", ["0x" + txid.hex()]) for txid in asked]
        receipts = zip(asked, ask_evm(network, calls), strict=True)
        results = [_evm_fee(network, receipt, senders[txid]) for txid, receipt in receipts]
    return {txid: fee for txid, fee in zip(asked, results, strict=True) if fee is not None}


def _bitcoin_fee(result: Any) -> int | None:
    fee = result.get("fee") if isinstance(result, dict) else None
    return satoshi(fee) if isinstance(fee, int | float) and not isinstance(fee, bool) else None


def _evm_fee(network: Network, receipt: Any, senders: Collection[str]) -> int | None:
    """Gas at its price and, on a rollup of the OP stack, what it takes for Ethereum (``l1Fee``); 0 where another account paid.

    A contract's coin (a Safe's) leaves by the transaction of a person's account. That account's gas did not leave the reserve:
    booked, the ledger would show less of the coin than the chain.
    """
    if not isinstance(receipt, dict):
        return None
    gas, price = quantity(receipt.get("gasUsed")), quantity(receipt.get("effectiveGasPrice"))
    for_ethereum = quantity(receipt.get("l1Fee") or "0x0")
    payer = _address(receipt.get("from"))
    if gas is None or price is None or for_ethereum is None or not payer:
        return None
    if payer not in senders and outgoing.wallet_of_sender(network, payer) is None:
        return 0
    return gas * price + for_ethereum


def _address(text: Any) -> str:
    """With its checksum, as a transfer's sender is kept; "" for anything else."""
    if not isinstance(text, str) or len(text) != 42:
        return ""
    try:
        return checksum_address(bytes.fromhex(text[2:]))
    except ValueError:
        return ""

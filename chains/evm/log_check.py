"""Token transfer logs held against the block's own header, so that a node that leaves some out is found out.

Providers do answer eth_getLogs from an index that lags behind the blocks they serve. The header's bloom filter cannot lag: it is
part of what the block's hash stands for. Where it says that a contract of ours may have logged and none came, the block's logs
are asked for by its hash; where it still says so, the receipts decide, which must explain the whole filter.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from chains.evm.bloom import bloom_of, may_hold, parse_bloom
from chains.evm.rpc import EvmRpc, Json
from chains.evm.transfers import TRANSFER_TOPIC, log_filter
from chains.nodes import NodeUnreachable

logger = logging.getLogger(__name__)

_TRANSFER = bytes.fromhex(TRANSFER_TOPIC[2:])


def recipient_topic(key: bytes) -> bytes:
    """The topic that stands for the address ``key`` in a log: 32 bytes."""
    return key.rjust(32, b"\0")


def token_filter(contracts: Collection[bytes], recipients: frozenset[bytes] | None) -> Json | None:
    """The eth_getLogs filter of transfers of ``contracts``; only to ``recipients`` where they are given.

    None when nothing can pass: no contract, or no recipient.
    """
    wide = log_filter(contracts)
    if wide is None or recipients is None:
        return wide
    topics = sorted("0x" + recipient_topic(key).hex() for key in recipients)
    return {**wide, "topics": [TRANSFER_TOPIC, None, topics]} if topics else None


def complete(
    rpc: EvmRpc,
    blocks: Sequence[Json],
    logs: Sequence[Json],
    contracts: Collection[bytes],
    recipients: frozenset[bytes] | None,
) -> Sequence[Json]:
    """``logs`` of ``blocks``, with what the node had left out of its first answer.

    Raises:
        NodeUnreachable: the node's receipts do not explain the header's filter either. NodeError: it does not answer.
    """
    doubtful = _unexplained(blocks, logs, contracts, recipients)
    if not doubtful:
        return logs
    wide = rpc.logs_by_block(log_filter(contracts) or {}, [block["hash"] for block in doubtful])
    doubtful_still = _unexplained(doubtful, wide, contracts, None)
    from_receipts = [log for block in doubtful_still for log in _receipt_logs(rpc, block)]
    if any(_is_ours(log, contracts) for log in from_receipts):
        logger.warning(
            "the node's log index left out transfers that its receipts have", extra={"node": rpc.name}
        )
    settled, asked = {block["hash"] for block in doubtful_still}, {block["hash"] for block in doubtful}
    return [
        *(log for log in logs if log["blockHash"] not in asked),
        *(log for log in wide if log["blockHash"] not in settled),
        *(log for log in from_receipts if _is_ours(log, contracts)),
    ]


def _unexplained(
    blocks: Sequence[Json],
    logs: Sequence[Json],
    contracts: Collection[bytes],
    recipients: frozenset[bytes] | None,
) -> list[Json]:
    """The blocks whose header speaks of a transfer of one of ``contracts`` of which ``logs`` have none."""
    # Each pair once before its address is parsed: there may be thousands of logs, and few contracts.
    written = {(log["blockHash"], log["address"]) for log in logs}
    told = {(block_hash, bytes.fromhex(address[2:])) for block_hash, address in written}
    doubtful = []
    for block in blocks:
        bloom = parse_bloom(block["logsBloom"])
        silent = [contract for contract in contracts if (block["hash"], contract) not in told]
        if bloom and any(_speaks_of(bloom, contract, recipients) for contract in silent):
            doubtful.append(block)
    return doubtful


def _speaks_of(bloom: int, contract: bytes, recipients: frozenset[bytes] | None) -> bool:
    if not may_hold(bloom, contract, _TRANSFER):
        return False
    return recipients is None or any(may_hold(bloom, recipient_topic(key)) for key in recipients)


def _receipt_logs(rpc: EvmRpc, block: Json) -> list[Json]:
    """All logs of the block by its receipts, which must name everything that its header's filter holds."""
    logs = [log for receipt in rpc.receipts_of_block(block) for log in receipt["logs"]]
    named = bloom_of(bytes.fromhex(text[2:]) for log in logs for text in (log["address"], *log["topics"]))
    # More than the filter holds is possible: some chains add logs of their own after the block was sealed.
    if (parse_bloom(block["logsBloom"]) or 0) & ~named:
        raise NodeUnreachable(f"{rpc.name}: leaves out logs of a block whose header speaks of them")
    return logs


def _is_ours(log: Json, contracts: Collection[bytes]) -> bool:
    return bytes.fromhex(log["address"][2:]) in contracts and log["topics"][:1] == [TRANSFER_TOPIC]

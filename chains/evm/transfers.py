"""What EVM blocks, logs and pending transactions pay. Pure: from a node's JSON to transfers.

Amounts are wei or the token's smallest unit. A zero-value transfer, a log of a contract that is not admitted, and a log that
only looks like a transfer yield nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any

from chains.evm.addresses import checksum_address
from chains.observation import COIN_INDEX, PENDING_TOKEN_INDEX, FoundTransfer

Json = dict[str, Any]

# keccak("Transfer(address,address,uint256)"): the event of ERC-20.
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
# The first four bytes of keccak of transfer(address,uint256) and transferFrom(address,address,uint256).
_TRANSFER_SELECTOR = "0xa9059cbb"
_TRANSFER_FROM_SELECTOR = "0x23b872dd"

_HEX_PER_WORD = 64
_HEX_PER_ADDRESS = 40

_TOPICS = itemgetter("topics")


def log_filter(contracts: Collection[bytes]) -> Json | None:
    """The eth_getLogs filter of token transfers of all ``contracts`` in one; None when there are none."""
    if not contracts:
        return None
    return {"address": sorted("0x" + contract.hex() for contract in contracts), "topics": [TRANSFER_TOPIC]}


def token_recipients(logs: Iterable[Json]) -> dict[str, bytes]:
    """Whom ``logs`` may pay: the recipient as the log writes it (a 32-byte word) → the address."""
    return {
        topics[2]: bytes.fromhex(topics[2][-_HEX_PER_ADDRESS:])
        for topics in map(_TOPICS, logs)
        if len(topics) == 3
    }


def coin_recipients(transactions: Iterable[Json]) -> dict[str, bytes]:
    """Whom ``transactions`` may pay coin: the recipient as the transaction writes it → the address."""
    texts = {transaction.get("to") for transaction in transactions if transaction["value"] != "0x0"}
    return {text: _bytes(text) for text in texts if text}


def token_transfer(log: Json, contracts: Collection[bytes]) -> FoundTransfer | None:
    """The token transfer that ``log`` reports, None when it reports none or of a contract that is not admitted.

    An NFT's Transfer has four topics, so three are asked for; ``removed`` marks a log of an orphaned block.
    """
    contract, topics, data = _bytes(log["address"]), log["topics"], log["data"]
    if log.get("removed") or contract not in contracts or len(topics) != 3 or topics[0] != TRANSFER_TOPIC:
        return None
    if len(data) != 2 + _HEX_PER_WORD or (amount_minor := int(data, 16)) == 0:
        return None
    return FoundTransfer(
        txid=_bytes(log["transactionHash"]),
        index=int(log["logIndex"], 16),
        key=_address_in_word(topics[2][2:]),
        contract=contract,
        amount_minor=amount_minor,
        sender=checksum_address(_address_in_word(topics[1][2:])),
    )


def coin_transfer(transaction: Json) -> FoundTransfer | None:
    """The coin that a transaction itself moves if it succeeds; None for none, or when it creates a contract."""
    recipient, value_wei = transaction.get("to"), int(transaction["value"], 16)
    if not recipient or value_wei == 0:
        return None
    return FoundTransfer(
        txid=_bytes(transaction["hash"]),
        index=COIN_INDEX,
        key=_bytes(recipient),
        contract=None,
        amount_minor=value_wei,
        sender=checksum_address(_bytes(transaction["from"])),
    )


def transfers_by_block(
    blocks: Sequence[Json], logs: Iterable[Json], contracts: Collection[bytes], paying: Collection[str]
) -> list[list[FoundTransfer]]:
    """The transfers of each block to recipients in ``paying``, which are written as the node writes them.

    ``logs`` are of ``blocks``, which may hold whole transactions or only their hashes: then no coin is looked for.
    """
    place = {block["hash"]: n for n, block in enumerate(blocks)}
    transfers: list[list[FoundTransfer]] = [[] for _ in blocks]
    if not paying:
        return transfers
    transfers = [_coin_transfers(block["transactions"], paying) for block in blocks]
    for log in logs:
        topics = log["topics"]
        if len(topics) == 3 and topics[2] in paying and (found := token_transfer(log, contracts)):
            transfers[place[log["blockHash"]]].append(found)
    return transfers


def _coin_transfers(transactions: Sequence[Json | str], paying: Collection[str]) -> list[FoundTransfer]:
    return [
        found
        for transaction in transactions
        if isinstance(transaction, dict)
        and transaction.get("to") in paying
        and (found := coin_transfer(transaction))
    ]


def pending_transfers(transaction: Json, contracts: Collection[bytes]) -> list[FoundTransfer]:
    """What a pending transaction will move if it succeeds: its coin, or the token transfer its call data asks for."""
    token = _pending_token_transfer(transaction, contracts)
    coin = coin_transfer(transaction)
    return [transfer for transfer in (coin, token) if transfer is not None]


def _pending_token_transfer(transaction: Json, contracts: Collection[bytes]) -> FoundTransfer | None:
    recipient, call = transaction.get("to"), transaction.get("input") or transaction.get("data") or "0x"
    if not recipient or (contract := _bytes(recipient)) not in contracts:
        return None
    words = [call[10 + n : 10 + n + _HEX_PER_WORD] for n in range(0, len(call) - 10, _HEX_PER_WORD)]
    sender = _bytes(transaction["from"])
    if call.startswith(_TRANSFER_SELECTOR) and len(words) >= 2:
        payee, amount = words[0], words[1]
    elif call.startswith(_TRANSFER_FROM_SELECTOR) and len(words) >= 3:
        sender, payee, amount = _address_in_word(words[0]), words[1], words[2]
    else:
        return None
    if len(amount) != _HEX_PER_WORD or int(amount, 16) == 0:
        return None
    return FoundTransfer(
        txid=_bytes(transaction["hash"]),
        index=PENDING_TOKEN_INDEX,
        key=_address_in_word(payee),
        contract=contract,
        amount_minor=int(amount, 16),
        sender=checksum_address(sender),
    )


def keys(transfers: Iterable[FoundTransfer]) -> set[bytes]:
    """The addresses that ``transfers`` pay."""
    return {transfer.key for transfer in transfers}


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _address_in_word(word: str) -> bytes:
    """The address in the last 20 bytes of a 32-byte word given in hex without 0x."""
    return bytes.fromhex(word[-_HEX_PER_ADDRESS:])

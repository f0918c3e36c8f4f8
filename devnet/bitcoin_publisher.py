"""ZeroMQ notifications as bitcoind publishes them: rawtx, hashtx, rawblock, hashblock and sequence."""

from __future__ import annotations

import struct

import zmq

from devnet.bitcoin_block import RegtestBlock
from devnet.bitcoin_transaction import BitcoinTransaction
from devnet.kernel_chain import ChainChange
from devnet.mempool import PoolChange

HIGH_WATER_MARK = 1000


class Publisher:
    """Publishes on one port of 127.0.0.1. Its caller holds the node's lock, so messages keep their order."""

    def __init__(self, port: int) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.set_hwm(HIGH_WATER_MARK)
        self._socket.bind(f"tcp://127.0.0.1:{port}")
        self._counters: dict[bytes, int] = {}

    def chain_changed(self, change: ChainChange) -> None:
        """Blocks that left the active chain, then those that joined it, then the new tip."""
        for label, blocks in ((b"D", change.disconnected), (b"C", change.connected)):
            for block in blocks:
                for transaction in block.transactions:
                    self._transaction(transaction)
                self._send(b"sequence", bytes.fromhex(block.hash) + label)
                if label == b"C":
                    self._tip(block)

    def pool_changed(self, change: PoolChange) -> None:
        """Members that left the mempool, except by being mined, and members that entered."""
        for event in change:
            label = b"A" if event.has_entered else b"R"
            if event.has_entered:
                self._transaction(event.transaction)
            number = struct.pack("<Q", event.sequence)
            self._send(b"sequence", bytes.fromhex(event.transaction.txid) + label + number)

    def close(self) -> None:
        """Close the port at once; what was not yet delivered is dropped."""
        self._context.destroy(linger=0)

    def _transaction(self, transaction: BitcoinTransaction) -> None:
        self._send(b"hashtx", bytes.fromhex(transaction.txid))
        self._send(b"rawtx", transaction.raw)

    def _tip(self, block: RegtestBlock) -> None:
        self._send(b"hashblock", bytes.fromhex(block.hash))
        self._send(b"rawblock", block.raw)

    def _send(self, topic: bytes, body: bytes) -> None:
        """One message of three parts; each topic counts its own, so that a subscriber notices a loss."""
        number = self._counters.get(topic, 0)
        self._counters[topic] = (number + 1) & 0xFFFFFFFF
        self._socket.send_multipart([topic, body, struct.pack("<I", number)], flags=zmq.NOBLOCK)

"""The chain of the development node: Bitcoin Core's validation engine, and the indexes that RPC answers need.

libbitcoinkernel decides which blocks are valid and which branch is active. It cannot be told to distrust a
valid block, so after ``invalidate`` or ``reconsider`` a fresh engine is fed every block that is still trusted;
a few hundred blocks take some hundredths of a second. The blocks themselves are kept in one append-only log,
which is also what makes the chain outlive the process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pbk
from pbk.capi.bindings import btck_logging_disable

from devnet.bitcoin_block import GENESIS_RAW, WORK_PER_BLOCK, Coin, RegtestBlock
from devnet.bitcoin_script import is_unspendable
from devnet.bitcoin_transaction import BitcoinTransaction, OutPoint

GENESIS = RegtestBlock.parse(GENESIS_RAW)
MEDIAN_TIME_SPAN = 11

BLOCK_RECORD, INVALIDATE_RECORD, RECONSIDER_RECORD = b"B", b"I", b"R"


class RejectedBlockError(ValueError):
    """The engine refused a block; the chain is as it was before."""


@dataclass
class ChainChange:
    """What one step did to the active chain: the tip's end first disconnected, the fork's start first connected."""

    disconnected: list[RegtestBlock] = field(default_factory=list)
    connected: list[RegtestBlock] = field(default_factory=list)


@cache
def _silence_engine_log() -> None:
    """Stop the engine from buffering its log; it allows this once in a process."""
    btck_logging_disable()


class Engine:
    """One libbitcoinkernel chain state with its databases in memory and its block files in ``directory``."""

    def __init__(self, directory: Path) -> None:
        _silence_engine_log()
        self.directory = directory
        callbacks = pbk.ValidationInterfaceCallbacks(block_checked=self._on_block_checked)
        context = pbk.make_context(pbk.ChainType.REGTEST, callbacks)
        options = pbk.ChainstateManagerOptions(context, str(directory), str(directory / "blocks"))
        options.update_block_tree_db_in_memory(True)
        options.update_chainstate_db_in_memory(True)
        options.set_worker_threads_num(0)
        self._manager = pbk.ChainstateManager(options)
        self._refused = False

    def _on_block_checked(self, _user_data: object, _block: object, state: pbk.BlockValidationState) -> None:
        if state.validation_mode != pbk.ValidationMode.VALID:
            self._refused = True

    def process(self, raw_block: bytes) -> None:
        """Give the engine a block. Raises RejectedBlockError when it, or a branch it activates, is invalid."""
        # process_block also answers True for a block whose scripts fail, hence the callback.
        self._refused = False
        try:
            self._manager.process_block(pbk.Block(raw_block))
        except pbk.ProcessBlockException as error:
            raise RejectedBlockError("block not accepted") from error
        if self._refused:
            raise RejectedBlockError("block not accepted: invalid")

    def tip_hash(self) -> str:
        """The hash of the active tip, display order."""
        return str(self._manager.get_active_chain().block_tree_entries[-1].block_hash)

    def close(self) -> None:
        """Free the engine and remove its files, which nothing needs: the log has the blocks."""
        del self._manager
        shutil.rmtree(self.directory, ignore_errors=True)


class KernelChain:
    """The block tree, the active chain, its unspent outputs and where each transaction is."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._engine_directory = directory / "kernel"
        shutil.rmtree(self._engine_directory, ignore_errors=True)
        self._engines_started = 0
        self._log_path = directory / "blocks.log"
        self.blocks: dict[str, RegtestBlock] = {GENESIS.hash: GENESIS}
        GENESIS.median_time = GENESIS.time
        self.active: list[str] = [GENESIS.hash]
        self.coins: dict[OutPoint, Coin] = {}
        #: txid -> hash of the last connected block that held it, as -txindex keeps it; never forgotten.
        self.block_of_transaction: dict[str, str] = {}
        self.invalidated: set[str] = set()
        self._highest = 0
        self.size_on_disk = len(GENESIS.raw)
        self._load()
        self._log = self._log_path.open("ab")

    @property
    def tip(self) -> RegtestBlock:
        """The last block of the active chain."""
        return self.blocks[self.active[-1]]

    @property
    def height(self) -> int:
        """The height of the tip."""
        return len(self.active) - 1

    def best_header_height(self) -> int:
        """The height of the highest block that is not on an invalidated branch."""
        if not self.invalidated:
            return self._highest
        trusted = (
            block.height for block in self.blocks.values() if not self._descends_from_invalidated(block)
        )
        return max(trusted)

    def is_active(self, block: RegtestBlock) -> bool:
        """Whether the block is on the active chain."""
        return block.height < len(self.active) and self.active[block.height] == block.hash

    def confirmations(self, block: RegtestBlock) -> int:
        """How deep the block lies on the active chain, the tip being 1; -1 off it."""
        return self.height - block.height + 1 if self.is_active(block) else -1

    def submit(self, block: RegtestBlock) -> ChainChange:
        """Add a block to the tree, and follow the engine if it changes branch. Raises RejectedBlockError."""
        if block.hash in self.blocks:
            raise RejectedBlockError("duplicate")
        if block.previous_hash not in self.blocks:
            raise RejectedBlockError("prev-blk-not-found")
        if self._descends_from_invalidated(block):
            raise RejectedBlockError("bad-prevblk")
        self._engine.process(block.raw)
        self._place(block)
        self._record(BLOCK_RECORD, block.raw)
        return self._follow()

    def invalidate(self, block: RegtestBlock) -> ChainChange:
        """Leave the branch that holds ``block`` until it is reconsidered."""
        self.invalidated.add(block.hash)
        self._record(INVALIDATE_RECORD, bytes.fromhex(block.hash))
        self._restart_engine()
        return self._follow()

    def reconsider(self, block: RegtestBlock) -> ChainChange:
        """Trust ``block``, its ancestors and its descendants again."""
        family = {hash_ for hash_ in self.invalidated if self._is_related(self.blocks[hash_], block)}
        self.invalidated -= family
        for hash_ in family:
            self._record(RECONSIDER_RECORD, bytes.fromhex(hash_))
        self._restart_engine()
        return self._follow()

    def close(self) -> None:
        """Close the log and the engine."""
        self._log.close()
        self._engine.close()

    def _load(self) -> None:
        """Read the log back and let a fresh engine connect what it holds."""
        for kind, payload in self._read_log():
            if kind == BLOCK_RECORD:
                self._place(RegtestBlock.parse(payload))
            elif kind == INVALIDATE_RECORD:
                self.invalidated.add(payload.hex())
            else:
                self.invalidated.discard(payload.hex())
        self._start_engine()
        self._follow()

    def _read_log(self) -> Iterator[tuple[bytes, bytes]]:
        """The log's records. A last record cut short by a kill is removed from the file."""
        if not self._log_path.exists():
            return
        content = self._log_path.read_bytes()
        position = 0
        while position + 5 <= len(content):
            length = int.from_bytes(content[position + 1 : position + 5], "little")
            end = position + 5 + length
            if end > len(content):
                break
            yield content[position : position + 1], content[position + 5 : end]
            position = end
        with self._log_path.open("r+b") as log:
            log.truncate(position)

    def _record(self, kind: bytes, payload: bytes) -> None:
        self._log.write(kind + len(payload).to_bytes(4, "little") + payload)
        self._log.flush()

    def _start_engine(self) -> None:
        self._engines_started += 1
        self._engine = Engine(self._engine_directory / str(self._engines_started))
        for block in list(self.blocks.values())[1:]:
            if not self._descends_from_invalidated(block):
                self._engine.process(block.raw)

    def _restart_engine(self) -> None:
        self._engine.close()
        self._start_engine()

    def _place(self, block: RegtestBlock) -> None:
        """Put a block into the tree under its parent."""
        parent = self.blocks[block.previous_hash]
        block.height = parent.height + 1
        block.work = parent.work + WORK_PER_BLOCK
        times = [block.time, parent.time]
        while len(times) < MEDIAN_TIME_SPAN and parent.height:
            parent = self.blocks[parent.previous_hash]
            times.append(parent.time)
        block.median_time = sorted(times)[len(times) // 2]
        self.blocks[block.hash] = block
        self._highest = max(self._highest, block.height)
        self.size_on_disk += len(block.raw)

    def _ancestors(self, block: RegtestBlock) -> Iterator[RegtestBlock]:
        """The block itself and then its parents, without the genesis block."""
        while block.hash != GENESIS.hash:
            yield block
            block = self.blocks[block.previous_hash]

    def _descends_from_invalidated(self, block: RegtestBlock) -> bool:
        if not self.invalidated:
            return False
        return any(ancestor.hash in self.invalidated for ancestor in self._ancestors(block))

    def _is_related(self, one: RegtestBlock, other: RegtestBlock) -> bool:
        low, high = sorted((one, other), key=lambda block: block.height)
        return any(ancestor.hash == low.hash for ancestor in self._ancestors(high))

    def _follow(self) -> ChainChange:
        """Bring the indexes to the branch that the engine holds active."""
        change = ChainChange()
        branch = []
        for block in self._ancestors(self.blocks[self._engine.tip_hash()]):
            if self.is_active(block):
                break
            branch.append(block)
        fork_height = branch[-1].height - 1 if branch else self.blocks[self._engine.tip_hash()].height
        while self.height > fork_height:
            change.disconnected.append(self._disconnect_tip())
        for block in reversed(branch):
            self._connect(block)
            change.connected.append(block)
        return change

    def _connect(self, block: RegtestBlock) -> None:
        block.spent_coins = [self._apply(transaction, block) for transaction in block.transactions]
        self.active.append(block.hash)

    def _apply(self, transaction: BitcoinTransaction, block: RegtestBlock) -> list[Coin]:
        """Spend the inputs and add the outputs; returns the coins spent."""
        spent = []
        if not transaction.is_coinbase:
            spent = [self.coins.pop(item.previous) for item in transaction.inputs]
        for index, output in enumerate(transaction.outputs):
            if not is_unspendable(output.script_pubkey):
                self.coins[OutPoint(transaction.txid, index)] = Coin(
                    output.amount_sat, output.script_pubkey, block.height, transaction.is_coinbase
                )
        self.block_of_transaction[transaction.txid] = block.hash
        return spent

    def _disconnect_tip(self) -> RegtestBlock:
        block = self.blocks[self.active.pop()]
        for transaction, spent in zip(reversed(block.transactions), reversed(block.spent_coins), strict=True):
            for index in range(len(transaction.outputs)):
                self.coins.pop(OutPoint(transaction.txid, index), None)
            if spent:
                for item, coin in zip(transaction.inputs, spent, strict=True):
                    self.coins[item.previous] = coin
        return block

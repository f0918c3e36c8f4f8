"""The JSON-RPC methods that read the chain, with Bitcoin Core's keys, types and errors."""

from __future__ import annotations

from typing import Any

import orjson

from devnet.bitcoin_block import REGTEST_BITS, REGTEST_TARGET, Coin, RegtestBlock
from devnet.bitcoin_json import INVALID_ADDRESS_OR_KEY, WARNINGS, btc, checked_hash, transaction_json
from devnet.bitcoin_script import (
    PAY_TO_ANCHOR,
    AddressError,
    address_of_script,
    describe,
    descriptor_of_script,
    script_of_address,
    scripts_of_descriptor,
)
from devnet.bitcoin_transaction import BitcoinTransaction, OutPoint
from devnet.json_rpc_server import INVALID_PARAMETER, MISC_ERROR, RpcError
from devnet.kernel_chain import GENESIS, KernelChain
from devnet.mempool import Mempool

#: Sixteen digits, as Core prints it; the shortest exact form would have one more.
DIFFICULTY = orjson.Fragment(f"{0xFFFF / (REGTEST_BITS & 0xFFFFFF) / 256**3:.16g}".encode())


class ChainMethods:
    """Every public method here is a JSON-RPC method of the same name."""

    def __init__(self, chain: KernelChain, pool: Mempool) -> None:
        self._chain = chain
        self._pool = pool

    def getblockchaininfo(self) -> dict[str, Any]:
        tip = self._chain.tip
        return {
            "chain": "regtest",
            "blocks": self._chain.height,
            "headers": self._chain.best_header_height(),
            "bestblockhash": tip.hash,
            "bits": f"{REGTEST_BITS:08x}",
            "target": f"{REGTEST_TARGET:064x}",
            "difficulty": DIFFICULTY,
            "time": tip.time,
            "mediantime": tip.median_time,
            "verificationprogress": 1,
            "initialblockdownload": False,
            "chainwork": f"{tip.work:064x}",
            "size_on_disk": self._chain.size_on_disk,
            "pruned": False,
            "warnings": WARNINGS,
        }

    def getblockcount(self) -> int:
        return self._chain.height

    def getbestblockhash(self) -> str:
        return self._chain.tip.hash

    def getblockhash(self, height: int) -> str:
        if not 0 <= height <= self._chain.height:
            raise RpcError(INVALID_PARAMETER, "Block height out of range")
        return self._chain.active[height]

    def getblockheader(self, blockhash: str, verbose: bool = True) -> str | dict[str, Any]:
        block = self._block(blockhash, name="hash")
        return self._header_json(block) if verbose else block.raw[:80].hex()

    def getblock(self, blockhash: str, verbosity: int | bool = 1) -> str | dict[str, Any]:
        block = self._block(blockhash)
        level = int(verbosity)
        return block.raw.hex() if level <= 0 else self._block_json(block, level)

    def getchaintips(self) -> list[dict[str, Any]]:
        parents = {block.previous_hash for block in self._chain.blocks.values()}
        tips = [block for hash_, block in self._chain.blocks.items() if hash_ not in parents]
        tips += [] if self._chain.tip in tips else [self._chain.tip]
        return [self._tip_json(tip) for tip in sorted(tips, key=lambda tip: -tip.height)]

    def getrawtransaction(
        self, txid: str, verbosity: int | bool = 0, blockhash: str | None = None
    ) -> str | dict[str, Any]:
        if checked_hash(txid, "parameter 1") == GENESIS.merkle_root:
            message = (
                "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved"
            )
            raise RpcError(INVALID_ADDRESS_OR_KEY, message)
        block = self._named_block(blockhash)
        transaction, found_in = self._find_transaction(txid.lower(), block)
        if int(verbosity) <= 0:
            return transaction.raw.hex()
        in_active = {"in_active_chain": self._chain.is_active(block)} if block else {}
        spent = self._spent_coins(found_in, transaction) if int(verbosity) >= 2 else None
        decoded = transaction_json(transaction, spent, with_previous=True)
        return in_active | decoded | {"hex": transaction.raw.hex()} | self._place_json(found_in)

    def gettxout(self, txid: str, n: int, include_mempool: bool = True) -> dict[str, Any] | None:
        outpoint = OutPoint(checked_hash(txid, "txid"), n)
        if n < 0:
            raise RpcError(MISC_ERROR, "JSON integer out of range")
        if include_mempool and outpoint in self._pool.spenders:
            return None
        coin = self._pool.coin(outpoint) if include_mempool else self._chain.coins.get(outpoint)
        if coin is None:
            return None
        return {
            "bestblock": self._chain.tip.hash,
            "confirmations": self._chain.height - coin.height + 1,
            "value": btc(coin.amount_sat),
            "scriptPubKey": describe(coin.script_pubkey),
            "coinbase": coin.is_coinbase,
        }

    def scantxoutset(self, action: str, scanobjects: list[Any] | None = None) -> dict[str, Any] | bool | None:
        if action in ("status", "abort"):
            return None if action == "status" else False
        if action != "start":
            raise RpcError(INVALID_PARAMETER, f"Invalid action '{action}'")
        if scanobjects is None:
            raise RpcError(MISC_ERROR, "scanobjects argument is required for the start action")
        try:
            wanted = {script for item in scanobjects for script in scripts_of_descriptor(item)}
        except AddressError as error:
            raise RpcError(INVALID_ADDRESS_OR_KEY, str(error)) from None
        found = [(point, coin) for point, coin in self._chain.coins.items() if coin.script_pubkey in wanted]
        return {
            "success": True,
            "txouts": len(self._chain.coins),
            "height": self._chain.height,
            "bestblock": self._chain.tip.hash,
            "unspents": [
                self._unspent_json(point, coin) for point, coin in sorted(found, key=lambda item: item[0])
            ],
            "total_amount": btc(sum(coin.amount_sat for _, coin in found)),
        }

    def validateaddress(self, address: str) -> dict[str, Any]:
        try:
            script = script_of_address(address)
        except AddressError as error:
            return {"isvalid": False, "error_locations": [], "error": str(error)}
        is_witness = script[0] == 0 or 0x51 <= script[0] <= 0x60
        described: dict[str, Any] = {
            "isvalid": True,
            "address": address_of_script(script),
            "scriptPubKey": script.hex(),
        }
        described |= {"isscript": script[:1] == b"\xa9" or script[:2] == b"\x00\x20", "iswitness": is_witness}
        if is_witness and script != PAY_TO_ANCHOR:
            described |= {
                "witness_version": script[0] and script[0] - 0x50,
                "witness_program": script[2:].hex(),
            }
        return described

    def _block(self, blockhash: str, *, name: str = "blockhash") -> RegtestBlock:
        block = self._chain.blocks.get(checked_hash(blockhash, name))
        if block is None:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Block not found")
        return block

    def _named_block(self, blockhash: str | None) -> RegtestBlock | None:
        if blockhash is None:
            return None
        block = self._chain.blocks.get(checked_hash(blockhash, "parameter 3"))
        if block is None:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Block hash not found")
        return block

    def _find_transaction(
        self, txid: str, block: RegtestBlock | None
    ) -> tuple[BitcoinTransaction, RegtestBlock | None]:
        """The transaction and the block that holds it, None while it is unconfirmed."""
        if block is None and txid in self._pool.entries:
            return self._pool.entries[txid].transaction, None
        holder = block or self._chain.blocks.get(self._chain.block_of_transaction.get(txid, ""))
        for transaction in holder.transactions if holder else []:
            if transaction.txid == txid:
                return transaction, holder
        missing = (
            "No such transaction found in the provided block"
            if block
            else ("No such mempool or blockchain transaction")
        )
        raise RpcError(INVALID_ADDRESS_OR_KEY, f"{missing}. Use gettransaction for wallet transactions.")

    def _place_json(self, block: RegtestBlock | None) -> dict[str, Any]:
        """Where a transaction lies; one in a block off the active chain has no confirmations and no time."""
        if block is None:
            return {}
        if not self._chain.is_active(block):
            return {"blockhash": block.hash, "confirmations": 0}
        depth = self._chain.confirmations(block)
        return {"blockhash": block.hash, "confirmations": depth, "time": block.time, "blocktime": block.time}

    def _spent_coins(self, block: RegtestBlock | None, transaction: BitcoinTransaction) -> list[Coin] | None:
        if block is None or not block.spent_coins:
            return None
        return block.spent_coins[block.transactions.index(transaction)] or None

    def _header_json(self, block: RegtestBlock) -> dict[str, Any]:
        header = {
            "hash": block.hash,
            "confirmations": self._chain.confirmations(block),
            "height": block.height,
            "version": block.version,
            "versionHex": f"{block.version:08x}",
            "merkleroot": block.merkle_root,
            "time": block.time,
            "mediantime": block.median_time,
            "nonce": block.nonce,
            "bits": f"{block.bits:08x}",
            "target": f"{REGTEST_TARGET:064x}",
            "difficulty": DIFFICULTY,
            "chainwork": f"{block.work:064x}",
            "nTx": len(block.transactions),
        }
        if block.height:
            header["previousblockhash"] = block.previous_hash
        if self._chain.is_active(block) and block.height < self._chain.height:
            header["nextblockhash"] = self._chain.active[block.height + 1]
        return header

    def _block_json(self, block: RegtestBlock, level: int) -> dict[str, Any]:
        first = block.transactions[0]
        coinbase: dict[str, Any] = {
            "version": first.version,
            "locktime": first.locktime,
            "sequence": first.inputs[0].sequence,
        }
        coinbase["coinbase"] = first.inputs[0].script_sig.hex()
        if first.inputs[0].witness:
            coinbase["witness"] = first.inputs[0].witness[0].hex()
        sizes = {"strippedsize": block.stripped_size, "size": len(block.raw), "weight": block.weight}
        listed = [self._member_json(block, index, level) for index in range(len(block.transactions))]
        return self._header_json(block) | sizes | {"coinbase_tx": coinbase, "tx": listed}

    def _member_json(self, block: RegtestBlock, index: int, level: int) -> str | dict[str, Any]:
        transaction = block.transactions[index]
        if level == 1:
            return transaction.txid
        spent = block.spent_coins[index] if block.spent_coins else None
        decoded = transaction_json(transaction, spent, with_previous=level >= 3)
        return decoded | {"hex": transaction.raw.hex()}

    def _tip_json(self, tip: RegtestBlock) -> dict[str, Any]:
        branch_length, block, is_invalid = 0, tip, False
        while not self._chain.is_active(block):
            is_invalid = is_invalid or block.hash in self._chain.invalidated
            branch_length, block = branch_length + 1, self._chain.blocks[block.previous_hash]
        status = "invalid" if is_invalid else "valid-fork" if branch_length else "active"
        return {"height": tip.height, "hash": tip.hash, "branchlen": branch_length, "status": status}

    def _unspent_json(self, outpoint: OutPoint, coin: Coin) -> dict[str, Any]:
        return {
            "txid": outpoint.txid,
            "vout": outpoint.index,
            "scriptPubKey": coin.script_pubkey.hex(),
            "desc": descriptor_of_script(coin.script_pubkey),
            "amount": btc(coin.amount_sat),
            "coinbase": coin.is_coinbase,
            "height": coin.height,
            "blockhash": self._chain.active[coin.height],
            "confirmations": self._chain.height - coin.height + 1,
        }

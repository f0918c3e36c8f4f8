"""The JSON-RPC methods that read the mempool and send to it, with Bitcoin Core's keys, types and errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from devnet.bitcoin_json import INVALID_ADDRESS_OR_KEY, btc, checked_hash, transaction_json
from devnet.bitcoin_script import is_unspendable
from devnet.bitcoin_transaction import BitcoinTransaction, OutPoint
from devnet.json_rpc_server import INVALID_PARAMETER, TYPE_ERROR, RpcError, json_type_name
from devnet.kernel_chain import KernelChain
from devnet.mempool import Mempool, PoolChange
from devnet.relay_policy import MIN_RELAY_FEE_SAT_PER_KVB, InputsMissingError, PoolRejectionError

DESERIALIZATION_ERROR = -22
TRANSACTION_ERROR = -25
TRANSACTION_REJECTED = -26
ALREADY_IN_UTXO_SET = -27
DEFAULT_MAX_FEE_RATE = 0.10
MAX_PACKAGE_COUNT = 25
MAX_MEMPOOL_BYTES = 300_000_000
MAX_CONFIRMATION_TARGET = 1008

OnPoolChange = Callable[[PoolChange], None]


def decoded_transaction(hexstring: str) -> BitcoinTransaction:
    """Parse a transaction's hex. Raises RpcError -22 as Core does."""
    try:
        return BitcoinTransaction.parse(bytes.fromhex(hexstring))
    except ValueError:
        message = "TX decode failed. Make sure the tx has at least one input."
        raise RpcError(DESERIALIZATION_ERROR, message) from None


def satoshi(amount: int | float | str) -> int:
    """A BTC amount of a JSON argument in satoshi."""
    return int(Decimal(str(amount)) * 100_000_000)


class PoolMethods:
    """Every public method here is a JSON-RPC method of the same name."""

    def __init__(self, chain: KernelChain, pool: Mempool, on_change: OnPoolChange) -> None:
        self._chain = chain
        self._pool = pool
        self._on_change = on_change

    def getrawmempool(self, verbose: bool = False, mempool_sequence: bool = False) -> Any:
        if verbose and mempool_sequence:
            raise RpcError(INVALID_PARAMETER, "Verbose results cannot contain mempool sequence values.")
        if verbose:
            return {txid: self._entry_json(txid) for txid in self._pool.entries}
        txids = list(self._pool.entries)
        return {"txids": txids, "mempool_sequence": self._pool.sequence} if mempool_sequence else txids

    def getmempoolentry(self, txid: str) -> dict[str, Any]:
        return self._entry_json(self._member(txid))

    def getmempoolancestors(self, txid: str, verbose: bool = False) -> Any:
        return self._relatives(self._pool.ancestors(self._member(txid))[1:], verbose)

    def getmempooldescendants(self, txid: str, verbose: bool = False) -> Any:
        return self._relatives(self._pool.descendants(self._member(txid))[1:], verbose)

    def getmempoolinfo(self) -> dict[str, Any]:
        members = [entry.transaction for entry in self._pool.entries.values()]
        rate = btc(MIN_RELAY_FEE_SAT_PER_KVB)
        return {
            "loaded": True,
            "size": len(members),
            "bytes": sum(member.vsize for member in members),
            "usage": sum(member.size for member in members),
            "total_fee": btc(sum(entry.fee_sat for entry in self._pool.entries.values())),
            "maxmempool": MAX_MEMPOOL_BYTES,
            "mempoolminfee": rate,
            "minrelaytxfee": rate,
            "incrementalrelayfee": rate,
            "unbroadcastcount": len(members),
            "permitbaremultisig": True,
            "maxdatacarriersize": 100_000,
            "limitclustercount": 64,
            "limitclustersize": 101_000,
            "optimal": True,
        }

    def gettxspendingprevout(
        self, outputs: list[Any], options: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        if not outputs:
            raise RpcError(INVALID_PARAMETER, "Invalid parameter, outputs are missing")
        return [self._spending_json(item) for item in outputs]

    def decoderawtransaction(self, hexstring: str, iswitness: bool = True) -> dict[str, Any]:
        return transaction_json(decoded_transaction(hexstring))

    def sendrawtransaction(
        self,
        hexstring: str,
        maxfeerate: int | float | str = DEFAULT_MAX_FEE_RATE,
        maxburnamount: int | float | str = 0,
    ) -> str:
        transaction = decoded_transaction(hexstring)
        burnt = [item.amount_sat for item in transaction.outputs if is_unspendable(item.script_pubkey)]
        if any(amount > satoshi(maxburnamount) for amount in burnt):
            message = "Unspendable output exceeds maximum configured by user (maxburnamount)"
            raise RpcError(TRANSACTION_ERROR, message)
        outpoints = (OutPoint(transaction.txid, index) for index in range(len(transaction.outputs)))
        if any(point in self._chain.coins for point in outpoints):
            raise RpcError(ALREADY_IN_UTXO_SET, "Transaction outputs already in utxo set")
        if transaction.txid not in self._pool.entries:
            self._send(transaction, max_rate_sat_per_kvb=satoshi(maxfeerate))
        return transaction.txid

    def testmempoolaccept(
        self, rawtxs: list[Any], maxfeerate: int | float | str = DEFAULT_MAX_FEE_RATE
    ) -> list[dict[str, Any]]:
        """Each one is judged against the mempool as it is; a package whose members need each other is refused."""
        if not 1 <= len(rawtxs) <= MAX_PACKAGE_COUNT:
            message = f"Array must contain between 1 and {MAX_PACKAGE_COUNT} transactions."
            raise RpcError(INVALID_PARAMETER, message)
        for raw in rawtxs:
            if not isinstance(raw, str):
                detail = f"JSON value of type {json_type_name(raw)} is not of expected type string"
                raise RpcError(TYPE_ERROR, detail)
        rate = satoshi(maxfeerate)
        return [self._verdict_json(decoded_transaction(raw), max_rate_sat_per_kvb=rate) for raw in rawtxs]

    def estimatesmartfee(self, conf_target: int, estimate_mode: str = "economical") -> dict[str, Any]:
        """Always without a rate, as on any regtest node: too little has happened to estimate from."""
        if not 1 <= conf_target <= MAX_CONFIRMATION_TARGET:
            message = f"Invalid conf_target, must be between 1 and {MAX_CONFIRMATION_TARGET}"
            raise RpcError(INVALID_PARAMETER, message)
        if estimate_mode.lower() not in ("unset", "economical", "conservative"):
            message = 'Invalid estimate_mode parameter, must be one of: "unset", "economical", "conservative"'
            raise RpcError(INVALID_PARAMETER, message)
        return {"errors": ["Insufficient data or no feerate found"], "blocks": 0}

    def _send(self, transaction: BitcoinTransaction, *, max_rate_sat_per_kvb: int) -> None:
        try:
            fee_sat, _ = self._pool.check(transaction)
            if max_rate_sat_per_kvb and fee_sat > max_rate_sat_per_kvb * transaction.vsize // 1000:
                message = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)"
                raise RpcError(TRANSACTION_ERROR, message)
            self._on_change(self._pool.accept(transaction, now=int(time.time())))
        except InputsMissingError as rejection:
            raise RpcError(TRANSACTION_ERROR, str(rejection)) from None
        except PoolRejectionError as rejection:
            raise RpcError(TRANSACTION_REJECTED, str(rejection)) from None

    def _verdict_json(self, transaction: BitcoinTransaction, *, max_rate_sat_per_kvb: int) -> dict[str, Any]:
        verdict: dict[str, Any] = {"txid": transaction.txid, "wtxid": transaction.wtxid}
        try:
            fee_sat, _ = self._pool.check(transaction)
        except InputsMissingError:
            return verdict | {"allowed": False, "reject-reason": "missing-inputs"}
        except PoolRejectionError as rejection:
            return verdict | {
                "allowed": False,
                "reject-reason": rejection.reason,
                "reject-details": str(rejection),
            }
        if max_rate_sat_per_kvb and fee_sat > max_rate_sat_per_kvb * transaction.vsize // 1000:
            return verdict | {"allowed": False, "reject-reason": "max-fee-exceeded"}
        rate = btc(fee_sat * 1000 // transaction.vsize)
        fees = {"base": btc(fee_sat), "effective-feerate": rate, "effective-includes": [transaction.wtxid]}
        return verdict | {"allowed": True, "vsize": transaction.vsize, "fees": fees}

    def _spending_json(self, item: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(item.get("txid"), str) or not isinstance(item.get("vout"), int):
            raise RpcError(TYPE_ERROR, "Missing txid or vout")
        if item["vout"] < 0:
            raise RpcError(INVALID_PARAMETER, "Invalid parameter, vout cannot be negative")
        spender = self._pool.spenders.get(OutPoint(checked_hash(item["txid"], "txid"), item["vout"]))
        return dict(item) | ({"spendingtxid": spender} if spender else {})

    def _member(self, txid: str) -> str:
        checked = checked_hash(txid, "txid")
        if checked not in self._pool.entries:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Transaction not in mempool")
        return checked

    def _relatives(self, txids: list[str], verbose: bool) -> Any:
        return {txid: self._entry_json(txid) for txid in txids} if verbose else txids

    def _entry_json(self, txid: str) -> dict[str, Any]:
        """A member's entry. Its chunk is taken to be the member alone: this node mines in order of arrival."""
        entry = self._pool.entries[txid]
        ancestors = [self._pool.entries[member] for member in self._pool.ancestors(txid)]
        descendants = [self._pool.entries[member] for member in self._pool.descendants(txid)]
        fees = {
            "base": btc(entry.fee_sat),
            "modified": btc(entry.fee_sat),
            "ancestor": btc(sum(member.fee_sat for member in ancestors)),
            "descendant": btc(sum(member.fee_sat for member in descendants)),
            "chunk": btc(entry.fee_sat),
        }
        return {
            "vsize": entry.transaction.vsize,
            "weight": entry.transaction.weight,
            "time": entry.time,
            "height": entry.height,
            "descendantcount": len(descendants),
            "descendantsize": sum(member.transaction.vsize for member in descendants),
            "ancestorcount": len(ancestors),
            "ancestorsize": sum(member.transaction.vsize for member in ancestors),
            "wtxid": entry.transaction.wtxid,
            "chunkweight": entry.transaction.weight,
            "fees": fees,
            "depends": self._pool.parents(txid),
            "spentby": self._pool.children(txid),
            "unbroadcast": True,
        }

"""What Bitcoin Core's JSON answers share: amounts, hashes and decoded transactions."""

from __future__ import annotations

from typing import Any

import orjson

from devnet.bitcoin_block import Coin
from devnet.bitcoin_script import assembly, describe
from devnet.bitcoin_transaction import BitcoinTransaction, TransactionInput
from devnet.json_rpc_server import INVALID_PARAMETER, RpcError

WARNINGS = ["This is a development node for regtest, not Bitcoin Core"]
INVALID_ADDRESS_OR_KEY = -5


def btc(amount_sat: int) -> orjson.Fragment:
    """An amount as Core writes it: BTC with exactly eight decimals, never through a float."""
    whole, fraction = divmod(amount_sat, 100_000_000)
    return orjson.Fragment(f"{whole}.{fraction:08d}".encode())


def checked_hash(text: str, name: str) -> str:
    """A 64-digit hash in lower case. Raises RpcError as Core does for anything else."""
    if len(text) != 64:
        raise RpcError(INVALID_PARAMETER, f"{name} must be of length 64 (not {len(text)}, for '{text}')")
    try:
        return bytes.fromhex(text).hex()
    except ValueError:
        raise RpcError(INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{text}')") from None


def transaction_json(
    transaction: BitcoinTransaction, spent: list[Coin] | None = None, *, with_previous: bool = False
) -> dict[str, Any]:
    """A decoded transaction; with the spent coins also its fee, and each input's ``prevout`` if wanted."""
    coins: list[Coin | None] = list(spent) if spent else [None] * len(transaction.inputs)
    decoded: dict[str, Any] = {
        "txid": transaction.txid,
        "hash": transaction.wtxid,
        "version": transaction.version,
        "size": transaction.size,
        "vsize": transaction.vsize,
        "weight": transaction.weight,
        "locktime": transaction.locktime,
        "vin": [
            _input_json(item, transaction.is_coinbase, coin if with_previous else None)
            for item, coin in zip(transaction.inputs, coins, strict=True)
        ],
        "vout": [
            {"value": btc(output.amount_sat), "n": index, "scriptPubKey": describe(output.script_pubkey)}
            for index, output in enumerate(transaction.outputs)
        ],
    }
    if spent:
        decoded["fee"] = btc(sum(coin.amount_sat for coin in spent) - transaction.output_total_sat)
    return decoded


def _input_json(item: TransactionInput, is_coinbase: bool, coin: Coin | None) -> dict[str, Any]:
    described: dict[str, Any] = {"coinbase": item.script_sig.hex()}
    if not is_coinbase:
        script_sig = {"asm": assembly(item.script_sig, is_script_sig=True), "hex": item.script_sig.hex()}
        described = {"txid": item.previous.txid, "vout": item.previous.index, "scriptSig": script_sig}
    if item.witness:
        described["txinwitness"] = [element.hex() for element in item.witness]
    if coin:
        described["prevout"] = {
            "generated": coin.is_coinbase,
            "height": coin.height,
            "value": btc(coin.amount_sat),
            "scriptPubKey": describe(coin.script_pubkey),
        }
    return described | {"sequence": item.sequence}

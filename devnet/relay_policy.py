"""What a transaction must be, by itself and with the coins it spends, before the mempool takes it.

The rules and their names are Bitcoin Core's (version 31); the scripts are verified by its own engine.
"""

from __future__ import annotations

import pbk
from pbk.script import PrecomputedTransactionData

from devnet.bitcoin_block import Coin
from devnet.bitcoin_script import dust_threshold_sat, script_type
from devnet.bitcoin_transaction import BitcoinTransaction, TransactionOutput

MIN_RELAY_FEE_SAT_PER_KVB = 100
MAX_MONEY_SAT = 21_000_000 * 100_000_000
MAX_STANDARD_WEIGHT = 400_000
MAX_STANDARD_VERSION = 3
MIN_STRIPPED_SIZE = 65
#: One is let through to the check of the fee, which only lets it pass with none.
MAX_DUST_OUTPUTS = 1
SCRIPT_FLAGS = pbk.ScriptVerificationFlags(sum(pbk.ScriptVerificationFlags))


class PoolRejectionError(ValueError):
    """A refusal with Core's reason, and its details where it gives any."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(f"{reason}, {details}" if details else reason)
        self.reason = reason


class InputsMissingError(PoolRejectionError):
    """An input does not exist or is spent; Core reports it under its own code."""


def fee_for_size_sat(vsize: int) -> int:
    """The least fee at which a size is relayed, rounded up."""
    return -(-vsize * MIN_RELAY_FEE_SAT_PER_KVB // 1000)


def format_money(amount_sat: int) -> str:
    """An amount as Core writes it in messages: at least two decimals."""
    whole, fraction = divmod(amount_sat, 100_000_000)
    decimals = f"{fraction:08d}".rstrip("0")
    return f"{whole}.{decimals:0<2}"


def check_shape(transaction: BitcoinTransaction) -> None:
    """The rules that need nothing but the transaction. Raises PoolRejectionError."""
    if not transaction.inputs:
        raise PoolRejectionError("bad-txns-vin-empty")
    if not transaction.outputs:
        raise PoolRejectionError("bad-txns-vout-empty")
    for output in transaction.outputs:
        if output.amount_sat >= 1 << 63:
            raise PoolRejectionError("bad-txns-vout-negative")
        if output.amount_sat > MAX_MONEY_SAT:
            raise PoolRejectionError("bad-txns-vout-toolarge")
    if transaction.output_total_sat > MAX_MONEY_SAT:
        raise PoolRejectionError("bad-txns-txouttotal-toolarge")
    spent = [item.previous for item in transaction.inputs]
    if len(set(spent)) != len(spent):
        raise PoolRejectionError("bad-txns-inputs-duplicate")
    if transaction.is_coinbase:
        raise PoolRejectionError("coinbase")


def check_standard(transaction: BitcoinTransaction) -> None:
    """The relay policy on form: version, weight, kinds of output, dust. Raises PoolRejectionError."""
    if not 1 <= transaction.version <= MAX_STANDARD_VERSION:
        raise PoolRejectionError("version")
    if transaction.weight > MAX_STANDARD_WEIGHT:
        raise PoolRejectionError("tx-size")
    for output in transaction.outputs:
        if script_type(output.script_pubkey) == "nonstandard":
            raise PoolRejectionError("scriptpubkey")
    if len(_dust(transaction)) > MAX_DUST_OUTPUTS:
        raise PoolRejectionError("dust")
    if len(transaction.stripped) < MIN_STRIPPED_SIZE:
        raise PoolRejectionError("tx-size-small")


def check_fee(transaction: BitcoinTransaction, fee_sat: int) -> None:
    """The relay policy on fees. Raises PoolRejectionError."""
    if fee_sat and _dust(transaction):
        raise PoolRejectionError("dust", "tx with dust output must be 0-fee")
    if fee_sat < fee_for_size_sat(transaction.vsize):
        raise PoolRejectionError(
            "min relay fee not met", f"{fee_sat} < {fee_for_size_sat(transaction.vsize)}"
        )


def _dust(transaction: BitcoinTransaction) -> list[TransactionOutput]:
    return [item for item in transaction.outputs if item.amount_sat < dust_threshold_sat(item.script_pubkey)]


def verify_scripts(transaction: BitcoinTransaction, coins: list[Coin]) -> None:
    """Let the engine verify every input's script against the coin it spends. Raises PoolRejectionError."""
    spending = pbk.Transaction(transaction.raw)
    spent = [pbk.TransactionOutput(pbk.ScriptPubkey(coin.script_pubkey), coin.amount_sat) for coin in coins]
    precomputed = PrecomputedTransactionData(spending, spent)
    for index, coin in enumerate(coins):
        script = pbk.ScriptPubkey(coin.script_pubkey)
        if not script.verify(coin.amount_sat, spending, precomputed, index, SCRIPT_FLAGS):
            raise PoolRejectionError("mempool-script-verify-flag-failed (Script failed)")

"""A Bitcoin transaction that pays several people out of one of the operator's wallets, as a PSBT to be signed elsewhere. Pure.

The program holds no private key, so it prepares everything that a signer wants to see: what is spent, with amounts and scripts,
how each key is derived from the wallet's own, and which output is change. embit writes the format.
Sources: BIP-174, BIP-371 (Taproot), BIP-125 (replaceable, so that a fee that was too low can be raised by whoever signs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embit.descriptor import Descriptor
from embit.psbt import PSBT, DerivationPath
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput

REPLACEABLE_SEQUENCE = 0xFFFFFFFD
# What is worth less is not spent by anybody (the relay rules' bound for the dearest script); it goes to the fee.
DUST_SAT = 546
# Signers ask twice about more, and are right to.
SAT_PER_VBYTE_MAX = 1_000

_WEIGHT_PER_VBYTE = 4
# Version, lock time, the counts of inputs and outputs (3 bytes each at most), and SegWit's marker and flag.
_FRAME_WEIGHT = (4 + 4 + 3 + 3) * _WEIGHT_PER_VBYTE + 2
# Outpoint, sequence, length of the input's script.
_OUTPOINT_WEIGHT = (36 + 4 + 1) * _WEIGHT_PER_VBYTE
# A signature with its length, and a public key with its length.
_SIGNATURE, _KEY = 73, 34


class CannotPrepare(ValueError):
    """No transaction can be made of this. The message is for a person."""


class TooLittle(CannotPrepare):
    """These coins do not cover payments and fee; more of them may."""


@dataclass(frozen=True, slots=True)
class Coin:
    """An output of the wallet that can be spent: big-endian txid, number, satoshi, the index of its address.

    ``raw`` is the whole transaction that made it, for signers that check amounts themselves; None where nobody has it.
    """

    txid: bytes
    index: int
    amount_sat: int
    derivation_index: int
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The PSBT in base64. ``txid`` is known before signing where signatures are no part of it, else None."""

    psbt: str
    txid: bytes | None
    coins: tuple[Coin, ...]
    fee_sat: int
    change_sat: int


def prepare(
    descriptor: str,
    payments: Sequence[tuple[bytes, int]],
    coins: Sequence[Coin],
    *,
    change_index: int,
    sat_per_vbyte: int,
) -> Prepared:
    """Pay each (script, satoshi) of ``payments`` out of ``coins``, the largest first; change goes to address ``change_index``.

    ``descriptor`` is the wallet's, as ``derivation.normalise_bitcoin`` writes it.

    Raises:
        CannotPrepare: nothing to pay, or no sensible fee rate. TooLittle: the coins do not cover payments and fee.
    """
    if not payments or any(amount_sat < DUST_SAT for _, amount_sat in payments):
        raise CannotPrepare(f"a payment is at least {DUST_SAT} satoshi: less is not carried by the network")
    if not 1 <= sat_per_vbyte <= SAT_PER_VBYTE_MAX:
        raise CannotPrepare(f"a fee rate is between 1 and {SAT_PER_VBYTE_MAX} satoshi per virtual byte")
    parsed = Descriptor.from_string(descriptor)
    change_script = bytes(parsed.derive(change_index).script_pubkey().data)
    chosen, fee_sat, change_sat = _choose(
        parsed,
        [script for script, _ in payments],
        sum(amount for _, amount in payments),
        coins,
        change_script,
        sat_per_vbyte,
    )
    outputs = [TransactionOutput(amount_sat, Script(script)) for script, amount_sat in payments]
    if change_sat:
        outputs.append(TransactionOutput(change_sat, Script(change_script)))
    inputs = [TransactionInput(coin.txid, coin.index, sequence=REPLACEABLE_SEQUENCE) for coin in chosen]
    transaction = Transaction(version=2, vin=inputs, vout=outputs, locktime=0)
    psbt = PSBT(transaction)
    for scope, coin in zip(psbt.inputs, chosen, strict=True):
        _describe_input(scope, parsed, coin)
    if change_sat:
        _describe(psbt.outputs[-1], parsed.derive(change_index))
    # A P2SH input carries its redeem script outside the witness: its bytes are part of the txid.
    is_known = parsed.is_segwit and not parsed.is_wrapped
    return Prepared(
        psbt=str(psbt.to_base64()),
        txid=bytes(transaction.txid()) if is_known else None,
        coins=tuple(chosen),
        fee_sat=fee_sat,
        change_sat=change_sat,
    )


def _choose(
    descriptor: Descriptor,
    scripts: Sequence[bytes],
    amount_sat: int,
    coins: Sequence[Coin],
    change_script: bytes,
    sat_per_vbyte: int,
) -> tuple[list[Coin], int, int]:
    """Coins that cover amount and fee, the fee, and the change (0: there is none)."""
    input_weight = _input_weight(descriptor)
    base_weight = _FRAME_WEIGHT + sum(map(_output_weight, scripts))
    chosen: list[Coin] = []
    gathered = 0
    for coin in sorted(coins, key=lambda coin: (-coin.amount_sat, coin.txid, coin.index)):
        chosen.append(coin)
        gathered += coin.amount_sat
        weight = base_weight + len(chosen) * input_weight
        with_change = _fee(weight + _output_weight(change_script), sat_per_vbyte)
        if (change_sat := gathered - amount_sat - with_change) >= DUST_SAT:
            return chosen, with_change, change_sat
        if gathered - amount_sat >= _fee(weight, sat_per_vbyte):
            return chosen, gathered - amount_sat, 0
    raise TooLittle(
        f"the wallet's known coins hold {gathered} satoshi, too little for {amount_sat} and the fee"
    )


def _fee(weight: int, sat_per_vbyte: int) -> int:
    return -(-weight // _WEIGHT_PER_VBYTE) * sat_per_vbyte


def _output_weight(script: bytes) -> int:
    return (8 + 1 + len(script)) * _WEIGHT_PER_VBYTE


def _input_weight(descriptor: Descriptor) -> int:
    """The most that a signed input of the descriptor weighs."""
    if descriptor.is_taproot:
        return _OUTPOINT_WEIGHT + 1 + 1 + 65
    if descriptor.wsh:
        script = bytes(descriptor.derive(0).witness_script().data)
        # OP_k … OP_n OP_CHECKMULTISIG: the first byte says how many signatures; one empty item stands before them.
        witness = 1 + 1 + (script[0] - 0x50) * _SIGNATURE + 3 + len(script)
        return _OUTPOINT_WEIGHT + witness + (35 * _WEIGHT_PER_VBYTE if descriptor.sh else 0)
    if descriptor.wpkh:
        witness = 1 + _SIGNATURE + _KEY
        return _OUTPOINT_WEIGHT + witness + (23 * _WEIGHT_PER_VBYTE if descriptor.sh else 0)
    return _OUTPOINT_WEIGHT + (_SIGNATURE + _KEY) * _WEIGHT_PER_VBYTE


def _describe_input(scope: Any, descriptor: Descriptor, coin: Coin) -> None:
    derived = descriptor.derive(coin.derivation_index)
    if descriptor.is_segwit:
        scope.witness_utxo = TransactionOutput(coin.amount_sat, derived.script_pubkey())
    if not descriptor.is_taproot and coin.raw is not None:
        scope.non_witness_utxo = Transaction.parse(coin.raw)
    if not descriptor.is_segwit and coin.raw is None:
        raise CannotPrepare(
            f"the node does not have the transaction {coin.txid.hex()} any more, which signers need"
        )
    _describe(scope, derived)


def _describe(scope: Any, derived: Descriptor) -> None:
    """Scripts, and how each key of the output comes about, into an input's or an output's scope."""
    if derived.is_taproot:
        scope.taproot_internal_key = derived.key.get_public_key()
        path = DerivationPath(derived.key.fingerprint, derived.key.derivation)
        scope.taproot_bip32_derivations[scope.taproot_internal_key] = ([], path)
        return
    scope.redeem_script = derived.redeem_script()
    scope.witness_script = derived.witness_script()
    for key in derived.keys:
        scope.bip32_derivations[key.get_public_key()] = DerivationPath(key.fingerprint, key.derivation)

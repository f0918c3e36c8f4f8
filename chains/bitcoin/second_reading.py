"""Before money is believed, a second, independent program reads the same bytes: python-bitcoinlib."""

from __future__ import annotations

from bitcoin.core import CTransaction
from bitcoin.core.serialize import SerializationError

from chains.bitcoin.transfers import BadBlock, Output


def confirm(output: Output) -> None:
    """Return when python-bitcoinlib finds the same txid, amount and script in the output's transaction.

    Raises:
        BadBlock: it does not; one of the two readers is wrong, and nothing may be credited.
    """
    try:
        parsed = CTransaction.deserialize(output.raw)
    except SerializationError as error:
        raise BadBlock("a transaction that pays us cannot be read a second time") from error
    # GetTxid, not GetHash: the latter covers the witness.
    same = parsed.GetTxid()[::-1] == output.txid and output.index < len(parsed.vout)
    if same:
        paid = parsed.vout[output.index]
        same = paid.nValue == output.amount_sat and bytes(paid.scriptPubKey) == output.script
    if not same:
        raise BadBlock(f"two readers disagree about {output.txid.hex()}-{output.index}")

"""The quick way through common shapes and the step-by-step way through the others, mixed, judged by python-bitcoinlib."""

from __future__ import annotations

import pytest
from bitcoin.core import CBlock, COutPoint, CTransaction, CTxIn, CTxInWitness, CTxOut, CTxWitness
from bitcoin.core.script import CScript, CScriptWitness
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.transfers import WATCHABLE_LENGTHS, BadBlock, read_block, read_transaction

# Mostly what wallets make, now and then something else.
SPENDING = st.sampled_from([0, 0, 0, 23, 107, 106, 217, 253, 254, 1, 140, 300])
PAYING = st.sampled_from([22, 22, 22, 23, 25, 34, 83, 0, 260])
WITNESSES = st.sampled_from(
    [[71, 33], [71, 33], [72, 33], [], [64], [65], [0, 71, 72, 105], [71, 71, 78], [5], [71, 34], [300, 33]]
)
# Around the number of elements that one expression takes, and its multiples.
COUNTS = st.sampled_from([1, 1, 1, 2, 2, 3, 7, 8, 9, 16, 17, 20])


@st.composite
def common_transactions(draw: st.DrawFn) -> CTransaction:
    seed = draw(st.binary(min_size=32, max_size=32))
    inputs = [
        CTxIn(COutPoint(seed, n), CScript(bytes([n % 256]) * draw(SPENDING))) for n in range(draw(COUNTS))
    ]
    outputs = [
        CTxOut(draw(st.integers(1, 10**12)), CScript(seed[:1] * draw(PAYING))) for _ in range(draw(COUNTS))
    ]
    stacks = [draw(WITNESSES) for _ in inputs] if draw(st.booleans()) else []
    witness = CTxWitness(
        tuple(CTxInWitness(CScriptWitness([b"\x07" * length for length in stack])) for stack in stacks)
    )
    return CTransaction(inputs, outputs, 0, 2, witness)


@settings(max_examples=150, deadline=None)
@given(st.lists(common_transactions(), min_size=1, max_size=4, unique_by=lambda each: each.GetTxid()))
def test_common_and_odd_shapes_mixed_read_as_python_bitcoinlib_reads_them(
    members: list[CTransaction],
) -> None:
    stripped = [CTransaction(each.vin, each.vout, each.nLockTime, each.nVersion) for each in members]
    root = CBlock.build_merkle_tree_from_txs(stripped)[-1]
    block = CBlock(nVersion=2, hashMerkleRoot=root, nTime=1_700_000_000, vtx=tuple(members))
    read = read_block(block.serialize(), expected_hash=block.GetHash()[::-1])
    expected = [
        (each.GetTxid()[::-1], index, paid.nValue, bytes(paid.scriptPubKey))
        for each in members
        for index, paid in enumerate(each.vout)
        if len(paid.scriptPubKey) in WATCHABLE_LENGTHS
    ]
    found = [
        (each.txid, each.index, each.amount_sat, each.script) for each in read.outputs_of(set(read.scripts))
    ]
    assert found == expected
    assert list(read.scripts) == [script for *_, script in expected]


@settings(max_examples=60, deadline=None)
@given(common_transactions(), st.data())
def test_a_transaction_cut_short_is_refused_whatever_its_shape(
    member: CTransaction, data: st.DataObject
) -> None:
    raw, txid = member.serialize(), member.GetTxid()[::-1]
    assert all(output.raw == raw for output in read_transaction(raw, expected_txid=txid))
    with pytest.raises(BadBlock):
        read_transaction(raw[: data.draw(st.integers(0, len(raw) - 1))], expected_txid=txid)


def test_an_output_count_beyond_the_bytes_is_refused_at_once() -> None:
    """A number of nine bytes may claim 2^64 outputs; reading stops where the bytes do."""
    head = (2).to_bytes(4, "little") + b"\x01" + bytes(36) + b"\x00" + bytes(4)
    with pytest.raises(BadBlock):
        read_transaction(head + b"\xff" * 9 + b"\x00" * 40, expected_txid=bytes(32))

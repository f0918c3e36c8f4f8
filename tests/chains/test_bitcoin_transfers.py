"""Reading raw Bitcoin bytes, judged by python-bitcoinlib, which reads them its own way."""

from __future__ import annotations

import pytest
from bitcoin.core import (
    CBlock,
    CMutableTransaction,
    COutPoint,
    CTransaction,
    CTxIn,
    CTxInWitness,
    CTxOut,
    CTxWitness,
    x,
)
from bitcoin.core.script import CScript, CScriptWitness
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin import second_reading
from chains.bitcoin.transfers import (
    WATCHABLE_LENGTHS,
    BadBlock,
    Output,
    read_block,
    read_header,
    read_transaction,
)
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess

# Lengths around the steps of Bitcoin's variable-length numbers.
LENGTHS = st.sampled_from([0, 1, 22, 23, 25, 34, 107, 252, 253, 254, 600])
BYTES = LENGTHS.flatmap(lambda length: st.binary(min_size=length, max_size=length))


@st.composite
def transactions(draw: st.DrawFn) -> CTransaction:
    inputs = [
        CTxIn(
            COutPoint(draw(st.binary(min_size=32, max_size=32)), draw(st.integers(0, 5))),
            CScript(draw(BYTES)),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    amounts = st.integers(0, 21_000_000 * 10**8)
    outputs = [CTxOut(draw(amounts), CScript(draw(BYTES))) for _ in range(draw(st.integers(1, 4)))]
    witness = CTxWitness(
        tuple(CTxInWitness(CScriptWitness(draw(st.lists(BYTES, max_size=3)))) for _ in inputs)
        if draw(st.booleans())
        else ()
    )
    return CTransaction(inputs, outputs, draw(st.integers(0, 2**32 - 1)), 2, witness)


def block_of(members: list[CTransaction]) -> CBlock:
    root = CBlock.build_merkle_tree_from_txs(_without_witness(members))[-1]
    return CBlock(
        nVersion=2, hashPrevBlock=b"\x01" * 32, hashMerkleRoot=root, nTime=1_700_000_000, vtx=tuple(members)
    )


def _without_witness(members: list[CTransaction]) -> list[CTransaction]:
    """python-bitcoinlib 0.12.2 builds the tree over wtxids; txids are those of the stripped transactions."""
    return [CTransaction(tx.vin, tx.vout, tx.nLockTime, tx.nVersion) for tx in members]


def outputs_by_bitcoinlib(members: list[CTransaction]) -> list[tuple[bytes, int, int, bytes]]:
    return [
        (tx.GetTxid()[::-1], index, output.nValue, bytes(output.scriptPubKey))
        for tx in members
        for index, output in enumerate(tx.vout)
        if len(output.scriptPubKey) in WATCHABLE_LENGTHS
    ]


def as_tuples(outputs: list[Output]) -> list[tuple[bytes, int, int, bytes]]:
    return [(output.txid, output.index, output.amount_sat, output.script) for output in outputs]


@settings(max_examples=150, deadline=None)
@given(st.lists(transactions(), min_size=1, max_size=6, unique_by=lambda tx: tx.GetTxid()))
def test_blocks_read_as_python_bitcoinlib_reads_them(members: list[CTransaction]) -> None:
    block = block_of(members)
    read = read_block(block.serialize(), expected_hash=block.GetHash()[::-1])
    outputs = read.outputs_of(set(read.scripts))
    assert as_tuples(outputs) == outputs_by_bitcoinlib(members)
    assert (read.header.parent_hash, read.header.time) == (b"\x01" * 32, 1_700_000_000)
    for output in outputs:
        second_reading.confirm(output)


@settings(max_examples=100, deadline=None)
@given(transactions())
def test_transactions_read_as_python_bitcoinlib_reads_them(member: CTransaction) -> None:
    outputs = read_transaction(member.serialize(), expected_txid=member.GetTxid()[::-1])
    assert as_tuples(outputs) == outputs_by_bitcoinlib([member])


@settings(max_examples=100, deadline=None)
@given(transactions(), st.data())
def test_a_block_with_one_byte_changed_is_refused(member: CTransaction, data: st.DataObject) -> None:
    block = block_of([member])
    raw = bytearray(block.serialize())
    stripped = len(_without_witness([member])[0].serialize())
    # Witnesses are no part of a txid, so they are left alone; everything else has to count.
    changeable = 81 + (stripped if member.wit.is_null() else 4)
    raw[data.draw(st.integers(0, changeable - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadBlock):
        read_block(bytes(raw), expected_hash=block.GetHash()[::-1])


@settings(max_examples=100, deadline=None)
@given(transactions(), st.data())
def test_a_block_cut_short_or_with_bytes_added_is_refused(member: CTransaction, data: st.DataObject) -> None:
    block = block_of([member])
    raw = block.serialize()
    end = data.draw(st.integers(0, len(raw) - 1))
    for broken in (raw[:end], raw + b"\0"):
        with pytest.raises(BadBlock):
            read_block(broken, expected_hash=block.GetHash()[::-1])


@given(st.binary(max_size=400))
def test_bytes_that_are_no_block_are_refused(raw: bytes) -> None:
    with pytest.raises(BadBlock):
        read_block(raw, expected_hash=b"\0" * 32)


def test_a_repeated_transaction_is_refused_although_the_merkle_root_fits() -> None:
    """Three transactions and the same with the third repeated have one root (CVE-2012-2459)."""
    members = [
        CTransaction([CTxIn(COutPoint(bytes([n]) * 32, 0))], [CTxOut(n, CScript(b"\0" * 22))])
        for n in (1, 2, 3)
    ]
    honest, forged = block_of(members), block_of([*members, members[2]])
    assert honest.GetHash() == forged.GetHash()
    read_block(honest.serialize(), expected_hash=honest.GetHash()[::-1])
    with pytest.raises(BadBlock, match="twice"):
        read_block(forged.serialize(), expected_hash=honest.GetHash()[::-1])


def test_another_transaction_than_the_one_asked_for_is_refused() -> None:
    member = CTransaction([CTxIn(COutPoint(b"\1" * 32, 0))], [CTxOut(5, CScript(b"\0" * 22))])
    with pytest.raises(BadBlock, match="another transaction"):
        read_transaction(member.serialize(), expected_txid=b"\2" * 32)


def test_two_readers_that_disagree_credit_nothing() -> None:
    member = CMutableTransaction([CTxIn(COutPoint(b"\1" * 32, 0))], [CTxOut(5, CScript(b"\0" * 22))])
    txid = member.GetTxid()[::-1]
    raw = member.serialize()
    second_reading.confirm(Output(txid, raw, 0, 5, b"\0" * 22))
    for wrong in (
        Output(txid, raw, 0, 6, b"\0" * 22),
        Output(txid, raw, 1, 5, b"\0" * 22),
        Output(txid, raw, 0, 5, b"\1" * 22),
        Output(b"\3" * 32, raw, 0, 5, b"\0" * 22),
        Output(txid, raw[:-2], 0, 5, b"\0" * 22),
    ):
        with pytest.raises(BadBlock):
            second_reading.confirm(wrong)


def test_a_header_is_hashed_from_its_bytes() -> None:
    genesis = x(
        "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a5132"
        "3a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"
    )
    header = read_header(genesis)
    assert header.hash.hex() == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert header.time == 1231006505
    with pytest.raises(BadBlock):
        read_header(genesis[:79])


def test_a_nodes_own_block_reads_as_python_bitcoinlib_reads_it(
    bitcoin_node: NodeProcess, resident: BitcoinWallet
) -> None:
    resident.pay_many([(resident.address, 1_000 + n) for n in range(300)])
    (block_hash,) = resident.mine()
    raw = bytes.fromhex(bitcoin_node.rpc("getblock", block_hash, 0))
    read = read_block(raw, expected_hash=bytes.fromhex(block_hash))
    theirs = outputs_by_bitcoinlib(list(CBlock.deserialize(raw).vtx))
    assert len(theirs) > 300
    assert as_tuples(read.outputs_of(set(read.scripts))) == theirs

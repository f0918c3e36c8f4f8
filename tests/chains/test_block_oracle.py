"""Whole blocks of Bitcoin's main network, read by us and by python-bitcoinlib, which reads them its own way."""

from __future__ import annotations

import pytest
from bitcoin.core import CBlock, CTransaction

from chains.bitcoin import second_reading
from chains.bitcoin.transfers import WATCHABLE_LENGTHS, BadBlock, Output, RawBlock, read_block
from devnet import mainnet_blocks

# Block height → its hash as every explorer shows it.
HASHES = {
    413567: "0000000000000000025aff8be8a55df8f89c77296db6198f272d6577325d4069",
    702861: "000000000000000000000c835b2adcaedc20fdf6ee440009c249452c726dafae",
}


HEIGHTS = sorted({mainnet_blocks.FETCHED_HEIGHT, *mainnet_blocks.available(*HASHES)})


@pytest.fixture(scope="module", params=HEIGHTS)
def height(request: pytest.FixtureRequest) -> int:
    """The height of a block that is there; 413567 is fetched if need be."""
    try:
        mainnet_blocks.fetch()
    except mainnet_blocks.NoBlock as error:
        pytest.skip(f"block {mainnet_blocks.FETCHED_HEIGHT} could not be fetched: {error}")
    return int(request.param)


@pytest.fixture(scope="module")
def raw(height: int) -> bytes:
    path = mainnet_blocks.block_path(height)
    assert path is not None
    return path.read_bytes()


@pytest.fixture(scope="module")
def ours(raw: bytes, height: int) -> RawBlock:
    return read_block(raw, expected_hash=bytes.fromhex(HASHES[height]))


@pytest.fixture(scope="module")
def theirs(raw: bytes) -> CBlock:
    return CBlock.deserialize(raw)


def as_tuple(output: Output) -> tuple[bytes, int, int, bytes]:
    return output.txid, output.index, output.amount_sat, output.script


def test_every_watchable_output_is_found_with_its_txid_and_amount(ours: RawBlock, theirs: CBlock) -> None:
    expected = [
        (transaction.GetTxid()[::-1], index, output.nValue, bytes(output.scriptPubKey))
        for transaction in theirs.vtx
        for index, output in enumerate(transaction.vout)
        if len(output.scriptPubKey) in WATCHABLE_LENGTHS
    ]
    assert len(expected) > 3_000
    assert list(ours.scripts) == [script for *_, script in expected]
    assert [as_tuple(output) for output in ours.outputs_of(set(ours.scripts))] == expected


def test_only_the_outputs_asked_for_are_given_in_the_blocks_order(ours: RawBlock, theirs: CBlock) -> None:
    wanted = {ours.scripts[0], ours.scripts[len(ours.scripts) // 2], ours.scripts[-1], b"\0" * 22}
    outputs = ours.outputs_of(wanted)
    assert [output.script for output in outputs] == [script for script in ours.scripts if script in wanted]
    by_txid = {transaction.GetTxid()[::-1]: transaction for transaction in theirs.vtx}
    for output in outputs:
        paid = by_txid[output.txid].vout[output.index]
        assert (paid.nValue, bytes(paid.scriptPubKey)) == (output.amount_sat, output.script)
        second_reading.confirm(output)
    assert ours.outputs_of({b"\0" * 22}) == []


def test_header_and_merkle_root_are_those_of_python_bitcoinlib(
    ours: RawBlock, theirs: CBlock, height: int
) -> None:
    stripped = [CTransaction(tx.vin, tx.vout, tx.nLockTime, tx.nVersion) for tx in theirs.vtx]
    assert ours.header.hash == theirs.GetHash()[::-1] == bytes.fromhex(HASHES[height])
    assert ours.header.parent_hash == theirs.hashPrevBlock[::-1]
    assert ours.header.merkle_root[::-1] == CBlock.build_merkle_tree_from_txs(stripped)[-1]
    assert ours.header.time == theirs.nTime


def test_a_changed_amount_anywhere_is_refused(ours: RawBlock, raw: bytes, height: int) -> None:
    for script in (ours.scripts[0], ours.scripts[len(ours.scripts) // 2], ours.scripts[-1]):
        value_at = raw.index(bytes([len(script)]) + script) - 8
        forged = raw[:value_at] + bytes([raw[value_at] ^ 1]) + raw[value_at + 1 :]
        with pytest.raises(BadBlock, match="merkle root"):
            read_block(forged, expected_hash=bytes.fromhex(HASHES[height]))


def test_a_block_cut_short_is_refused(raw: bytes, height: int) -> None:
    for end in (80, 81, 1_000, len(raw) // 2, len(raw) - 1):
        with pytest.raises(BadBlock):
            read_block(raw[:end], expected_hash=bytes.fromhex(HASHES[height]))

"""What transactions spend, read by us and by python-bitcoinlib, over a whole block of Bitcoin's main network."""

from __future__ import annotations

import pytest
from bitcoin.core import CBlock, CTransaction

from chains.bitcoin.spending import SEARCHED_MAX, double_spends, read_spending, txid_of
from chains.bitcoin.transfers import BadBlock
from chains.bitcoin.unconfirmed import PoolEntry, risks
from chains.observation import Outpoint
from devnet import mainnet_blocks

OURS = b"o" * 32


@pytest.fixture(scope="module")
def raw() -> bytes:
    try:
        mainnet_blocks.fetch()
    except mainnet_blocks.NoBlock as error:
        pytest.skip(f"block {mainnet_blocks.FETCHED_HEIGHT} could not be fetched: {error}")
    path = mainnet_blocks.block_path(mainnet_blocks.FETCHED_HEIGHT)
    assert path is not None
    return path.read_bytes()


@pytest.fixture(scope="module")
def theirs(raw: bytes) -> CBlock:
    return CBlock.deserialize(raw)


def outpoints(transaction: CTransaction) -> list[Outpoint]:
    return [Outpoint(item.prevout.hash[::-1], item.prevout.n) for item in transaction.vin]


def txid(transaction: CTransaction) -> bytes:
    return bytes(transaction.GetTxid()[::-1])


def test_every_input_and_txid_is_that_of_python_bitcoinlib(theirs: CBlock) -> None:
    coinbase, *others = theirs.vtx
    spending = read_spending(coinbase.serialize())
    assert (spending.outpoints, spending.signals_replacement, spending.is_coinbase) == ((), False, True)
    assert len(others) > 1_000
    for transaction in others:
        serialised = transaction.serialize()
        spending = read_spending(serialised)
        assert list(spending.outpoints) == outpoints(transaction)
        assert not spending.is_coinbase
        assert spending.signals_replacement == any(item.nSequence < 0xFFFFFFFE for item in transaction.vin)
        assert txid_of(serialised) == txid(transaction)


def test_a_transaction_with_witnesses_is_known_by_what_it_is_without_them() -> None:
    # BIP 143's native P2WPKH example, signed.
    raw = bytes.fromhex(
        "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9"
        "cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618e"
        "f3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb20600000000"
        "1976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa81"
        "5988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f9030"
        "0e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357110000"
        "00"
    )
    parsed = CTransaction.deserialize(raw)
    assert txid_of(raw) == txid(parsed)
    assert txid_of(raw) != parsed.GetHash()[::-1]
    spending = read_spending(raw)
    assert list(spending.outpoints) == outpoints(parsed)
    assert spending.signals_replacement  # 0xffffffee


@pytest.mark.parametrize("wanted_count", [1, SEARCHED_MAX, 4 * SEARCHED_MAX])
def test_who_spent_what_ours_would_have_spent_is_found(raw: bytes, theirs: CBlock, wanted_count: int) -> None:
    spent = {
        outpoint: txid(transaction) for transaction in theirs.vtx[1:] for outpoint in outpoints(transaction)
    }
    step = len(spent) // wanted_count
    chosen = dict(list(spent.items())[::step][:wanted_count])
    wanted = {
        outpoint: {number.to_bytes(32, "big"), spender}
        for number, (outpoint, spender) in enumerate(chosen.items())
    }
    unspent = {Outpoint(b"n" * 32, 0): {OURS}}
    found = double_spends(raw, {**wanted, **unspent})
    assert found == {number.to_bytes(32, "big"): spender for number, spender in enumerate(chosen.values())}


def test_a_payment_that_is_mined_itself_is_not_its_own_rival(raw: bytes, theirs: CBlock) -> None:
    mined = theirs.vtx[-1]
    assert double_spends(raw, {outpoint: {txid(mined)} for outpoint in outpoints(mined)}) == {}


@pytest.mark.parametrize("end", [0, 3, 5, 40, 60, -1])
def test_a_transaction_cut_short_is_refused(theirs: CBlock, end: int) -> None:
    with pytest.raises(BadBlock):
        txid_of(theirs.vtx[1].serialize()[:end])


GOOD = PoolEntry(fee_sat=1_000, vsize=200, ancestor_count=1)


@pytest.mark.parametrize(
    ("signals", "entry", "prompt", "expected"),
    [
        (False, GOOD, 5_000, ()),
        (False, GOOD, 5_001, ("fee below prompt block",)),
        (True, GOOD, 100, ("signals replacement",)),
        (False, PoolEntry(1_000, 200, 2), 100, ("unconfirmed ancestor",)),
        (
            True,
            PoolEntry(1, 200, 3),
            100,
            ("signals replacement", "fee below prompt block", "unconfirmed ancestor"),
        ),
    ],
)
def test_each_risk_is_named(signals: bool, entry: PoolEntry, prompt: int, expected: tuple[str, ...]) -> None:
    assert risks(signals_replacement=signals, entry=entry, prompt_sat_per_kvb=prompt) == expected

"""Payments of the operator's own, seen on real nodes: found in the same pass, never anybody's payment, taken back by a fork."""

import os

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from embit.bip32 import HDKey
from embit.finalizer import finalize_psbt
from embit.networks import NETWORKS
from embit.psbt import PSBT

from chains import (
    addresses,
    outgoing,
    outgoing_batches,
    outgoing_fees,
    readers,
    recording,
    wallets,
    watched,
)
from chains.bitcoin.unsigned import CannotPrepare, Coin, prepare
from chains.models import Destination, OutgoingTransfer, Transfer, TransferInput
from chains.outgoing import AddressRefused
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.bitcoind import BitcoindProcess
from devnet.evm_token import TOKEN_ADDRESS
from tests.chains.node_proxy import NodeProxy

pytestmark = pytest.mark.django_db

SHAPES = {
    "wpkh": ("84h", "wpkh({})"),
    "sh(wpkh)": ("49h", "sh(wpkh({}))"),
    "tr": ("86h", "tr({})"),
    "pkh": ("44h", "pkh({})"),
}


class ColdWallet:
    """The operator's cold wallet: its key is the test's, its descriptor the program's."""

    def __init__(self, watched, shape="wpkh", keys=1):
        self.roots = [
            HDKey.from_seed(os.urandom(32), version=NETWORKS["regtest"]["xprv"]) for _ in range(keys)
        ]
        texts = []
        for root in self.roots:
            step, form = SHAPES.get(shape, ("48h", ""))
            account = root.derive(f"m/{step}/1h/0h").to_public(version=NETWORKS["regtest"]["xpub"])
            texts.append(f"[{root.my_fingerprint.hex()}/{step}/1h/0h]{account}/0/*")
        descriptor = f"wsh(sortedmulti(2,{','.join(texts)}))" if keys > 1 else form.format(texts[0])
        self.wallet = wallets.import_wallet(
            network=watched.network, label="cold", owner="", public_key=descriptor, now=timezone.now()
        )

    def signed(self, psbt_text):
        """The raw transaction, as a signer that only has the keys and the PSBT makes it."""
        psbt = PSBT.from_string(psbt_text)
        for root in self.roots:
            psbt.sign_with(root)
        return finalize_psbt(psbt).serialize().hex()


def fund(bitcoin, resident, cold, amounts=(200_000, 150_000)):
    for number, amount_sat in enumerate(amounts):
        address = addresses.allocate(wallet=cold.wallet, purpose=f"invoice {number}", now=timezone.now())
        resident.pay(address.address, amount_sat)
    resident.mine(6)
    bitcoin.catch_up()


def spendable(wallet, **how):
    return [coin for page in outgoing_batches.spendable(wallet, **how) for coin in page]


def destination(watched, text):
    return outgoing.watch(watched.network, text, now=timezone.now())


@pytest.fixture
def guest(bitcoin_node):
    """A resident's wallet that refunds go to, new for each test."""
    return BitcoinWallet(bitcoin_node.rpc, phrase=os.urandom(8).hex())


@pytest.mark.parametrize("shape", ["wpkh", "sh(wpkh)", "tr", "pkh", "wsh(sortedmulti)"])
def test_a_prepared_transaction_is_signed_elsewhere_and_accepted(
    bitcoin, bitcoin_node, resident, guest, shape
):
    cold = ColdWallet(bitcoin, shape, keys=3 if shape.startswith("wsh") else 1)
    fund(bitcoin, resident, cold)
    target = destination(bitcoin, guest.address)
    prepared = outgoing_batches.prepare_batch(
        cold.wallet,
        [(target, 120_000), (target, 130_000)],
        name="batch 1",
        sat_per_vbyte=7,
        reserved=(),
        now=timezone.now(),
    )
    if isinstance(bitcoin_node, BitcoindProcess):
        # Bitcoin Core reads it too: nothing but signatures is missing, and it counts the same fee.
        said = bitcoin_node.rpc("analyzepsbt", prepared.psbt)
        if shape != "tr":  # of a key path it says nothing: it looks for the signatures of ECDSA
            assert {part["next"] for part in said["inputs"]} == {"signer"}
        assert said["fee"] * 100_000_000 == prepared.fee_sat
    raw = cold.signed(prepared.psbt)
    (verdict,) = resident._rpc("testmempoolaccept", [raw])
    assert verdict["allowed"], verdict
    # At least the rate that was asked for, at most what a signature may be shorter than its longest.
    assert 7 * verdict["vsize"] <= prepared.fee_sat <= 7 * (verdict["vsize"] + 4 * len(prepared.coins) + 2)
    txid = resident._rpc("sendrawtransaction", raw)
    assert prepared.txid in (None, bytes.fromhex(txid))
    assert (prepared.txid is None) == (shape in ("pkh", "sh(wpkh)"))
    bitcoin.catch_up()
    rows = list(OutgoingTransfer.objects.order_by("index"))
    assert [(row.amount_minor, row.state, row.wallet_id) for row in rows] == [
        (120_000, "Seen", cold.wallet.pk),
        (130_000, "Seen", cold.wallet.pk),
    ]
    # The change is the operator's own again, at an address that was given out for it alone.
    change = Transfer.objects.get(deposit_address__purpose="change:batch 1")
    assert change.amount_minor == prepared.change_sat == 350_000 - 250_000 - prepared.fee_sat
    resident.mine(1)
    bitcoin.catch_up()
    assert outgoing_fees.fetch() == 1
    assert {(row.state, row.fee_minor) for row in OutgoingTransfer.objects.all()} == {
        ("Mined", prepared.fee_sat)
    }
    # What was spent is no coin any more, and the change is one.
    assert [coin.amount_sat for coin in spendable(cold.wallet)] == [prepared.change_sat]


def test_what_an_open_batch_uses_is_left_alone(bitcoin, resident, guest):
    cold = ColdWallet(bitcoin)
    fund(bitcoin, resident, cold)
    coins = spendable(cold.wallet)
    assert sorted(coin.amount_sat for coin in coins) == [150_000, 200_000]
    largest = max(coins, key=lambda coin: coin.amount_sat)
    left = spendable(cold.wallet, reserved={(largest.txid, largest.index)})
    assert [coin.amount_sat for coin in left] == [150_000]
    with pytest.raises(CannotPrepare, match="too little"):
        outgoing_batches.prepare_batch(
            cold.wallet,
            [(destination(bitcoin, guest.address), 180_000)],
            name="x",
            sat_per_vbyte=1,
            reserved={(largest.txid, largest.index)},
            now=timezone.now(),
        )


def test_coins_that_were_spent_long_ago_do_not_hide_those_that_are_there(bitcoin, resident, guest):
    """Years of sales, each larger than what the wallet holds now, all of it spent: the node knows none of them any more."""
    cold = ColdWallet(bitcoin)
    fund(bitcoin, resident, cold)
    kept = Transfer.objects.order_by("id").first()
    Transfer.objects.bulk_create(
        Transfer(
            network=kept.network,
            txid=number.to_bytes(32, "big"),
            index=0,
            asset=kept.asset,
            deposit_address=kept.deposit_address,
            amount_minor=10_000_000 + number,
            state="Mined",
            block_height=1,
            block_hash=bytes(32),
            seen_at=kept.seen_at,
            received_at=kept.received_at,
        )
        for number in range(1, 1_201)
    )
    prepared = outgoing_batches.prepare_batch(
        cold.wallet,
        [(destination(bitcoin, guest.address), 180_000)],
        name="batch",
        sat_per_vbyte=1,
        reserved=(),
        now=timezone.now(),
    )
    assert [coin.amount_sat for coin in prepared.coins] == [200_000]


def test_what_arrives_there_is_nobodys_payment(bitcoin, resident, guest):
    target = destination(bitcoin, guest.address)
    resident.pay(guest.address, 50_000)
    resident.mine(1)
    bitcoin.catch_up()
    row = OutgoingTransfer.objects.get()
    assert (row.destination, row.amount_minor, row.state) == (target, 50_000, "Mined")
    assert row.wallet is None  # the resident's own coins: nobody knows whose
    assert not Transfer.objects.exists()
    assert not TransferInput.objects.exists()


def test_a_fork_takes_it_back_and_brings_it_again(bitcoin, bitcoin_node, resident, guest):
    destination(bitcoin, guest.address)
    resident.pay(guest.address, 50_000)
    (block,) = resident.mine(1)
    bitcoin.catch_up()
    bitcoin_node.rpc("invalidateblock", block)
    # To somebody else, so that it is another block.
    bitcoin_node.rpc("generatetoaddress", 2, BitcoinWallet(bitcoin_node.rpc, phrase="a miner").address)
    bitcoin.catch_up()
    row = OutgoingTransfer.objects.get()
    assert (row.state, row.pending) == ("Mined", True)
    assert bytes(row.block_hash).hex() != block


def test_looking_back_finds_it_at_its_own_time(bitcoin, resident, guest):
    """A payment that was there before anybody watched the address must not pass for one that came after."""
    resident.pay(guest.address, 50_000)
    resident.mine(1)
    bitcoin.catch_up()
    height = bitcoin.network.cursor_height
    target = destination(bitcoin, guest.address)
    (reader,) = readers.choice_for(bitcoin.network).in_order()
    found = reader.blocks(height, height, lambda keys: watched.find("bitcoin", keys))
    with transaction.atomic():
        recording.write_past(bitcoin.network, found, now=timezone.now())
    row = OutgoingTransfer.objects.get()
    assert (row.destination, row.seen_at) == (target, found[0].header.time)


def test_a_replaced_one_is_gone(bitcoin, resident, guest):
    destination(bitcoin, guest.address)
    txid = resident.pay(guest.address, 50_000)
    bitcoin.catch_up()
    assert OutgoingTransfer.objects.get().state == "Seen"
    resident.double_spend_of(txid)
    bitcoin.catch_up()
    assert OutgoingTransfer.objects.get().state == "Gone"


def test_one_question_finds_deposit_addresses_and_destinations(bitcoin, resident, guest):
    destination(bitcoin, guest.address)
    given_out = bitcoin.address()
    resident.pay_many([(given_out.address, 30_000), (guest.address, 40_000)])
    resident.mine(1)
    with CaptureQueriesContext(connection) as asked:
        bitcoin.catch_up()
    finding = [query for query in asked if "ANY(" in query["sql"]]
    assert len(finding) <= 2  # one for the block, one for the mempool
    assert [row.amount_minor for row in bitcoin.transfers()] == [30_000]
    assert [row.amount_minor for row in OutgoingTransfer.objects.all()] == [40_000]


def test_an_address_of_ours_is_no_destination(bitcoin):
    with pytest.raises(AddressRefused):
        destination(bitcoin, bitcoin.address().address)
    assert not Destination.objects.exists()


@pytest.fixture
def evm_guest():
    return "0x" + os.urandom(20).hex()


def test_coin_and_token_on_an_evm_network(evm, evm_resident, mine, evm_guest):
    destination(evm, evm_guest)
    evm_resident.pay_coin(evm_guest, 10**15)
    evm_resident.pay_token(TOKEN_ADDRESS, evm_guest, 2_500_000)
    evm.catch_up()
    assert {(row.asset_id, row.state) for row in OutgoingTransfer.objects.all()} == {
        ("ETH", "Seen"),
        ("USDT", "Seen"),
    }
    mine(1)
    evm.catch_up()
    rows = {row.asset_id: row for row in OutgoingTransfer.objects.all()}
    assert {code: (row.amount_minor, row.state) for code, row in rows.items()} == {
        "ETH": (10**15, "Mined"),
        "USDT": (2_500_000, "Mined"),
    }
    assert rows["ETH"].sender == rows["USDT"].sender == evm_resident.address
    assert all(row.wallet is None for row in rows.values())
    assert outgoing_fees.fetch() == 2
    assert all(row.fee_minor > 20_000 for row in OutgoingTransfer.objects.all())
    assert not Transfer.objects.exists()


def test_a_treasury_pays_from_its_wallet(evm, evm_resident, mine, evm_guest, contracts):
    treasury = evm_resident
    text = str(contracts).rpartition(",")[0] + f",{treasury.address})"
    wallet = wallets.import_wallet(
        network=evm.network, label="treasury", owner="", public_key=text, now=timezone.now()
    )
    destination(evm, evm_guest)
    treasury.pay_coin(evm_guest, 10**15)
    mine(1)
    evm.catch_up()
    assert OutgoingTransfer.objects.get().wallet == wallet
    with pytest.raises(AddressRefused):
        destination(evm, treasury.address)


@pytest.fixture
def receipt(anvil, settings):
    """What a test writes into it, the node tells in every receipt of a transaction."""
    told = {}
    proxy = NodeProxy(anvil.url)
    proxy.rewrite = lambda method, _, result: (
        {**result, **told} if method == "eth_getTransactionReceipt" else result
    )
    with proxy.running():
        settings.NODE_URLS = {"evm": [proxy.url]}
        yield told


def fee_of(evm, pays, mine, evm_guest):
    destination(evm, evm_guest)
    pays.pay_coin(evm_guest, 10**15)
    mine(1)
    evm.catch_up()
    assert outgoing_fees.fetch() == 1
    return OutgoingTransfer.objects.get().fee_minor


def test_a_rollups_fee_has_the_part_that_is_ethereums(evm, evm_resident, mine, evm_guest, receipt):
    receipt |= {"gasUsed": "0x5208", "effectiveGasPrice": "0x3e8", "l1Fee": "0x12a05f200"}
    assert fee_of(evm, evm_resident, mine, evm_guest) == 21_000 * 1_000 + 5_000_000_000


def test_gas_that_somebody_else_paid_did_not_leave_the_wallet(evm, evm_resident, mine, evm_guest, receipt):
    """A Safe's coin leaves by a transaction of one of its owners, whose account pays the gas and is in nobody's books."""
    receipt["from"] = "0x" + "ab" * 20
    assert fee_of(evm, evm_resident, mine, evm_guest) == 0


def test_gas_that_another_account_of_ours_paid_is_ours(evm, evm_resident, mine, evm_guest, receipt):
    receipt["from"] = evm.address().address.lower()
    assert fee_of(evm, evm_resident, mine, evm_guest) > 20_000


COIN = Coin(bytes(32), 0, 100_000, 0)


@pytest.mark.parametrize(
    ("payments", "rate", "why"),
    [
        ([], 1, "at least"),
        ([(bytes(22), 545)], 1, "at least"),
        ([(bytes(22), 1000)], 0, "fee rate"),
        ([(bytes(22), 1000)], 1001, "fee rate"),
        ([(bytes(22), 100_000)], 1, "too little"),
    ],
)
def test_what_cannot_be_prepared(payments, rate, why):
    from tests.world import BITCOIN_KEY

    descriptor = wallets.normalise_bitcoin(BITCOIN_KEY, "regtest")
    with pytest.raises(CannotPrepare, match=why):
        prepare(descriptor, payments, [COIN], change_index=0, sat_per_vbyte=rate)

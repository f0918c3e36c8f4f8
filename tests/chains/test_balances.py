"""What wallets held at one confirmed height, asked of real nodes: exact whatever happened in the blocks after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.utils import timezone
from embit import script as embit_script
from embit.ec import PrivateKey
from embit.transaction import SIGHASH, Transaction, TransactionInput, TransactionOutput

from chains import balances, wallets
from chains.balances import NotComparable
from chains.bitcoin import unspent
from chains.bitcoin.change import change_descriptor
from chains.derivation import derive_bitcoin, normalise_bitcoin
from chains.evm.flush import call_for
from chains.models import Block, Network
from chains.nodes import JsonRpcNode
from devnet.anvil import AnvilProcess
from devnet.bitcoin_script import address_of_script, script_of_address
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from devnet.process import NodeProcess
from tests.chains import forwarding
from tests.chains.conftest import Watched, new_account_key

Mine = Callable[..., None]


def bury(watched: Watched, mine: Callable[[int], object]) -> None:
    """As many blocks as the slowest stores ask for, read by the watcher."""
    mine(watched.network.confirmations_low_speed)
    watched.catch_up()


def test_a_bitcoin_wallets_deposits_are_told_apart_and_what_is_not_buried_yet_is_left_out(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    first, second = bitcoin.address("invoice 1"), bitcoin.address("invoice 2")
    resident.pay_many([(first.address, 12_345), (second.address, 500_000)])
    bury(bitcoin, resident.mine)
    height = bitcoin.network.cursor_height - bitcoin.network.confirmations_low_speed + 1
    resident.pay(first.address, 777)
    resident.mine(2)
    bitcoin.catch_up()
    read = balances.read(bitcoin.network)
    assert read.position.height == height + 2
    assert read.position.hash == bytes(Block.objects.get(height=height + 2).hash)
    assert read.deposits == {(first.pk, "BTC"): 12_345, (second.pk, "BTC"): 500_000}
    assert read.elsewhere == {}


def test_money_that_no_watcher_recorded_is_found(bitcoin: Watched, resident: BitcoinWallet) -> None:
    """At an address that was never given out, and at the branch where the wallet takes its change."""
    unused = wallets.derive(bitcoin.network, bitcoin.wallet.public_key, 5)
    change = derive_bitcoin(change_descriptor(bitcoin.wallet.public_key) or "", 17, "regtest")
    resident.pay_many([(unused.address, 1_000), (change.address, 30_000)])
    bury(bitcoin, resident.mine)
    read = balances.read(bitcoin.network)
    assert read.deposits == {}
    assert read.elsewhere == {(bitcoin.wallet.pk, "BTC"): 31_000}


class ColdWallet:
    """The private key of a wallet with one address, which spends what it was paid."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node
        self._key = PrivateKey(os.urandom(32))
        self.script = bytes(embit_script.p2wpkh(self._key.get_public_key()).data)
        self.address = str(address_of_script(self.script))

    def spend(self, txid: str, vout: int, amount_sat: int, payments: list[tuple[str, int]]) -> str:
        """Spend one output of ours, the rest of it being the miner's fee; the txid."""
        outputs = [
            TransactionOutput(sat, embit_script.Script(script_of_address(address)))
            for address, sat in payments
        ]
        sending = Transaction(vin=[TransactionInput(bytes.fromhex(txid), vout)], vout=outputs)
        digest = sending.sighash_segwit(0, embit_script.p2pkh(self._key.get_public_key()), amount_sat)
        signature = self._key.sign(digest).serialize() + bytes([SIGHASH.ALL])
        sending.vin[0].witness = embit_script.Witness([signature, self._key.get_public_key().sec()])
        return str(self._node.rpc("sendrawtransaction", sending.serialize().hex()))


def _vout(node: NodeProcess, txid: str, script: bytes, block_hash: str) -> int:
    made = node.rpc("getrawtransaction", txid, True, block_hash)
    return next(out["n"] for out in made["vout"] if out["scriptPubKey"]["hex"] == script.hex())


def test_coins_that_were_spent_after_the_height_are_counted_as_they_stood_there(
    bitcoin: Watched, bitcoin_node: NodeProcess, resident: BitcoinWallet
) -> None:
    cold = ColdWallet(bitcoin_node)
    address = bitcoin.address()
    # The wallet's key is nobody's, so an address of somebody who can sign takes the place of its own.
    type(address).objects.filter(pk=address.pk).update(key=cold.script, address=cold.address)
    txid = resident.pay(cold.address, 900_000)
    (block_hash,) = resident.mine()
    vout = _vout(bitcoin_node, txid, cold.script, block_hash)
    resident.mine(bitcoin.network.confirmations_low_speed - 1)
    bitcoin.catch_up()
    change = derive_bitcoin(change_descriptor(bitcoin.wallet.public_key) or "", 0, "regtest")
    cold.spend(txid, vout, 900_000, [(resident.address, 100_000), (change.address, 799_000)])
    resident.mine(2)
    bitcoin.catch_up()
    assert held(bitcoin_node, bitcoin, cold, back=2) == [900_000]
    # At the height of the spending itself the coin is gone.
    assert held(bitcoin_node, bitcoin, cold, back=1) == []
    # The change is above the confirmed height, and below it once more blocks follow.
    assert balances.read(bitcoin.network).elsewhere == {}
    bury(bitcoin, resident.mine)
    assert balances.read(bitcoin.network).elsewhere == {(bitcoin.wallet.pk, "BTC"): 799_000}


def held(node: NodeProcess, watched: Watched, cold: ColdWallet, *, back: int) -> list[int]:
    """The amounts at the cold wallet's address so many blocks below the tip."""
    with closing(JsonRpcNode(node.url, timeout_seconds=30)) as wire:
        found = unspent.scan(wire, {f"raw({cold.script.hex()})": 1})
        position, outputs = unspent.held_at(wire, found, found.tip.height - back, {cold.script})
    assert position.hash == bytes(Block.objects.get(network=watched.slug, height=position.height).hash)
    return [output.amount_sat for output in outputs]


@pytest.mark.parametrize(
    "text",
    [
        "wpkh([aabbccdd/84h/1h/0h]{key}/0/*)",
        "wsh(sortedmulti(2,{key}/0/*,{other}/0/*))",
    ],
)
def test_the_change_branch_stands_beside_the_receive_branch(text: str) -> None:
    filled = text.format(key=new_account_key("regtest"), other=new_account_key("regtest"))
    receive = normalise_bitcoin(filled, "regtest")
    expected = normalise_bitcoin(filled.replace("/0/*", "/1/*"), "regtest")
    assert change_descriptor(receive) == expected


def test_a_path_that_does_not_say_where_change_goes_has_no_change_branch() -> None:
    key = new_account_key("regtest")
    assert change_descriptor(normalise_bitcoin(f"wpkh({key}/5/*)", "regtest")) is None
    assert change_descriptor(normalise_bitcoin(f"wpkh({key}/*)", "regtest")) is None


def test_nothing_is_compared_while_the_network_is_halted_unread_or_its_node_is_away(
    bitcoin: Watched, settings: Any
) -> None:
    settings.NODE_URLS = {"bitcoin": ["http://127.0.0.1:9"]}
    with pytest.raises(NotComparable, match="127.0.0.1:9"):
        balances.read(bitcoin.network)
    settings.NODE_URLS = {}
    with pytest.raises(NotComparable, match="no node is set"):
        balances.read(bitcoin.network)
    Network.objects.update(halted_at=timezone.now(), halted_reason="a contradiction")
    with pytest.raises(NotComparable, match="halted: a contradiction"):
        balances.read(bitcoin.network)
    Network.objects.update(halted_at=None, cursor_height=None, cursor_hash=None)
    with pytest.raises(NotComparable, match="not read yet"):
        balances.read(bitcoin.network)


def test_a_bitcoin_node_with_another_block_at_the_height_is_not_believed(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    bury(bitcoin, resident.mine)
    height = balances.confirmed_position(bitcoin.network).height
    Block.objects.filter(height=height).update(hash=os.urandom(32))
    with pytest.raises(NotComparable, match=f"another block at height {height}"):
        balances.read(bitcoin.network)


def test_an_evm_wallets_coin_and_tokens_are_asked_for_at_the_same_block(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    first, second = evm.address("invoice 1"), evm.address("invoice 2")
    evm_resident.pay_coin(first.address, 10**17)
    evm_resident.pay_token(TOKEN_ADDRESS, second.address, 1_500_000)
    mine(1)
    bury(evm, mine)
    # Above the confirmed height, and so not counted.
    evm_resident.pay_coin(second.address, 5)
    mine(1)
    evm.catch_up()
    read = balances.read(evm.network)
    assert read.position.height == evm.network.cursor_height - evm.network.confirmations_low_speed + 1
    assert read.deposits == {(first.pk, "ETH"): 10**17, (second.pk, "USDT"): 1_500_000}
    assert read.elsewhere == {}


def test_an_emptied_forwarder_wallet_holds_its_money_in_the_treasury(
    forwarded: Watched, anvil: AnvilProcess, evm_resident: EvmWallet, mine: Mine
) -> None:
    paid = forwarding.pay_both(forwarded, evm_resident, ["invoice 1", "invoice 2"])
    mine(1)
    forwarded.catch_up()
    tokens = [asset for asset in forwarding.assets() if asset.contract]
    forwarding.send(anvil, call_for(forwarded.wallet, paid[:1], tokens).json())
    bury(forwarded, mine)
    read = balances.read(forwarded.network)
    assert read.deposits == {(paid[1].pk, "ETH"): 25 * 10**16, (paid[1].pk, "USDT"): 1_500_000}
    assert read.elsewhere == {
        (forwarded.wallet.pk, "ETH"): 25 * 10**16,
        (forwarded.wallet.pk, "USDT"): 1_500_000,
    }


def test_wallets_that_share_a_treasury_are_one_place(forwarded: Watched) -> None:
    known = wallets.forwarder.parse(forwarded.wallet.public_key)
    sharing = type(known)(factory=os.urandom(20), implementation=os.urandom(20), treasury=known.treasury)
    second = wallets.import_wallet(
        network=forwarded.network, label="second", owner="", public_key=str(sharing), now=timezone.now()
    )
    all_wallets = [*type(second).objects.all()]
    plain = [wallet for wallet in all_wallets if not wallet.public_key.startswith("forwarder")]
    assert balances.places(all_wallets) == {
        **{wallet.pk: wallet.pk for wallet in plain},
        forwarded.wallet.pk: forwarded.wallet.pk,
        second.pk: forwarded.wallet.pk,
    }


def test_an_evm_node_that_has_not_our_block_is_not_believed(evm: Watched, mine: Mine) -> None:
    evm.address()
    bury(evm, mine)
    height = balances.confirmed_position(evm.network).height
    Block.objects.filter(height=height).update(hash=os.urandom(32))
    with pytest.raises(NotComparable, match=f"held at block {height}"):
        balances.read(evm.network)


def test_nothing_above_the_networks_finality_tag_is_taken(evm: Watched, mine: Mine) -> None:
    bury(evm, mine)
    deep = balances.confirmed_position(evm.network).height
    Network.objects.filter(pk="evm").update(finality_tag="finalized", final_height=deep - 1)
    assert balances.confirmed_position(evm.network).height == deep - 1
    Network.objects.filter(pk="evm").update(final_height=None)
    with pytest.raises(NotComparable, match="no block that was read is confirmed"):
        balances.confirmed_position(evm.network)

"""What a watcher relies on, asked of the development node and of bitcoind in the same words."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from devnet.bitcoin_transaction import BitcoinTransaction
from devnet.bitcoin_wallet import BitcoinWallet, SignedPayment
from devnet.process import JsonRpcError, NodeProcess

SHOP = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"
SHOP_SCRIPT = "0014" + "11" * 20
OTHER = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
MINER = "2MvMhrRzhzPDeU9QvbpTmybKSBGjUmC6TTu"
UNKNOWN = "ab" * 32
GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
GENESIS_COINBASE = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"

HEADER_KEYS = {
    "hash", "confirmations", "height", "version", "versionHex", "merkleroot", "time", "mediantime", "nonce",
    "bits", "target", "difficulty", "chainwork", "nTx", "previousblockhash",
}  # fmt: skip
DECODED_KEYS = {"txid", "hash", "version", "size", "vsize", "weight", "locktime", "vin", "vout"}
ENTRY_KEYS = {
    "vsize", "weight", "time", "height", "descendantcount", "descendantsize", "ancestorcount", "ancestorsize",
    "wtxid", "chunkweight", "fees", "depends", "spentby", "unbroadcast",
}  # fmt: skip


def refusal(call: Callable[[], Any]) -> JsonRpcError:
    """The error that a call is answered with."""
    with pytest.raises(JsonRpcError) as caught:
        call()
    return caught.value


def raw(signed: SignedPayment) -> BitcoinTransaction:
    return BitcoinTransaction.parse(bytes.fromhex(signed.raw_hex))


class TestMempool:
    def test_a_payment_is_seen_before_it_is_mined(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        txid = wallet.pay(SHOP, 12_345)
        assert node.rpc("getrawmempool") == [txid]
        seen = node.rpc("getrawtransaction", txid, True)
        assert set(seen) == DECODED_KEYS | {"hex"}
        assert seen["vout"][0] == {
            "value": Decimal("0.00012345"),
            "n": 0,
            "scriptPubKey": {
                "asm": "0 " + "11" * 20,
                "desc": f"addr({SHOP})#r4xeeasu",
                "hex": SHOP_SCRIPT,
                "address": SHOP,
                "type": "witness_v0_keyhash",
            },
        }
        assert set(seen["vin"][0]) == {"txid", "vout", "scriptSig", "txinwitness", "sequence"}

    def test_an_entry_tells_its_fee_and_size(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 20_000)])
        wallet.broadcast(signed)
        entry = node.rpc("getmempoolentry", signed.txid)
        assert set(entry) == ENTRY_KEYS
        assert entry["vsize"] == raw(signed).vsize
        assert entry["weight"] == raw(signed).weight
        assert entry["wtxid"] == raw(signed).wtxid
        assert entry["height"] == node.rpc("getblockcount")
        fee = Decimal(signed.fee_sat) / 100_000_000
        assert entry["fees"] == dict.fromkeys(("base", "modified", "ancestor", "descendant", "chunk"), fee)
        assert (entry["depends"], entry["spentby"]) == ([], [])
        assert node.rpc("getrawmempool", True) == {signed.txid: entry}

    def test_a_child_knows_its_parent(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        parent = wallet.sign([(wallet.address, 1_000_000)])
        wallet.broadcast(parent)
        coin = [
            coin for coin in wallet.coins() if coin.outpoint.txid == parent.txid and coin.outpoint.index == 0
        ]
        child = wallet.broadcast(wallet.sign([(SHOP, 500_000)], coins=coin))
        assert node.rpc("getmempoolentry", child)["depends"] == [parent.txid]
        assert node.rpc("getmempoolentry", child)["ancestorcount"] == 2
        assert node.rpc("getmempoolentry", parent.txid)["spentby"] == [child]
        assert node.rpc("getmempoolancestors", child) == [parent.txid]
        assert node.rpc("getmempooldescendants", parent.txid) == [child]
        spent = node.rpc(
            "gettxspendingprevout", [{"txid": parent.txid, "vout": 0}, {"txid": child, "vout": 0}]
        )
        assert spent == [{"txid": parent.txid, "vout": 0, "spendingtxid": child}, {"txid": child, "vout": 0}]

    def test_the_sequence_number_moves_with_every_entry(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        before = node.rpc("getrawmempool", False, True)
        txid = wallet.pay(SHOP, 10_000)
        after = node.rpc("getrawmempool", False, True)
        assert after == {"txids": [txid], "mempool_sequence": before["mempool_sequence"] + 1}
        error = refusal(lambda: node.rpc("getrawmempool", True, True))
        assert (error.code, error.message) == (-8, "Verbose results cannot contain mempool sequence values.")

    def test_its_size_and_fees_add_up(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        wallet.broadcast(signed)
        info = node.rpc("getmempoolinfo")
        assert (info["loaded"], info["size"], info["bytes"]) == (True, 1, raw(signed).vsize)
        assert info["total_fee"] == Decimal(signed.fee_sat) / 100_000_000
        assert info["minrelaytxfee"] == info["mempoolminfee"] == Decimal("0.000001")

    def test_sending_the_same_again_changes_nothing(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        assert wallet.broadcast(signed) == wallet.broadcast(signed) == signed.txid
        assert node.rpc("getrawmempool") == [signed.txid]
        verdict = node.rpc("testmempoolaccept", [signed.raw_hex])[0]
        assert (verdict["allowed"], verdict["reject-reason"]) == (False, "txn-already-in-mempool")

    def test_a_trial_tells_the_fee_and_sends_nothing(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        verdict = node.rpc("testmempoolaccept", [signed.raw_hex])[0]
        assert set(verdict) == {"txid", "wtxid", "allowed", "vsize", "fees"}
        assert (verdict["txid"], verdict["allowed"], verdict["vsize"]) == (
            signed.txid,
            True,
            raw(signed).vsize,
        )
        assert verdict["fees"]["base"] == Decimal(signed.fee_sat) / 100_000_000
        assert verdict["fees"]["effective-includes"] == [raw(signed).wtxid]
        assert node.rpc("getrawmempool") == []

    def test_what_is_not_there_is_error_minus_5(self, node: NodeProcess) -> None:
        error = refusal(lambda: node.rpc("getmempoolentry", UNKNOWN))
        assert (error.code, error.message) == (-5, "Transaction not in mempool")
        error = refusal(lambda: node.rpc("getrawtransaction", UNKNOWN))
        assert error.code == -5
        assert error.message.startswith("No such mempool or blockchain transaction.")


class TestRefusals:
    def test_a_forged_signature(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        signature = raw(signed).inputs[0].witness[0]
        forged = bytearray.fromhex(signed.raw_hex)
        place = bytes(forged).index(signature)
        forged[place + 10] ^= 1  # inside r, so the encoding stays well formed
        error = refusal(lambda: node.rpc("sendrawtransaction", forged.hex()))
        assert error.code == -26
        assert error.message.startswith("mempool-script-verify-flag-failed")
        assert node.rpc("getrawmempool") == []

    def test_an_input_that_does_not_exist(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        spent = signed.coins[0].outpoint.txid
        unknown = signed.raw_hex.replace(bytes.fromhex(spent)[::-1].hex(), UNKNOWN)
        error = refusal(lambda: node.rpc("sendrawtransaction", unknown))
        assert (error.code, error.message) == (-25, "bad-txns-inputs-missingorspent")
        verdict = node.rpc("testmempoolaccept", [unknown])[0]
        assert set(verdict) == {"txid", "wtxid", "allowed", "reject-reason"}
        assert (verdict["allowed"], verdict["reject-reason"]) == (False, "missing-inputs")

    def test_an_input_spent_in_the_chain(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        first = wallet.sign([(SHOP, 10_000)])
        second = wallet.sign([(OTHER, 10_000)], coins=first.coins)
        wallet.broadcast(first)
        wallet.mine()
        error = refusal(lambda: wallet.broadcast(second))
        assert (error.code, error.message) == (-25, "bad-txns-inputs-missingorspent")

    def test_what_is_already_in_the_chain(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        wallet.broadcast(signed)
        wallet.mine()
        error = refusal(lambda: wallet.broadcast(signed))
        assert (error.code, error.message) == (-27, "Transaction outputs already in utxo set")
        verdict = node.rpc("testmempoolaccept", [signed.raw_hex])[0]
        assert verdict["reject-reason"] == "txn-already-known"

    def test_a_double_spend_that_pays_no_more(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        first = wallet.sign([(SHOP, 10_000)], fee_rate=10)
        wallet.broadcast(first)
        second = wallet.sign([(wallet.address, 10_000)], fee_rate=5, coins=first.coins)
        error = refusal(lambda: wallet.broadcast(second))
        assert error.code == -26
        start = f"insufficient fee, rejecting replacement {second.txid}, less fees than conflicting txs; "
        assert error.message.startswith(start)
        assert node.rpc("getrawmempool") == [first.txid]

    def test_an_immature_coinbase(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        block = node.rpc("getblock", wallet.mine()[0], 2)
        coin = wallet.coins()[0]
        young = type(coin)(
            type(coin.outpoint)(block["tx"][0]["txid"], 0), _satoshi(block["tx"][0]["vout"][0]["value"])
        )
        signed = wallet.sign([(SHOP, 10_000)], coins=[young])
        error = refusal(lambda: wallet.broadcast(signed))
        message = "bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 1"
        assert (error.code, error.message) == (-26, message)

    def test_more_out_than_in(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        coin = wallet.coins()[0]
        rich = type(coin)(coin.outpoint, coin.amount_sat * 2)
        error = refusal(lambda: wallet.broadcast(wallet.sign([(SHOP, coin.amount_sat + 1)], coins=[rich])))
        assert error.code == -26
        assert error.message.startswith("bad-txns-in-belowout, value in (")

    def test_dust(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        for address, amount_sat in ((SHOP, 293), (OTHER, 329)):
            error = refusal(lambda address=address, amount_sat=amount_sat: wallet.pay(address, amount_sat))
            assert (error.code, error.message) == (-26, "dust, tx with dust output must be 0-fee")
        assert refusal(lambda: wallet.pay_many([(SHOP, 293), (OTHER, 329)])).message == "dust"
        assert wallet.pay_many([(SHOP, 294), (OTHER, 330), ("mh5CE8Nbj38iND267s4XnvhSmhDW7yWc6Q", 546)])

    def test_one_that_waits_for_a_later_block(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        height = node.rpc("getblockcount")
        waiting = signed.raw_hex[:-8] + (height + 1).to_bytes(4, "little").hex()
        error = refusal(lambda: node.rpc("sendrawtransaction", waiting))
        assert (error.code, error.message) == (-26, "non-final")
        # A lock time that is over is no obstacle; the signature, which does not fit any more, is.
        over = signed.raw_hex[:-8] + height.to_bytes(4, "little").hex()
        error = refusal(lambda: node.rpc("sendrawtransaction", over))
        assert error.message.startswith("mempool-script-verify-flag-failed")

    @pytest.mark.parametrize("kind", [0, 1 << 22], ids=["blocks", "time"])
    def test_one_whose_coins_are_not_old_enough(
        self, node: NodeProcess, wallet: BitcoinWallet, kind: int
    ) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        assert signed.raw_hex.count("fdffffff") == 1
        waiting = signed.raw_hex.replace("fdffffff", (kind | 0xFFFF).to_bytes(4, "little").hex())
        error = refusal(lambda: node.rpc("sendrawtransaction", waiting))
        assert (error.code, error.message) == (-26, "non-BIP68-final")
        old = signed.raw_hex.replace("fdffffff", kind.to_bytes(4, "little").hex())
        error = refusal(lambda: node.rpc("sendrawtransaction", old))
        assert error.message.startswith("mempool-script-verify-flag-failed")

    def test_the_65th_of_a_chain(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        coin = wallet.coins()[0]
        for length in range(1, 66):
            signed = wallet.sign(
                [(wallet.address, coin.amount_sat - 1000 * length)], coins=[coin], fee_rate=1
            )
            if length < 65:
                wallet.broadcast(signed)
                coin = type(coin)(type(coin.outpoint)(signed.txid, 0), coin.amount_sat - 1000 * length)
        error = refusal(lambda: wallet.broadcast(signed))
        assert (error.code, error.message) == (-26, "too-large-cluster")
        assert len(node.rpc("getrawmempool")) == 64

    def test_nothing_in_and_nothing_out(self, node: NodeProcess) -> None:
        error = refusal(lambda: node.rpc("sendrawtransaction", "02000000000000000000"))
        assert (error.code, error.message) == (-26, "bad-txns-vin-empty")

    def test_no_fee(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        coin = wallet.coins()[0]
        signed = wallet.sign([(SHOP, coin.amount_sat)], fee_rate=0, coins=[coin])
        error = refusal(lambda: wallet.broadcast(signed))
        needed = -(-raw(signed).vsize // 10)
        assert (error.code, error.message) == (-26, f"min relay fee not met, 0 < {needed}")

    def test_a_fee_above_the_callers_limit(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 10_000)], fee_rate=20_000)
        error = refusal(lambda: node.rpc("sendrawtransaction", signed.raw_hex))
        message = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)"
        assert (error.code, error.message) == (-25, message)
        assert node.rpc("testmempoolaccept", [signed.raw_hex])[0]["reject-reason"] == "max-fee-exceeded"

    @pytest.mark.parametrize("garbage", ["", "00", "zz", "0200000001"])
    def test_garbage(self, node: NodeProcess, garbage: str) -> None:
        error = refusal(lambda: node.rpc("sendrawtransaction", garbage))
        message = "TX decode failed. Make sure the tx has at least one input."
        assert (error.code, error.message) == (-22, message)


class TestReplacement:
    def test_a_higher_fee_replaces_and_the_old_one_is_gone(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        old = wallet.pay(SHOP, 30_000)
        new = wallet.bump(old, fee_rate=20)
        assert node.rpc("getrawmempool") == [new]
        assert refusal(lambda: node.rpc("getrawtransaction", old)).code == -5
        assert refusal(lambda: node.rpc("getmempoolentry", old)).code == -5
        wallet.mine()
        assert node.rpc("getrawtransaction", new, True)["confirmations"] == 1
        assert refusal(lambda: node.rpc("getrawtransaction", old)).code == -5

    def test_also_one_that_did_not_signal_it(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        old = wallet.pay(SHOP, 30_000, replaceable=False)
        new = wallet.double_spend_of(old)
        assert new != old
        assert node.rpc("getrawmempool") == [new]

    def test_children_go_with_their_parent(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        parent = wallet.sign([(wallet.address, 1_000_000)])
        wallet.broadcast(parent)
        coin = [
            coin for coin in wallet.coins() if coin.outpoint.txid == parent.txid and coin.outpoint.index == 0
        ]
        child = wallet.broadcast(wallet.sign([(SHOP, 500_000)], coins=coin))
        rival = wallet.sign([(wallet.address, 900_000)], coins=parent.coins, fee_rate=50)
        wallet.broadcast(rival)
        assert node.rpc("getrawmempool") == [rival.txid]
        assert refusal(lambda: node.rpc("getmempoolentry", child)).code == -5

    def test_a_mined_rival_drops_the_one_in_the_mempool(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        waiting = wallet.sign([(SHOP, 10_000)])
        rival = wallet.sign([(OTHER, 10_000)], coins=waiting.coins)
        wallet.broadcast(waiting)
        block = node.rpc("generateblock", MINER, [rival.raw_hex])["hash"]
        assert rival.txid in node.rpc("getblock", block)["tx"]
        assert node.rpc("getrawmempool") == []
        assert refusal(lambda: node.rpc("getrawtransaction", waiting.txid)).code == -5


class TestBlocks:
    def test_mining_confirms(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        txid = wallet.pay(SHOP, 40_000)
        before = node.rpc("getblockcount")
        hashes = node.rpc("generatetoaddress", 3, MINER)
        assert node.rpc("getblockcount") == before + 3
        assert node.rpc("getbestblockhash") == node.rpc("getblockhash", before + 3) == hashes[2]
        found = node.rpc("getrawtransaction", txid, True)
        assert set(found) == DECODED_KEYS | {"hex", "blockhash", "confirmations", "time", "blocktime"}
        assert (found["blockhash"], found["confirmations"]) == (hashes[0], 3)
        assert found["time"] == found["blocktime"] == node.rpc("getblockheader", hashes[0])["time"]
        assert node.rpc("getrawmempool") == []

    def test_a_header(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        first, second = node.rpc("generatetoaddress", 2, MINER)
        tip, parent = node.rpc("getblockheader", second), node.rpc("getblockheader", first)
        assert set(tip) == HEADER_KEYS
        assert set(parent) == HEADER_KEYS | {"nextblockhash"}
        assert (tip["previousblockhash"], parent["nextblockhash"]) == (first, second)
        assert (tip["confirmations"], parent["confirmations"]) == (1, 2)
        assert int(tip["chainwork"], 16) == int(parent["chainwork"], 16) + 2
        assert tip["difficulty"] == Decimal("4.656542373906925E-10")
        assert tip["mediantime"] <= tip["time"]
        raw_header = node.rpc("getblockheader", second, False)
        assert len(raw_header) == 160
        assert bytes.fromhex(raw_header)[4:36][::-1].hex() == first

    def test_a_block_at_each_verbosity(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 50_000)])
        wallet.broadcast(signed)
        hash_ = node.rpc("generatetoaddress", 1, MINER)[0]
        whole = node.rpc("getblock", hash_, 0)
        listed, detailed = node.rpc("getblock", hash_, 1), node.rpc("getblock", hash_, 2)
        assert set(listed) == HEADER_KEYS | {"strippedsize", "size", "weight", "coinbase_tx", "tx"}
        assert whole.endswith(signed.raw_hex)
        assert (listed["size"], listed["nTx"]) == (len(whole) // 2, 2)
        assert listed["weight"] == 3 * listed["strippedsize"] + listed["size"]
        assert listed["tx"][1] == signed.txid
        assert set(detailed["tx"][0]) == DECODED_KEYS | {"hex"}
        assert set(detailed["tx"][0]["vin"][0]) == {"coinbase", "txinwitness", "sequence"}
        assert set(detailed["tx"][1]) == DECODED_KEYS | {"fee", "hex"}
        assert detailed["tx"][1]["fee"] == Decimal(signed.fee_sat) / 100_000_000
        assert node.rpc("getblock", hash_, True) == node.rpc("getblock", hash_) == listed

    def test_inputs_with_what_they_spent_at_verbosity_3(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        signed = wallet.sign([(SHOP, 50_000)])
        wallet.broadcast(signed)
        hash_ = node.rpc("generatetoaddress", 1, MINER)[0]
        previous = node.rpc("getblock", hash_, 3)["tx"][1]["vin"][0]["prevout"]
        assert set(previous) == {"generated", "height", "value", "scriptPubKey"}
        assert previous["value"] == Decimal(signed.coins[0].amount_sat) / 100_000_000
        assert previous["scriptPubKey"]["address"] == wallet.address
        assert node.rpc("getrawtransaction", signed.txid, 2)["vin"][0]["prevout"] == previous

    def test_the_reward_is_the_subsidy_and_the_fees(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 50_000)])
        wallet.broadcast(signed)
        block = node.rpc("getblock", node.rpc("generatetoaddress", 1, MINER)[0], 2)
        subsidy = 5_000_000_000 >> (block["height"] // 150)
        outputs = block["tx"][0]["vout"]
        assert _satoshi(outputs[0]["value"]) == subsidy + signed.fee_sat
        assert outputs[0]["scriptPubKey"]["address"] == MINER
        assert outputs[1]["scriptPubKey"]["type"] == "nulldata"
        assert outputs[1]["scriptPubKey"]["hex"].startswith("6a24aa21a9ed")

    def test_a_transaction_by_its_block(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        txid = wallet.pay(SHOP, 50_000)
        first, second = node.rpc("generatetoaddress", 2, MINER)
        found = node.rpc("getrawtransaction", txid, True, first)
        assert (found["in_active_chain"], found["confirmations"]) == (True, 2)
        error = refusal(lambda: node.rpc("getrawtransaction", txid, True, second))
        assert error.code == -5
        assert error.message.startswith("No such transaction found in the provided block.")
        error = refusal(lambda: node.rpc("getrawtransaction", txid, True, UNKNOWN))
        assert (error.code, error.message) == (-5, "Block hash not found")

    def test_the_first_block(self, node: NodeProcess) -> None:
        assert node.rpc("getblockhash", 0) == GENESIS
        header = node.rpc("getblockheader", GENESIS)
        assert set(header) == HEADER_KEYS - {"previousblockhash"} | {"nextblockhash"}
        assert refusal(lambda: node.rpc("getrawtransaction", GENESIS_COINBASE)).code == -5

    def test_errors(self, node: NodeProcess) -> None:
        height = node.rpc("getblockcount")
        for wrong in (-1, height + 1):
            error = refusal(lambda wrong=wrong: node.rpc("getblockhash", wrong))
            assert (error.code, error.message) == (-8, "Block height out of range")
        for method in ("getblock", "getblockheader", "invalidateblock", "reconsiderblock"):
            error = refusal(lambda method=method: node.rpc(method, UNKNOWN))
            assert (error.code, error.message) == (-5, "Block not found")
        error = refusal(lambda: node.rpc("getblock", "00"))
        assert (error.code, error.message) == (-8, "blockhash must be of length 64 (not 2, for '00')")
        error = refusal(lambda: node.rpc("getblock", "x" * 64))
        assert (error.code, error.message) == (-8, f"blockhash must be hexadecimal string (not '{'x' * 64}')")
        error = refusal(
            lambda: node.rpc("generatetoaddress", 1, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx")
        )
        assert (error.code, error.message) == (-5, "Error: Invalid address")

    def test_a_block_that_mines_a_forged_signature_is_refused(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        signed = wallet.sign([(SHOP, 10_000)])
        forged = bytearray.fromhex(signed.raw_hex)
        forged[bytes(forged).index(raw(signed).inputs[0].witness[0]) + 10] ^= 1
        before = node.rpc("getbestblockhash")
        error = refusal(lambda: node.rpc("generateblock", MINER, [forged.hex()]))
        assert error.code == -25
        assert error.message.startswith("TestBlockValidity failed: ")
        assert node.rpc("getbestblockhash") == before


class TestCoins:
    def test_an_output_in_the_mempool_and_in_the_chain(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        txid = wallet.pay(SHOP, 60_000)
        assert node.rpc("gettxout", txid, 0, False) is None
        assert node.rpc("gettxout", txid, 0)["confirmations"] == 0
        wallet.mine(2)
        coin = node.rpc("gettxout", txid, 0)
        assert set(coin) == {"bestblock", "confirmations", "value", "scriptPubKey", "coinbase"}
        assert (coin["confirmations"], coin["value"], coin["coinbase"]) == (2, Decimal("0.0006"), False)
        assert coin["bestblock"] == node.rpc("getbestblockhash")
        assert node.rpc("gettxout", txid, 7) is None
        assert node.rpc("gettxout", UNKNOWN, 0) is None

    def test_one_spent_in_the_mempool(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        signed = wallet.sign([(SHOP, 60_000)])
        wallet.broadcast(signed)
        spent = signed.coins[0].outpoint
        assert node.rpc("gettxout", spent.txid, spent.index) is None
        assert (
            node.rpc("gettxout", spent.txid, spent.index, False)["scriptPubKey"]["address"] == wallet.address
        )

    @pytest.mark.parametrize("descriptor", [f"addr({SHOP})", f"raw({SHOP_SCRIPT})", f"addr({SHOP})#r4xeeasu"])
    def test_a_scan_finds_them(self, node: NodeProcess, wallet: BitcoinWallet, descriptor: str) -> None:
        txid = wallet.pay(SHOP, 70_000)
        block = wallet.mine()[0]
        scan = node.rpc("scantxoutset", "start", [descriptor])
        assert set(scan) == {"success", "txouts", "height", "bestblock", "unspents", "total_amount"}
        assert (scan["success"], scan["bestblock"], scan["height"]) == (
            True,
            block,
            node.rpc("getblockcount"),
        )
        assert [item for item in scan["unspents"] if item["txid"] == txid] == [
            {
                "txid": txid,
                "vout": 0,
                "scriptPubKey": SHOP_SCRIPT,
                "desc": f"addr({SHOP})#r4xeeasu",
                "amount": Decimal("0.0007"),
                "coinbase": False,
                "height": scan["height"],
                "blockhash": block,
                "confirmations": 1,
            }
        ]
        assert scan["total_amount"] == sum(item["amount"] for item in scan["unspents"])

    @pytest.mark.parametrize("wrong", ["addr(x)", f"addr({SHOP})#qqqqqqqq", "nothing(1)"])
    def test_a_wrong_descriptor(self, node: NodeProcess, wrong: str) -> None:
        assert refusal(lambda: node.rpc("scantxoutset", "start", [wrong])).code == -5


class TestReorgs:
    def test_a_payment_returns_to_the_mempool_and_is_mined_again(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        txid = wallet.pay(SHOP, 80_000)
        stale = wallet.mine()[0]
        height = node.rpc("getblockcount")
        node.rpc("invalidateblock", stale)
        assert node.rpc("getblockcount") == height - 1
        assert node.rpc("getrawmempool") == [txid]
        assert "blockhash" not in node.rpc("getrawtransaction", txid, True)
        fresh = node.rpc("generatetoaddress", 2, MINER)
        assert node.rpc("getblockhash", height) == fresh[0] != stale
        assert node.rpc("getrawtransaction", txid, True)["blockhash"] == fresh[0]

    def test_a_stale_block_is_still_served_with_minus_1_confirmations(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        stale = wallet.mine()[0]
        whole = node.rpc("getblock", stale, 0)
        node.rpc("invalidateblock", stale)
        node.rpc("generatetoaddress", 2, MINER)
        header = node.rpc("getblockheader", stale)
        assert set(header) == HEADER_KEYS
        assert header["confirmations"] == -1
        assert node.rpc("getblock", stale)["confirmations"] == -1
        assert node.rpc("getblock", stale, 0) == whole
        coinbase = node.rpc("getblock", stale)["tx"][0]
        found = node.rpc("getrawtransaction", coinbase, True, stale)
        assert (found["in_active_chain"], found["confirmations"], "time" in found) == (False, 0, False)
        tip = next(tip for tip in node.rpc("getchaintips") if tip["hash"] == stale)
        assert (tip["height"], tip["branchlen"], tip["status"]) == (header["height"], 1, "invalid")

    def test_a_double_spend_on_the_new_branch_drops_the_payment(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        paid = wallet.sign([(SHOP, 90_000)])
        rival = wallet.sign([(OTHER, 90_000)], coins=paid.coins)
        wallet.broadcast(paid)
        stale = wallet.mine()[0]
        node.rpc("invalidateblock", stale)
        assert node.rpc("getrawmempool") == [paid.txid]
        node.rpc("generateblock", MINER, [rival.raw_hex])
        assert node.rpc("getrawmempool") == []
        node.rpc("generatetoaddress", 1, MINER)
        assert node.rpc("getrawtransaction", rival.txid, True)["confirmations"] == 2
        # The index of transactions remembers the stale block, and tells that it is no longer in the chain.
        gone = node.rpc("getrawtransaction", paid.txid, True)
        assert (gone["blockhash"], gone["confirmations"]) == (stale, 0)
        assert node.rpc("gettxout", paid.txid, 0) is None

    def test_a_chain_of_payments_returns_parents_first(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        parent = wallet.sign([(wallet.address, 1_000_000)])
        wallet.broadcast(parent)
        first = wallet.mine()[0]
        coin = [
            coin for coin in wallet.coins() if coin.outpoint.txid == parent.txid and coin.outpoint.index == 0
        ]
        child = wallet.broadcast(wallet.sign([(SHOP, 500_000)], coins=coin))
        wallet.mine()
        node.rpc("invalidateblock", first)
        assert set(node.rpc("getrawmempool")) == {parent.txid, child}
        assert node.rpc("getmempoolentry", child)["depends"] == [parent.txid]
        block = node.rpc("getblock", node.rpc("generatetoaddress", 1, MINER)[0])
        assert block["tx"][1:] == [parent.txid, child]

    def test_reconsidering_brings_the_longer_branch_back(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        txid = wallet.pay(SHOP, 95_000)
        branch = wallet.mine(3)
        node.rpc("invalidateblock", branch[0])
        node.rpc("generatetoaddress", 1, MINER)
        assert node.rpc("getrawtransaction", txid, True)["blockhash"] not in branch
        node.rpc("reconsiderblock", branch[0])
        assert node.rpc("getbestblockhash") == branch[2]
        assert node.rpc("getrawtransaction", txid, True)["blockhash"] == branch[0]

    def test_a_submitted_longer_branch_wins(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        fork_height = node.rpc("getblockcount")
        branch = wallet.mine(2)
        blocks = [node.rpc("getblock", hash_, 0) for hash_ in branch]
        assert [node.rpc("submitblock", block) for block in blocks] == ["duplicate", "duplicate"]
        side = node.rpc("generateblock", MINER, [], False)
        node.rpc("invalidateblock", branch[0])
        own = node.rpc("generatetoaddress", 1, MINER)
        assert node.rpc("getblockhash", fork_height + 1) == own[0]
        node.rpc("reconsiderblock", branch[0])
        assert node.rpc("getbestblockhash") == branch[1]
        assert node.rpc("submitblock", side["hex"]) is None
        assert node.rpc("getbestblockhash") == side["hash"]

    def test_of_two_branches_of_one_length_the_first_seen_wins(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        first = wallet.mine(2)
        node.rpc("invalidateblock", first[0])
        second = node.rpc("generatetoaddress", 2, MINER)
        assert node.rpc("getbestblockhash") == second[1]
        node.rpc("reconsiderblock", first[0])
        assert node.rpc("getbestblockhash") == first[1]
        tips = {tip["hash"]: tip["status"] for tip in node.rpc("getchaintips")}
        assert (tips[first[1]], tips[second[1]]) == ("active", "valid-fork")

    def test_an_invalidated_branch_leaves_no_headers_ahead(
        self, node: NodeProcess, wallet: BitcoinWallet
    ) -> None:
        node.rpc("invalidateblock", wallet.mine(2)[0])
        info = node.rpc("getblockchaininfo")
        assert info["headers"] == info["blocks"]
        node.rpc("generatetoaddress", 3, MINER)

    def test_six_blocks_deep(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        sent = []
        branch = []
        for amount in range(6):
            sent.append(wallet.pay(SHOP, 100_000 + amount))
            branch += wallet.mine()
        node.rpc("invalidateblock", branch[0])
        assert set(node.rpc("getrawmempool")) == set(sent)
        fresh = node.rpc("generatetoaddress", 7, MINER)
        assert {node.rpc("getrawtransaction", txid, True)["blockhash"] for txid in sent} == {fresh[0]}


class TestTheNodeItself:
    def test_the_state_of_the_chain(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        tip = wallet.mine()[0]
        header = node.rpc("getblockheader", tip)
        info = node.rpc("getblockchaininfo")
        assert set(info) == {
            "chain", "blocks", "headers", "bestblockhash", "bits", "target", "difficulty", "time", "mediantime",
            "verificationprogress", "initialblockdownload", "chainwork", "size_on_disk", "pruned", "warnings",
        }  # fmt: skip
        for key in ("time", "mediantime", "chainwork", "bits", "target", "difficulty"):
            assert info[key] == header[key]
        assert (info["chain"], info["blocks"], info["bestblockhash"]) == ("regtest", header["height"], tip)
        assert (info["initialblockdownload"], info["pruned"]) == (False, False)

    def test_a_fee_estimate_has_a_rate_or_says_why_not(self, node: NodeProcess) -> None:
        estimate = node.rpc("estimatesmartfee", 6)
        assert set(estimate) in ({"errors", "blocks"}, {"feerate", "blocks"})
        assert estimate.get("errors", []) in ([], ["Insufficient data or no feerate found"])
        assert refusal(lambda: node.rpc("estimatesmartfee", 0)).code == -8

    def test_the_index_of_transactions_is_there(self, node: NodeProcess, wallet: BitcoinWallet) -> None:
        height = node.rpc("getblockcount")
        assert node.rpc("getindexinfo") == {"txindex": {"synced": True, "best_block_height": height}}

    def test_small_answers(self, node: NodeProcess) -> None:
        assert node.rpc("ping") is None
        assert node.rpc("uptime") >= 0
        assert node.rpc("getconnectioncount") == 0
        network = node.rpc("getnetworkinfo")
        assert network["version"] >= 310000
        assert network["relayfee"] == Decimal("0.000001")


def _satoshi(amount: Decimal) -> int:
    return int(amount * 100_000_000)

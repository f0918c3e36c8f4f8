"""The resident's Bitcoin wallet, on both nodes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from devnet.bitcoin_script import AddressError
from devnet.bitcoin_transaction import BitcoinTransaction
from devnet.bitcoin_wallet import BitcoinWallet, PaymentRequest, WalletError, parse_payment_request
from devnet.process import NodeProcess

ADDRESSES = {
    "witness_v0_keyhash": "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c",
    "witness_v0_scripthash": "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs2ns5wu",
    "witness_v1_taproot": "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6",
    "pubkeyhash": "mh5CE8Nbj38iND267s4XnvhSmhDW7yWc6Q",
    "scripthash": "2MvMhrRzhzPDeU9QvbpTmybKSBGjUmC6TTu",
}
SHOP = ADDRESSES["witness_v0_keyhash"]


@pytest.mark.parametrize(("kind", "address"), ADDRESSES.items())
def test_it_pays_every_kind_of_address(
    node: NodeProcess, wallet: BitcoinWallet, kind: str, address: str
) -> None:
    txid = wallet.pay(f"bitcoin:{address}?amount=0.00123456&label=Coffee")
    wallet.mine()
    output = node.rpc("getrawtransaction", txid, True)["vout"][0]
    assert output["value"] == Decimal("0.00123456")
    assert (output["scriptPubKey"]["type"], output["scriptPubKey"]["address"]) == (kind, address)


def test_an_upper_case_uri_is_the_same(node: NodeProcess, wallet: BitcoinWallet) -> None:
    txid = wallet.pay(f"BITCOIN:{SHOP.upper()}?amount=0.0001")
    assert node.rpc("getrawtransaction", txid, True)["vout"][0]["scriptPubKey"]["address"] == SHOP


def test_two_recipients_in_one(node: NodeProcess, wallet: BitcoinWallet) -> None:
    txid = wallet.pay_many([(SHOP, 11_111), (ADDRESSES["witness_v1_taproot"], 22_222)])
    outputs = node.rpc("getrawtransaction", txid, True)["vout"]
    assert [output["value"] for output in outputs[:2]] == [Decimal("0.00011111"), Decimal("0.00022222")]
    assert outputs[2]["scriptPubKey"]["address"] == wallet.address


def test_the_fee_is_what_was_asked_for(node: NodeProcess, wallet: BitcoinWallet) -> None:
    signed = wallet.sign([(SHOP, 10_000)], fee_rate=7)
    parsed = BitcoinTransaction.parse(bytes.fromhex(signed.raw_hex))
    assert 7 * parsed.vsize <= signed.fee_sat <= 7 * (parsed.vsize + 2)
    assert sum(coin.amount_sat for coin in signed.coins) - parsed.output_total_sat == signed.fee_sat


def test_it_signals_replacement_only_when_asked(node: NodeProcess, wallet: BitcoinWallet) -> None:
    for replaceable, sequence in ((True, 0xFFFFFFFD), (False, 0xFFFFFFFE)):
        signed = wallet.sign([(SHOP, 10_000)], replaceable=replaceable)
        assert BitcoinTransaction.parse(bytes.fromhex(signed.raw_hex)).inputs[0].sequence == sequence


def test_a_bump_pays_the_same_people_more_quickly(node: NodeProcess, wallet: BitcoinWallet) -> None:
    old = wallet.pay_many([(SHOP, 11_111), (ADDRESSES["pubkeyhash"], 22_222)], fee_rate=2)
    new = wallet.bump(old, fee_rate=12)
    before = node.rpc("getmempoolentry", new)
    assert before["fees"]["base"] * 100_000_000 >= 12 * before["vsize"]
    outputs = node.rpc("getrawtransaction", new, True)["vout"]
    assert [output["value"] for output in outputs[:2]] == [Decimal("0.00011111"), Decimal("0.00022222")]


def test_a_double_spend_leaves_the_shop_nothing(node: NodeProcess, wallet: BitcoinWallet) -> None:
    rival = wallet.double_spend_of(wallet.pay(SHOP, 50_000))
    outputs = node.rpc("getrawtransaction", rival, True)["vout"]
    assert [output["scriptPubKey"]["address"] for output in outputs] == [wallet.address]


def test_payments_follow_each_other_without_a_block_between(node: NodeProcess, wallet: BitcoinWallet) -> None:
    spendable = len(wallet.coins())
    txids = {wallet.pay(SHOP, 10_000 + number) for number in range(spendable + 5)}
    assert set(node.rpc("getrawmempool")) == txids


def test_another_wallet_has_other_coins(node: NodeProcess, wallet: BitcoinWallet) -> None:
    stranger = BitcoinWallet(node.rpc, phrase="somebody else")
    assert stranger.address != wallet.address
    assert stranger.coins() == []
    with pytest.raises(WalletError, match="not enough coins"):
        stranger.pay(SHOP, 1000)
    wallet.pay(stranger.address, 50_000)
    wallet.mine()
    assert [coin.amount_sat for coin in stranger.coins()] == [50_000]
    assert stranger.pay(SHOP, 40_000)


def test_funding_twice_mines_once(node: NodeProcess, wallet: BitcoinWallet) -> None:
    height = node.rpc("getblockcount")
    wallet.fund()
    assert node.rpc("getblockcount") == height
    assert len(wallet.coins()) >= 20


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (SHOP, PaymentRequest(SHOP, None)),
        (f"bitcoin:{SHOP}", PaymentRequest(SHOP, None)),
        (f"bitcoin:{SHOP}?amount=20.3&label=Luke-Jr", PaymentRequest(SHOP, 2_030_000_000)),
        (f"bitcoin:{SHOP}?amount=0.00000001", PaymentRequest(SHOP, 1)),
        (f"Bitcoin:{SHOP}?AMOUNT=1", PaymentRequest(SHOP, 100_000_000)),
    ],
)
def test_a_request_is_read(text: str, request_: PaymentRequest) -> None:
    assert parse_payment_request(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        f"ethereum:{SHOP}",
        f"bitcoin:{SHOP}?req-somethingyoudontunderstand=50",
        f"bitcoin:{SHOP}?amount=0.000000001",
        f"bitcoin:{SHOP}?amount=NaN",
        f"bitcoin:{SHOP}?amount=ten",
    ],
)
def test_a_request_it_does_not_understand_is_refused(text: str) -> None:
    with pytest.raises(WalletError):
        parse_payment_request(text)


@pytest.mark.parametrize(
    "address",
    [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        SHOP[:-1] + "d",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        # A taproot address with the checksum of the older bech32.
        "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqz2yjl5",
        "",
    ],
)
def test_an_address_of_another_network_or_with_a_wrong_checksum_is_refused(
    node: NodeProcess, wallet: BitcoinWallet, address: str
) -> None:
    with pytest.raises(AddressError):
        wallet.pay(address, 10_000)
    assert node.rpc("getrawmempool") == []

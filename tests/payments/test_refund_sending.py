"""Sending refunds: codes and files for a wallet that is elsewhere, the officer's page, and the whole way on a real node."""

import base64
import json

import pytest
from django.contrib.auth.backends import ModelBackend
from django.utils import timezone

from alatau_pay.assets import KZT, Asset
from chains import coin_checks, outgoing_fees, readers, wallets, watcher
from chains.condition import StepStatus
from chains.models import Network, OnChainAsset, OutgoingTransfer, Transfer
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.evm_token import deploy_token, mint_token
from devnet.evm_wallet import EvmWallet
from payments import deadlines, invoices, matching, refund_sending, refund_watching, refunds
from payments.models import Refund, RefundBatch, RefundNetworkFee
from settlements import ledger
from settlements.entry import AccountName
from tests import world as city
from tests.chains.conftest import bitcoin_node, resident  # noqa: F401 — on both Bitcoin nodes
from tests.chains.test_outgoing import ColdWallet, spendable
from tests.payments.refunding import BITCOIN_ADDRESS, EVM_ADDRESS, approved, bury, leave, send
from tests.world import NOW, make_invoice, pay

pytestmark = pytest.mark.django_db
BACKEND = f"{ModelBackend.__module__}.{ModelBackend.__qualname__}"
BTC = Asset("BTC", "BTC", 8)


@pytest.fixture
def waiting(world):
    """An approved refund in each asset."""
    pay(make_invoice(world.store, "100000.00"))
    found = {}
    for code in ("BTC", "ETH", "USDT"):
        invoice = make_invoice(world.store)
        pay(invoice, code)
        found[code] = approved(invoice.payments.get(), user=world.owner)
    bury()
    return found


@pytest.fixture
def officer(world, client):
    client.force_login(world.admin, backend=BACKEND)
    return client


def test_the_codes_that_the_cold_wallet_scans(waiting):
    wei, units = waiting["ETH"].amount_minor, waiting["USDT"].amount_minor
    token = "0x" + city.TOKEN.hex()
    assert refund_sending.uri(waiting["BTC"]) == f"bitcoin:{BITCOIN_ADDRESS}?amount=0.00036765"
    assert refund_sending.uri(waiting["ETH"]) == f"ethereum:{EVM_ADDRESS}@31337?value={wei}"
    assert (
        refund_sending.uri(waiting["USDT"])
        == f"ethereum:{token}@31337/transfer?address={EVM_ADDRESS}&uint256={units}"
    )


def test_the_file_of_unsigned_calls(world, waiting):
    batch = refund_sending.make_calls([waiting["ETH"].pk, waiting["USDT"].pk], user=world.admin, now=NOW)
    content = json.loads(batch.calls)
    assert content["chainId"] == "31337"
    coin, token = content["transactions"]
    assert (coin["to"], coin["value"], coin["data"]) == (EVM_ADDRESS, str(waiting["ETH"].amount_minor), "0x")
    assert token["to"].lower() == "0x" + city.TOKEN.hex()
    assert token["value"] == "0"
    # The selector of transfer(address,uint256), then two words of 32 bytes.
    words = token["data"].removeprefix("0xa9059cbb")
    assert words[:64] == EVM_ADDRESS[2:].lower().rjust(64, "0")
    assert int(words[64:], 16) == waiting["USDT"].amount_minor


def test_the_officers_page(officer, waiting):
    text = officer.get("/admin/payments/refund/sending/").content.decode()
    assert text.count(BITCOIN_ADDRESS) >= 1
    assert text.count(EVM_ADDRESS) >= 2
    assert "0.00036765 BTC" in text
    row = leave(waiting["BTC"], from_us=False)
    refund_watching.follow(now=NOW)
    text = officer.get("/admin/payments/refund/sending/").content.decode()
    assert f"It is ours and pays refund {waiting['BTC'].pk}" in text
    officer.post("/admin/payments/refund/sending/confirm/", {"outgoing": row.pk, "refund": waiting["BTC"].pk})
    waiting["BTC"].refresh_from_db()
    assert (waiting["BTC"].status, waiting["BTC"].outgoing) == ("Sending", row)


NOT_WAITED_FOR = "No refund waits for this money"


def test_what_left_twice_is_shown_to_the_officer(officer, waiting):
    send(waiting["BTC"])
    page = "/admin/payments/refund/sending/"
    assert NOT_WAITED_FOR not in officer.get(page).content.decode()
    again = leave(waiting["BTC"])
    refund_watching.follow(now=NOW)
    text = officer.get(page).content.decode()
    assert again.txid_hex in text
    assert NOT_WAITED_FOR in text


def test_what_left_after_its_refund_was_called_off_is_shown_to_the_officer(officer, world, waiting):
    refunds.cancel(waiting["BTC"].pk, user=world.owner, reason="paid in cash", now=NOW)
    row = leave(waiting["BTC"])
    refund_watching.follow(now=NOW)
    assert row.txid_hex in officer.get("/admin/payments/refund/sending/").content.decode()


def test_a_stranger_who_pays_the_same_address_is_nobodys_business(officer, waiting):
    send(waiting["BTC"])
    gift = leave(waiting["BTC"], from_us=False)
    refund_watching.follow(now=NOW)
    assert gift.txid_hex not in officer.get("/admin/payments/refund/sending/").content.decode()


def test_another_amount_is_not_confirmed(officer, waiting):
    row = leave(waiting["BTC"], amount_minor=1_000)
    refund_watching.follow(now=NOW)
    assert "another amount" in officer.get("/admin/payments/refund/sending/").content.decode()
    officer.post("/admin/payments/refund/sending/confirm/", {"outgoing": row.pk, "refund": waiting["BTC"].pk})
    waiting["BTC"].refresh_from_db()
    assert waiting["BTC"].status == "Approved"


def test_a_wallet_without_coins_makes_no_batch(officer, waiting, settings):
    settings.NODE_URLS = {}
    answer = officer.post(
        "/admin/payments/refund/sending/batch/",
        {"refund": waiting["BTC"].pk, "sat_per_vbyte": "5"},
        follow=True,
    )
    assert "No Bitcoin node is set" in answer.content.decode()
    assert not RefundBatch.objects.exists()


@pytest.mark.parametrize("rate", ["", "0", "-1", "1.5", "99999", "x"])
def test_a_fee_rate_is_a_sensible_number(officer, waiting, rate, settings):
    settings.NODE_URLS = {}
    officer.post(
        "/admin/payments/refund/sending/batch/", {"refund": waiting["BTC"].pk, "sat_per_vbyte": rate}
    )
    assert not RefundBatch.objects.exists()


def test_nothing_is_taken_for_a_payment_that_may_still_be_double_spent(officer, world, waiting):
    """A store at high speed takes it from the mempool: sent back at once, its sender would have both."""
    refund = waiting["BTC"]
    city.unmine(refund.payment.transfer)
    page = officer.get("/admin/payments/refund/sending/").content.decode()
    assert "Its payment is still being confirmed" in page
    assert f"/admin/payments/refund/{refund.pk}/code/" not in page
    with pytest.raises(refund_sending.SendingRefused, match="not deep enough"):
        refund_sending.make_code(refund.pk, user=world.admin, now=NOW)
    with pytest.raises(refunds.RefundRefused, match="not deep enough"):
        refunds.put_in_batch(refund.pk, 1, user=world.admin, now=NOW)
    city.mine(refund.payment.transfer, height=100)
    Network.objects.filter(pk="bitcoin").update(cursor_height=104)
    with pytest.raises(refund_sending.SendingRefused, match="not deep enough"):
        refund_sending.make_code(refund.pk, user=world.admin, now=NOW)
    Network.objects.filter(pk="bitcoin").update(cursor_height=105)
    assert refund_sending.make_code(refund.pk, user=world.admin, now=NOW)


def test_a_batch_says_whose_payment_the_chain_took_away(officer, world, waiting):
    batch = refund_sending.make_code(waiting["BTC"].pk, user=world.admin, now=NOW)
    page = f"/admin/payments/refund/batch/{batch.pk}/"
    assert "do not send it" not in officer.get(page).content.decode()
    city.vanish(waiting["BTC"].payment.transfer)
    matching.match_pending(now=NOW)
    assert "do not send it" in officer.get(page).content.decode()


@pytest.mark.parametrize("code", ["BTC", "ETH"])
def test_nothing_is_taken_on_a_network_that_is_halted(world, waiting, code):
    """What was paid there may be gone, and nobody would see what is sent."""
    refund = waiting[code]
    Network.objects.filter(pk=refund.asset.network_id).update(halted_at=NOW, halted_reason="a deep fork")
    with pytest.raises(refund_sending.SendingRefused, match="halted"):
        refund_sending.make_code(refund.pk, user=world.admin, now=NOW)
    refund.refresh_from_db()
    assert (refund.status, RefundBatch.objects.count()) == ("Approved", 0)


def test_coins_of_two_networks_are_not_one_batch(world, waiting):
    with pytest.raises(refund_sending.SendingRefused, match="same network"):
        refund_sending.make_batch(
            [waiting["BTC"].pk, waiting["ETH"].pk], sat_per_vbyte=5, user=world.admin, now=NOW
        )


def test_the_officer_opens_every_row(officer, world, waiting):
    send(waiting["BTC"], fee_minor=200)
    batch = RefundBatch.objects.create(
        wallet=waiting["BTC"].outgoing.wallet,
        kind="psbt",
        psbt="cHNidP8=",
        txid=bytes(32),
        spends=[],
        fee_minor=1,
        sat_per_vbyte=1,
        made_by=world.admin,
        made_at=NOW,
    )
    rows = {
        "payments/refund": waiting["BTC"],
        "payments/refundbatch": batch,
        "payments/refundnetworkfee": RefundNetworkFee.objects.get(),
        "chains/destination": waiting["BTC"].destination,
        "chains/outgoingtransfer": OutgoingTransfer.objects.get(),
    }
    for path, row in rows.items():
        assert officer.get(f"/admin/{path}/").status_code == 200
        assert officer.get(f"/admin/{path}/{row.pk}/change/").status_code == 200
        assert officer.get(f"/admin/{path}/add/").status_code == 403


def test_the_link_is_no_officers_business(officer, waiting):
    text = officer.get(f"/admin/payments/refund/{waiting['BTC'].pk}/change/").content.decode()
    assert waiting["BTC"].link_id not in text


@pytest.fixture
def on_chain(world, bitcoin_node, resident, settings):  # noqa: F811
    """The small city on a real Bitcoin node, its wallet's key in the test's hands."""
    settings.NODE_URLS = {**settings.NODE_URLS, "bitcoin": [bitcoin_node.url]}
    Network.objects.filter(pk="bitcoin").update(
        anchor_hash_hex=bitcoin_node.rpc("getblockhash", 0),
        cursor_height=None,
        cursor_hash=None,
        observed_at=None,
    )
    readers.forget("bitcoin")
    world.bitcoin.refresh_from_db()
    world.cold = ColdWallet(type("Watched", (), {"network": world.bitcoin}))
    city.observations.fetch_all(now=timezone.now())
    look(world)
    yield world
    readers.forget("bitcoin")


def look(world):
    """What the watchers and their followers do by themselves."""
    for _ in range(60):
        result = watcher.step("bitcoin", now=timezone.now())
        if result.status is not StepStatus.MORE:
            break
    matching.match_pending(now=timezone.now())
    deadlines.confirm("bitcoin", now=timezone.now())
    outgoing_fees.fetch()
    refund_watching.follow(now=timezone.now())


def sold(world, resident, amount):  # noqa: F811
    invoice = make_invoice(world.store, amount, now=timezone.now())
    quote = invoice.quotes.get(asset_id="BTC")
    resident.pay(quote.deposit_address.address, quote.amount_minor)
    resident.mine(6)
    look(world)
    invoice.refresh_from_db()
    assert invoice.status == "Settled"
    return invoice.payments.get()


def test_a_batch_is_signed_elsewhere_sent_and_followed_to_the_end(on_chain, resident, bitcoin_node):  # noqa: F811
    world = on_chain
    sold(world, resident, "200000.00")
    guest = BitcoinWallet(bitcoin_node.rpc, phrase=f"guest {timezone.now()}")
    waiting = []
    for _ in range(2):
        payment = sold(world, resident, "12500.00")
        refund = refunds.start(payment.pk, basis="Then", user=world.owner, reason="x", now=timezone.now())
        refunds.give_address(refund.pk, address=guest.address, now=timezone.now())
        waiting.append(refunds.approve(refund.pk, user=world.owner, now=timezone.now()))
    reserve = ledger.total_minor("reserve", BTC)
    batch = refund_sending.make_batch(
        [refund.pk for refund in waiting], sat_per_vbyte=6, user=world.admin, now=timezone.now()
    )
    assert {refund.status for refund in Refund.objects.all()} == {"Sending"}
    assert not refund_sending.to_be_sent().exists()
    with pytest.raises(refunds.RefundRefused):
        refunds.cancel(waiting[0].pk, user=world.owner, reason="x", now=timezone.now())
    txid = bitcoin_node.rpc("sendrawtransaction", world.cold.signed(batch.psbt))
    assert txid == bytes(batch.txid).hex()
    look(world)
    rows = [Refund.objects.get(pk=refund.pk).outgoing for refund in waiting]
    assert {row.txid_hex for row in rows} == {txid}
    assert rows[0] != rows[1]
    # Not the resident's word and not ours: the network's depth.
    (block,) = resident.mine(1)
    resident.mine(4)
    look(world)
    assert {refund.status for refund in Refund.objects.all()} == {"Sending"}
    resident.mine(1)
    look(world)
    assert {refund.status for refund in Refund.objects.all()} == {"Completed"}
    sent = sum(refund.amount_minor for refund in waiting)
    assert ledger.balance_minor(AccountName("refund", BTC)) == 0
    assert ledger.total_minor("reserve", BTC) == reserve - sent - batch.fee_minor
    fee = RefundNetworkFee.objects.get()
    assert fee.fee_minor == batch.fee_minor
    assert ledger.balance_minor(AccountName("network_cost", KZT)) == fee.value_tiyn > 0
    # What came back as change is the operator's own, and nobody asks whose it is.
    assert not matching.unclaimed().exists()
    on_chain_sat = sum(coin.amount_sat for coin in spendable(world.cold.wallet))
    assert on_chain_sat == ledger.total_minor("reserve", BTC)
    # A fork that loses the block takes completion back, and brings it again.
    bitcoin_node.rpc("invalidateblock", block)
    bitcoin_node.rpc("generatetoaddress", 7, BitcoinWallet(bitcoin_node.rpc, phrase="a miner").address)
    look(world)
    assert {refund.status for refund in Refund.objects.all()} == {"Completed"}
    assert ledger.total_minor("reserve", BTC) == reserve - sent - batch.fee_minor


def test_a_discarded_batch_leaves_its_refunds_to_be_sent_again(on_chain, resident, officer):  # noqa: F811
    world = on_chain
    sold(world, resident, "200000.00")
    payment = sold(world, resident, "12500.00")
    refund = approved(payment, user=world.owner, now=timezone.now())
    batch = refund_sending.make_batch([refund.pk], sat_per_vbyte=2, user=world.admin, now=timezone.now())
    shown = officer.get("/admin/payments/refund/sending/").content.decode()
    assert bytes(batch.txid).hex() in shown
    assert batch.psbt in shown
    file = officer.get(f"/admin/payments/refund/batch/{batch.pk}.psbt").content
    assert file.startswith(b"psbt\xff")  # BIP-174's magic
    assert base64.b64encode(file).decode() == batch.psbt
    # Its coins are not offered to another batch meanwhile.
    with pytest.raises(refund_sending.SendingRefused):
        refund_sending.make_batch([refund.pk], sat_per_vbyte=2, user=world.admin, now=timezone.now())
    officer.post(f"/admin/payments/refund/batch/{batch.pk}/discard/")
    refund.refresh_from_db()
    assert (refund.status, refund.batch) == ("Approved", None)
    assert list(refund_sending.to_be_sent()) == [refund]
    assert not refund_sending.open_batches().exists()
    refund_sending.make_batch([refund.pk], sat_per_vbyte=2, user=world.admin, now=timezone.now())


def test_a_payment_by_qr_from_the_cold_wallet_completes_as_well(on_chain, resident, bitcoin_node):  # noqa: F811
    world = on_chain
    sold(world, resident, "200000.00")
    payment = sold(world, resident, "12500.00")
    refund = approved(payment, user=world.owner, now=timezone.now())
    # The cold wallet's own software makes this one: here the same program, without telling the gateway.
    prepared = refund_sending.outgoing_batches.prepare_batch(
        world.cold.wallet,
        [(refund.destination, refund.amount_minor)],
        name="by hand",
        sat_per_vbyte=3,
        reserved=(),
        now=timezone.now(),
    )
    bitcoin_node.rpc("sendrawtransaction", world.cold.signed(prepared.psbt))
    resident.mine(6)
    look(world)
    refund.refresh_from_db()
    assert refund.status == "Completed"
    assert OutgoingTransfer.objects.get().wallet == world.cold.wallet
    assert invoices.apply(payment.invoice_id, now=timezone.now()).status == "Settled"


@pytest.fixture
def treasury(world, anvil, settings):
    """The EVM network of the small city on a real node; its treasury's key is in the test's hands."""
    contract = deploy_token(anvil.rpc)
    OnChainAsset.objects.filter(code="USDT").update(contract=bytes.fromhex(contract[2:]))
    owner = EvmWallet(anvil.rpc)
    mint_token(anvil.rpc, owner.address, 10**12)
    wallets.import_wallet(
        network=world.evm,
        label="treasury",
        owner="",
        public_key=f"forwarder(0x{'11' * 20},0x{'22' * 20},{owner.address})",
        now=timezone.now(),
    )
    settings.NODE_URLS = {**settings.NODE_URLS, "evm": [anvil.url]}
    yield owner
    readers.forget("evm")
    coin_checks.forget("evm")


def follow_evm():
    for _ in range(60):
        if watcher.step("evm", now=timezone.now()).status is not StepStatus.MORE:
            break
    outgoing_fees.fetch()
    refund_watching.follow(now=timezone.now())


def test_the_unsigned_calls_are_sent_elsewhere_and_followed_to_the_end(world, officer, treasury, anvil):
    city.observations.fetch_all(now=timezone.now())
    pay(make_invoice(world.store, "100000.00"))
    waiting = []
    for code in ("ETH", "USDT"):
        invoice = make_invoice(world.store)
        pay(invoice, code)
        waiting.append(approved(invoice.payments.get(), user=world.owner, now=timezone.now()))
    anchor = anvil.rpc("eth_getBlockByNumber", "0x0", False)["hash"].removeprefix("0x")
    Network.objects.filter(pk="evm").update(anchor_hash_hex=anchor, cursor_height=None, cursor_hash=None)
    readers.forget("evm")
    # What was paid lies in this chain's first block, under as many as a refund waits for.
    Transfer.objects.filter(network="evm").update(block_height=0)
    anvil.rpc("anvil_mine", "0x6")
    follow_evm()
    page = officer.post("/admin/payments/refund/sending/calls/", {"refund": [row.pk for row in waiting]})
    content = json.loads(officer.get(f"{page.url.rstrip('/')}.json").content)
    for call in content["transactions"]:
        treasury.send(to=call["to"], value_wei=int(call["value"]), calldata=call["data"])
    anvil.rpc("anvil_mine", "0x1")
    follow_evm()
    assert {refund.status for refund in Refund.objects.all()} == {"Sending"}
    assert {row.wallet.label for row in OutgoingTransfer.objects.all()} == {"treasury"}
    anvil.rpc("anvil_mine", "0x6")
    follow_evm()
    assert {refund.status for refund in Refund.objects.all()} == {"Completed"}
    ether, token = Asset("ETH", "ETH", 18), Asset("USDT", "USDT", 6)
    assert ledger.balance_minor(AccountName("refund", ether)) == 0
    assert ledger.balance_minor(AccountName("refund", token)) == 0
    # Gas is paid in ether for both.
    gas = sum(row.fee_minor for row in OutgoingTransfer.objects.all())
    assert {fee.coin_id for fee in RefundNetworkFee.objects.all()} == {"ETH"}
    assert ledger.total_minor("reserve", ether) == -gas
    assert ledger.total_minor("reserve", token) == 0

"""The EVM development chain, its test token and the resident's wallet on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devnet import evm_token
from devnet.anvil import AnvilProcess
from devnet.evm_wallet import EvmPaymentRequest, EvmWallet, EvmWalletError, parse_payment_uri, uint_call
from devnet.process import JsonRpcError

SHOP = "0x52908400098527886E0F7030069857D2E4169EE7"
TOKEN = evm_token.TOKEN_ADDRESS
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
MILLION = 10**6


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilProcess]:
    """An anvil that mines each transaction at once, with the token deployed."""
    with AnvilProcess(tmp_path_factory.mktemp("anvil")) as running:
        evm_token.deploy_token(running.rpc)
        yield running


@pytest.fixture
def wallet(anvil: AnvilProcess) -> EvmWallet:
    return EvmWallet(anvil.rpc)


def shop_balance(anvil: AnvilProcess) -> int:
    return int(anvil.rpc("eth_getBalance", SHOP, "latest"), 16)


class TestToken:
    def test_it_lies_at_one_address_on_every_chain(self, anvil: AnvilProcess, tmp_path: Path) -> None:
        height = anvil.rpc("eth_blockNumber")
        assert evm_token.deploy_token(anvil.rpc) == TOKEN
        assert anvil.rpc("eth_blockNumber") == height
        with AnvilProcess(tmp_path) as other:
            assert evm_token.deploy_token(other.rpc) == TOKEN
            assert (
                other.rpc("eth_getCode", TOKEN, "latest") == anvil.rpc("eth_getCode", TOKEN, "latest") != "0x"
            )

    def test_it_has_six_decimals_and_a_name(self, anvil: AnvilProcess) -> None:
        def read(call: str) -> str:
            data = uint_call(call, SHOP)[:10]
            return str(anvil.rpc("eth_call", {"to": TOKEN, "data": data}, "latest"))

        assert int(read("decimals()"), 16) == evm_token.DECIMALS == 6
        assert bytes.fromhex(read("symbol()")[2:]).rstrip(b"\0").endswith(b"tUSDT")

    def test_a_transfer_moves_it_and_logs(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        evm_token.mint_token(anvil.rpc, wallet.address, 1000 * MILLION)
        before = evm_token.token_balance(anvil.rpc, SHOP)
        receipt = wallet.wait(wallet.pay(f"ethereum:{TOKEN}@31337/transfer?address={SHOP}&uint256=12500000"))
        assert evm_token.token_balance(anvil.rpc, SHOP) == before + 12_500_000
        log = receipt["logs"][0]
        topics = [
            TRANSFER_TOPIC,
            *("0x" + "00" * 12 + address[2:].lower() for address in (wallet.address, SHOP)),
        ]
        assert (log["address"], log["topics"], int(log["data"], 16)) == (TOKEN.lower(), topics, 12_500_000)

    def test_nobody_can_send_more_than_he_has(self, anvil: AnvilProcess) -> None:
        poor = EvmWallet(anvil.rpc, account_index=5)
        with pytest.raises(JsonRpcError, match="revert"):
            poor.pay_token(TOKEN, SHOP, 1)

    def test_spending_for_another_needs_an_allowance(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        evm_token.mint_token(anvil.rpc, wallet.address, 5 * MILLION)
        spender = EvmWallet(anvil.rpc, account_index=3)
        words = [bytes(12) + bytes.fromhex(address[2:]) for address in (wallet.address, SHOP)]
        take = uint_call("transferFrom(address,address,uint256)", wallet.address)[:10]
        take += b"".join([*words, (2 * MILLION).to_bytes(32, "big")]).hex()
        with pytest.raises(JsonRpcError, match="revert"):
            spender.send(to=TOKEN, calldata=take)
        wallet.wait(
            wallet.send(
                to=TOKEN, calldata=uint_call("approve(address,uint256)", spender.address, 2 * MILLION)
            )
        )
        before = evm_token.token_balance(anvil.rpc, SHOP)
        spender.wait(spender.send(to=TOKEN, calldata=take))
        assert evm_token.token_balance(anvil.rpc, SHOP) == before + 2 * MILLION


class TestWallet:
    def test_it_pays_coin_by_uri(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        before = shop_balance(anvil)
        wallet.wait(wallet.pay(f"ethereum:{SHOP}@31337?value=2.014e18"))
        assert shop_balance(anvil) == before + 2_014 * 10**15

    def test_a_uri_for_another_chain_is_refused(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        before = shop_balance(anvil)
        with pytest.raises(EvmWalletError, match="for chain 1, the node is on 31337"):
            wallet.pay(f"ethereum:{SHOP}@1?value=1")
        assert shop_balance(anvil) == before

    def test_a_replacement_is_mined_in_its_place(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        before = shop_balance(anvil)
        anvil.rpc("evm_setAutomine", False)
        old = wallet.pay_coin(SHOP, 5)
        new = wallet.replace(old, value_wei=7)
        assert anvil.rpc("eth_getTransactionByHash", old) is None
        anvil.rpc("evm_setAutomine", True)
        anvil.rpc("evm_mine")
        wallet.wait(new)
        assert anvil.rpc("eth_getTransactionReceipt", old) is None
        assert shop_balance(anvil) == before + 7
        with pytest.raises(EvmWalletError, match="not pending"):
            wallet.replace(new)

    def test_a_cancelled_payment_never_arrives(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        before = shop_balance(anvil)
        anvil.rpc("evm_setAutomine", False)
        cancelled = wallet.cancel(wallet.pay_coin(SHOP, 5))
        anvil.rpc("evm_setAutomine", True)
        anvil.rpc("evm_mine")
        wallet.wait(cancelled)
        assert shop_balance(anvil) == before

    def test_a_forged_signature_is_refused(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        with pytest.raises(JsonRpcError):
            anvil.rpc("eth_sendRawTransaction", "0x02f8" + "11" * 100)


class TestChain:
    def test_a_reorg_takes_a_payment_back(self, anvil: AnvilProcess, wallet: EvmWallet) -> None:
        before = shop_balance(anvil)
        paid = wallet.pay_coin(SHOP, 5)
        block = wallet.wait(paid)["blockHash"]
        height = anvil.rpc("eth_blockNumber")
        anvil.rpc("anvil_reorg", 1, [])
        assert anvil.rpc("eth_blockNumber") == height
        assert anvil.rpc("eth_getBlockByHash", block, False) is None
        assert anvil.rpc("eth_getTransactionReceipt", paid) is None
        assert shop_balance(anvil) == before

    def test_safe_and_finalized_follow_one_and_two_behind(self, anvil: AnvilProcess) -> None:
        anvil.rpc("anvil_mine", "0x5")
        latest, safe, finalized = (
            int(anvil.rpc("eth_getBlockByNumber", tag, False)["number"], 16)
            for tag in ("latest", "safe", "finalized")
        )
        assert (safe, finalized) == (latest - 1, latest - 2)

    def test_a_stop_keeps_blocks_balances_receipts_and_logs(self, tmp_path: Path) -> None:
        with AnvilProcess(tmp_path) as anvil:
            evm_token.deploy_token(anvil.rpc)
            wallet = EvmWallet(anvil.rpc)
            evm_token.mint_token(anvil.rpc, wallet.address, MILLION)
            paid = wallet.pay_token(TOKEN, SHOP, 7)
            receipt = wallet.wait(paid)
            height = anvil.rpc("eth_blockNumber")
            anvil.restart()
            assert anvil.rpc("eth_blockNumber") == height
            assert anvil.rpc("eth_getTransactionReceipt", paid) == receipt
            assert evm_token.token_balance(anvil.rpc, SHOP) == 7
            logs = anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": TOKEN})
            assert logs[-1]["transactionHash"] == paid

    def test_a_state_cut_short_by_a_kill_gives_way_to_the_last_whole_one(self, tmp_path: Path) -> None:
        with AnvilProcess(tmp_path) as anvil:
            anvil.rpc("anvil_mine", "0x7")
            anvil.restart()
            assert anvil.rpc("eth_blockNumber") == "0x7"
            anvil.kill()
            state = tmp_path / "state.json"
            state.write_bytes(state.read_bytes()[:-50])
            anvil.start()
            assert anvil.rpc("eth_blockNumber") == "0x7"

    def test_saved_every_second_a_kill_costs_little(self, tmp_path: Path) -> None:
        with AnvilProcess(tmp_path, save_seconds=1) as anvil:
            anvil.rpc("anvil_mine", "0x7")
            time.sleep(2.5)
            anvil.kill()
            anvil.start()
            assert anvil.rpc("eth_blockNumber") == "0x7"

    def test_with_a_block_time_a_payment_waits(self, tmp_path: Path) -> None:
        with AnvilProcess(tmp_path, block_time=1) as anvil:
            wallet = EvmWallet(anvil.rpc)
            paid = wallet.pay_coin(SHOP, 1)
            assert anvil.rpc("eth_getTransactionByHash", paid)["blockHash"] is None
            assert int(wallet.wait(paid)["blockNumber"], 16) >= 1


@pytest.mark.parametrize(
    ("uri", "request_"),
    [
        (f"ethereum:{SHOP}?value=1", EvmPaymentRequest(SHOP, 1, None, None)),
        (f"ethereum:pay-{SHOP}@5?value=1e3", EvmPaymentRequest(SHOP, 1000, 5, None)),
        (f"ethereum:{SHOP.lower()}?value=1&gas=2", EvmPaymentRequest(SHOP, 1, None, None)),
        (
            f"ethereum:{TOKEN}@31337/transfer?address={SHOP}&uint256=9",
            EvmPaymentRequest(SHOP, 9, 31337, TOKEN),
        ),
    ],
)
def test_a_uri_is_read(uri: str, request_: EvmPaymentRequest) -> None:
    assert parse_payment_uri(uri) == request_


@pytest.mark.parametrize(
    "uri",
    [
        f"bitcoin:{SHOP}?value=1",
        f"ethereum:{SHOP}",
        f"ethereum:{SHOP}?value=1.5",
        f"ethereum:{SHOP}?value=-1",
        f"ethereum:{SHOP}?value=NaN",
        f"ethereum:{SHOP[:-1]}?value=1",
        "ethereum:0x52908400098527886e0F7030069857D2E4169EE7?value=1",
        f"ethereum:{TOKEN}/approve?address={SHOP}&uint256=9",
        f"ethereum:{TOKEN}/transfer?uint256=9",
        f"ethereum:{TOKEN}/transfer?address={SHOP}",
    ],
)
def test_a_uri_it_does_not_understand_is_refused(uri: str) -> None:
    with pytest.raises(EvmWalletError):
        parse_payment_uri(uri)

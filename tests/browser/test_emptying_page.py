"""The admin's emptying page with a wallet in the browser: one click, and the money is in the treasury."""

import os
import sys

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import expect

from alatau_pay.embedded.ports import free_port, is_listening
from alatau_pay.embedded.process import ChildProcess
from chains import readers, wallets
from devnet import evm_forwarder
from devnet.anvil import CHAIN_ID
from devnet.evm_token import deploy_token
from devnet.evm_wallet import EvmWallet
from merchants.models import User
from tests.browser.conftest import Site, log_in
from tests.chains.conftest import make_evm_network
from tests.chains.forwarding import text
from tests.harness import SETTINGS_MODULE

# A wallet as browsers have one (EIP-1193): it asks the person, signs and sends. Here the development node signs.
INJECTED = "window.ethereum = { request: ({ method, params }) => window.askWallet(method, params || []) };"


@pytest.fixture(scope="module")
def site(browser, anvil, tmp_path_factory):
    """The pages' server, with the node set."""
    directory, port = tmp_path_factory.mktemp("site"), free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "DATABASE_URL": f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}",
        "SITE_URL": url,
        "LIVE_URL": url,
        "NODE_URLS": f"evm={anvil.url}",
    }
    command = [sys.executable, "-m", "gunicorn", "alatau_pay.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    web = ChildProcess("web", command, log_path=directory / "web.log", environment=environment)
    web.start()
    try:
        web.wait_until(lambda: is_listening(port), seconds=30)
        yield Site(url, url, web)
    finally:
        web.stop()


@pytest.fixture
def paid(anvil, transactional_db, settings, context, site):
    """A forwarder wallet with one paid address, and an officer who is logged in."""
    deploy_token(anvil.rpc)
    watched = make_evm_network(anvil, settings)
    forwarder = evm_forwarder.deploy(anvil.rpc, os.urandom(20))
    watched.wallet = wallets.import_wallet(
        network=watched.network, label="treasury", owner="", public_key=str(forwarder), now=timezone.now()
    )
    watched.catch_up()
    resident = EvmWallet(anvil.rpc)
    resident.wait(resident.pay_coin(watched.address().address, 12345))
    watched.catch_up()
    officer = User.objects.create_superuser(email="admin@alatau.example", password="a long one")
    log_in(context, officer, site.url)
    yield watched.wallet, text(forwarder.treasury)
    readers.forget("evm")


@pytest.fixture
def asked(anvil, page):
    """What the page asks the wallet for; the wallet does it."""
    questions = []

    def answer(method, params):
        questions.append((method, params))
        if method == "eth_requestAccounts":
            return anvil.rpc("eth_accounts")[:1]
        return anvil.rpc(method, *params)

    page.expose_function("askWallet", answer)
    page.add_init_script(INJECTED)
    return questions


def test_one_click_sends_the_call_with_the_browsers_wallet(page, paid, asked, anvil):
    wallet, treasury = paid
    page.goto(f"/admin/chains/wallet/{wallet.pk}/emptying/")
    page.get_by_role("button", name="Send with this browser's wallet").click()
    expect(page.locator("#send-call-outcome")).to_contain_text("Sent: 0x")
    assert [method for method, _ in asked] == ["eth_requestAccounts", "eth_chainId", "eth_sendTransaction"]
    assert asked[-1][1][0]["chainId"] == hex(CHAIN_ID)
    assert int(anvil.rpc("eth_getBalance", treasury, "latest"), 16) == 12345
    page.reload()
    expect(page.get_by_text("holds anything now")).to_be_visible()


def test_a_wallet_on_another_chain_is_asked_to_change_and_a_refusal_is_shown(page, paid, anvil):
    wallet, treasury = paid

    def answer(method, params):
        if method == "eth_requestAccounts":
            return anvil.rpc("eth_accounts")[:1]
        if method == "eth_chainId":
            return "0x1"
        assert (method, params) == ("wallet_switchEthereumChain", [{"chainId": hex(CHAIN_ID)}])
        raise RuntimeError("the person said no")

    page.expose_function("askWallet", answer)
    page.add_init_script(INJECTED)
    page.goto(f"/admin/chains/wallet/{wallet.pk}/emptying/")
    button = page.get_by_role("button", name="Send with this browser's wallet")
    button.click()
    expect(page.locator("#send-call-outcome")).to_have_text("Not sent: the person said no")
    expect(button).to_be_enabled()
    assert int(anvil.rpc("eth_getBalance", treasury, "latest"), 16) == 0


def test_without_a_wallet_in_the_browser_there_is_no_button_and_the_file_downloads(page, paid):
    wallet, _ = paid
    page.goto(f"/admin/chains/wallet/{wallet.pk}/emptying/")
    expect(page.locator("#send-call")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as a file").click()
    assert '"data": "0x' in download.value.path().read_text()

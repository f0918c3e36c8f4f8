"""What a Bitcoin node announces over ZeroMQ brings payments forward; whatever of it is lost or forged changes nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson
import pytest
import zmq
from django.core.exceptions import ImproperlyConfigured

from alatau_pay.node_urls import parse_node_zmq_urls
from chains.condition import StepStatus
from chains.models import TransferState
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess
from tests.chains.conftest import Watched, make_bitcoin_network

ELSEWHERE = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"
WAIT_SECONDS = 15.0
NEVER_SECONDS = 3600.0


class CountingProxy:
    """The node behind an address that counts which methods are asked for."""

    def __init__(self, node: NodeProcess) -> None:
        self.methods: Counter[str] = Counter()
        counted = self.methods

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                counted.update(call["method"] for call in orjson.loads(body))
                try:
                    answer = httpx.post(node.url, content=body, headers={"Content-Type": "application/json"})
                except httpx.HTTPError:
                    self.send_error(502)
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> CountingProxy:
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Publisher:
    """A ZeroMQ publisher of the test's own, in the node's place."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self.url = f"tcp://127.0.0.1:{self._socket.bind_to_random_port('tcp://127.0.0.1')}"
        self._number = 0

    def publish(self, raw: bytes) -> None:
        self._socket.send_multipart([b"rawtx", raw, self._number.to_bytes(4, "little")])
        self._number += 1

    def lose(self) -> None:
        """A message that never arrives."""
        self._number += 1

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def proxy(bitcoin_node: NodeProcess) -> Iterator[CountingProxy]:
    with CountingProxy(bitcoin_node) as proxy:
        yield proxy


MakeWatched = Callable[..., Watched]


@pytest.fixture
def watch(
    bitcoin_node: Any, proxy: CountingProxy, resident: BitcoinWallet, db: None, settings: Any
) -> MakeWatched:
    """Watch through the proxy, with announcements relied on, and wait until they are."""

    def make(zmq_url: str = "", *, listed_every: float = NEVER_SECONDS) -> Watched:
        while bitcoin_node.rpc("getrawmempool"):
            resident.mine()
        settings.NODE_ZMQ_URLS = {"bitcoin": [zmq_url or f"tcp://127.0.0.1:{bitcoin_node.zmq_port}"]}
        settings.MEMPOOL_SMALL_COUNT, settings.MEMPOOL_LISTED_EVERY_SECONDS = -1, listed_every
        watched = make_bitcoin_network(bitcoin_node, settings)
        settings.NODE_URLS = {"bitcoin": [proxy.url]}
        watched.catch_up()
        until(lambda: watched.step() and not lists(watched, proxy))
        return watched

    return make


def lists(watched: Watched, proxy: CountingProxy) -> bool:
    """Whether a step asks for the whole mempool."""
    before = proxy.methods["getrawmempool"]
    watched.step()
    return proxy.methods["getrawmempool"] > before


def until(condition: Callable[[], object]) -> float:
    """Wait; returns the seconds that it took."""
    began_at = time.monotonic()
    while not condition():
        assert time.monotonic() - began_at < WAIT_SECONDS, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began_at


def count_after_a_step(watched: Watched) -> int:
    watched.step()
    return len(watched.transfers())


def test_an_announced_payment_is_seen_without_listing_the_mempool(
    watch: MakeWatched, resident: BitcoinWallet, proxy: CountingProxy
) -> None:
    watched = watch()
    observed_at = watched.network.observed_at
    listed = proxy.methods["getrawmempool"]
    resident.pay(watched.address().address, 1_000, replaceable=False)
    until(lambda: count_after_a_step(watched) == 1)
    seen = watched.only_transfer()
    assert (seen.state, seen.unconfirmed_risks) == (TransferState.SEEN, [])
    assert proxy.methods["getrawmempool"] == listed
    # Nothing expires on the word of announcements alone.
    assert watched.network.observed_at == observed_at


def test_a_payment_announced_to_have_left_is_gone_without_listing_the_mempool(
    watch: MakeWatched, resident: BitcoinWallet, proxy: CountingProxy
) -> None:
    watched = watch()
    listed = proxy.methods["getrawmempool"]
    txid = resident.pay(watched.address().address, 1_000)
    until(lambda: count_after_a_step(watched) == 1)
    rival = resident.double_spend_of(txid)
    until(lambda: watched.step() and watched.only_transfer().state == TransferState.GONE)
    assert watched.only_transfer().state_reason == f"replaced by {rival}"
    assert proxy.methods["getrawmempool"] == listed


def test_a_mined_payment_is_one_row_although_its_block_announces_it_again(
    watch: MakeWatched, resident: BitcoinWallet
) -> None:
    watched = watch()
    resident.pay(watched.address().address, 1_000)
    until(lambda: count_after_a_step(watched) == 1)
    resident.mine()
    until(lambda: watched.step() and watched.only_transfer().state == TransferState.MINED)
    time.sleep(0.2)
    watched.step()
    assert watched.only_transfer().state == TransferState.MINED


def test_while_announcements_are_relied_on_the_mempool_is_still_listed_from_time_to_time(
    watch: MakeWatched, proxy: CountingProxy
) -> None:
    watched = watch(listed_every=0.5)
    until(lambda: lists(watched, proxy))
    assert watched.network.observed_at is not None


def test_a_silent_publisher_costs_one_interval_and_is_not_relied_on_afterwards(
    watch: MakeWatched, resident: BitcoinWallet, proxy: CountingProxy, publisher: Publisher
) -> None:
    watched = watch(publisher.url, listed_every=1.0)
    resident.pay(watched.address("invoice 1").address, 1_000)
    until(lambda: count_after_a_step(watched) == 1)
    # Listed, but never announced: from the next step on each one lists.
    watched.step()
    assert lists(watched, proxy)
    resident.pay(watched.address("invoice 2").address, 2_000)
    watched.step()
    assert len(watched.transfers()) == 2


def test_a_lost_announcement_is_noticed_by_its_number_and_the_mempool_listed_at_once(
    watch: MakeWatched,
    resident: BitcoinWallet,
    proxy: CountingProxy,
    publisher: Publisher,
    bitcoin_node: NodeProcess,
) -> None:
    watched = watch(publisher.url)
    first = resident.pay(ELSEWHERE, 5_000)
    publisher.publish(bytes.fromhex(bitcoin_node.rpc("getrawtransaction", first)))
    assert not lists(watched, proxy)
    resident.pay(watched.address().address, 1_000)
    publisher.lose()
    assert not lists(watched, proxy)
    assert watched.transfers() == []
    other = resident.pay(ELSEWHERE, 6_000)
    publisher.publish(bytes.fromhex(bitcoin_node.rpc("getrawtransaction", other)))
    until(lambda: count_after_a_step(watched) == 1)


def test_a_forged_announcement_credits_nothing(
    watch: MakeWatched, resident: BitcoinWallet, publisher: Publisher
) -> None:
    watched = watch(publisher.url)
    never_sent = resident.sign([(watched.address().address, 1_000)])
    publisher.publish(bytes.fromhex(never_sent.raw_hex))
    publisher.publish(b"no transaction at all")
    time.sleep(0.2)
    assert watched.step().status is StepStatus.CURRENT
    assert watched.transfers() == []
    # Sent after all, and announced: it was not taken for known.
    resident.broadcast(never_sent)
    publisher.publish(bytes.fromhex(never_sent.raw_hex))
    until(lambda: count_after_a_step(watched) == 1)


def test_a_node_that_restarts_is_listed_until_it_announces_again(
    watch: MakeWatched, resident: BitcoinWallet, proxy: CountingProxy, bitcoin_node: NodeProcess
) -> None:
    watched = watch()
    bitcoin_node.kill()
    until(lambda: watched.step().status is StepStatus.NODE_DOWN)
    bitcoin_node.start()
    # Killed, it may have lost its newest block; until it has another it is behind us.
    bitcoin_node.rpc("generatetoaddress", 2, ELSEWHERE)
    resident.pay(watched.address("invoice 1").address, 1_000)
    until(lambda: count_after_a_step(watched) == 1)
    until(lambda: watched.step().status is StepStatus.CURRENT and not lists(watched, proxy))
    resident.pay(watched.address("invoice 2").address, 2_000)
    until(lambda: count_after_a_step(watched) == 2)


def test_a_small_mempool_is_listed_in_every_step(
    watch: MakeWatched, proxy: CountingProxy, settings: Any
) -> None:
    watched = watch()
    from chains import readers

    readers.forget("bitcoin")
    settings.MEMPOOL_SMALL_COUNT = 1_000
    time.sleep(1.5)
    watched.step()
    assert lists(watched, proxy)
    assert lists(watched, proxy)


@pytest.mark.parametrize(
    "text", ["bitcoin", "bitcoin=http://h:1", "=tcp://h:1", "bitcoin=tcp://h", "bitcoin=tcp://"]
)
def test_a_malformed_address_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NODE_ZMQ_URLS"):
        parse_node_zmq_urls(text)


def test_addresses_are_read_in_order() -> None:
    assert parse_node_zmq_urls("a=tcp://h:1, b=tcp://h:2,a=tcp://h:3") == {
        "a": ["tcp://h:1", "tcp://h:3"],
        "b": ["tcp://h:2"],
    }

"""The watcher's pen: one row a transfer, all or nothing, and never while a node is being asked."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from chains import addresses, recording, wallets
from chains.models import Block, Network, OnChainAsset, Transfer, TransferState
from chains.observation import BlockHeader, Departure, FoundBlock, FoundTransfer, Position, Reading
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess
from tests.chains.conftest import Watched, make_bitcoin_network, new_account_key

TOKEN = b"t" * 20
TXID = b"x" * 32
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def header(height: int, name: str = "ours", *, onto: str = "ours") -> BlockHeader:
    return BlockHeader(
        height, _hash(height, name), _hash(height - 1, onto), EPOCH + timedelta(seconds=12 * height)
    )


def _hash(height: int, name: str) -> bytes:
    return f"{name}{height}".encode().ljust(32, b"-")


@pytest.fixture
def network(db: None) -> Network:
    network = Network.objects.create(
        slug="evm", name="EVM", kind="evm", chain_id=31337, anchor_hash_hex="00" * 32
    )
    for code, contract in (("ETH", None), ("USDT", TOKEN)):
        OnChainAsset.objects.create(
            code=code,
            symbol=code,
            name=code,
            network=network,
            contract=contract,
            decimals=6,
            quote_decimals=6,
        )
    recording.begin(network, [header(height) for height in range(10, 15)])
    return Network.objects.get()


@pytest.fixture
def keys(network: Network) -> list[bytes]:
    """The keys of three deposit addresses."""
    wallet = wallets.import_wallet(
        network=network, label="till", owner="", public_key=new_account_key("main"), now=EPOCH
    )
    return [bytes(addresses.allocate(wallet=wallet, purpose=str(n), now=EPOCH).key) for n in range(3)]


def write(reading: Reading, cursor: Position | None = None, now: datetime | None = None) -> int | None:
    network = Network.objects.get()
    assert network.cursor_height is not None and network.cursor_hash is not None
    at = cursor or Position(network.cursor_height, bytes(network.cursor_hash))
    return recording.write(network, at, reading, now=now or timezone.now())


def mined(height: int, *transfers: FoundTransfer, name: str = "ours", onto: str = "ours") -> Reading:
    block = FoundBlock(header(height, name, onto=onto), transfers)
    return Reading(tip=Position(height, block.header.hash), blocks=[block], complete=True)


def token(key: bytes, index: int, amount: int = 5, txid: bytes = TXID) -> FoundTransfer:
    return FoundTransfer(txid, index, key, TOKEN, amount)


def rows() -> dict[int, tuple[int, str]]:
    """Row → its log index and state."""
    return {row.pk: (row.index, row.state) for row in Transfer.objects.order_by("id")}


def orphan_to(height: int) -> Reading:
    return Reading(tip=Position(height, _hash(height, "ours")), fork=Position(height, _hash(height, "ours")))


def test_logs_that_change_places_in_a_reorganisation_keep_their_rows(
    network: Network, keys: list[bytes]
) -> None:
    write(mined(15, token(keys[0], 5), token(keys[1], 6), token(keys[2], 7)))
    first, second, third = rows()
    write(orphan_to(14))
    write(mined(15, token(keys[2], 5), token(keys[0], 6), token(keys[1], 7), name="new"))
    assert rows() == {
        first: (6, TransferState.MINED),
        second: (7, TransferState.MINED),
        third: (5, TransferState.MINED),
    }


def test_a_transfer_that_is_no_more_gives_its_place_to_another(network: Network, keys: list[bytes]) -> None:
    write(mined(15, token(keys[0], 5)))
    (old,) = rows()
    write(orphan_to(14))
    write(mined(15, token(keys[1], 5), name="new"))
    after = rows()
    assert after.pop(old)[1] == TransferState.SEEN
    assert list(after.values()) == [(5, TransferState.MINED)]
    write(Reading(tip=Position(15, _hash(15, "new")), gone={TXID: Departure("moved nothing")}))
    assert Transfer.objects.get(pk=old).state == TransferState.GONE
    assert Transfer.objects.exclude(pk=old).get().state == TransferState.MINED


def test_an_amount_that_arrives_as_less_is_what_counts(network: Network, keys: list[bytes]) -> None:
    write(Reading(tip=Position(14, _hash(14, "ours")), unmined=[token(keys[0], -2, 100)]))
    Transfer.objects.update(pending_match=False)
    write(mined(15, token(keys[0], 3, 99)))
    row = Transfer.objects.get()
    assert (row.index, row.amount_minor, row.state, row.pending_match) == (3, 99, TransferState.MINED, True)


def test_the_mempool_says_nothing_against_a_block(network: Network, keys: list[bytes]) -> None:
    write(mined(15, token(keys[0], 3)))
    before = Transfer.objects.values().get()
    write(Reading(tip=Position(15, _hash(15, "ours")), unmined=[token(keys[0], -2)]))
    assert Transfer.objects.values().get() == before


def test_what_is_found_again_in_the_same_step_is_not_gone(network: Network, keys: list[bytes]) -> None:
    seen = Reading(tip=Position(14, _hash(14, "ours")), unmined=[token(keys[0], -2)])
    write(seen)
    seen.gone = {TXID: Departure("dropped")}
    write(seen)
    assert Transfer.objects.get().state == TransferState.SEEN


def test_the_second_of_two_watchers_writes_nothing(network: Network, keys: list[bytes]) -> None:
    stale = Position(14, _hash(14, "ours"))
    assert write(mined(15, token(keys[0], 3))) == 1
    assert write(mined(15, token(keys[0], 3), token(keys[1], 4), name="other"), stale) is None
    assert Transfer.objects.count() == 1
    assert Block.objects.filter(height=15).get().hash == _hash(15, "ours")


def test_a_network_halted_meanwhile_is_not_written(network: Network, keys: list[bytes]) -> None:
    Network.objects.update(halted_at=timezone.now())
    assert write(mined(15, token(keys[0], 3))) is None
    assert not Transfer.objects.exists()


def test_a_step_that_fails_half_way_leaves_nothing(network: Network, keys: list[bytes]) -> None:
    broken = mined(15, token(keys[0], 3))
    broken.blocks = [*broken.blocks, *broken.blocks]  # the same height twice is refused by the database
    with pytest.raises(IntegrityError), transaction.atomic():
        write(broken)
    assert not Transfer.objects.exists()
    assert Network.objects.get().cursor_height == 14


def test_blocks_out_of_reach_of_any_reorganisation_are_let_go(network: Network) -> None:
    for height in range(15, 15 + recording.WINDOW):
        write(mined(height))
    assert Block.objects.count() == recording.WINDOW
    assert Block.objects.order_by("height").first().height == 15


def test_coin_on_a_network_without_a_coin_asset_is_logged_and_does_not_stop_the_rest(
    network: Network, keys: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    OnChainAsset.objects.filter(code="ETH").delete()
    write(mined(15, FoundTransfer(TXID, -1, keys[0], None, 5), token(keys[1], 3)))
    assert [row.asset_id for row in Transfer.objects.all()] == ["USDT"]
    assert "no coin asset" in caplog.text


def test_the_observation_moves_only_when_everything_known_is_written(
    network: Network, keys: list[bytes]
) -> None:
    part = mined(15, token(keys[0], 3))
    part.complete = False
    write(part, now=EPOCH)
    assert Network.objects.get().observed_at is None
    write(mined(16), now=EPOCH)
    assert Network.objects.get().observed_at == EPOCH
    write(mined(17), now=EPOCH - timedelta(hours=1))
    assert Network.objects.get().observed_at == EPOCH
    idle = Reading(tip=Position(17, _hash(17, "ours")), complete=True)
    write(idle, now=EPOCH + timedelta(seconds=5))
    assert Network.objects.get().observed_at == EPOCH + timedelta(seconds=5)


@contextmanager
def spying_proxy(
    node: NodeProcess, spy: psycopg.Connection[Any], open_transactions: list[str]
) -> Iterator[str]:
    """A node that, whenever it is asked, notes which sessions of the database have a database transaction open."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found = spy.execute(
                "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
                # Autovacuum works in this database when it likes, and is no session of ours.
                " AND backend_type = 'client backend'"
                " AND state IN ('idle in transaction', 'active') AND pid <> pg_backend_pid()"
            )
            open_transactions.extend(row[0] for row in found.fetchall())
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = httpx.post(node.url, content=body, headers={"Content-Type": "application/json"})
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.django_db(transaction=True)
def test_no_database_transaction_is_open_while_the_node_is_asked(
    bitcoin_node: NodeProcess, resident: BitcoinWallet, transactional_db: None, settings: Any
) -> None:
    watched: Watched = make_bitcoin_network(bitcoin_node, settings)
    text = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    open_transactions: list[str] = []
    with psycopg.connect(text, autocommit=True) as spy:
        with spying_proxy(bitcoin_node, spy, open_transactions) as url:
            settings.NODE_URLS = {"bitcoin": [url]}
            watched.catch_up()
            resident.pay(watched.address().address, 1_000)
            watched.catch_up()
            resident.mine(3)
            watched.catch_up()
    assert watched.only_transfer().state == TransferState.MINED
    assert open_transactions == []

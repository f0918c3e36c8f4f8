"""Which of a block's outputs are ours: the look-up among 1,000,000 addresses, beside a query for each script; and that the
memory of the process that asks does not grow with the addresses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import installation
from bench.figures import Figure, against, at_most, noted
from bench.turns import wall_seconds
from chains.bitcoin.transfers import RawBlock, read_block, read_header
from devnet import mainnet_blocks

SLUG = "bench-bitcoin"
ADDRESSES = (1_000, 1_000_000)
ROUNDS = 5
# What two processes that do the same may differ by.
MEMORY_MARGIN_MB = 2.0
OURS = 10


def measure() -> Iterator[Figure]:
    """Fill the table twice; the look-ups are compared when it is full."""
    installation.start()
    _make_network()
    path = mainnet_blocks.block_path(702861) or mainnet_blocks.fetch()
    block = read_block(path.read_bytes(), expected_hash=read_header(path.read_bytes()).hash)
    _give_out(block)
    memory = {}
    for count in ADDRESSES:
        installation.fill_addresses(
            SLUG, count, r"'\x0014'::bytea || substring(sha256(convert_to(n::text, 'UTF8')) FOR 20)"
        )
        memory[count] = _memory_mb(path)
    yield from _look_ups(block, path)
    few, many = ADDRESSES
    yield noted(f"memory of a watching process with {few:,} addresses", memory[few], "MB")
    yield at_most(f"growth of it with {many:,} addresses", memory[many] - memory[few], "MB", MEMORY_MARGIN_MB)


def _look_ups(block: RawBlock, path: Path) -> Iterator[Figure]:
    from chains import watched

    scripts = set(block.scripts)
    expected = watched.find(SLUG, scripts)
    assert len(expected) == OURS, f"{len(expected)} of {OURS} addresses found"
    assert _one_by_one(list(scripts)) == expected
    raw = path.read_bytes()
    once, each, whole = wall_seconds(
        lambda: watched.find(SLUG, scripts),
        lambda: _one_by_one(list(scripts)),
        lambda: _whole_step(raw, block.header.hash),
        rounds=ROUNDS,
    )
    yield against(
        f"look-up of a block's {len(scripts):,} scripts among {ADDRESSES[-1]:,} addresses",
        once * 1000,
        "ms",
        rival="one query per script",
        rival_value=each * 1000,
        times_less=20,
    )
    yield noted("the whole step: block read and checked, looked up, hits confirmed", whole * 1000, "ms")


def _one_by_one(scripts: Sequence[bytes]) -> set[bytes]:
    """A query for each, at its best: one cursor, prepared on the server, bound in binary, on an open connection."""
    import psycopg
    from django.db import connection

    found = set()
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        for script in scripts:
            cursor.execute(
                "SELECT key FROM chains_depositaddress WHERE network_id = %s AND key = %b",
                [SLUG, script],
                prepare=True,
            )
            found |= {bytes(row[0]) for row in cursor.fetchall()}
    return found


def _whole_step(raw: bytes, block_hash: bytes) -> None:
    from chains import watched
    from chains.bitcoin import second_reading

    block = read_block(raw, expected_hash=block_hash)
    outputs = block.outputs_of(watched.find(SLUG, set(block.scripts)))
    for output in outputs:
        second_reading.confirm(output)
    assert len(outputs) >= OURS


def _memory_mb(path: Path) -> float:
    """The most memory that a fresh process needed which reads the block and looks it up again and again."""
    command = [sys.executable, "-m", "bench.watcher_memory", str(path), SLUG]
    completed = subprocess.run(command, env=os.environ, check=True, capture_output=True, text=True)
    return float(json.loads(completed.stdout)["peak_mb"])


def _make_network() -> None:
    from django.utils import timezone

    from chains import wallets
    from chains.models import Network

    network = Network.objects.create(
        slug=SLUG, name="measured", kind="bitcoin", bitcoin_chain="regtest", anchor_hash_hex="00" * 32
    )
    wallets.import_wallet(
        network=network, label="measured", owner="", public_key=installation.BITCOIN_KEY, now=timezone.now()
    )


def _give_out(block: RawBlock) -> None:
    """Make some of the block's scripts ours, so that there is something to find."""
    from django.utils import timezone

    from chains.models import DepositAddress, Wallet

    wallet = Wallet.objects.get(network_id=SLUG)
    scripts = sorted(set(block.scripts))[:: len(set(block.scripts)) // OURS][:OURS]
    DepositAddress.objects.bulk_create(
        DepositAddress(
            network_id=SLUG,
            wallet=wallet,
            derivation_index=number,
            key=script,
            address=script.hex(),
            purpose=f"in the block {number}",
            created_at=timezone.now(),
        )
        for number, script in enumerate(scripts)
    )

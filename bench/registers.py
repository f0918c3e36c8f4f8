"""A merchant's register of 100,000 payments as XLSX and CSV: the most memory that writing it takes.

The payments are of one merchant over a year, each with an invoice, a quote with the sources of its rate, a transfer and an entry.
One is made by the program's own verbs and copied by SQL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench import installation
from bench.figures import Figure, at_most, noted

PAYMENTS = 100_000
PAYMENTS_AT_ONCE = 10_000
LIMITS_MB = {"xlsx": 300, "csv": 100}
GROSS_TIYN, FEE_TIYN, VAT_TIYN = 1_250_000, 12_500, 2_000
BEGIN = datetime(2026, 1, 1, 4, tzinfo=UTC)
STEP_SECONDS = 365 * 24 * 3600 // PAYMENTS


def measure() -> Iterator[Figure]:
    """Fill the books once; each format is written by a process of its own."""
    installation.start()
    fill()
    for form, limit_mb in LIMITS_MB.items():
        alone, whole = _written(form, "alone"), _written(form, "whole")
        name = f"register of {PAYMENTS:,} payments as {form.upper()}"
        yield at_most(f"{name}, peak memory", alone["peak_mb"], "MB", limit_mb)
        yield noted(f"{name}, added to a process of ours", whole["peak_mb"] - whole["before_mb"], "MB")
        yield noted(f"{name}, processor time", alone["seconds"], "s")
        yield noted(f"{name}, file", alone["file_mb"], "MB")


def _written(form: str, process: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.register_memory", form, process]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    answer: dict[str, float] = json.loads(done.stdout)
    assert answer["operations"] == PAYMENTS, f"{answer['operations']} operations of {PAYMENTS}"
    assert answer["closing_tiyn"] == PAYMENTS * (GROSS_TIYN - FEE_TIYN - VAT_TIYN)
    return answer


def fill() -> None:
    """One merchant with ``PAYMENTS`` settled payments."""
    sample = _sample()
    for first in range(2, PAYMENTS + 1, PAYMENTS_AT_ONCE):
        _copies(sample, first, min(first + PAYMENTS_AT_ONCE - 1, PAYMENTS))
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _sample() -> int:
    """Payment 1 with everything that belongs to it, by ORM and verbs. Returns its entry's id."""
    from django.db import transaction

    from alatau_pay.assets import Asset
    from chains import wallets
    from chains.models import DepositAddress, Network, OnChainAsset, Transfer
    from merchants.models import Merchant, Store
    from payments.models import Invoice, Payment, Quote
    from settlements import entries, ledger
    from settlements.fee_terms import Fee

    network = Network.objects.create(
        slug="bench-bitcoin",
        name="Bitcoin",
        kind="bitcoin",
        bitcoin_chain="regtest",
        anchor_hash_hex="00" * 32,
    )
    asset = OnChainAsset.objects.create(
        code="BTC", symbol="BTC", name="Bitcoin", network=network, decimals=8, quote_decimals=8
    )
    wallet = wallets.import_wallet(
        network=network, label="bench", owner="", public_key=installation.BITCOIN_KEY, now=BEGIN
    )
    address = DepositAddress.objects.create(
        network=network,
        wallet=wallet,
        derivation_index=0,
        key=bytes(22),
        address="bcrt1qbench",
        purpose="bench",
        created_at=BEGIN,
    )
    merchant = Merchant.objects.create(
        legal_name="ТОО «Достық кофе»",
        business_id="260140900305",
        iban="KZ84722C000012345678",
        created_at=BEGIN,
    )
    store = Store.objects.create(
        merchant=merchant, name="Достық кофе", accepted_assets=["BTC"], created_at=BEGIN
    )
    invoice = Invoice.objects.create(
        id=f"{1:022d}",
        store=store,
        amount_tiyn=GROSS_TIYN,
        source="api",
        speed_policy="MediumSpeed",
        order_id="ORDER-1",
        request_sha256=bytes(32),
        created_at=BEGIN,
        expires_at=BEGIN + timedelta(minutes=15),
        monitoring_expires_at=BEGIN + timedelta(days=1),
    )
    quote = Quote.objects.create(
        id=1,
        invoice=invoice,
        asset=asset,
        deposit_address=address,
        amount_minor=36_765,
        rate_tenge="33999000.123456",
        rate_sources=_rate_sources(),
        position=0,
        created_at=BEGIN,
        expires_at=BEGIN + timedelta(minutes=15),
    )
    transfer = Transfer.objects.create(
        id=1,
        network=network,
        txid=bytes(32),
        index=0,
        asset=asset,
        deposit_address=address,
        amount_minor=36_765,
        state="Seen",
        seen_at=BEGIN,
        received_at=BEGIN,
        pending_match=False,
    )
    Payment.objects.create(
        id=1,
        transfer=transfer,
        invoice=invoice,
        quote=quote,
        amount_minor=36_765,
        value_tiyn=GROSS_TIYN,
        status="Settled",
        received_at=BEGIN,
    )
    entry = entries.payment_settled(
        merchant_id=merchant.pk,
        coin=Asset("BTC", "BTC", 8),
        wallet="w1",
        received_minor=36_765,
        credited_minor=36_765,
        gross_tiyn=GROSS_TIYN,
        fee=Fee(FEE_TIYN, VAT_TIYN),
    )
    with transaction.atomic():
        return ledger.post(entry, idempotency_key="payment:1:booked:1", reference="payment:1", now=BEGIN).pk


def _rate_sources() -> dict[str, object]:
    """A record as long as four sources leave it."""

    def path(source: str, tenge: str) -> dict[str, object]:
        step = {"source": source, "observed_at": BEGIN.isoformat(), "inverted": False}
        steps = [
            {**step, "pair": "BTC/USDT", "price": "65401.25"},
            {**step, "pair": "USDT/KZT", "price": "519.9"},
        ]
        return {"source": source, "tenge": tenge, "left_out": False, "steps": steps}

    official = {"source": "national-bank", "pair": "USD/KZT", "price": "518.25"}
    days = {"date": "2026-01-01", "requested_date": "2026-01-01"}
    prices = {
        "binance": "33999000.12",
        "kraken": "33995000.5",
        "coinbase": "34010220",
        "coingecko": "33998100",
    }
    return {
        "version": 2,
        "symbol": "BTC",
        "tenge": "33999000.123456",
        "spread_tenge": "15219.5",
        "paths": [path(source, tenge) for source, tenge in prices.items()],
        "tenge_legs": [{"source": "binance", "tenge": "519.9", "taken": True}],
        "official": official | days,
    }


def _copies(entry_id: int, first: int, last: int) -> None:
    """Payments ``first`` to ``last`` as copies of payment 1; the entries and their postings in one database transaction."""
    from django.db import transaction

    moment = f"timestamptz '{BEGIN.isoformat()}' + n * interval '{STEP_SECONDS} seconds'"
    copied = {
        "payments_invoice": {"id": "lpad(n::text, 22, '0')", "order_id": "'ORDER-' || n"},
        "payments_quote": {"id": "n", "invoice_id": "lpad(n::text, 22, '0')"},
        "chains_transfer": {"id": "n", "txid": "sha256(n::text::bytea)", "received_at": moment},
        "payments_payment": {
            "id": "n",
            "transfer_id": "n",
            "invoice_id": "lpad(n::text, 22, '0')",
            "quote_id": "n",
            "received_at": moment,
        },
    }
    with transaction.atomic():
        for table, changed in copied.items():
            key = "'" + f"{1:022d}" + "'" if table == "payments_invoice" else "1"
            _copy(table, changed, f"source.id = {key}", first, last)
        changed = {
            "idempotency_key": "'payment:' || n || ':booked:1'",
            "reference": "'payment:' || n",
            "business_date": f"(({moment}) AT TIME ZONE 'Asia/Almaty')::date",
            "posted_at": moment,
        }
        _copy("settlements_journalentry", changed, f"source.id = {entry_id}", first, last, without="id")
        _copy_postings(entry_id, first, last)


def _copy(
    table: str, changed: dict[str, str], which: str, first: int, last: int, *, without: str = ""
) -> None:
    """Insert a copy of the one row for each n; ``changed`` gives the columns that differ, as SQL of n."""
    from django.db import connection

    with connection.cursor() as cursor:
        columns = [
            column.name
            for column in connection.introspection.get_table_description(cursor, table)
            if column.name != without
        ]
        values = ", ".join(changed.get(name, f'source."{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} source,"
            f" generate_series({first}, {last}) AS n WHERE {which}"
        )


def _copy_postings(entry_id: int, first: int, last: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)"
            " SELECT entry.id, source.account_id, entry.business_date, source.asset_code, source.side, source.amount_minor"
            " FROM settlements_posting source, generate_series(%s, %s) AS n"
            " JOIN settlements_journalentry entry ON entry.idempotency_key = 'payment:' || n || ':booked:1'"
            " WHERE source.entry_id = %s ORDER BY n, source.id",
            [first, last, entry_id],
        )

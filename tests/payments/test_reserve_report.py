"""The reserve's report: ledger beside chain, market beside official rate, and an honest dash where nothing is known."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import translation
from pypdf import PdfReader

from alatau_pay.assets import Asset
from chains.models import OnChainAsset, Transfer, Wallet
from payments import reserve_csv, reserve_pdf, reserve_wording
from payments.models import Comparison, PlaceBalance, RateObservation, ReconciliationRun
from payments.reserve_report import ChainSide, Report, SourceLine, compile_report
from settlements import entries, ledger
from settlements.entry import Entry
from tests.world import NOW, World, make_invoice, pay

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
PRICE_SAT = 36_765


def official(price: str = "520.00") -> None:
    """The National Bank's dollar of the day, which the fixed prices of the tests do not come with."""
    RateObservation.objects.create(
        source="national-bank",
        base="USD",
        quote="KZT",
        price=Decimal(price),
        observed_at=NOW,
        fetched_at=NOW,
        rate_date=NOW.date(),
        requested_date=NOW.date(),
    )


def post(entry: Entry, key: str) -> None:
    with transaction.atomic():
        ledger.post(entry, idempotency_key=key, reference="test:1", now=NOW)


def seized(wallet: str, key: str = "seized") -> None:
    post(
        entries.reserve_acquired(
            coin=BTC, wallet=wallet, source="seizure", acquired_minor=1_000, value_tiyn=30_000
        ),
        key,
    )


def compared(world: World, *, chain_sat: int, minutes: int = 0) -> ReconciliationRun:
    """A run that saw so much on the Bitcoin chain, of which the books expected the price of one payment."""
    at = NOW + timedelta(minutes=minutes)
    run = ReconciliationRun.objects.create(requested_at=at, started_at=at, status="Finished")
    Comparison.objects.create(run=run, scope="chain:bitcoin", height=95, block_hash=bytes(32))
    PlaceBalance.objects.create(
        run=run,
        wallet=Wallet.objects.get(network=world.bitcoin),
        asset_id="BTC",
        height=95,
        deposits_minor=chain_sat,
        elsewhere_minor=0,
        ledger_minor=PRICE_SAT,
        not_booked_minor=0,
        not_buried_minor=0,
    )
    return run


@pytest.fixture
def held(world: World) -> World:
    """A payment in Bitcoin and one in USDT, some Bitcoin seized and lying elsewhere."""
    pay(make_invoice(world.store))
    pay(make_invoice(world.store), "USDT")
    seized("")
    return world


def test_each_place_stands_with_its_sources_and_its_chain(held: World) -> None:
    compared(held, chain_sat=PRICE_SAT - 5)
    official()
    elsewhere, bitcoin, usdt = compile_report(at=NOW).places
    assert (elsewhere.asset, elsewhere.network, elsewhere.wallet, elsewhere.chain) == (
        BTC,
        "Bitcoin regtest",
        "",
        None,
    )
    # 0.00001 × 34 000 000 tenge; a coin has no official rate.
    assert list(elsewhere.sources) == [SourceLine("seizure", 1_000, 34_000, None)]
    assert (bitcoin.wallet, bitcoin.amount_minor) == ("bitcoin treasury", PRICE_SAT)
    assert bitcoin.chain == ChainSide(PRICE_SAT - 5, PRICE_SAT, 95, NOW)
    assert bitcoin.chain.difference_minor == -5
    assert usdt.chain is None
    assert list(usdt.sources) == [
        SourceLine(
            "payments",
            usdt.amount_minor,
            usdt.amount_minor * 495 // 10_000,
            usdt.amount_minor * 520 // 10_000,
        )
    ]


def test_each_coin_stands_with_its_cost_and_differences(held: World) -> None:
    official()
    report = compile_report(at=NOW)
    btc, usdt = report.coins
    assert (btc.books.held_minor, btc.books.owed_minor) == (PRICE_SAT + 1_000, 0)
    assert btc.books.position.cost_tiyn == 1_250_000 + 30_000
    value = (PRICE_SAT + 1_000) * 34
    assert (btc.market_price, btc.market_tiyn, btc.unrealised_tiyn) == (
        Decimal(34_000_000),
        value,
        value - 1_280_000,
    )
    assert (btc.official_price, btc.official_tiyn, btc.unrealised_official_tiyn) == (None, None, None)
    assert usdt.official_price == Decimal(520)
    assert usdt.unrealised_official_tiyn == usdt.books.held_minor * 520 // 10_000 - 1_250_000
    totals = report.totals
    assert totals.cost_tiyn == 2_530_000
    assert totals.market_tiyn == value + (usdt.market_tiyn or 0)
    assert totals.unrealised_tiyn == totals.market_tiyn - totals.cost_tiyn
    assert (totals.market_without, totals.official_without) == ([], ["BTC"])


def test_a_coin_is_valued_at_the_official_rate_by_its_price_in_dollars(held: World) -> None:
    official()
    for source, price in (("kraken", "64000"), ("coinbase", "64200")):
        for pair, stated in (("BTC", price), ("USDT", "1")):
            RateObservation.objects.create(
                source=source, base=pair, quote="USD", price=Decimal(stated), observed_at=NOW, fetched_at=NOW
            )
    report = compile_report(at=NOW)
    btc = report.coins[0]
    value = (PRICE_SAT + 1_000) * 64_100 * 520 // 1_000_000
    assert (btc.official_price, btc.official_tiyn) == (Decimal(64_100 * 520), value)
    assert btc.unrealised_official_tiyn == value - 1_280_000
    assert report.totals.official_without == []
    with translation.override("ru"):
        assert any(
            note.startswith("BTC: оценка по рыночной цене в долларах")
            for note in reserve_wording.notes(report)
        )


def test_a_sale_moves_its_difference_from_unrealised_to_realised(held: World) -> None:
    before = compile_report(at=NOW).coins[0]
    cost = entries.cost_of(
        1_000,
        position_minor=before.books.position.amount_minor,
        position_cost_tiyn=before.books.position.cost_tiyn,
    )
    post(
        entries.reserve_sold(
            coin=BTC, wallet="", sold_minor=1_000, cost_tiyn=cost, proceeds_tiyn=50_000, source="seizure"
        ),
        "sold",
    )
    after = compile_report(at=NOW)
    assert after.coins[0].books.position.realised_tiyn == 50_000 - cost
    assert after.totals.realised_tiyn == 50_000 - cost
    assert [place.wallet for place in after.places] == ["bitcoin treasury", "evm treasury"]


def test_without_prices_quantities_stand_and_the_reason_is_told(held: World) -> None:
    report = compile_report(at=NOW + timedelta(days=2))
    assert report.coins[0].market_tiyn is None
    assert report.totals.market_without == ["BTC", "USDT"]
    assert set(report.prices.without_market) == {"BTC", "USDT"}
    with translation.override("en"):
        rows = reserve_wording.place_rows(report)
        notes = reserve_wording.notes(report)
    assert {(row.market, row.official) for row in rows} == {("–", "–")}
    assert any(note.startswith("BTC: no market value.") for note in notes)


def test_a_network_that_nobody_could_ask_keeps_its_last_figures(held: World) -> None:
    compared(held, chain_sat=PRICE_SAT)
    later = ReconciliationRun.objects.create(
        requested_at=NOW, started_at=NOW + timedelta(hours=1), status="Finished"
    )
    Comparison.objects.create(run=later, scope="chain:bitcoin", not_compared_reason="127.0.0.1: ConnectError")
    report = compile_report(at=NOW + timedelta(hours=2))
    assert report.not_compared == {"Bitcoin regtest": "127.0.0.1: ConnectError"}
    chain = next(place.chain for place in report.places if place.wallet == "bitcoin treasury")
    assert chain is not None and chain.seen_at == NOW
    assert compile_report(at=NOW).not_compared == {}


def test_the_past_is_told_as_it_was(held: World) -> None:
    compared(held, chain_sat=1, minutes=5)
    Transfer.objects.update(amount_minor=1)
    past = compile_report(at=NOW - timedelta(seconds=1))
    assert (list(past.places), past.totals.cost_tiyn) == ([], 0)
    assert compile_report(at=NOW).places[1].chain is None


def test_coins_on_the_chain_that_the_books_do_not_know_are_shown(world: World) -> None:
    compared(world, chain_sat=700)
    (place,) = compile_report(at=NOW).places
    assert (place.amount_minor, place.chain.amount_minor if place.chain else None) == (0, 700)


def lines(report: Report, language: str) -> list[dict[str, str]]:
    with translation.override(language):
        content = reserve_csv.write_csv(report).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content), delimiter="," if language == "en" else ";"))


def test_the_csv_holds_every_figure_exactly(held: World) -> None:
    compared(held, chain_sat=PRICE_SAT - 5)
    official()
    Wallet.objects.filter(network=held.bitcoin).update(label="=cmd()")
    rows = lines(compile_report(at=NOW), "en")
    assert [row["Row"] for row in rows] == [
        "source",
        "source",
        "wallet",
        "source",
        "asset",
        "asset",
        "total",
    ]
    assert rows[0]["Date"] == "23.11.2026 17:00:00"
    assert (rows[1]["Wallet"], rows[1]["By the ledger"], rows[1]["At the market"]) == (
        "'=cmd()",
        "0.00036765",
        "12500.10",
    )
    assert (rows[2]["On the chain"], rows[2]["Difference"], rows[2]["Height"]) == (
        "0.0003676",
        "-0.00000005",
        "95",
    )
    assert (rows[4]["Cost"], rows[4]["Market price"], rows[4]["Unrealised difference"]) == (
        "12800.00",
        "34000000",
        "40.10",
    )
    assert rows[6]["Cost"] == "25300.00"
    assert lines(compile_report(at=NOW), "ru")[4]["Себестоимость"] == "12800,00"


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_the_paper_says_the_same_in_each_language(held: World, language: str) -> None:
    compared(held, chain_sat=PRICE_SAT - 5)
    official()
    report = compile_report(at=NOW)
    with translation.override(language):
        content = reserve_pdf.write_pdf(report)
        expected = [reserve_wording.coin_rows(report)[-1][0], *reserve_wording.coin_headings()[:2]]
        cost = reserve_wording.tenge(2_530_000)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    plain = " ".join(text.split())
    for words in [*expected, "0.00036765" if language == "en" else "0,00036765"]:
        assert words in plain
    assert cost.replace("\u00a0", " ") in plain
    assert "₸" in text
    with translation.override(language):
        assert reserve_pdf.write_pdf(report) == content


def test_wei_are_printed_to_the_last_one(world: World) -> None:
    ether = Asset("ETH", "ETH", 18)
    wallet = Wallet.objects.get(network=world.evm)
    post(entries.payment_held(coin=ether, wallet=f"w{wallet.pk}", received_minor=12_345 * 10**18 + 1), "wei")
    run = compared(world, chain_sat=0)
    PlaceBalance.objects.filter(run=run).update(
        wallet=wallet, asset_id="ETH", deposits_minor=12_345 * 10**18, ledger_minor=12_345 * 10**18 + 1
    )
    Comparison.objects.update(scope="chain:evm")
    with translation.override("en"):
        (page,) = PdfReader(io.BytesIO(reserve_pdf.write_pdf(compile_report(at=NOW)))).pages
    text = page.extract_text()
    assert "12,345.000000000000000001" in text
    assert "\u22120.000000000000000001" in text
    assert "…" not in text


def test_a_reserve_of_many_lines_goes_on_to_a_second_page(held: World) -> None:
    for number in range(60):
        OnChainAsset.objects.create(
            code=f"T{number}",
            symbol=f"T{number}",
            name="x",
            network=held.evm,
            contract=bytes([number]) * 20,
            decimals=6,
            quote_decimals=4,
        )
        post(
            entries.payment_held(coin=Asset(f"T{number}", f"T{number}", 6), wallet="w1", received_minor=1),
            f"k{number}",
        )
    with translation.override("ru"):
        pages = PdfReader(io.BytesIO(reserve_pdf.write_pdf(compile_report(at=NOW)))).pages
    assert len(pages) > 2
    assert f"2 / {len(pages)}" in pages[1].extract_text()

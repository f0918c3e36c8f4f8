"""``make story``: the whole way without a person, from nothing to a table of steps with the seconds that each took.

A fresh installation in a scratch directory: a business applies through the real form, a city admin approves it in the real
admin, the owner opens a store, takes an API key and sets up a webhook; invoices are made through the API and at the till,
paid by their QR, settled, booked and told. The exit status is 0 only if all of it held.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from devnet import story_books
from devnet.browser import Browser
from devnet.gateway import Gateway, Ports
from devnet.resident import Paid, Resident
from devnet.shop import Shop

OWNER = ("aigul@dostyk.example", "three calm words of Alatau")
APPLICATION = {
    "legal_name": "ТОО «Достық кофе»",
    "legal_form": "Company",
    "business_id": "260140900012",
    "address": "Алатау, Достық даңғылы, 1",
    "activity": "Кофейня",
    "contact_name": "Айгүл Серікова",
    "contact_phone": "+7 701 234 56 78",
    "iban": "KZ84722C000012345678",
    "bank_bic": "CASPKZKA",
}
ASSETS = ("BTC", "ETH", "USDT")
PRICE = "12500.00"
TILL_PRICE = "1990"
WEBHOOK_SECONDS_MAX = 20.0
EVENTS = {"InvoiceCreated", "InvoiceReceivedPayment", "InvoicePaymentSettled", "InvoiceSettled"}


class StoryBroken(Exception):
    """A step did not hold; the message says what was found instead."""


@dataclass
class Story:
    """The steps so far and what later ones need of earlier ones."""

    directory: Path
    steps: list[tuple[str, float, str]] = field(default_factory=list)
    paid: dict[str, Paid] = field(default_factory=dict)
    invoice_ids: list[str] = field(default_factory=list)
    description: dict[str, Any] = field(default_factory=dict)
    store_id: str = ""
    api_key: str = ""

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a step; what it notes stands beside it in the table."""
        notes: list[str] = []
        started_at = time.monotonic()
        yield notes.append
        seconds = time.monotonic() - started_at
        self.steps.append((name, seconds, "; ".join(notes)))
        print(f"  {name:<52} {seconds:6.2f} s  {'; '.join(notes)}", flush=True)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API as the shop's server. Raises StoryBroken unless it answers 200."""
        answer = httpx.request(
            method,
            f"{self.description['base_url']}/api/v1/stores/{self.store_id}/{path}",
            json=body,
            headers={"Authorization": f"token {self.api_key}"},
            trust_env=False,
            timeout=30,
        )
        if answer.status_code != httpx.codes.OK:
            raise StoryBroken(f"{method} {path}: HTTP {answer.status_code} {answer.text[:300]}")
        return answer.json()


def tell(story: Story, stack: ExitStack) -> None:
    """The story, step by step. Raises as soon as one does not hold."""
    with story.step("start PostgreSQL, Redis, two chains and the gateway"):
        gateway = Gateway(story.directory, with_merchants=False, ports=Ports.anywhere(), say=lambda _: None)
        story.description = stack.enter_context(_running(gateway))
    base_url = story.description["base_url"]
    owner, admin = Browser(base_url), Browser(base_url)
    stack.callback(owner.close)
    stack.callback(admin.close)
    with story.step("a business applies through the form"):
        owner.open("/apply/")
        owner.submit(email=OWNER[0], password=OWNER[1], **APPLICATION)
        owner.expect_page("/application/")
    with story.step("a city admin approves it in the admin"):
        merchant_id = _approve(admin, story.description["admin"])
    with story.step("the owner opens a store"):
        owner.open("/stores/new/")
        owner.submit(name="Достық кофе", accepted_assets=list(ASSETS), language="en")
        owner.expect_page("/stores/")
        story.store_id = httpx.URL(owner.url).path.split("/")[2]
    with story.step("the owner takes an API key"):
        owner.open(f"/stores/{story.store_id}/keys/")
        owner.submit(label="online shop")
        story.api_key = owner.text_of("new-key")
    shop = _open_shop(story, stack)
    with story.step("the owner sets up a webhook"):
        owner.open(f"/stores/{story.store_id}/webhooks/")
        owner.submit(url=f"http://127.0.0.1:{shop.server_port}/webhook")
        secret = owner.text_of("new-secret")
        (story.directory / "shop.json").write_text(json.dumps({"webhook_secret": secret}))
    nodes = story.description["nodes"]
    resident = Resident(bitcoin_url=nodes["bitcoin"]["url"], evm_url=nodes["evm"]["url"])
    with story.step("a resident gets coins and tokens"):
        resident.fund()
    for asset in ASSETS:
        with story.step(f"an invoice through the API, paid in {asset} by its QR") as note:
            _sell_by_api(story, resident, asset, note)
    with story.step("a sale at the till, paid in BTC by its QR") as note:
        _sell_at_till(story, owner, resident, note)
    with story.step("every ledger account holds what it must") as note:
        _check_books(story, merchant_id, note)
    with story.step("the shop's server was told, with signatures that hold") as note:
        _check_webhooks(story, shop, note)
    with story.step("stop; nothing is left running"):
        stack.close()


def _approve(admin: Browser, login: dict[str, str]) -> str:
    admin.open("/admin/")
    admin.submit(username=login["email"], password=login["password"])
    admin.open("/admin/merchants/merchant/?status__exact=Applied")
    found = re.findall(r"/admin/merchants/merchant/(\w+)/change/", admin.text)
    if len(set(found)) != 1:
        raise StoryBroken(f"{len(set(found))} applications in the admin's list instead of one")
    merchant_id: str = found[0]
    admin.open(f"/admin/merchants/merchant/{merchant_id}/change/")
    admin.submit(reason="", move="approve")
    admin.open(f"/admin/merchants/merchant/{merchant_id}/change/")
    if "Approved" not in admin.text:
        raise StoryBroken("the admin's page does not say Approved")
    return merchant_id


def _sell_by_api(story: Story, resident: Resident, asset: str, note: Callable[[str], None]) -> None:
    order = {"amount": PRICE, "currency": "KZT", "metadata": {"orderId": f"order-{asset}"}}
    invoice = story.api("POST", "invoices", order)
    _pay(story, resident, invoice["id"], invoice["checkoutLink"], asset, note)


def _sell_at_till(story: Story, cashier: Browser, resident: Resident, note: Callable[[str], None]) -> None:
    cashier.open(f"/pos/{story.store_id}/")
    cashier.submit(amount=TILL_PRICE)
    cashier.expect_page(f"/pos/{story.store_id}/i/")
    invoice_id = httpx.URL(cashier.url).path.rstrip("/").rpartition("/")[2]
    _pay(story, resident, invoice_id, f"{story.description['base_url']}/i/{invoice_id}", "BTC", note)


def _pay(
    story: Story, resident: Resident, invoice_id: str, page: str, asset: str, note: Callable[[str], None]
) -> None:
    paid = resident.pay(page, asset)
    story.invoice_ids.append(invoice_id)
    status = story.api("GET", f"invoices/{invoice_id}")
    if (status["status"], status["additionalStatus"]) != ("Settled", "None"):
        raise StoryBroken(f"invoice {invoice_id} is {status['status']} / {status['additionalStatus']}")
    note(
        f"seen {paid.seen_seconds:.2f} s, settled {paid.settled_seconds:.2f} s, page {paid.bytes_loaded / 1000:.0f} kB"
    )


def _check_books(story: Story, merchant_id: str, note: Callable[[str], None]) -> None:
    invoices = [
        (story.api("GET", f"invoices/{id_}"), story.api("GET", f"invoices/{id_}/payment-methods"))
        for id_ in story.invoice_ids
    ]
    wanted = story_books.expected(invoices, merchant_id=merchant_id)
    found = story_books.actual(story.description["database_url"])
    if wrong := story_books.differences(wanted, found):
        raise StoryBroken("; ".join(wrong))
    owed = -wanted[f"payable:KZT:{merchant_id}"]
    note(f"{len(wanted)} accounts; the shop is owed {owed // 100}.{owed % 100:02d} ₸")


def _open_shop(story: Story, stack: ExitStack) -> Shop:
    # Made by the directory's owner alone, before the secret is known: the file follows when the webhook is made.
    shop = Shop(0, story.directory / "shop.json")
    thread = threading.Thread(target=shop.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    stack.callback(shop.server_close)
    stack.callback(shop.shutdown)
    return shop


def _check_webhooks(story: Story, shop: Shop, note: Callable[[str], None]) -> None:
    wanted = {(invoice_id, event) for invoice_id in story.invoice_ids for event in EVENTS}
    deadline = time.monotonic() + WEBHOOK_SECONDS_MAX
    while missing := wanted - {(d.invoice_id, d.event) for d in shop.deliveries()}:
        if time.monotonic() > deadline:
            raise StoryBroken(f"webhooks missing: {sorted(missing)}")
        time.sleep(0.1)
    deliveries = shop.deliveries()
    if not all(delivery.valid for delivery in deliveries):
        raise StoryBroken("a webhook's signature does not hold")
    note(f"{len(deliveries)} webhooks")


@contextmanager
def _running(gateway: Gateway) -> Iterator[dict[str, Any]]:
    with gateway:
        yield json.loads((gateway.directory / "demo.json").read_text())
    if left := _left_running(gateway):
        raise StoryBroken(f"still running: {', '.join(left)}")


def _left_running(gateway: Gateway) -> list[str]:
    """Programs of this installation that are still there, found by what only they were started with (Linux)."""
    marks = [str(gateway.directory).encode(), f"REDIS_URL={gateway.redis.url}".encode()]
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            started_with = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if any(mark in started_with for mark in marks):
            left.append(f"{process.name} {(process / 'comm').read_text().strip()}")
    return left


def main() -> int:
    """Tell the story and print its table; returns the exit status."""
    directory = Path(tempfile.mkdtemp(prefix="alatau-pay-story-"))
    story = Story(directory)
    print("The whole way, without a person:", flush=True)
    try:
        with ExitStack() as stack:
            tell(story, stack)
    except Exception as error:  # noqa: BLE001
        # The outermost line: whatever broke the story is its ending, and the logs stay for reading.
        kept = directory / "log"
        print(f"\nThe story broke: {type(error).__name__}: {error}\nLogs: {kept}", file=sys.stderr)
        return 1
    print(_table(story))
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _table(story: Story) -> str:
    rows = [f"| {name:<54} | {seconds:7.2f} | {note}" for name, seconds, note in story.steps]
    total = sum(seconds for _, seconds, _ in story.steps)
    rule = "+" + "-" * 56 + "+" + "-" * 9 + "+"
    return "\n".join(
        [
            "",
            rule,
            f"| {'step':<54} | seconds |",
            rule,
            *rows,
            rule,
            f"| {'all of it held':<54} | {total:7.2f} |",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

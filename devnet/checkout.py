"""The checkout page as a phone loads it: the page and all that it links, the QR picture, and the live status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx

PHONE = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36"


class CheckoutBroken(Exception):
    """The page is not there, or not as a resident needs it."""


@dataclass
class _Page(HTMLParser):
    """Collects the address of each asset's QR picture and of everything the page loads."""

    asset: str = ""
    qr_by_asset: dict[str, str] = field(default_factory=dict)
    linked: list[str] = field(default_factory=list)
    live_url: str = ""
    phase: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "input" and values.get("name") == "asset":
            self.asset = values["value"]
        if tag == "img" and "qr" in values.get("class", "").split():
            self.qr_by_asset[self.asset] = values["src"]
        if tag == "script" and "src" in values:
            self.linked.append(values["src"])
        if tag == "link" and values.get("rel") in {"stylesheet", "icon", "manifest"}:
            self.linked.append(values["href"])
        if "data-live" in values:
            self.live_url, self.phase = values["data-live"], values.get("data-phase", "")


class Checkout:
    """One invoice's page. ``bytes_loaded`` counts what went over the wire, compressed as the phone asks for it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bytes_loaded = 0
        # Loopback needs no proxy, and a development machine may have one set.
        self._client = httpx.Client(
            headers={"User-Agent": PHONE, "Accept-Language": "en", "Accept-Encoding": "gzip"},
            trust_env=False,
            timeout=20,
        )
        self._page = _Page()

    def load(self) -> None:
        """Load the page and everything it links. Raises CheckoutBroken."""
        self._page = _Page()
        self._page.feed(self._get(self.url).decode())
        for linked in self._page.linked:
            self._get(urljoin(self.url, linked))

    def qr_picture(self, asset: str) -> bytes:
        """The picture on the asset's tab. Raises CheckoutBroken when the page has none."""
        if asset not in self._page.qr_by_asset:
            offered = ", ".join(self._page.qr_by_asset) or "nothing"
            raise CheckoutBroken(
                f"the page cannot be paid in {asset}: it offers {offered} ({self._page.phase})"
            )
        return self._get(urljoin(self.url, self._page.qr_by_asset[asset]))

    def statuses(self, *, seconds: float) -> Iterator[dict[str, Any]]:
        """The live status as it is pushed, the present one first. Raises CheckoutBroken after ``seconds`` of silence."""
        try:
            with self._client.stream(
                "GET", urljoin(self.url, self._page.live_url), timeout=seconds
            ) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line.removeprefix("data:"))
        except httpx.HTTPError as error:
            raise CheckoutBroken(f"no live status: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the phone's connections."""
        self._client.close()

    def _get(self, url: str) -> bytes:
        try:
            with self._client.stream("GET", url) as response:
                body = response.read()
                self.bytes_loaded += response.num_bytes_downloaded
        except httpx.HTTPError as error:
            raise CheckoutBroken(f"{url}: {type(error).__name__}") from error
        if response.status_code != httpx.codes.OK:
            raise CheckoutBroken(f"{url}: HTTP {response.status_code}")
        return body

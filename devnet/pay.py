"""``make pay INVOICE=<checkout URL> ASSET=<BTC|ETH|USDT>``: pay a demo's invoice as a resident does, by its QR."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from devnet.checkout import CheckoutBroken
from devnet.process import JsonRpcError
from devnet.qr_reading import QrUnreadable
from devnet.resident import Resident

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Returns the exit status: 0 when the page said paid."""
    arguments = _arguments()
    if not arguments.invoice or not arguments.asset:
        print("usage: make pay INVOICE=<checkout URL> ASSET=BTC|ETH|USDT", file=sys.stderr)
        return 2
    if not arguments.description.exists():
        print("no demo is running: start one with  make demo", file=sys.stderr)
        return 1
    nodes = json.loads(arguments.description.read_text())["nodes"]
    resident = Resident(bitcoin_url=nodes["bitcoin"]["url"], evm_url=nodes["evm"]["url"])
    try:
        paid = resident.pay(_page(arguments.invoice), arguments.asset.upper(), say=print)
    except (CheckoutBroken, QrUnreadable, JsonRpcError) as error:
        print(f"not paid: {error}", file=sys.stderr)
        return 1
    print(f"the phone loaded {paid.bytes_loaded / 1000:.1f} kB")
    return 0


def _page(url: str) -> str:
    """The page's address without what a person may have copied along: a query, a fragment, a closing slash."""
    return urlsplit(url)._replace(query="", fragment="").geturl().rstrip("/")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make pay", description=__doc__)
    parser.add_argument("--invoice", default="")
    parser.add_argument("--asset", default="")
    parser.add_argument(
        "--description", type=Path, default=ROOT / "var" / "demo.json", help="of the running demo"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

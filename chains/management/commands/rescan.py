"""Look back over blocks of a network for payments to addresses that were given out."""

from __future__ import annotations

import os
from datetime import datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date

from chains import rescanning
from chains.bitcoin.transfers import BadBlock
from chains.models import Network, Rescan, Wallet
from chains.nodes import NodeError, NodeUnavailable, NodeWrongChain

BAR_WIDTH = 40
_NODE_ERRORS = (NodeUnavailable, NodeError, NodeWrongChain, BadBlock)


class Command(BaseCommand):
    help = (
        "Look back over blocks for payments to addresses that were given out. Interrupted, the same command goes on"
        " where it stopped; run twice, it finds nothing twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--network", required=True, metavar="SLUG", help="the network, as in the admin")
        parser.add_argument("--wallet", type=int, metavar="ID", help="only this wallet's addresses")
        start = parser.add_mutually_exclusive_group(required=True)
        start.add_argument("--from-height", type=int, metavar="N", help="the first block")
        start.add_argument(
            "--from-date", metavar="YYYY-MM-DD", help="the first day, as the city's calendar has it"
        )
        parser.add_argument(
            "--to-height", type=int, metavar="N", help="the last block; by default the newest read"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["network"]
        if not Network.objects.filter(pk=slug).exists():
            raise CommandError(f"there is no network {slug!r}")
        try:
            rescan = rescanning.begin(
                slug,
                first_height=self._first_height(slug, options),
                last_height=options["to_height"],
                wallet=self._wallet(slug, options["wallet"]),
                now=timezone.now(),
            )
            self._run(rescan)
        except rescanning.CannotRescan as error:
            raise CommandError(str(error)) from error
        except _NODE_ERRORS as error:
            raise CommandError(f"{error}; run the same command again to go on") from error

    def _run(self, rescan: Rescan) -> None:
        shown = _percent(rescan) // 10
        if rescan.next_height > rescan.first_height:
            self.stdout.write(f"going on at block {rescan.next_height}")
        while rescan.finished_at is None:
            rescan = rescanning.advance(rescan, now=timezone.now())
            if self._is_terminal():
                self.stdout.write("\r" + _bar(rescan), ending="")
            elif _percent(rescan) // 10 > shown:
                shown = _percent(rescan) // 10
                self.stdout.write(f"{shown * 10} %: block {rescan.next_height - 1} of {rescan.last_height}")
        if self._is_terminal():
            self.stdout.write("")
        self.stdout.write(
            f"blocks {rescan.first_height} to {rescan.last_height}: {rescan.found} payments found or changed"
        )

    def _is_terminal(self) -> bool:
        return bool(self.stdout.isatty()) and os.environ.get("TERM", "") != "dumb"

    def _first_height(self, slug: str, options: dict[str, Any]) -> int:
        if options["from_height"] is not None:
            return int(options["from_height"])
        try:
            day = parse_date(options["from_date"])
        except ValueError:
            day = None
        if day is None:
            raise CommandError(f"not a date: {options['from_date']}")
        return rescanning.height_at(slug, timezone.make_aware(datetime.combine(day, time.min)))

    def _wallet(self, slug: str, wallet_id: int | None) -> Wallet | None:
        if wallet_id is None:
            return None
        wallet = Wallet.objects.filter(pk=wallet_id, network=slug).first()
        if wallet is None:
            raise CommandError(f"{slug} has no wallet {wallet_id}")
        return wallet


def _percent(rescan: Rescan) -> int:
    done, whole = (
        rescan.next_height - rescan.first_height,
        rescan.last_height - rescan.first_height + 1,
    )
    return 100 * done // whole


def _bar(rescan: Rescan) -> str:
    percent = _percent(rescan)
    filled = BAR_WIDTH * percent // 100
    bar = "#" * filled + "." * (BAR_WIDTH - filled)
    return f"[{bar}] {percent:3d} %  block {rescan.next_height - 1} of {rescan.last_height}, {rescan.found} found"

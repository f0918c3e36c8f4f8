"""``manage.py verify_ledger``: prove every entry, seal and closing balance anew, and say in one line what was proved."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand

from settlements.seal import HASH_BYTES
from settlements.verification import Progress, verify

PROCESSES_MAX = 8
FINDINGS_SHOWN_MAX = 100


class Command(BaseCommand):
    help = "Read the whole ledger, prove its balances, seals and invariants; exit 1 and name what is wrong otherwise."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many processes, and the seals that were noted elsewhere."""
        parser.add_argument(
            "--processes",
            type=int,
            choices=range(1, PROCESSES_MAX + 1),
            default=min(os.cpu_count() or 1, PROCESSES_MAX),
            help="processes that read at once; all that this machine has unless told",
        )
        parser.add_argument(
            "--seal",
            type=_noted_seal,
            action="append",
            default=[],
            metavar="DAY=HEX",
            help="a day's seal as it was noted elsewhere, for instance 2026-11-23=9f86d0…; may be given again",
        )

    def handle(self, *args: Any, processes: int, seal: list[tuple[date, bytes]], **options: Any) -> None:
        """Findings and remarks first, one a line, what was proved last; exit code 1 with findings."""
        proof = verify(processes=processes, progress=_progress_bar(), expected=dict(seal))
        for finding in proof.findings[:FINDINGS_SHOWN_MAX]:
            self.stdout.write(f"WRONG  {finding}")
        if len(proof.findings) > FINDINGS_SHOWN_MAX:
            self.stdout.write(f"WRONG  and {len(proof.findings) - FINDINGS_SHOWN_MAX} more")
        for remark in proof.remarks:
            self.stdout.write(f"NOTE   {remark}")
        self.stdout.write(proof.sentence)
        if proof.findings:
            sys.exit(1)


def _progress_bar() -> Progress | None:
    """A line on standard error that is written over, where somebody watches."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        percent = 100 * done // max(total, 1)
        bar = "█" * (percent // 4)
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{bar:<25} {percent:3} %  {done:,} of {total:,} entries{end}")
        sys.stderr.flush()

    return show


def _noted_seal(text: str) -> tuple[date, bytes]:
    day, _equals, hexadecimal = text.partition("=")
    try:
        noted = date.fromisoformat(day), bytes.fromhex(hexadecimal)
    except ValueError as error:
        raise ArgumentTypeError(f"not DAY=HEX: {text}") from error
    if len(noted[1]) != HASH_BYTES:
        raise ArgumentTypeError(f"a seal has {2 * HASH_BYTES} hexadecimal digits")
    return noted

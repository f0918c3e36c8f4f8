"""``make demo``: the whole gateway on this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

from alatau_pay.embedded.process import StartFailed
from devnet.gateway import ROOT, Gateway, Ports
from devnet.process import NodeStartError


def main() -> int:
    """Run the demo; returns the exit status."""
    arguments = _arguments()
    directory: Path = arguments.directory
    directory.mkdir(parents=True, exist_ok=True)
    # Kept open until we end: the lock goes with the process, however it ends.
    with (directory / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"alatau-pay: a demo is already running on {directory}; see {directory / 'demo.json'}",
                file=sys.stderr,
            )
            return 1
        return _run(Gateway(directory, ports=Ports(web=arguments.port)))


def _run(gateway: Gateway) -> int:
    started_at = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        description = gateway.start()
        print(banner(description, seconds=time.monotonic() - started_at), flush=True)
        gateway.watch()
    except KeyboardInterrupt:
        pass
    except (StartFailed, NodeStartError, psycopg.Error, FileNotFoundError) as error:
        print(f"alatau-pay: {error}", file=sys.stderr)
        return 1
    finally:
        print("\nStopping", flush=True)
        gateway.stop()
        (gateway.directory / "demo.json").unlink(missing_ok=True)
        _reap_orphans()
        print("Stopped; the data stays for the next start", flush=True)
    return 0


def banner(description: dict[str, Any], *, seconds: float) -> str:
    """What a person reads when the demo is ready."""
    shops = "\n".join(
        f"  {person['role']:<11} {person['email']:<32} {merchant['name']}"
        for merchant in description["merchants"]
        for person in merchant["people"]
    )
    return f"""
Alatau Pay is ready after {seconds:.1f} s

  For shops      {description["base_url"]}/login/
  Point of sale  {description["base_url"]}/pos/{description["store_id"]}/
  City admin     {description["base_url"]}/admin/
  Webhooks seen  {description["shop_url"]}/     (a stand-in for a shop's server)
  API            {description["base_url"]}/api/v1/     key {description["api_key"]}

Log-ins, all with the password  {description["password"]}
  {"City admin":<11} {description["admin"]["email"]}
  {"Approver":<11} {description["second_admin"]["email"]:<32} (payouts and the reserve take two people)
{shops}

Pay an invoice as a resident:  make pay INVOICE=<checkout address> ASSET=BTC|ETH|USDT
Bitcoin: {description["nodes"]["bitcoin"]["kind"]}. Addresses and keys: var/demo.json. Logs: var/log. Ctrl-C stops everything.
Letters are printed, not sent: to shops and of the night's proof of the ledger into var/log/worker.log, of its reconciliation
into var/log/watcher.log.
"""


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Once: the stopping that follows must not be interrupted half-way.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _reap_orphans() -> None:
    """Wait for what our children left to us, so that not even a zombie stays behind."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=Ports().web, help="of the web server; a taken one is replaced"
    )
    parser.add_argument(
        "--directory", type=Path, default=ROOT / "var", help="where the demo keeps everything"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

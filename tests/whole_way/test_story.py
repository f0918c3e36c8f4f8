"""``make story`` and ``make pay`` themselves, as a newcomer runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """Run one of the programs behind the Makefile's targets."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_the_story_holds_and_prints_its_table():
    told = run("devnet.story")
    assert told.returncode == 0, told.stdout + told.stderr
    rows = [line for line in told.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 16
    assert rows[-1].startswith("| all of it held")


@pytest.mark.parametrize("asset", ["BTC", "ETH", "USDT"])
def test_make_pay_settles_an_invoice_by_its_qr(running, tmp_path, asset):
    description = tmp_path / "demo.json"
    description.write_text(json.dumps(running.description))
    invoice_id = running.invoice()
    url = f"{running.description['base_url']}/i/{invoice_id}"
    paid = run("devnet.pay", "--invoice", url, "--asset", asset, "--description", str(description))
    assert paid.returncode == 0, paid.stdout + paid.stderr
    assert running.status(invoice_id) == "Settled"


def test_make_pay_says_what_is_wrong(running, tmp_path):
    description = tmp_path / "demo.json"
    description.write_text(json.dumps(running.description))
    base_url = running.description["base_url"]
    for arguments, said in [
        (["--invoice", f"{base_url}/i/nowhere", "--asset", "BTC"], "HTTP 404"),
        (["--invoice", f"{base_url}/i/{running.invoice()}", "--asset", "DOGE"], "cannot be paid in DOGE"),
        (["--invoice", "http://127.0.0.1:1/i/x", "--asset", "BTC"], "ConnectError"),
    ]:
        failed = run("devnet.pay", *arguments, "--description", str(description))
        assert failed.returncode == 1
        assert said in failed.stderr
    assert run("devnet.pay", "--invoice", "", "--asset", "").returncode == 2

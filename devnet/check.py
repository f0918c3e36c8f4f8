"""``make check``: everything that can be said about the code without running it. All checks run; each that fails is shown."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

#: Settings of a production that exists nowhere: what `manage.py check --deploy` and the type checker load.
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "alatau_pay.settings",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "SECRETS_KEYS": "A" * 43 + "=",
    "ALLOWED_HOSTS": "pay.example.kz",
    "SITE_URL": "https://pay.example.kz",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "BEHIND_TLS_PROXY": "1",
}
MANAGE = [sys.executable, "-W", "ignore::RuntimeWarning", "manage.py"]
CHECKS = {
    "types": [str(BIN / "mypy")],
    "lint": [str(BIN / "ruff"), "check", "--quiet", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    "import directions": [str(BIN / "lint-imports"), "--no-cache"],
    "contracts": [sys.executable, "-m", "devnet.build_contracts", "--check"],
    "migrations": [*MANAGE, "makemigrations", "--check", "--dry-run"],
    "deployment": [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
}


@dataclass(frozen=True)
class Outcome:
    """What one check said."""

    name: str
    passed: bool
    output: str
    seconds: float


def main() -> int:
    """Run every check, two at a time; returns 0 when all passed."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = list(pool.map(run, CHECKS))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def run(name: str) -> Outcome:
    """Run one check and print its outcome."""
    started_at = time.monotonic()
    completed = subprocess.run(
        CHECKS[name],
        cwd=ROOT,
        env=os.environ | SETTINGS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    outcome = Outcome(
        name, completed.returncode == 0, completed.stdout.strip(), time.monotonic() - started_at
    )
    print(f"{'ok    ' if outcome.passed else 'FAILED'} {name} ({outcome.seconds:.1f} s)", flush=True)
    if not outcome.passed:
        print(outcome.output, flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())

"""What an installation needs once, and again after a change of the code: migrations, static files, the first rows."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from alatau_pay.embedded.process import StartFailed

ROOT = Path(__file__).resolve().parent.parent
#: A change in any of these files makes the next start prepare again.
PREPARED_FROM = (
    "requirements.txt",
    "alatau_pay/settings.py",
    "*/migrations/*.py",
    "payments/management/commands/seed_demo.py",
    "static/**/*",
)


def prepare(
    directory: Path,
    environment: Mapping[str, str],
    *,
    networks: Mapping[str, Mapping[str, Any]],
    with_merchants: bool,
    shop_url: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Prepare the installation unless it is; returns what the seed wrote down: log-ins, stores, keys.

    Raises StartFailed when a command fails, or when the chains are not the ones that the database knows.
    """
    state_path, facts_path = directory / "prepared.json", directory / "seed.json"
    wanted = {"fingerprint": fingerprint(), "networks": networks}
    known = json.loads(state_path.read_text()) if state_path.exists() else None
    if known is not None and known["networks"] != networks:
        raise StartFailed(
            f"the chains in {directory / 'chains'} are not the ones that the database knows: make clean"
        )
    if known != wanted:
        say("Preparing the database and the static files (a few seconds)")
        networks_path = directory / "networks.json"
        write_private(networks_path, json.dumps(networks))
        seed = [
            "seed_demo",
            "--networks",
            str(networks_path),
            "--facts",
            str(facts_path),
            "--shop-url",
            shop_url,
        ]
        run_manage(
            environment,
            seed if with_merchants else [*seed, "--without-merchants"],
            ["collectstatic", "--no-input", "--verbosity", "0"],
        )
        write_private(state_path, json.dumps(wanted))
    facts: dict[str, Any] = json.loads(facts_path.read_text())
    return facts


def fingerprint() -> str:
    """A hash over the files that the preparation reads."""
    digest = hashlib.sha256()
    for path in sorted(_files()):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def run_manage(environment: Mapping[str, str], *commands: list[str]) -> None:
    """Run management commands side by side. Raises StartFailed with what the first that failed printed."""
    started = [
        subprocess.Popen(
            [sys.executable, "manage.py", *command],
            env=dict(environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands
    ]
    try:
        outputs = [process.communicate()[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for command, process, output in zip(commands, started, outputs, strict=True):
        if process.returncode:
            raise StartFailed(f"manage.py {command[0]} failed:\n{output.strip()}")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    scratch.touch(mode=0o600)
    scratch.write_text(text)
    scratch.replace(path)


def _files() -> Iterable[Path]:
    return (path for pattern in PREPARED_FROM for path in ROOT.glob(pattern) if path.is_file())

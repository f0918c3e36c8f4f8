"""What an installation needs once, and again after a change of the code: migrations, static files, the first rows."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alatau_pay.embedded.process import StartFailed

ROOT = Path(__file__).resolve().parent.parent
#: A change in any of these files makes the next start prepare the database again.
DATABASE_FROM = (
    "requirements.txt",
    "*/migrations/*.py",
    "payments/management/commands/seed_demo.py",
    "chains/presets.py",
    "chains/networks.py",
)
#: And these, the collected static files, which every installation in this folder shares.
STATIC_FROM = ("requirements.txt", "alatau_pay/settings.py", "static/**/*")
STATIC_STATE = ROOT / "var" / "static.json"


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
    wanted = {"fingerprint": fingerprint(DATABASE_FROM), "networks": networks, "shop_url": shop_url}
    known = _read_json(state_path)
    if known is not None and known["networks"] != networks:
        raise StartFailed(
            f"the chains in {directory / 'chains'} are not the ones that the database knows: make clean"
        )
    with _static_lock():
        commands = _static_commands()
        if known != wanted:
            commands.append(
                _seed_command(directory, networks, facts_path, shop_url, with_merchants=with_merchants)
            )
        if commands:
            say("Preparing the database and the static files (a few seconds)")
            run_manage(environment, *commands)
        write_private(STATIC_STATE, json.dumps({"fingerprint": fingerprint(STATIC_FROM)}))
    write_private(state_path, json.dumps(wanted))
    facts: dict[str, Any] = json.loads(facts_path.read_text())
    return facts


def fingerprint(patterns: Iterable[str]) -> str:
    """A hash over the names and the contents of the files that match."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _static_lock() -> Iterator[None]:
    # Two installations that start at the same time must not collect into the same folder.
    STATIC_STATE.parent.mkdir(parents=True, exist_ok=True)
    with STATIC_STATE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _static_commands() -> list[list[str]]:
    collected = (ROOT / "var" / "static" / "staticfiles.json").exists()
    if collected and _read_json(STATIC_STATE) == {"fingerprint": fingerprint(STATIC_FROM)}:
        return []
    return [["collectstatic", "--no-input", "--verbosity", "0"]]


def _seed_command(
    directory: Path,
    networks: Mapping[str, Mapping[str, Any]],
    facts_path: Path,
    shop_url: str,
    *,
    with_merchants: bool,
) -> list[str]:
    networks_path = directory / "networks.json"
    write_private(networks_path, json.dumps(networks))
    command = [
        "seed_demo",
        "--networks",
        str(networks_path),
        "--facts",
        str(facts_path),
        "--shop-url",
        shop_url,
    ]
    return command if with_merchants else [*command, "--without-merchants"]


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


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

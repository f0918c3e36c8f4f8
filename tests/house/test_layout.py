"""What the house promises and no other tool holds: pinned packages, described settings, consumed queues, pure modules."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PURE = next(
    contract["source_modules"]
    for contract in PROJECT["tool"]["importlinter"]["contracts"]
    if contract["name"].startswith("Pure modules")
)
PINNED = re.compile(r"([a-z0-9][a-z0-9-]*)==\S+( ; .+)?")


def requirement_lines(name):
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_pinned_exactly(name):
    assert [line for line in requirement_lines(name) if not PINNED.fullmatch(line)] == []


def test_production_installs_the_prescribed_packages():
    names = {PINNED.fullmatch(line)[1] for line in requirement_lines("requirements.txt")}
    assert names >= {
        "django",
        "djangorestframework",
        "celery",
        "redis",
        "web3",
        "python-bitcoinlib",
        "qrcode",
    }


def test_no_package_is_pinned_twice():
    lines = requirement_lines("requirements.txt") + requirement_lines("requirements-dev.txt")
    names = [PINNED.fullmatch(line)[1] for line in lines]
    assert sorted(names) == sorted(set(names))


def test_every_setting_is_described():
    read = set(
        re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', (ROOT / "alatau_pay" / "settings.py").read_text())
    )
    described = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read
    assert read - described == set()


@pytest.mark.parametrize("name", ["compose.yaml", "devnet/gateway.py"])
def test_every_queue_has_a_consumer(name):
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {
        settings.CELERY_TASK_DEFAULT_QUEUE
    }
    consumed = re.findall(r'-Q"?, "?([a-z]+(?:,[a-z]+)*)', (ROOT / name).read_text())
    assert {queue for queues in consumed for queue in queues.split(",")} == routed


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_ask_no_clock(module):
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    asked = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert not {"now", "utcnow", "today", "monotonic", "time_ns"} & set(asked)


def test_pure_modules_are_the_ones_typed_strictly():
    strict = [
        override["module"]
        for override in PROJECT["tool"]["mypy"]["overrides"]
        if override.get("disallow_any_generics")
    ]
    assert strict == [PURE]


def test_make_names_every_target_with_what_it_does():
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", shown, re.MULTILINE))
    wanted = {"help", "demo", "story", "pay", "test", "test-long", "check", "bench", "bitcoind", "clean"}
    assert wanted <= targets.keys()


def test_the_lock_of_node_packages_names_no_host():
    text = (ROOT / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert "://" not in text

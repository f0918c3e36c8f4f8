"""A missing tool is named in one line, with the way to get it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PREPARE = Path(__file__).resolve().parents[2] / "devnet" / "prepare.sh"


@pytest.fixture
def bare_path(tmp_path):
    """A PATH on which there is nothing but a shell and what every system has."""
    for name in ("sh", "dirname", "date", "printf", "rm", "cat", "grep", "touch"):
        (tmp_path / name).symlink_to(shutil.which(name))
    return tmp_path


def run(*arguments, path):
    environment = {"PATH": str(path)}
    return subprocess.run([PREPARE, *arguments], env=environment, capture_output=True, text=True)


def add_program(directory, name, text):
    program = directory / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_no_npm(bare_path):
    outcome = run("node", str(bare_path / "stamp"), path=bare_path)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("alatau-pay: npm is missing: apt-get install npm")
    assert outcome.stderr.count("\n") == 1
    assert not (bare_path / "stamp").exists()


def test_no_python(bare_path):
    outcome = run("which-python", path=bare_path)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith(
        "alatau-pay: Python 3.11, 3.12 or 3.13 is missing: apt-get install python3"
    )
    assert outcome.stderr.count("\n") == 1


def test_a_python_that_is_too_old_is_passed_over(bare_path):
    add_program(bare_path, "python3", "exit 1")
    assert run("which-python", path=bare_path).returncode == 1


def test_a_python_without_the_venv_module(bare_path):
    # It passes the question for its version and fails the one for its modules.
    add_program(bare_path, "python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    outcome = run("python", str(bare_path / "stamp"), path=bare_path)
    assert outcome.returncode == 1
    assert "python3 is missing: apt-get install python3-venv" in outcome.stderr
    assert outcome.stderr.count("\n") == 1

"""The measuring programs are found and run; what they measure is theirs."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import PARTS, programs

ROOT = Path(__file__).resolve().parents[2]


def bench(*names):
    return subprocess.run(
        [sys.executable, "-m", "bench", *names], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", programs())
def test_each_program_measures(name):
    assert callable(importlib.import_module(f"bench.{name}").measure)


def test_what_is_no_program_is_there():
    assert {path.stem for path in (ROOT / "bench").glob("*.py")} - {"__init__"} == {*programs(), *PARTS}


def test_programs_run_apart_from_each_other():
    """In one process the second would find the first one's rows, as two programs did that name their network alike."""
    ran = bench("derivation", "derivation")
    figures = [json.loads(line)["figure"] for line in ran.stdout.splitlines()]
    assert len(figures) == 6
    assert figures[:3] == figures[3:]


def test_an_unknown_program_is_named_and_nothing_runs():
    ran = bench("derivation", "nothing")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "no such program: nothing" in ran.stderr

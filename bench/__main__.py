"""Runs the measuring programs: all of them, or those that are named."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import bench
from bench.figures import Figure

# Parts of the programs, not programs themselves.
PARTS = {
    "__main__",
    "evm_answers",
    "figures",
    "installation",
    "journal",
    "ledger_rivals",
    "register_memory",
    "turns",
    "watcher_memory",
}


def programs() -> list[str]:
    """The names of the programs, in the order in which they are run."""
    return sorted({module.name for module in pkgutil.iter_modules(bench.__path__)} - PARTS)


def main(names: list[str]) -> int:
    """Run ``names``, or all; returns 1 when a figure misses its demand or a program fails, 2 for an unknown name."""
    known = programs()
    if unknown := [name for name in names if name not in known]:
        print(f"no such program: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    met = [_run_apart(name) for name in names or known]
    return 0 if all(met) else 1


def _run_apart(name: str) -> bool:
    """Run one program in a process of its own: what another filled its tables with is neither in its way nor in its figures."""
    code = f"import sys; from bench.__main__ import measure; sys.exit(measure({name!r}))"
    return subprocess.run([sys.executable, "-c", code]).returncode == 0


def measure(name: str) -> int:
    """Print the figures of one program; returns 1 when one misses its demand."""
    figures = list(_printed(importlib.import_module(f"bench.{name}").measure()))
    return 0 if all(figure.met for figure in figures) else 1


def _printed(figures: Iterator[Figure]) -> Iterator[Figure]:
    for figure in figures:
        figure.print()
        yield figure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

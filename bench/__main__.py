"""Runs the measuring programs: all of them, or the one that is named."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import bench

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
    """Run ``names``, or all; returns 1 when a figure misses its demand, 2 for an unknown name."""
    known = programs()
    if unknown := [name for name in names if name not in known]:
        print(f"no such program: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    met = True
    for name in names or known:
        for figure in importlib.import_module(f"bench.{name}").measure():
            figure.print()
            met &= figure.met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

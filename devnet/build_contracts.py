"""The compiled contracts of the gateway: written from their sources, or compared with them (``make check``).

``python -m devnet.build_contracts`` writes chains/evm/contracts/artifacts/*.json; with ``--check`` it writes nothing and
fails when a committed file is not what today's source and the pinned compiler give. Production has no compiler: it reads
the files.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parents[1] / "chains" / "evm" / "contracts"
ARTIFACTS = CONTRACTS / "artifacts"


def main() -> int:
    """Write the artefacts, or compare them; returns 1 when one differs."""
    parser = argparse.ArgumentParser(prog="devnet.build_contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    built = {ARTIFACTS / f"{source.stem}.json": artifact(source) for source in sorted(CONTRACTS.glob("*.vy"))}
    if check:
        return 0 if agree(built, ARTIFACTS.glob("*")) else 1
    ARTIFACTS.mkdir(exist_ok=True)
    for path, text in built.items():
        path.write_text(text)
        print(f"wrote {path.relative_to(CONTRACTS.parents[2])}")
    return 0


def artifact(source: Path) -> str:
    """What the compiler makes of one source, as the text of its file: ABI, creation code, runtime code without immutables."""
    compiled = compile_source(source)
    content = {
        "contract": source.stem,
        "compiler": f"vyper {_compiler_version()}",
        "abi": compiled["abi"],
        "creation": compiled["bytecode"],
        "runtime": compiled["bytecode_runtime"],
    }
    return json.dumps(content, indent=1) + "\n"


def compile_source(source: Path) -> dict[str, Any]:
    """The ABI, the creation code and the runtime code (0x hex) of one Vyper file."""
    from vyper import compile_code

    formats = ["abi", "bytecode", "bytecode_runtime"]
    compiled: dict[str, Any] = compile_code(source.read_text(), output_formats=formats)
    return compiled


def _compiler_version() -> str:
    import vyper

    return str(vyper.__version__)


def agree(built: dict[Path, str], committed: Iterable[Path]) -> bool:
    """Whether the ``committed`` files are just those that were ``built``, to the letter; each other one is named."""
    stale = [path for path, text in built.items() if not path.exists() or path.read_text() != text]
    orphaned = sorted(set(committed) - built.keys())
    for path in stale:
        print(f"{path.name} is not what its source compiles to: run python -m devnet.build_contracts")
    for path in orphaned:
        print(f"{path.name} has no source")
    return not stale and not orphaned


if __name__ == "__main__":
    sys.exit(main())

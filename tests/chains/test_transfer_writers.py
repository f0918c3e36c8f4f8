"""Only the watcher's pen sets a transfer's state."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("alatau_pay", "chains", "compliance", "merchants", "payments", "settlements")
# What leaves us has rows of its own, whose pen is chains.outgoing.
PEN = {"chains/outgoing.py", "chains/recording.py", "chains/transfer_rows.py"}
WRITING = {"update", "create", "update_or_create", "get_or_create", "bulk_create", "bulk_update", "Transfer"}


def sets_a_state(node: ast.AST) -> bool:
    """An assignment to ``….state``, or a writing call with ``state=``."""
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Attribute) and target.attr == "state" for target in node.targets)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return name in WRITING and any(keyword.arg == "state" for keyword in node.keywords)
    return False


def writers() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if any(sets_a_state(node) for node in ast.walk(ast.parse(path.read_text())))
    }


def test_only_the_pen_sets_a_transfers_state() -> None:
    assert writers() == PEN

"""Only ``payments.refunds`` sets a refund's status."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("alatau_pay", "chains", "compliance", "merchants", "payments", "settlements")


def sets_a_refunds_status(node: ast.AST) -> bool:
    """An assignment to ``refund.status``, or one of its states given to a call that writes rows."""
    if isinstance(node, ast.Assign):
        targets = [
            part
            for target in node.targets
            for part in (target.elts if isinstance(target, ast.Tuple) else [target])
        ]
        return any(
            isinstance(target, ast.Attribute)
            and target.attr == "status"
            and isinstance(target.value, ast.Name)
            and target.value.id == "refund"
            for target in targets
        )
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"create", "update", "Refund"}:
        return any(
            keyword.arg == "status" and ast.unparse(keyword.value).startswith("RefundStatus.")
            for keyword in node.keywords
        )
    return False


def test_one_module_sets_it() -> None:
    writers = {
        str(path.relative_to(ROOT))
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if any(sets_a_refunds_status(node) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert writers == {"payments/refunds.py"}

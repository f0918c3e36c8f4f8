"""One writer per status: no other module of the program sets a merchant's, a delivery's or a payout's."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ["alatau_pay", "merchants", "chains", "compliance", "settlements", "payments"]
# Calls that ask for rows by their status, and set none.
ASKING = {"filter", "exclude", "get", "Q", "aggregate"}


def name_of(function):
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def targets_of(node):
    """What an assignment sets, each part of a tuple by itself."""
    for target in node.targets:
        yield from target.elts if isinstance(target, ast.Tuple) else [target]


def sets_status(node, status_type):
    """True for ``row.status = Type.X`` and for ``create(status=Type.X)``, however they are laid out."""
    if isinstance(node, ast.Assign):
        is_status = any(isinstance(to, ast.Attribute) and to.attr == "status" for to in targets_of(node))
        return is_status and f"{status_type}." in ast.unparse(node.value)
    if isinstance(node, ast.Call) and name_of(node.func) not in ASKING:
        return any(
            keyword.arg == "status" and f"{status_type}." in ast.unparse(keyword.value)
            for keyword in node.keywords
        )
    return False


@pytest.mark.parametrize(
    ("status_type", "writer"),
    [
        ("MerchantStatus", "merchants/onboarding.py"),
        ("DeliveryStatus", "merchants/webhooks.py"),
        ("PayoutStatus", "settlements/payouts.py"),
    ],
)
def test_a_status_has_one_writer(status_type, writer):
    found = {
        str(path.relative_to(ROOT))
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if sets_status(node, status_type)
    }
    assert found <= {writer}


@pytest.mark.parametrize(
    ("line", "sets"),
    [
        ("row.status = PayoutStatus.COMPLETED", True),
        ("row.status, row.at = PayoutStatus.COMPLETED, now", True),
        ("rows.update(status=PayoutStatus.COMPLETED)", True),
        ("rows.filter(status=PayoutStatus.COMPLETED)", False),
        ("rows.exclude(Q(status=PayoutStatus.COMPLETED))", False),
        ("found = row.status == PayoutStatus.COMPLETED", False),
    ],
)
def test_what_sets_a_status_is_told_from_what_asks_for_it(line, sets):
    assert any(sets_status(node, "PayoutStatus") for node in ast.walk(ast.parse(line))) == sets

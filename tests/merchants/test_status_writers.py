"""One writer per status: no other module of the program sets a merchant's or a delivery's."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ["alatau_pay", "merchants", "chains", "compliance", "settlements", "payments"]


@pytest.mark.parametrize(
    ("status_type", "writer"), [("MerchantStatus", "onboarding.py"), ("DeliveryStatus", "webhooks.py")]
)
def test_a_status_has_one_writer(status_type, writer):
    # An assignment or a keyword argument; a filter in another module is written with .filter( on its line.
    setting = re.compile(rf"\bstatus\s*=\s*(?:[\w.]*\.)?{status_type}\.")
    found = {
        path.name
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts and path.name != "models.py"
        for line in path.read_text().splitlines()
        if setting.search(line) and ".filter(" not in line and "if " not in line
    }
    assert found <= {writer}

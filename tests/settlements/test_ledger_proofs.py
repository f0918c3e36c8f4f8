"""A merchant takes the proof of an entry of its own, and checks it with the program in docs/ that knows nothing of ours."""

import json
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone

from alatau_pay.assets import KZT, Asset
from merchants.models import Role
from settlements import days, ledger, proofs, seal
from settlements.business_day import business_date
from settlements.entries import correction, payable, payment_held, payment_settled
from settlements.entry import AccountName, Line
from settlements.fee_terms import Fee
from settlements.models import DaySeal
from settlements.operations import operations
from tests import world as city

pytestmark = pytest.mark.django_db
CHECKER = Path(__file__).resolve().parents[2] / "docs" / "check_proof.py"
BTC = Asset("BTC", "BTC", 8)
NOW = timezone.now()
DAY_BEFORE = NOW - timedelta(days=2)


def settle(merchant, key, *, at=DAY_BEFORE):
    entry = payment_settled(
        merchant_id=merchant.pk,
        coin=BTC,
        wallet="w7",
        received_minor=12_345,
        credited_minor=12_345,
        gross_tiyn=1_000_000,
        fee=Fee(10_000, 1_600),
    )
    with transaction.atomic():
        return ledger.post(entry, idempotency_key=key, reference=f"payment:{key}", now=at)


@pytest.fixture
def other(world):
    """Another merchant of the city."""
    return city.build_merchant(world.admin, business_id=city.BUSINESS_IDS[1])[0]


@pytest.fixture
def entry(world, other):
    """The merchant's entry among those of others, two sealed days ago."""
    for number in range(3):
        settle(other, f"before:{number}")
    mine = settle(world.merchant, "mine")
    settle(other, "after")
    with transaction.atomic():
        ledger.post(
            payment_held(coin=BTC, wallet="w7", received_minor=5),
            idempotency_key="held",
            reference="x:1",
            now=DAY_BEFORE,
        )
    days.close_due(NOW)
    return mine


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def path_of(store, entry):
    return f"/stores/{store.pk}/account/{entry.pk}/proof/"


def check(proof, tmp_path, *noted):
    file = tmp_path / "proof.json"
    file.write_text(proof if isinstance(proof, str) else json.dumps(proof), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-I", str(CHECKER), str(file), *noted], capture_output=True, text=True, check=False
    )


def test_the_checker_has_thirty_lines_and_needs_only_the_standard_library():
    text = CHECKER.read_text()
    assert len(text.splitlines()) <= 30
    imported = [line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))]
    assert set(imported) <= set(sys.stdlib_module_names)


def test_a_merchant_downloads_the_proof_and_checks_it(world, entry, tmp_path):
    answer = client_of(world.owner).get(path_of(world.store, entry))
    assert answer.status_code == 200
    day = entry.business_date
    assert answer["Content-Disposition"] == f'attachment; filename="proof-{day}-{entry.pk}.json"'
    checked = check(answer.content.decode(), tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert '"key": "mine"' in checked.stdout
    assert f'"payable:KZT:{world.merchant.pk}"' in checked.stdout
    assert "compare a noted one" in checked.stdout


def test_a_seal_noted_elsewhere_is_looked_for(world, entry, tmp_path):
    proof = proofs.proof_of(entry, world.merchant)
    for sealed in DaySeal.objects.all():
        checked = check(proof, tmp_path, bytes(sealed.seal).hex())
        assert checked.returncode == 0
        assert "In the sealed ledger." in checked.stdout
    refused = check(proof, tmp_path, "00" * 32)
    assert refused.returncode == 1
    assert "NOT PROVED" in refused.stdout
    assert "In the sealed ledger." not in refused.stdout


def test_a_proof_made_up_from_end_to_end_is_in_no_ledger(entry, tmp_path):
    """Anybody can seal a leaf of their own: only a seal noted elsewhere tells, and without one nothing more is claimed."""
    noted = bytes(DaySeal.objects.first().seal).hex()
    leaf = json.dumps({"business_date": "2026-11-23", "key": "mine", "lines": [["payable:KZT:m", "C", "1"]]})
    root = seal.root_of([seal.leaf_hash(leaf.encode())])
    made = seal.seal_of(previous=seal.NO_SEAL, day=date(2026, 11, 23), root=root)
    day = {"day": "2026-11-23", "root": root.hex(), "seal": made.hex()}
    forged = {"leaf": leaf, "path": [], "previous_seal": "00" * 32, "days": [day]}
    assert check(forged, tmp_path, noted).returncode == 1
    for arguments in ([], [noted]):
        assert "In the sealed ledger." not in check(forged, tmp_path, *arguments).stdout


def changed(proof, **changes):
    return {**json.loads(json.dumps(proof)), **changes}


def test_a_proof_that_is_changed_anywhere_is_refused(world, entry, tmp_path):
    proof = proofs.proof_of(entry, world.merchant)
    (side, beside), *rest = proof["path"]
    first, *later = proof["days"]
    yesterday = (entry.business_date - timedelta(days=1)).isoformat()
    forged = [
        changed(proof, leaf=proof["leaf"].replace("988400", "998400")),
        changed(proof, path=rest),
        changed(proof, path=[["right" if side == "left" else "left", beside], *rest]),
        changed(proof, path=[[side, "00" * 32], *rest]),
        changed(proof, previous_seal="11" * 32),
        changed(proof, days=[{**first, "root": "00" * 32}, *later]),
        changed(proof, days=[{**first, "seal": "00" * 32}, *later]),
        changed(proof, days=[{**first, "day": yesterday}, *later]),
    ]
    for forgery in forged:
        checked = check(forgery, tmp_path)
        assert checked.returncode == 1
        assert "NOT PROVED" in checked.stdout
    assert check(proof, tmp_path).returncode == 0


def test_a_proof_names_no_other_merchant(world, other, entry):
    text = json.dumps(proofs.proof_of(entry, world.merchant))
    assert world.merchant.pk in text
    assert other.pk not in text
    assert "before" not in text and "after" not in text


@pytest.mark.parametrize(("role", "status"), [(role, 403 if role == Role.CASHIER else 200) for role in Role])
def test_who_may_see_the_finances_may_take_it(world, entry, role, status):
    client = client_of(city.add_member(world.merchant, role))
    assert client.get(path_of(world.store, entry)).status_code == status


def test_a_stranger_and_an_unknown_visitor_learn_nothing(world, other, entry):
    stranger = city.build_store(other)
    member = city.add_member(other, Role.OWNER)
    assert client_of(member).get(path_of(world.store, entry)).status_code == 404
    assert client_of(member).get(path_of(stranger, entry)).status_code == 404, "an entry of another merchant"
    assert client_of(member).get(f"/stores/{stranger.pk}/account/{10**25}/proof/").status_code == 404
    assert Client().get(path_of(world.store, entry)).status_code == 302


def test_an_entry_of_no_merchant_is_nobodys_to_prove(world, entry):
    held = ledger.JournalEntry.objects.get(idempotency_key="held")
    assert client_of(world.owner).get(path_of(world.store, held)).status_code == 404


@pytest.fixture
def between(world, other, entry):
    """A correction that moves tenge from one merchant to the other, and says so."""
    lines = [Line(payable(world.merchant.pk), "D", 5), Line(payable(other.pk), "C", 5)]
    with transaction.atomic():
        return ledger.post(
            correction(lines, description=f"Act 7: the sale was {other.legal_name}'s"),
            idempotency_key="between",
            reference="correction:1",
            now=NOW,
        )


def test_a_correction_between_two_merchants_names_neither_to_the_other(world, other, between):
    page = client_of(world.owner).get(
        f"/stores/{world.store.pk}/account/",
        {"first_day": business_date(DAY_BEFORE).isoformat(), "last_day": business_date(NOW).isoformat()},
    )
    assert "correction:1" in page.content.decode()
    assert other.legal_name not in page.content.decode()
    shown = operations(world.merchant, business_date(NOW), business_date(NOW))
    assert [operation.description for operation in shown if operation.entry_id == between.pk] == [""]


def test_a_correction_of_ones_own_says_why(world, entry):
    lines = [Line(payable(world.merchant.pk), "D", 5), Line(AccountName("fee_income", KZT), "C", 5)]
    with transaction.atomic():
        ledger.post(
            correction(lines, description="Act 8: the fee was forgotten"),
            idempotency_key="own",
            reference="correction:2",
            now=NOW,
        )
    page = client_of(world.owner).get(
        f"/stores/{world.store.pk}/account/",
        {"first_day": business_date(DAY_BEFORE).isoformat(), "last_day": business_date(NOW).isoformat()},
    )
    assert "Act 8: the fee was forgotten" in page.content.decode()


def test_a_correction_between_two_merchants_is_proved_to_neither(world, other, between):
    assert payable(world.merchant.pk).asset == KZT
    with pytest.raises(proofs.NotTheirs):
        proofs.proof_of(between, world.merchant)
    answer = client_of(world.owner).get(path_of(world.store, between))
    assert answer.status_code == 409
    assert other.pk not in answer.content.decode()


def test_todays_entry_is_proved_after_midnight(world, entry):
    today = settle(world.merchant, "today", at=NOW)
    with pytest.raises(proofs.NotSealed):
        proofs.proof_of(today, world.merchant)
    answer = client_of(world.owner).get(path_of(world.store, today))
    assert answer.status_code == 409
    assert "after midnight" in answer.content.decode()


def test_an_entry_that_was_changed_since_has_no_proof(world, entry):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE settlements_journalentry SET reference = 'payment:9' WHERE id = %s", [entry.pk]
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
    with pytest.raises(proofs.NotAsSealed):
        proofs.proof_of(entry, world.merchant)
    answer = client_of(world.owner).get(path_of(world.store, entry))
    assert answer.status_code == 500
    assert "not what was sealed" in answer.content.decode()


def test_the_account_shows_every_movement_with_what_was_owed_then(world, entry):
    settle(world.merchant, "today", at=NOW)
    page = client_of(world.owner).get(
        f"/stores/{world.store.pk}/account/",
        {"first_day": business_date(DAY_BEFORE).isoformat(), "last_day": business_date(NOW).isoformat()},
    )
    rows = page.context["rows"]
    assert [(row.amount_tiyn, row.owed_tiyn, row.is_sealed) for row in rows] == [
        (988_400, 1_976_800, False),
        (988_400, 988_400, True),
    ]
    assert (page.context["opening_tiyn"], page.context["closing_tiyn"]) == (0, 1_976_800)
    text = page.content.decode()
    assert path_of(world.store, entry) in text
    assert "payment:before" not in text


def test_the_account_is_read_page_by_page(world):
    for number in range(60):
        settle(world.merchant, f"sale:{number}", at=NOW)
    client = client_of(world.owner)
    first = client.get(f"/stores/{world.store.pk}/account/")
    second = client.get(f"/stores/{world.store.pk}/account/{first.context['older_url']}")
    rows = [*first.context["rows"], *second.context["rows"]]
    assert [row.owed_tiyn for row in rows] == [988_400 * number for number in range(60, 0, -1)]
    assert second.context["older_url"] == ""
    newest = client.get(f"/stores/{world.store.pk}/account/{second.context['newest_url']}")
    assert newest.context["rows"][0] == rows[0]


@pytest.mark.django_db(transaction=True)
def test_what_is_owed_at_the_end_is_what_the_newest_movement_says(world):
    """A sale that settles while the page is made is on it with its row, or not at all."""
    settle(world.merchant, "first", at=NOW)

    def till():
        try:
            settle(world.merchant, "meanwhile", at=NOW)
        finally:
            connections.close_all()

    def settle_beside(execute, sql, *rest):
        outcome = execute(sql, *rest)
        if "settlements_posting" in sql:
            thread = threading.Thread(target=till)
            thread.start()
            thread.join(timeout=10)
        return outcome

    client = client_of(world.owner)
    with connection.execute_wrapper(settle_beside):
        page = client.get(f"/stores/{world.store.pk}/account/")
    assert [row.owed_tiyn for row in page.context["rows"]] == [988_400]
    assert page.context["closing_tiyn"] == 988_400
    assert ledger.owed_tiyn(world.merchant) == 2 * 988_400


@pytest.mark.parametrize("place", ["x", "2026-13-45-1", "2026-11-23-99999999999999999999", "2026-11-23"])
def test_a_bad_place_begins_with_the_newest(world, place):
    settle(world.merchant, "sale", at=NOW)
    page = client_of(world.owner).get(f"/stores/{world.store.pk}/account/", {"before": place})
    assert len(page.context["rows"]) == 1


@pytest.mark.parametrize(
    ("first", "last"),
    [("2026-11-02", "2026-11-01"), ("yesterday", "2026-11-01"), ("0001-01-01", "9999-12-31")],
)
def test_a_period_that_is_none_is_said_so_and_the_month_is_shown(world, first, last):
    page = client_of(world.owner).get(
        f"/stores/{world.store.pk}/account/", {"first_day": first, "last_day": last}
    )
    assert page.status_code == 422
    assert page.context["last"] == business_date(timezone.now())
    assert "errorlist" in page.content.decode()


@pytest.mark.parametrize(("role", "status"), [(role, 403 if role == Role.CASHIER else 200) for role in Role])
def test_who_may_see_the_account(world, role, status):
    client = client_of(city.add_member(world.merchant, role))
    assert client.get(f"/stores/{world.store.pk}/account/").status_code == status


def test_a_stranger_does_not_learn_that_there_is_an_account(world, other):
    member = city.add_member(other, Role.OWNER)
    assert client_of(member).get(f"/stores/{world.store.pk}/account/").status_code == 404

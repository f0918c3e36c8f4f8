"""``verify_ledger`` proves a sound ledger in one line, and names what a superuser changed with the triggers off."""

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from alatau_pay.assets import Asset
from merchants.models import User
from settlements import days, ledger, verification
from settlements.entries import (
    held_refund_due,
    network_fee_paid,
    payment_held,
    payment_settled,
    payout_completed,
    payout_reserved,
    refund_sent,
    screened_released,
)
from settlements.fee_terms import Fee
from settlements.models import ClosingBalance, DaySeal, JournalEntry
from tests import world as city

pytestmark = pytest.mark.django_db(transaction=True)
BTC = Asset("BTC", "BTC", 8)
NOON = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
ONE_DAY = timedelta(days=1)
ROOT = Path(__file__).resolve().parents[2]


def post(entry, key, *, at, reverses=None):
    with transaction.atomic():
        return ledger.post(entry, idempotency_key=key, reference=f"test:{key}", now=at, reverses=reverses)


@pytest.fixture
def books():
    """Five sealed days, the second without entries, and one open: settled, held, refunded and reversed. The merchant's id."""
    officer = User.objects.create_superuser("officer@city.example", "city-admin-password")
    merchant = city.build_merchant(officer, business_id=city.BUSINESS_IDS[0])[0].pk
    for number, at in enumerate([NOON, NOON, NOON + 2 * ONE_DAY, NOON + 3 * ONE_DAY, NOON + 5 * ONE_DAY]):
        settled = payment_settled(
            merchant_id=merchant,
            coin=BTC,
            wallet="w7",
            received_minor=12_345 + number,
            credited_minor=12_345,
            gross_tiyn=1_000_000,
            fee=Fee(10_000, 1_600),
        )
        post(settled, f"settled:{number}", at=at)
    held = post(payment_held(coin=BTC, wallet="w7", received_minor=500), "held", at=NOON)
    post(held_refund_due(coin=BTC, refunded_minor=3), "refund", at=NOON + 4 * ONE_DAY)
    with transaction.atomic():
        ledger.reverse(held, idempotency_key="held:reversed", now=NOON + 4 * ONE_DAY)
    days.close_due(NOON + 5 * ONE_DAY)
    return merchant


def behind_its_back(*statements):
    """What a superuser does with the triggers and the foreign keys switched off."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount > 0, statement


_CHECKS = [
    ("settlements_journalentry", "entry_counts_on_its_day"),
    ("settlements_account", "account_is_what_its_code_says"),
    ("settlements_dayseal", "seal_has_every_leaf"),
]


@pytest.fixture
def checks_taken_away(books):
    """Somebody who may change the tables themselves; put back afterwards, for rows that are written from then on."""
    rules = []
    with connection.cursor() as cursor:
        for table, name in _CHECKS:
            cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name])
            rules.append((table, name, cursor.fetchone()[0]))
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    with connection.cursor() as cursor:
        for table, name, rule in rules:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule} NOT VALID")


def verify(**how):
    return verification.verify(processes=1, **how)


def test_a_sound_ledger_is_proved_in_one_line(books):
    proof = verify()
    assert proof.findings == []
    assert proof.remarks == []
    assert (proof.entry_count, proof.posting_count) == (8, 40)
    assert (proof.sealed_days, proof.open_days) == (5, 1)
    last = DaySeal.objects.order_by("-day_id").first()
    assert proof.sentence == (
        "8 entries with 40 postings in 5 sealed days and 1 not sealed: every entry balances and is what was posted,"
        " every sealed day and closing balance is what its entries make it, no account is overdrawn;"
        f" seal of 2026-11-24: {bytes(last.seal).hex()}"
    )


def test_an_empty_ledger_is_sound():
    proof = verify()
    assert proof.findings == []
    assert proof.sentence.startswith("0 entries with 0 postings in 0 sealed days and 0 not sealed")


def test_several_processes_read_small_stretches_and_prove_the_same(books):
    told = []
    together = verification.verify(
        processes=2, stretch_entries=2, progress=lambda done, total: told.append((done, total))
    )
    assert together == verify()
    assert told == [(2, 8), (4, 8), (6, 8), (8, 8)]


POSTING_OF = "SELECT line.id FROM settlements_posting line JOIN settlements_journalentry entry ON entry.id = line.entry_id"
RAISED = f"""UPDATE settlements_posting SET amount_minor = amount_minor + 100 WHERE id IN
    ({POSTING_OF} WHERE entry.idempotency_key = 'settled:2' AND line.asset_code = 'KZT'
     AND line.account_id IN (SELECT id FROM settlements_account WHERE kind IN ('payable', 'position')))"""


@pytest.mark.parametrize(
    ("attacks", "findings"),
    [
        pytest.param(
            [RAISED],
            [
                r"entry \d+ \(settled:2\) is not what was posted: its recipe or its lines were changed",
                r"2026-11-22: entry \d+ \(settled:2\) was changed after the day was sealed",
                r"2026-11-22: closing balance of payable:KZT:\w+ is -2965200, its postings make -2965300",
                r"2026-11-22: closing balance of position:KZT:BTC is 3000000, its postings make 3000100",
                r"2026-11-23: closing balance of payable:KZT:\w+ is -3953600, its postings make -3953700",
                r"2026-11-23: closing balance of position:KZT:BTC is 4000000, its postings make 4000100",
            ],
            id="amounts raised in balance",
        ),
        pytest.param(
            [
                "UPDATE settlements_posting SET amount_minor = 501 WHERE amount_minor = 500 AND side = 'C'"
                f" AND id IN ({POSTING_OF} WHERE entry.idempotency_key = 'held')"
            ],
            [
                r"entry \d+ \(held\) does not balance in BTC",
                r"entry \d+ \(held\) is not what was posted: its recipe or its lines were changed",
                r"2026-11-20: entry \d+ \(held\) was changed after the day was sealed",
                r"2026-11-20: closing balance of held:BTC is -501, its postings make -502",
                r"2026-11-22: closing balance of held:BTC is -503, its postings make -504",
                r"2026-11-23: closing balance of held:BTC is -506, its postings make -507",
                r"2026-11-24: closing balance of held:BTC is -3, its postings make -4",
                r"entry \d+ is a reversal, but does not undo its entry line by line",
            ],
            id="one amount raised",
        ),
        pytest.param(
            [
                "UPDATE settlements_journalentry SET reference = 'payment:9' WHERE idempotency_key = 'settled:0'"
            ],
            [r"2026-11-20: entry \d+ \(settled:0\) was changed after the day was sealed"],
            id="another reference",
        ),
        pytest.param(
            [
                "UPDATE settlements_journalentry SET posted_at = posted_at + interval '1 minute'"
                " WHERE idempotency_key = 'settled:3'"
            ],
            [r"2026-11-23: entry \d+ \(settled:3\) was changed after the day was sealed"],
            id="another moment",
        ),
        pytest.param(
            [
                f"DELETE FROM settlements_posting WHERE id IN ({POSTING_OF} WHERE entry.idempotency_key = 'settled:3')",
                "DELETE FROM settlements_journalentry WHERE idempotency_key = 'settled:3'",
                "DELETE FROM settlements_closingbalance WHERE day_id = '2026-11-23'",
            ],
            [
                r"2026-11-23: sealed with 1 entries, has 0; missing: the one sealed at place 1",
                r"2026-11-24: closing balance of held:BTC is -3, its postings make 0",
                r"2026-11-24: closing balance of reserve:BTC:w7.payments .*",
            ],
            id="an entry deleted with all that belongs to it",
        ),
        pytest.param(
            ["DELETE FROM settlements_journalentry WHERE idempotency_key = 'settled:3'"],
            [
                r"2026-11-23: sealed with 1 entries, has 0; missing: the one sealed at place 1",
                r"2026-11-23: closing balance of .*",
                r"entry \d+ is gone, 7 of its postings are still there",
            ],
            id="an entry deleted without its postings",
        ),
        pytest.param(
            [
                "INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,"
                " description, posted_at, posting_count)"
                " SELECT 'forged', content_sha256, recipe, '2026-11-21', reference, description,"
                " posted_at + interval '1 day', posting_count"
                " FROM settlements_journalentry WHERE idempotency_key = 'settled:0'",
                "INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)"
                " SELECT (SELECT id FROM settlements_journalentry WHERE idempotency_key = 'forged'), account_id,"
                f" '2026-11-21', asset_code, side, amount_minor FROM settlements_posting WHERE id IN ({POSTING_OF}"
                " WHERE entry.idempotency_key = 'settled:0') ORDER BY id",
            ],
            [
                r"2026-11-21: entry \d+ \(forged\) was inserted or changed after the day was sealed",
                r"2026-11-21: closing balance of payable:KZT:\w+ is missing, its postings make -2965200",
                r"2026-11-22: closing balance of .*",
            ],
            id="an entry inserted in a sealed day",
        ),
        pytest.param(
            ["UPDATE settlements_dayseal SET seal = sha256(seal) WHERE day_id = '2026-11-21'"],
            [
                r"2026-11-21: the seal does not follow from the day's root and the seal of the day before",
                r"2026-11-22: the seal does not follow from the day's root and the seal of the day before",
            ],
            id="a seal changed",
        ),
        pytest.param(
            ["UPDATE settlements_dayseal SET root = sha256(root) WHERE day_id = '2026-11-22'"],
            [
                r"2026-11-22: the root of the seal was changed, or its leaf hashes were",
                r"2026-11-22: the seal does not follow from the day's root and the seal of the day before",
            ],
            id="a root changed",
        ),
        pytest.param(
            ["UPDATE settlements_dayseal SET leaf_hashes = sha256(leaf_hashes) WHERE day_id = '2026-11-22'"],
            [r"2026-11-22: the kept leaf hashes were changed; its entries and its seal are sound"],
            id="kept leaf hashes changed",
        ),
        pytest.param(
            [
                "DELETE FROM settlements_closingbalance WHERE day_id = '2026-11-22'",
                "DELETE FROM settlements_dayseal WHERE day_id = '2026-11-22'",
            ],
            [
                r"2026-11-22: entries on a day that was passed over by the seals",
                r"2026-11-23: the day before has no seal",
                r"2026-11-23: the seal does not follow from the day's root and the seal of the day before",
            ],
            id="a seal deleted",
        ),
        pytest.param(
            [
                "UPDATE settlements_closingbalance SET balance_minor = 0 WHERE day_id = '2026-11-23'"
                " AND account_id = (SELECT id FROM settlements_account WHERE code = 'fee_income:KZT')"
            ],
            [r"2026-11-23: closing balance of fee_income:KZT is 0, its postings make -40000"],
            id="a closing balance changed",
        ),
        pytest.param(
            [
                "INSERT INTO settlements_closingbalance (account_id, day_id, balance_minor)"
                " SELECT id, '2026-11-24', -7 FROM settlements_account WHERE code = 'fee_income:KZT'"
            ],
            [r"2026-11-24: closing balance of fee_income:KZT is -7, its postings make none that day"],
            id="a closing balance of an account that did not move",
        ),
        pytest.param(
            [
                "UPDATE settlements_posting SET business_date = '2026-11-26'"
                f" WHERE id IN ({POSTING_OF} WHERE entry.idempotency_key = 'settled:4')"
            ],
            [
                r"entry \d+ \(settled:4\) has a posting in another asset than its account's, or of another day than its own"
            ],
            id="postings on another day than their entry",
        ),
        pytest.param(
            ["UPDATE settlements_account SET code = E'fee income\\nKZT' WHERE code = 'fee_income:KZT'"],
            [
                r"entry \d+ \(settled:0\) has a line that cannot be read",
                r"2026-11-2\d: entry \d+ \(settled:\d\) was changed after the day was sealed",
                r"held:BTC is overdrawn: 3 more went out than came in",
                r"account fee income\nKZT is kept as another one: fee_income, KZT",
            ],
            id="an account whose name breaks the line",
        ),
        pytest.param(
            ["UPDATE settlements_journalentry SET posting_count = 5 WHERE idempotency_key = 'settled:4'"],
            [r"entry \d+ \(settled:4\) states 5 postings and has 7"],
            id="another number of postings",
        ),
        pytest.param(
            [
                "INSERT INTO settlements_closingbalance (account_id, day_id, balance_minor)"
                " SELECT id, '2026-11-25', -7 FROM settlements_account WHERE kind IN ('payable', 'bank')"
            ],
            [r"2026-11-25: 1 closing balances of a day that has no seal"],
            id="a closing balance of a day without a seal",
        ),
        pytest.param(
            ["UPDATE settlements_closingbalance SET balance_minor = 'NaN' WHERE balance_minor = -40000"],
            [r"2026-11-23: closing balance of fee_income:KZT is NaN, its postings make -40000"],
            id="a closing balance that is no number",
        ),
        pytest.param(
            [
                f"UPDATE settlements_posting SET amount_minor = 'NaN' WHERE id IN ({POSTING_OF}"
                " WHERE entry.idempotency_key = 'settled:4')"
            ],
            [r"entry \d+ \(settled:4\) has a line that cannot be read"],
            id="amounts that are no numbers",
        ),
        pytest.param(
            ["UPDATE settlements_account SET merchant_id = NULL, kind = 'bank' WHERE kind = 'payable'"],
            [r"account payable:KZT:\w+ is kept as another one: bank, KZT"],
            id="an account of another kind and of no merchant",
        ),
        pytest.param(
            ["UPDATE settlements_account SET part = 'w8.payments' WHERE kind = 'reserve'"],
            [r"account reserve:BTC:w7.payments is kept as another one: reserve, BTC, w8.payments"],
            id="coins in another wallet",
        ),
        pytest.param(
            [
                "UPDATE settlements_account SET asset_code = 'ETH' WHERE code = 'position:BTC'",
                "UPDATE settlements_posting SET asset_code = 'ETH'"
                " WHERE account_id = (SELECT id FROM settlements_account WHERE code = 'position:BTC')",
            ],
            [
                r"account position:BTC is kept as another one: position, ETH",
                r"entry \d+ \(settled:\d\) does not balance in BTC, ETH",
            ],
            id="an account and its postings in another asset",
        ),
        pytest.param(
            ["UPDATE settlements_account SET asset_decimals = 6 WHERE code = 'held:BTC'"],
            [r"accounts in BTC are kept with 6, 8 decimals"],
            id="an account with other decimals",
        ),
        pytest.param(
            ["DELETE FROM settlements_closedday WHERE day = '2026-11-22'"],
            [
                r"2026-11-22: sealed, and not closed: it takes entries",
                r"2026-11-23: closed, and the day before is not",
            ],
            id="a closed day opened again",
        ),
        pytest.param(
            [
                "INSERT INTO settlements_closedday (day, closed_at) VALUES ('2026-12-24', '2026-12-25 12:00+05')"
            ],
            [r"2026-12-24: closed, and the day before is not"],
            id="a day to come closed already",
        ),
        *(
            pytest.param(
                [
                    f"UPDATE settlements_journalentry SET posted_at = '{moment}', business_date = '{day}'"
                    " WHERE idempotency_key = 'settled:4'",
                    f"UPDATE settlements_posting SET business_date = '{day}' WHERE business_date = '2026-11-25'",
                ],
                [
                    rf"entry \d+ \(settled:4\) counts on {day} and was posted at {moment}.*: beyond every calendar"
                ],
                id=f"an entry of a day that no seal reaches: {day}",
            )
            for day, moment in [
                ("infinity", "infinity"),
                ("-infinity", "-infinity"),
                ("9999-12-31", "9999-12-31 07:00:00"),
            ]
        ),
        pytest.param(
            [
                "UPDATE settlements_journalentry SET reverses_id = NULL WHERE idempotency_key = 'held:reversed'"
            ],
            [
                r"2026-11-24: entry \d+ \(held:reversed\) was changed after the day was sealed",
                r"entry \d+ is a reversal by its recipe or by its reference alone, not by both",
            ],
            id="a reversal that names no entry",
        ),
    ],
)
def test_what_was_changed_behind_the_databases_back_is_found(checks_taken_away, attacks, findings):
    behind_its_back(*attacks)
    found = verify().findings
    for finding in findings:
        assert any(matches(finding, sentence) for sentence in found), (finding, found)
    for sentence in found:
        if not sentence.startswith("entry") and "closing balance" not in sentence:
            assert any(matches(finding, sentence) for finding in findings), f"nobody caused this: {sentence}"


def matches(pattern, sentence):
    return re.fullmatch(pattern, sentence) is not None


def test_an_entry_that_counts_on_another_day_than_its_moments_is_found(checks_taken_away):
    behind_its_back(
        "UPDATE settlements_journalentry SET posted_at = posted_at + interval '1 day'"
        " WHERE idempotency_key = 'settled:4'"
    )
    assert len(findings := verify().findings) == 1
    assert matches(r"entry \d+ \(settled:4\) counts on 2026-11-25 but was posted on 2026-11-26", findings[0])


@pytest.fixture
def rules_taken_away(books):
    """The same somebody, of the triggers."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE settlements_posting DISABLE TRIGGER posting_append_only")
        cursor.execute("DROP TRIGGER day_may_close ON settlements_closedday")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE settlements_posting ENABLE TRIGGER posting_append_only")
        cursor.execute(
            "CREATE TRIGGER day_may_close BEFORE INSERT ON settlements_closedday"
            " FOR EACH ROW EXECUTE FUNCTION check_day_may_close()"
        )


def test_rules_that_were_switched_off_and_stayed_so_are_found(rules_taken_away):
    assert verify().findings == [
        "settlements_posting: the rule posting_append_only is switched off",
        "settlements_closedday: no rule guards it against INSERT",
    ]


def test_a_seal_that_states_another_number_of_entries_is_found(checks_taken_away):
    behind_its_back("UPDATE settlements_dayseal SET entry_count = 9 WHERE day_id = '2026-11-22'")
    assert "2026-11-22: the seal states 9 entries, its leaf hashes are of another number" in verify().findings


def test_more_given_back_than_was_held_is_found(books):
    post(held_refund_due(coin=BTC, refunded_minor=600), "too much", at=NOON + 5 * ONE_DAY)
    assert verify().findings == ["held:BTC is overdrawn: 593 more went out than came in"]


@pytest.mark.parametrize(
    ("entry", "finding"),
    [
        (
            refund_sent(coin=BTC, wallet="w7", sent_minor=4),
            "refund:BTC is overdrawn: 1 more went out than came in",
        ),
        (
            screened_released(coin=BTC, released_minor=7),
            "screened:BTC is overdrawn: 7 more went out than came in",
        ),
        (payout_completed(amount_tiyn=5), "payout:KZT is overdrawn: 5 more went out than came in"),
        (
            network_fee_paid(coin=BTC, wallet="w7", fee_minor=61_736, value_tiyn=1),
            "reserve:BTC is overdrawn: 1 more went out than came in",
        ),
    ],
    ids=["refund", "screened", "payout", "reserve"],
)
def test_whatever_is_overdrawn_is_found(books, entry, finding):
    """Of the coin there are 5 x 12 345 satoshi and the 10 of the excesses."""
    post(entry, "too much", at=NOON + 5 * ONE_DAY)
    assert verify().findings == [finding]


def test_a_merchant_who_owes_the_operator_is_a_remark_and_no_finding(books):
    for number in (0, 1, 2, 3, 4):
        entry = JournalEntry.objects.get(idempotency_key=f"settled:{number}")
        with transaction.atomic():
            ledger.reverse(entry, idempotency_key=f"{entry}:reversed", now=NOON + 5 * ONE_DAY)
    post(payout_reserved(merchant_id=books, amount_tiyn=5), "payout", at=NOON + 5 * ONE_DAY)
    proof = verify()
    assert proof.remarks == [f"payable:KZT:{books}: the merchant owes the operator 5 tiyn"]
    assert proof.findings == ["held:BTC is overdrawn: 3 more went out than came in"]


def test_one_who_writes_every_seal_anew_is_found_by_a_seal_noted_elsewhere(books):
    noted = {seal.day_id: bytes(seal.seal) for seal in DaySeal.objects.all()}
    assert verify(expected=noted).findings == []
    behind_its_back(
        "UPDATE settlements_journalentry SET reference = 'payment:9' WHERE idempotency_key = 'settled:0'",
        "DELETE FROM settlements_closingbalance",
        "DELETE FROM settlements_dayseal",
        "DELETE FROM settlements_closedday",
    )
    days.close_due(NOON + 5 * ONE_DAY)
    assert verify().findings == []
    last = max(noted)
    assert verify(expected={last: noted[last], last + 9 * ONE_DAY: bytes(32)}).findings == [
        "2026-11-24: the seal is not the one that was noted elsewhere; the days up to it were written anew",
        "2026-12-03: a seal was noted elsewhere, here is none",
    ]


def test_verifying_does_not_disturb_posting(books):
    """It reads one moment: what is posted meanwhile is neither waited for nor half seen."""

    def post_one(done, total):
        post(
            payment_held(coin=BTC, wallet="w7", received_minor=1), f"meanwhile:{done}", at=NOON + 5 * ONE_DAY
        )

    assert verify(progress=post_one).findings == []
    assert JournalEntry.objects.filter(idempotency_key__startswith="meanwhile").count() == 1


def test_verifying_connects_as_the_program_does(books):
    """With all that the database's address says, such as how TLS is asked for: here, the name under which it connects."""
    seen = []

    def look(done, total):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'at night'")
            seen.append(cursor.fetchone()[0])

    before = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.settings_dict["OPTIONS"] = {
        **before,
        "application_name": "at night",
        "options": "-c work_mem=8MB",
    }
    try:
        assert verify(progress=look).findings == []
    finally:
        connection.close()
        connection.settings_dict["OPTIONS"] = before
    assert seen == [3], "the program's own, the one that holds the snapshot, and the reader's"


def test_the_command_says_what_it_proved(books):
    output = StringIO()
    call_command("verify_ledger", "--processes", "1", stdout=output)
    assert output.getvalue().startswith(
        "8 entries with 40 postings in 5 sealed days and 1 not sealed: every entry"
    )
    assert output.getvalue().count("\n") == 1


def test_the_command_ends_with_1_and_names_the_finding(books):
    behind_its_back("UPDATE settlements_closingbalance SET balance_minor = 0 WHERE balance_minor = -40000")
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_ledger", "--processes", "1", stdout=output)
    assert ended.value.code == 1
    assert output.getvalue() == (
        "WRONG  2026-11-23: closing balance of fee_income:KZT is 0, its postings make -40000\n"
        "8 entries with 40 postings: NOT proved, 1 findings\n"
    )
    assert ClosingBalance.objects.filter(balance_minor=0).count() == 1, "verifying mends nothing"


@pytest.mark.parametrize("noted", ["yesterday", "2026-11-20=zz", "2026-11-20=00"])
def test_a_seal_that_is_none_is_refused(noted):
    with pytest.raises(CommandError, match="DAY=HEX|hexadecimal digits"):
        call_command("verify_ledger", "--seal", noted)


def test_the_program_as_it_is_started_by_a_person(books, program_environment):
    ran = subprocess.run(
        [sys.executable, "manage.py", "verify_ledger", "--processes", "2"],
        cwd=ROOT,
        env={**os.environ, **program_environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "no account is overdrawn" in ran.stdout
    assert ran.stderr == "", "no progress bar where nobody watches"

"""What the bank's statements do to payouts: nothing by being imported, and only what their numbers prove when matched."""

import threading
import time

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, connections, transaction

from merchants.models import User
from settlements import ledger, payout_files, payouts, statements
from settlements.models import (
    BankStatement,
    BankStatementLine,
    JournalEntry,
    LineStatus,
    PayoutBatch,
    PayoutStatus,
    StatementColumns,
)
from tests.settlements import paid_out
from tests.settlements.bank_data import DATA, statement_1c, statement_document

pytestmark = pytest.mark.django_db
NOW = paid_out.NOW
OTHER_IBAN = "KZ48722C000098765432"


def paid(payout, **changes):
    """The statement's document that the payment of ``payout`` makes, from its own data."""
    said = {
        "document_number": str(payout.pk),
        "outgoing": f"{payout.amount_tiyn / 100:.2f}",
        "payee_iban": payout.iban,
        "payee_name": payout.payee_name,
        "payee_business_id": payout.payee_business_id,
        "purpose": payout.purpose,
    }
    return statement_document(**{**said, **changes})


def returned(payout, **changes):
    """The statement's document of the tenge coming back; in it, the merchant is the payer."""
    text = paid(
        payout, document_number="900", day="24.11.2026", outgoing="", incoming=f"{payout.amount_tiyn / 100:.2f}",
        purpose=f"Возврат п/п №{payout.pk}, счет закрыт, реестр №{payout.number}", payer_iban=payout.iban,
        payee_iban="KZ39601A001000000017",
    )  # fmt: skip
    text = text.replace("Получатель", "X").replace("Плательщик", "Получатель").replace("X", "Плательщик")
    text = text.replace(f"ПолучательИИК={payout.iban}", "ПолучательИИК=KZ39601A001000000017", 1)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text.replace("ПлательщикИИК=KZ39601A001000000017", f"ПлательщикИИК={payout.iban}")


def bring(*documents, name="statement.txt", **more):
    return statements.import_(statement_1c(*documents, **more), file_name=name, now=NOW)


def match():
    return statements.match(now=NOW)


@pytest.fixture
def payout():
    return paid_out.sent_batch().payouts.get()


def status_of(payout):
    payout.refresh_from_db()
    return payout.status


def test_an_imported_statement_is_stored_and_believed_by_nobody(payout):
    content = statement_1c(paid(payout), statement_document(outgoing="250.00", purpose="Комиссия банка"))
    officer = paid_out.officer()
    statement = statements.import_(content, file_name="kl_to_1c.txt", now=NOW, actor=officer)
    assert (bytes(statement.content), statement.file_name, statement.format) == (
        content,
        "kl_to_1c.txt",
        "1C",
    )
    assert (statement.line_count, statement.new_line_count, statement.imported_by) == (2, 2, officer)
    line = statement.lines.get(position=1)
    assert (line.amount_tiyn, line.direction, line.status) == (payout.amount_tiyn, "out", LineStatus.OPEN)
    assert ["НомерДокумента", str(payout.pk)] in line.raw
    assert status_of(payout) == PayoutStatus.IN_PROGRESS


def test_the_same_file_again_adds_nothing(payout):
    first = bring(paid(payout))
    assert bring(paid(payout), name="copy.txt") == first
    assert (BankStatement.objects.count(), BankStatementLine.objects.count()) == (1, 1)


def test_a_line_of_two_overlapping_files_is_stored_once(payout):
    fee = statement_document(outgoing="250.00", purpose="Комиссия банка", day="24.11.2026")
    bring(paid(payout))
    second = bring(paid(payout), fee)
    assert (second.line_count, second.new_line_count) == (2, 1)
    assert list(second.lines.values_list("position", "amount_tiyn")) == [(2, 25_000)]
    assert BankStatementLine.objects.count() == 2


def test_two_truly_equal_lines_both_count_and_a_third_in_a_later_file_too():
    paid_out.servicing_bank()
    fee = statement_document(outgoing="250.00", purpose="Комиссия банка")
    assert bring(fee, fee).new_line_count == 2
    assert bring(fee, fee, fee).new_line_count == 1
    assert BankStatementLine.objects.count() == 3


def test_balances_and_doubts_are_stored():
    paid_out.servicing_bank()
    content = (DATA / "statement_plain.txt").read_bytes().replace(b"1347749.50", b"1347749.51")
    statement = statements.import_(content, file_name="a.txt", now=NOW)
    assert statement.doubts == [
        {"kind": "balance", "detail": "KZ39601A001000000017: 500000.00 + 1040000.00 − 192250.50 ≠ 1347749.51"}
    ]
    assert statement.balances.get().closing_tiyn == 134_774_951


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "first line"),
        (b"<a/>", "known version"),
        (statement_1c(statement_document(outgoing="1.00", payer_iban=OTHER_IBAN), account_iban=OTHER_IBAN), "no account of"),
        (b"1CClientBankExchange\n" + b" " * 20_000_001, "at most 20000000 bytes"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_nothing(content, why):
    paid_out.servicing_bank()
    with pytest.raises(statements.StatementRefused, match=why):
        statements.import_(content, file_name="x", now=NOW)
    assert not BankStatement.objects.exists()
    assert not BankStatementLine.objects.exists()


def test_the_file_that_went_to_the_bank_completes_nothing(payout):
    content = payout_files.render(payout.batch).content
    with pytest.raises(statements.StatementRefused, match="payment orders"):
        statements.import_(content, file_name="1c_to_kl.txt", now=NOW)
    assert not BankStatement.objects.exists()


def test_a_payment_with_its_number_amount_and_account_completes_the_payout(payout):
    bring(paid(payout))
    assert match() == statements.Matched(completed=1, returned=0, open=0)
    assert status_of(payout) == PayoutStatus.COMPLETED
    assert payout.bank_reference == f"23.11.2026 №{payout.pk}"
    line = BankStatementLine.objects.get()
    assert (line.payout, line.status, line.fault, line.decided_by) == (payout, LineStatus.MATCHED, "", None)
    assert ledger.total_minor("bank", ledger.payable(payout.merchant_id).asset) == -payout.amount_tiyn


def test_matching_again_does_nothing_more(payout):
    bring(paid(payout))
    match()
    entries = JournalEntry.objects.count()
    assert match() == statements.Matched(completed=0, returned=0, open=0)
    bring(paid(payout), statement_document(outgoing="1.00"))
    assert match().completed == 0
    assert JournalEntry.objects.count() == entries


@pytest.mark.parametrize(
    "named",
    [
        {"document_number": "4711"},  # the register's number stands in the purpose
        {"document_number": "4711", "purpose": "Платеж по AP{id}"},
        {"document_number": "4711", "purpose": "ОПЛАТА ПО ПЛ.ПОР. N {id}"},
        {"purpose": "Возмещение"},
    ],
)
def test_a_payout_is_named_in_several_ways(payout, named):
    changes = {key: value.format(id=payout.pk) for key, value in named.items()}
    bring(paid(payout, **changes))
    assert match().completed == 1


def test_camt_completes_by_its_reference_and_returns_by_its_reason():
    bank = paid_out.servicing_bank()
    coffee = paid_out.payout(15_200_050, of=paid_out.merchant(iban="KZ84722C000012345678"))
    tailor = paid_out.payout(4_000_000, of=paid_out.merchant(iban=OTHER_IBAN))
    paid_out.sent_batch(coffee, tailor, bank=bank)
    text = (DATA / "statement_camt053_08.xml").read_text()
    for old, new in (("17", coffee), ("18", tailor)):
        text = text.replace(f"<InstrId>{old}<", "<InstrId>other<").replace(f">AP{old}<", f">AP{new.pk}<")
    statements.import_(text.encode(), file_name="camt.xml", now=NOW)
    assert match() == statements.Matched(completed=2, returned=1, open=2)
    assert (status_of(coffee), status_of(tailor)) == (PayoutStatus.COMPLETED, PayoutStatus.CANCELLED)
    assert tailor.returned_at == NOW
    assert ledger.owed_tiyn(tailor.merchant) == 4_000_000


def test_a_table_completes_by_the_columns_that_its_bank_uses():
    bank = paid_out.servicing_bank()
    coffee = paid_out.payout(15_200_050)
    paid_out.sent_batch(coffee, bank=bank)
    columns = StatementColumns.objects.create(
        name="Bank", servicing_bank=bank, day="Дата", incoming="Кредит", outgoing="Дебет", document_number="Номер",
        purpose="Назначение платежа", counterparty_iban="ИИК корреспондента", encoding="windows-1251",
    )  # fmt: skip
    content = (DATA / "statement_table.csv").read_bytes().replace(b";17;", f";{coffee.pk};".encode())
    statement = statements.import_(content, file_name="t.csv", now=NOW, columns=columns)
    assert (statement.format, statement.line_count) == ("CSV", 5)
    assert statements.import_(content, file_name="t.csv", now=NOW, columns=columns) == statement
    assert match().completed == 1
    assert status_of(coffee) == PayoutStatus.COMPLETED


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"outgoing": "150480.01"}, "amount"),
        ({"payee_iban": OTHER_IBAN}, "counterparty"),
        ({"document_number": "4711", "purpose": "Оплата"}, "not named"),
        ({"document_number": "4711", "purpose": "реестр №2"}, "not named"),
        ({"outgoing": "1.00", "payee_iban": OTHER_IBAN}, "not named"),
        ({"document_number": "9" * 40, "purpose": "Оплата"}, "not named"),
    ],
)
def test_when_anything_differs_the_line_stays_visible_with_the_reason(payout, changes, fault):
    bring(paid(payout, **changes))
    assert match() == statements.Matched(completed=0, returned=0, open=1)
    line = statements.open_lines().get()
    assert (line.fault, line.payout) == (fault, None)
    assert status_of(payout) == PayoutStatus.IN_PROGRESS


def test_two_businesses_of_one_account_are_told_apart_by_the_orders_number():
    first, second = paid_out.payout(), paid_out.payout()
    paid_out.sent_batch(first, second)
    bring(paid(second))
    assert match().completed == 1
    assert (status_of(first), status_of(second)) == (PayoutStatus.IN_PROGRESS, PayoutStatus.COMPLETED)


def test_a_line_whose_numbers_name_two_payouts_is_left_to_a_person():
    first, second = paid_out.payout(), paid_out.payout()
    paid_out.sent_batch(first, second)
    bring(paid(first, purpose=f"п/п №{second.pk}"))
    assert match().completed == 0
    assert statements.open_lines().get().fault == "ambiguous"


def test_a_payment_from_another_of_our_accounts_stays_visible(payout):
    paid_out.servicing_bank(iban="KZ60601A001000000099")
    bring(paid(payout, payer_iban="KZ60601A001000000099"), account_iban="KZ60601A001000000099")
    match()
    assert statements.open_lines().get().fault == "account"
    assert status_of(payout) == PayoutStatus.IN_PROGRESS


def test_a_payment_of_what_nobody_approved_stays_visible():
    payout = paid_out.batch().payouts.get()
    bring(paid(payout))
    match()
    assert statements.open_lines().get().fault == "not approved"
    assert status_of(payout) == PayoutStatus.AWAITING_APPROVAL


def test_a_payment_that_the_bank_made_twice_stays_visible_once(payout):
    bring(paid(payout), paid(payout))
    assert match() == statements.Matched(completed=1, returned=0, open=1)
    assert statements.open_lines().get().fault == "taken"


def test_a_payout_that_a_person_completed_gets_its_line_and_no_second_entry(payout):
    payouts.complete(
        payout, bank_reference="by phone", now=NOW, actor=paid_out.officer(), reason="the bank called"
    )
    entries = JournalEntry.objects.count()
    bring(paid(payout))
    assert match().completed == 1
    assert JournalEntry.objects.count() == entries
    assert BankStatementLine.objects.get().payout == payout


def test_a_payout_that_a_person_completed_and_returned_gets_both_its_lines_and_no_further_entry(payout):
    officer = paid_out.officer()
    payouts.complete(payout, bank_reference="by phone", now=NOW, actor=officer, reason="the bank called")
    payouts.return_(payout, reason="and called again", now=NOW, actor=officer)
    entries = JournalEntry.objects.count()
    bring(paid(payout), returned(payout))
    assert match() == statements.Matched(completed=1, returned=1, open=0)
    assert JournalEntry.objects.count() == entries
    assert status_of(payout) == PayoutStatus.CANCELLED


def test_a_return_gives_the_merchant_its_tenge_back(payout):
    bring(paid(payout), returned(payout))
    assert match() == statements.Matched(completed=1, returned=1, open=0)
    assert status_of(payout) == PayoutStatus.CANCELLED
    assert payout.reason.startswith(f"Возврат п/п №{payout.pk}")
    assert ledger.owed_tiyn(payout.merchant) == payout.amount_tiyn
    assert set(payout.statement_lines.values_list("direction", flat=True)) == {"in", "out"}


def test_a_return_by_the_banks_own_account_is_known_by_the_businesses_number(payout):
    bring(paid(payout), returned(payout).replace(f"ПлательщикИИК={payout.iban}", "ПлательщикИИК="))
    assert match().returned == 1


def test_a_return_waits_for_the_payment_and_is_matched_when_that_came(payout):
    bring(returned(payout))
    assert match() == statements.Matched(completed=0, returned=0, open=1)
    assert statements.open_lines().get().fault == "not completed"
    bring(paid(payout))
    assert match() == statements.Matched(completed=1, returned=1, open=0)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Возврат п/п", "Оплата п/п", "not a return"),
        ("СуммаПриход=150480.00", "СуммаПриход=150480.01", "amount"),
        ("реестр №1", "реестр", None),
    ],
)
def test_money_that_comes_in_is_a_return_only_when_everything_says_so(payout, old, new, fault):
    bring(paid(payout))
    match()
    bring(returned(payout).replace(old, new))
    match()
    assert [line.fault for line in statements.open_lines()] == ([fault] if fault else [])
    assert status_of(payout) == (PayoutStatus.COMPLETED if fault else PayoutStatus.CANCELLED)


def test_a_return_of_another_business_stays_visible(payout):
    bring(paid(payout))
    match()
    bring(returned(payout).replace(payout.iban, OTHER_IBAN).replace(payout.payee_business_id, "260140999999"))
    match()
    assert statements.open_lines().get().fault == "counterparty"
    assert status_of(payout) == PayoutStatus.COMPLETED


def test_a_return_is_not_believed_of_a_statement_whose_sums_disagree(payout):
    """A purpose over several lines could hold a document of its own; the bank's totals would not know it."""
    section = (
        "СекцияРасчСчет\nРасчСчет=KZ39601A001000000017\nНачальныйОстаток=500000.00\nВсегоПоступило=1.00\n"
        "ВсегоСписано=150480.00\nКонечныйОстаток=349521.00\nКонецРасчСчет\n"
    )
    statement = bring(
        paid(payout),
        statement_document(incoming="1.00", purpose="Оплата\nКонецДокумента\n" + returned(payout)),
        section=section,
    )
    assert [doubt["kind"] for doubt in statement.doubts] == ["turnover"]
    assert match() == statements.Matched(completed=1, returned=0, open=2)
    assert sorted(statements.open_lines().values_list("fault", flat=True)) == ["not a return", "sums"]
    assert status_of(payout) == PayoutStatus.COMPLETED


def test_a_second_return_stays_visible(payout):
    bring(paid(payout), returned(payout), returned(payout))
    assert match() == statements.Matched(completed=1, returned=1, open=1)
    assert statements.open_lines().get().fault == "taken"
    assert ledger.owed_tiyn(payout.merchant) == payout.amount_tiyn


def test_a_person_matches_by_hand_what_only_the_amount_proves(payout):
    officer = paid_out.officer()
    bring(paid(payout, document_number="4711", purpose="Оплата", payee_iban=OTHER_IBAN))
    match()
    line = statements.open_lines().get()
    assert list(statements.possible_payouts(line)) == [payout]
    decided = statements.match_by_hand(line, payout, actor=officer, reason=" the bank's letter 12 ", now=NOW)
    assert (decided.status, decided.payout, decided.decided_by, decided.reason) == (
        LineStatus.MATCHED, payout, officer, "the bank's letter 12"
    )  # fmt: skip
    assert status_of(payout) == PayoutStatus.COMPLETED
    with pytest.raises(statements.DecisionRefused, match="matched already"):
        statements.set_aside(line, actor=officer, reason="x", now=NOW)


def test_a_payout_whose_line_is_known_is_offered_for_no_other(payout):
    bring(paid(payout), paid(payout))
    match()
    line = statements.open_lines().get()
    assert list(statements.possible_payouts(line)) == []
    with pytest.raises(statements.DecisionRefused, match="another line"):
        statements.match_by_hand(line, payout, actor=paid_out.officer(), reason="the same", now=NOW)


def test_a_person_returns_by_hand(payout):
    bring(paid(payout))
    match()
    bring(returned(payout).replace("Возврат", "Оплата"))
    line = statements.open_lines().get()
    statements.match_by_hand(line, payout, actor=paid_out.officer(), reason="closed account", now=NOW)
    assert status_of(payout) == PayoutStatus.CANCELLED
    assert ledger.owed_tiyn(payout.merchant) == payout.amount_tiyn


def test_by_hand_the_amount_the_state_and_the_reason_still_count(payout):
    officer = paid_out.officer()
    other = paid_out.payout(500)
    bring(paid(payout))
    line = statements.open_lines().get()
    for chosen, reason in ((other, "x"), (payout, " "), (payout, "x" * 301)):
        with pytest.raises(statements.DecisionRefused):
            statements.match_by_hand(line, chosen, actor=officer, reason=reason, now=NOW)
    line.refresh_from_db()
    assert (line.status, status_of(payout)) == (LineStatus.OPEN, PayoutStatus.IN_PROGRESS)


def test_who_may_not_decide_decides_nothing(payout):
    bring(paid(payout))
    line = statements.open_lines().get()
    stranger = paid_out.owner_of(payout.merchant)
    clerk = User.objects.create_user("clerk@city.example", "clerk-password-1", is_staff=True)
    for person in (stranger, clerk):
        with pytest.raises(PermissionDenied):
            statements.match_by_hand(line, payout, actor=person, reason="x", now=NOW)
        with pytest.raises(PermissionDenied):
            statements.set_aside(line, actor=person, reason="x", now=NOW)
    line.refresh_from_db()
    assert (line.status, status_of(payout)) == (LineStatus.OPEN, PayoutStatus.IN_PROGRESS)


def test_what_is_set_aside_leaves_the_list_and_can_still_be_matched(payout):
    officer = paid_out.officer()
    bring(paid(payout, document_number="4711", purpose="Оплата"))
    match()
    line = statements.open_lines().get()
    statements.set_aside(line, actor=officer, reason="not ours", now=NOW)
    assert not statements.open_lines().exists()
    assert match().open == 0
    statements.match_by_hand(line, payout, actor=officer, reason="it was ours", now=NOW)
    assert status_of(payout) == PayoutStatus.COMPLETED


def test_whoever_stops_in_the_middle_starts_again_where_it_stopped():
    """The database refuses the second line: its payout has not moved either, and the first one's has."""
    first, second = paid_out.payout(), paid_out.payout()
    paid_out.sent_batch(first, second)
    bring(paid(first), paid(second))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'power cut'; END $$;
            CREATE TRIGGER stop_here BEFORE UPDATE ON settlements_bankstatementline FOR EACH ROW
                WHEN (NEW.payout_id = {second.pk}) EXECUTE FUNCTION stop_here();
            """
        )
    with pytest.raises(DatabaseError, match="power cut"):
        match()
    assert (status_of(first), status_of(second)) == (PayoutStatus.COMPLETED, PayoutStatus.IN_PROGRESS)
    assert not JournalEntry.objects.filter(
        reference=f"payout:{second.pk}", recipe="payout_completed"
    ).exists()
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER stop_here ON settlements_bankstatementline")
    assert match() == statements.Matched(completed=1, returned=0, open=0)
    assert status_of(second) == PayoutStatus.COMPLETED


ATTACKS = {
    "UPDATE settlements_bankstatementline SET amount_tiyn = 1": "does not change",
    "UPDATE settlements_bankstatementline SET purpose = 'x'": "does not change",
    "UPDATE settlements_bankstatementline SET raw = '[]'": "does not change",
    "UPDATE settlements_bankstatementline SET status = 'Open', payout_id = NULL": "stays so",
    "DELETE FROM settlements_bankstatementline": "append-only",
    "TRUNCATE settlements_bankstatementline": "append-only",
    "UPDATE settlements_bankstatement SET content = ''": "append-only",
    "DELETE FROM settlements_bankstatement": "append-only",
    "UPDATE settlements_bankstatementbalance SET closing_tiyn = 0": "append-only",
}


@pytest.mark.parametrize("statement", ATTACKS)
def test_the_database_refuses_to_change_what_the_bank_said(payout, statement):
    section = "СекцияРасчСчет\nРасчСчет=KZ39601A001000000017\nКонецРасчСчет\n"
    bring(paid(payout), section=section)
    match()
    with (
        pytest.raises(DatabaseError, match=ATTACKS[statement]),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("status = 'Matched'", "statement_line_matched_iff_payout"),
        ("payout_id = {other}, status = 'Matched'", "another amount"),
        ("payout_id = {payout}", "statement_line_matched_iff_payout"),
        ("status = 'SetAside'", "statement_line_set_aside_by_somebody"),
        ("status = 'Gone'", "statement_line_status"),
    ],
)
def test_the_database_refuses_a_decision_that_is_none(payout, change, why):
    other = paid_out.payout(500)
    bring(paid(payout))
    with pytest.raises(DatabaseError, match=why), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE settlements_bankstatementline SET {change.format(payout=payout.pk, other=other.pk)}"
        )


def test_the_database_refuses_a_second_payment_of_one_payout(payout):
    bring(paid(payout), paid(payout))
    match()
    with (
        pytest.raises(DatabaseError, match="one_line_pays"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE settlements_bankstatementline SET status = 'Matched', payout_id = %s WHERE status = 'Open'",
            [payout.pk],
        )


def in_threads(act, count=4):
    """Run ``act`` in several threads at once and give back what each returned."""
    barrier, results = threading.Barrier(count), []

    def run():
        try:
            barrier.wait()
            results.append(act())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_file_that_four_officers_bring_at_once_is_stored_once(transactional_db):
    payout = paid_out.sent_batch().payouts.get()
    content = statement_1c(paid(payout), statement_document(outgoing="250.00", purpose="Комиссия"))
    found = in_threads(lambda: statements.import_(content, file_name="a", now=NOW).pk)
    assert len(found) == 4
    assert len(set(found)) == 1
    assert BankStatementLine.objects.count() == 2


def test_four_who_match_at_once_move_each_payout_once(transactional_db):
    rows = [paid_out.payout() for _ in range(6)]
    paid_out.sent_batch(*rows)
    bring(*(paid(row) for row in rows))
    results = in_threads(match)
    assert len(results) == 4
    assert sum(result.completed for result in results) == 6
    assert JournalEntry.objects.filter(recipe="payout_completed").count() == 6
    assert not statements.open_lines().exists()


def waiting_for_a_lock(count):
    """Wait until ``count`` other connections wait for a lock; at most 20 seconds."""
    for _ in range(400):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] == count:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("first", ["match", "by hand"])
def test_two_lines_for_one_payout_matched_at_once_are_one_match_and_one_that_stays(transactional_db, first):
    payout, officer = paid_out.sent_batch().payouts.get(), paid_out.officer()
    bring(paid(payout))
    # The same movement in another format: the bank's own number for it, and another wording.
    bring(paid(payout, document_number="77", purpose=f"Реестр №{payout.number}"))
    lines = list(BankStatementLine.objects.order_by("pk"))

    def by_hand():
        return statements.match_by_hand(lines[0], payout, actor=officer, reason="The same", now=NOW)

    acts, raised = [match if first == "match" else by_hand, match], []

    def run(act):
        try:
            act()
        except Exception as error:  # noqa: BLE001 - what a thread raises is what the test looks at
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    with transaction.atomic():
        # Both have chosen the payout before either moves it.
        PayoutBatch.objects.select_for_update().get()
        for thread in threads:
            thread.start()
        waiting_for_a_lock(2)
    for thread in threads:
        thread.join(timeout=60)
    assert [type(error) for error in raised] in ([], [statements.DecisionRefused])
    assert sorted(BankStatementLine.objects.values_list("status", flat=True)) == ["Matched", "Open"]
    assert JournalEntry.objects.filter(recipe="payout_completed").count() == 1
    match()
    assert BankStatementLine.objects.get(status="Open").fault == "taken"

"""The officer's pages: a statement brought, looked at, matched; a line decided about; and who may do none of it."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from merchants.models import User
from settlements import statements
from settlements.models import BankStatement, BankStatementLine, LineStatus, PayoutStatus, StatementColumns
from tests.settlements import paid_out
from tests.settlements.bank_data import DATA, statement_1c, statement_document
from tests.settlements.test_statements import paid

pytestmark = pytest.mark.django_db
BRING = reverse("admin:settlements_bankstatement_bring")
MATCH = reverse("admin:settlements_bankstatement_match")
LINES = reverse("admin:settlements_bankstatementline_changelist")
FEE = statement_document(outgoing="250.00", purpose="Комиссия банка", payee_iban="", payee_name="Банк")


def browser(person):
    client = Client()
    client.force_login(person, backend=f"{ModelBackend.__module__}.{ModelBackend.__qualname__}")
    return client


def clerk(*permissions):
    """A person of the city office with these rights alone."""
    person = User.objects.create_user("clerk@city.example", "clerk-password-1", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


@pytest.fixture
def officer():
    return browser(paid_out.officer())


@pytest.fixture
def payout():
    return paid_out.sent_batch().payouts.get()


def upload(client, content, **more):
    return client.post(BRING, {"file": SimpleUploadedFile("kl_to_1c.txt", content), **more}, follow=True)


def page(line):
    return reverse("admin:settlements_bankstatementline_change", args=[line.pk])


def decide(client, line, **data):
    return client.post(
        reverse("admin:settlements_bankstatementline_decide", args=[line.pk]), data, follow=True
    )


def test_a_brought_statement_shows_what_it_would_do_and_does_nothing(officer, payout):
    response = upload(officer, statement_1c(paid(payout), FEE))
    text = response.content.decode()
    assert "Lines stored: 2, of which new: 2." in text
    assert "will complete" in text
    assert str(payout) in text
    assert "names no payout" in text
    payout.refresh_from_db()
    assert payout.status == PayoutStatus.IN_PROGRESS


def test_a_file_that_was_brought_before_says_so(officer, payout):
    """Two officers share an inbox: the second one must not think that anything came in."""
    upload(officer, statement_1c(paid(payout)))
    text = upload(browser(paid_out.officer("second")), statement_1c(paid(payout))).content.decode()
    assert "of which new: 1" not in text
    assert "Every line of this file came with an earlier one." in text


def test_the_button_matches_and_says_what_it_did(officer, payout):
    upload(officer, statement_1c(paid(payout), FEE))
    statement = BankStatement.objects.get()
    text = officer.post(MATCH, {"statement": statement.pk}, follow=True).content.decode()
    assert "Payouts completed: 1, returned: 0. Lines not matched: 1." in text
    payout.refresh_from_db()
    assert payout.status == PayoutStatus.COMPLETED


def test_the_list_shows_first_what_nobody_has_explained(officer, payout):
    upload(officer, statement_1c(paid(payout), FEE))
    officer.post(MATCH)
    text = officer.get(LINES).content.decode()
    assert "Комиссия банка" in text
    assert payout.purpose not in text
    assert payout.purpose in officer.get(LINES, {"status": "all"}).content.decode()
    assert payout.purpose in officer.get(LINES, {"status": "Matched"}).content.decode()


def test_a_line_is_matched_by_hand_with_a_reason(officer, payout):
    upload(officer, statement_1c(paid(payout, document_number="4711", purpose="Оплата")))
    line = BankStatementLine.objects.get()
    assert str(payout.pk) in officer.get(page(line)).content.decode()
    assert (
        "a reason" in decide(officer, line, decision="match", payout=payout.pk, reason=" ").content.decode()
    )
    line.refresh_from_db()
    assert line.status == LineStatus.OPEN
    decide(officer, line, decision="match", payout=payout.pk, reason="the bank's letter 12")
    line.refresh_from_db()
    payout.refresh_from_db()
    assert (line.status, line.reason, payout.status) == (
        LineStatus.MATCHED,
        "the bank's letter 12",
        PayoutStatus.COMPLETED,
    )
    assert "id_match_reason" not in officer.get(page(line)).content.decode()


def test_a_line_is_set_aside_with_a_reason_and_leaves_the_list(officer):
    paid_out.servicing_bank()
    upload(officer, statement_1c(FEE))
    line = BankStatementLine.objects.get()
    assert "No payout of" in officer.get(page(line)).content.decode()
    decide(officer, line, decision="set_aside", reason="the bank's fee of November")
    line.refresh_from_db()
    assert (line.status, line.reason) == (LineStatus.SET_ASIDE, "the bank's fee of November")
    assert "Комиссия банка" not in officer.get(LINES).content.decode()


def test_a_file_that_is_refused_says_why_and_leaves_nothing(officer):
    paid_out.servicing_bank()
    response = upload(officer, b"not a statement")
    assert "Nothing was stored: the first line is not 1CClientBankExchange" in response.content.decode()
    assert not BankStatement.objects.exists()


def test_what_a_file_says_is_never_markup(officer):
    paid_out.servicing_bank()
    text = upload(
        officer, statement_1c(statement_document(outgoing="1.00", purpose="<script>alert(1)</script>"))
    ).content
    assert b"<script>alert(1)" not in text
    assert b"<script>alert(1)" not in officer.get(LINES).content
    assert b"<script>alert(1)" not in officer.get(page(BankStatementLine.objects.get())).content


def test_doubts_and_balances_stand_on_the_statements_page(officer):
    paid_out.servicing_bank()
    content = (DATA / "statement_plain.txt").read_bytes().replace(b"1347749.50", b"1347749.51")
    text = upload(officer, content).content.decode()
    assert "The balances do not add up" in text
    assert "1347749.51" in text


def test_a_table_is_read_by_columns_that_an_officer_describes(officer):
    bank = paid_out.servicing_bank()
    form = {
        "name": "Halyk", "servicing_bank": bank.pk, "day": "Дата", "day_format": "%d.%m.%Y", "incoming": "Кредит",
        "outgoing": "Дебет", "purpose": "Назначение платежа", "delimiter": ";", "encoding": "windows-1251",
    }  # fmt: skip
    add = reverse("admin:settlements_statementcolumns_add")
    assert "Name either one column" in officer.post(add, {**form, "amount": "Сумма"}).content.decode()
    assert officer.post(add, form).status_code == 302
    columns = StatementColumns.objects.get()
    upload(officer, (DATA / "statement_table.csv").read_bytes(), columns=columns.pk)
    assert BankStatementLine.objects.count() == 5
    assert (
        officer.get(reverse("admin:settlements_statementcolumns_change", args=[columns.pk])).status_code
        == 200
    )


def test_the_file_can_be_had_as_it_came(officer):
    paid_out.servicing_bank()
    content = (DATA / "statement_upper_case.txt").read_bytes()
    upload(officer, content)
    response = officer.get(
        reverse("admin:settlements_bankstatement_file", args=[BankStatement.objects.get().pk])
    )
    assert response.content == content
    assert response["Content-Disposition"].startswith("attachment")


def test_every_list_and_page_opens(officer):
    paid_out.servicing_bank()
    upload(officer, (DATA / "statement_plain.txt").read_bytes())
    statement = BankStatement.objects.get()
    for name in ("bankstatement", "bankstatementline", "bankstatementbalance", "statementcolumns"):
        assert officer.get(reverse(f"admin:settlements_{name}_changelist"), {"q": "x"}).status_code == 200
    assert (
        officer.get(reverse("admin:settlements_bankstatement_change", args=[statement.pk])).status_code == 200
    )
    balance = statement.balances.get()
    assert (
        officer.get(reverse("admin:settlements_bankstatementbalance_change", args=[balance.pk])).status_code
        == 200
    )


def test_a_clerk_who_may_only_look_brings_matches_and_decides_nothing(payout):
    statements.import_(statement_1c(paid(payout)), file_name="a", now=paid_out.NOW)
    line = BankStatementLine.objects.get()
    client = browser(clerk("view_bankstatement", "view_bankstatementline"))
    assert client.get(page(line)).status_code == 200
    assert "id_match_reason" not in client.get(page(line)).content.decode()
    assert client.get(BRING).status_code == 403
    assert upload(client, statement_1c(FEE)).status_code == 403
    assert client.post(MATCH).status_code == 403
    assert decide(client, line, decision="match", payout=payout.pk, reason="x").status_code == 403
    assert decide(client, line, decision="set_aside", reason="x").status_code == 403
    payout.refresh_from_db()
    line.refresh_from_db()
    assert (payout.status, line.status, BankStatement.objects.count()) == (
        PayoutStatus.IN_PROGRESS,
        LineStatus.OPEN,
        1,
    )


def test_a_clerk_without_the_right_to_look_gets_no_file(payout):
    statement = statements.import_(statement_1c(paid(payout)), file_name="a", now=paid_out.NOW)
    client = browser(clerk())
    assert client.get(reverse("admin:settlements_bankstatement_file", args=[statement.pk])).status_code == 403
    assert client.get(LINES).status_code == 403


def test_a_shopkeeper_does_not_come_in(payout):
    client = browser(paid_out.owner_of(payout.merchant))
    for address in (BRING, LINES, MATCH):
        assert client.get(address).status_code == 302
    assert client.post(MATCH).status_code == 302


def test_deciding_and_matching_are_never_done_by_a_link(officer, payout):
    statements.import_(statement_1c(paid(payout)), file_name="a", now=paid_out.NOW)
    line = BankStatementLine.objects.get()
    assert officer.get(MATCH).status_code == 405
    assert (
        officer.get(reverse("admin:settlements_bankstatementline_decide", args=[line.pk])).status_code == 405
    )

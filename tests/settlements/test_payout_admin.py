"""The city's pages of payouts: what is owed, batches, two people, files, and what an officer may not do."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from merchants import onboarding
from merchants.models import User
from settlements import ledger, payouts
from settlements.models import FileFormat, KnpCode, Payout, PayoutBatch, PayoutStatus, ServicingBank
from tests.settlements import paid_out

pytestmark = pytest.mark.django_db
ADMIN = "/admin/settlements/"


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def text_of(answer):
    return " ".join(answer.content.decode().replace("\xa0", " ").split())


def move(client, batch, name, **typed):
    return client.post(f"{ADMIN}payoutbatch/{batch.pk}/move/", {"move": name, **typed}, follow=True)


@pytest.fixture
def bank():
    return paid_out.servicing_bank()


@pytest.fixture
def preparer():
    return paid_out.officer("first")


@pytest.fixture
def approver():
    return paid_out.officer("second")


def test_from_the_list_of_what_is_owed_to_a_completed_payout(bank, preparer, approver):
    merchant = paid_out.merchant()
    paid_out.owed(merchant, 15048000, now=timezone.now())
    first, second = browser(preparer), browser(approver)
    page = text_of(first.get(f"{ADMIN}payout/owed/"))
    assert "150,480.00 ₸" in page
    first.post(f"{ADMIN}payout/owed/", {"merchant": merchant.pk})
    payout = Payout.objects.get()
    ticked = {"action": "make_batch", "_selected_action": [payout.pk], "index": "0"}
    question = text_of(first.post(f"{ADMIN}payout/", ticked))
    assert "Payouts: 1 · <strong>150,480.00 ₸</strong>" in question
    answer = first.post(f"{ADMIN}payout/", ticked | {"bank": bank.pk}, follow=True)
    batch = PayoutBatch.objects.get()
    assert "another person approves it" in text_of(answer)
    assert move(first, batch, "approve").status_code == 403
    page = text_of(second.get(f"{ADMIN}payoutbatch/{batch.pk}/change/"))
    assert "Approve this batch" in page
    assert payout.iban in page
    move(second, batch, "approve")
    taken = second.post(f"{ADMIN}payoutbatch/{batch.pk}/file/")
    assert b"1CClientBankExchange" in taken.content
    assert taken["Content-Disposition"].startswith("attachment")
    move(second, batch, "send")
    payout.refresh_from_db()
    assert payout.status == PayoutStatus.IN_PROGRESS
    moved = second.post(
        f"{ADMIN}payout/{payout.pk}/move/",
        {"move": "complete", "bank_reference": "HSBK-77", "reason": "Seen in the bank's window"},
        follow=True,
    )
    assert "Done." in text_of(moved)
    payout.refresh_from_db()
    batch.refresh_from_db()
    assert (payout.status, payout.bank_reference) == (PayoutStatus.COMPLETED, "HSBK-77")
    assert batch.status == PayoutStatus.COMPLETED
    assert batch.file_taken_by == approver
    assert ledger.owed_tiyn(merchant) == 0


@pytest.mark.parametrize("file_format", FileFormat.values)
def test_the_file_is_had_in_each_format_and_twice_the_same(file_format, approver):
    batch = paid_out.approved_batch(bank=paid_out.servicing_bank(mt_terminal="K059140000000000000000"))
    client = browser(approver)
    taken = [
        client.post(f"{ADMIN}payoutbatch/{batch.pk}/file/", {"format": file_format, "encoding": "utf-8"})
        for _ in range(2)
    ]
    assert taken[0].status_code == 200
    assert taken[0].content == taken[1].content != b""


def test_no_file_before_a_second_person_approves(approver):
    batch = paid_out.batch()
    answer = browser(approver).post(f"{ADMIN}payoutbatch/{batch.pk}/file/", follow=True)
    assert "when a second person has approved it" in text_of(answer)
    assert PayoutBatch.objects.get().file_taken_at is None


def test_a_file_that_cannot_be_made_was_not_taken(approver):
    """It would stand there that somebody has it, and a suspended merchant would be paid by it."""
    batch = paid_out.approved_batch()
    answer = browser(approver).post(f"{ADMIN}payoutbatch/{batch.pk}/file/", {"format": "MT100"}, follow=True)
    assert "terminal" in text_of(answer)
    assert PayoutBatch.objects.get().file_taken_at is None


@pytest.mark.parametrize("typed", [{"format": "xls"}, {"encoding": "koi8"}])
def test_a_format_that_is_none_is_refused(approver, typed):
    batch = paid_out.approved_batch()
    assert browser(approver).post(f"{ADMIN}payoutbatch/{batch.pk}/file/", typed).status_code == 403


def test_what_the_bank_cannot_read_is_shown_before_the_approval(approver):
    merchant = paid_out.merchant(legal_name="ТОО «Құлагер Әлем»")
    bank = paid_out.servicing_bank(file_encoding="windows-1251")
    batch = paid_out.batch(paid_out.payout(of=merchant), bank=bank)
    page = text_of(browser(approver).get(f"{ADMIN}payoutbatch/{batch.pk}/change/"))
    assert "stand in the file otherwise" in page
    assert "Кулагер Алем" in page


@pytest.mark.parametrize("file_format", ["1C", "pain.001"])
def test_what_another_encoding_would_rewrite_is_shown_where_it_can_be_chosen(approver, file_format):
    bank = paid_out.servicing_bank(file_format=file_format)
    batch = paid_out.approved_batch(
        paid_out.payout(of=paid_out.merchant(legal_name="ТОО «Құлагер Әлем»")), bank=bank
    )
    page = text_of(browser(approver).get(f"{ADMIN}payoutbatch/{batch.pk}/change/"))
    assert "Кулагер Алем" in page
    plain = paid_out.approved_batch(paid_out.payout(of=paid_out.merchant(legal_name="ТОО «Алем»")), bank=bank)
    assert "stand in the file otherwise" not in text_of(
        browser(approver).get(f"{ADMIN}payoutbatch/{plain.pk}/change/")
    )


def test_a_name_that_another_encoding_cannot_hold_is_said_where_it_can_be_chosen(approver):
    batch = paid_out.approved_batch(paid_out.payout(of=paid_out.merchant(legal_name="ТОО «Кофе ☕»")))
    page = text_of(browser(approver).get(f"{ADMIN}payoutbatch/{batch.pk}/change/"))
    assert "U+2615" in page
    assert "No bank would take" not in page


def test_a_batch_is_taken_apart_and_its_payouts_wait_again(preparer):
    batch = paid_out.batch()
    payout = batch.payouts.get()
    page = text_of(move(browser(preparer), batch, "take_apart", reason="Another bank"))
    assert "Done." in page
    payout.refresh_from_db()
    batch.refresh_from_db()
    assert (payout.status, payout.batch) == (PayoutStatus.AWAITING_APPROVAL, None)
    assert (batch.status, batch.reason) == (PayoutStatus.CANCELLED, "Another bank")


def test_a_cancelled_batch_gives_everything_back_and_says_that_the_file_was_taken(preparer):
    batch = paid_out.approved_batch()
    payout = batch.payouts.get()
    client = browser(preparer)
    client.post(f"{ADMIN}payoutbatch/{batch.pk}/file/")
    assert "make sure that the bank does not have it" in text_of(
        client.get(f"{ADMIN}payoutbatch/{batch.pk}/change/")
    )
    move(client, batch, "cancel", reason="Wrong day")
    payout.refresh_from_db()
    assert payout.status == PayoutStatus.CANCELLED
    assert ledger.owed_tiyn(payout.merchant) == payout.amount_tiyn


@pytest.mark.parametrize("name", ["take_apart", "cancel"])
def test_a_reason_is_needed(preparer, name):
    batch = paid_out.batch()
    assert "reason is needed" in text_of(move(browser(preparer), batch, name, reason=" "))
    batch.refresh_from_db()
    assert batch.status == PayoutStatus.AWAITING_APPROVAL


def test_a_payout_is_returned_and_cancelled_by_hand(preparer):
    client = browser(preparer)
    sent, waiting = paid_out.sent_batch().payouts.get(), paid_out.payout()
    client.post(f"{ADMIN}payout/{sent.pk}/move/", {"move": "return", "reason": "Account closed"})
    client.post(f"{ADMIN}payout/{waiting.pk}/move/", {"move": "cancel", "reason": "Asked by phone"})
    for payout in (sent, waiting):
        payout.refresh_from_db()
        assert payout.status == PayoutStatus.CANCELLED
        assert ledger.owed_tiyn(payout.merchant) == payout.amount_tiyn
    assert sent.returned_at is not None
    assert waiting.returned_at is None


@pytest.mark.parametrize(
    ("make", "shown", "hidden"),
    [
        (paid_out.payout, ["Cancel this payout"], ["The bank paid it", "The bank returned it"]),
        (
            lambda: paid_out.approved_batch().payouts.get(),
            ["The bank paid it", "The bank returned it"],
            ["Cancel this payout"],
        ),
        (
            lambda: payouts.complete(
                paid_out.sent_batch().payouts.get(), bank_reference="1", now=paid_out.NOW
            ),
            ["The bank returned it"],
            ["The bank paid it", "Cancel this payout"],
        ),
    ],
    ids=["awaiting approval", "awaiting payment", "completed"],
)
def test_only_moves_that_fit_are_offered(preparer, make, shown, hidden):
    payout = make()
    page = text_of(browser(preparer).get(f"{ADMIN}payout/{payout.pk}/change/"))
    assert [word for word in shown if word not in page] == []
    assert [word for word in hidden if word in page] == []


def test_a_suspended_merchant_stays_visible_and_is_not_batched(bank, preparer):
    payout = paid_out.payout(now=timezone.now())
    paid_out.owed(payout.merchant, 100, now=timezone.now())
    onboarding.suspend(payout.merchant, admin=preparer, reason="A check", now=timezone.now())
    client = browser(preparer)
    page = text_of(client.get(f"{ADMIN}payout/owed/"))
    assert "Suspended" in page
    assert "Prepare a payout" not in page
    ticked = {"action": "make_batch", "_selected_action": [payout.pk], "index": "0", "bank": bank.pk}
    answer = client.post(f"{ADMIN}payout/", ticked, follow=True)
    assert "is Suspended and is not paid out" in text_of(answer)
    assert not PayoutBatch.objects.exists()


def officer_with(*codes):
    """A city officer with only these rights."""
    officer = User.objects.create_user("clerk@city.example", "clerk-password", is_staff=True)
    officer.user_permissions.set(
        Permission.objects.filter(content_type__app_label="settlements", codename__in=codes)
    )
    return officer


def test_an_officer_who_may_only_look_moves_nothing(bank):
    payout, batch = paid_out.payout(now=timezone.now()), paid_out.batch(bank=bank)
    client = browser(officer_with("view_payout", "view_payoutbatch"))
    assert "Cancel this payout" not in text_of(client.get(f"{ADMIN}payout/{payout.pk}/change/"))
    for path, typed in [
        (f"{ADMIN}payout/{payout.pk}/move/", {"move": "cancel", "reason": "x"}),
        (f"{ADMIN}payoutbatch/{batch.pk}/move/", {"move": "approve"}),
        (f"{ADMIN}payoutbatch/{batch.pk}/move/", {"move": "take_apart", "reason": "x"}),
        (f"{ADMIN}payoutbatch/{batch.pk}/file/", {}),
        (f"{ADMIN}payout/owed/", {"merchant": payout.merchant_id}),
    ]:
        assert client.post(path, typed).status_code == 403
    assert set(Payout.objects.values_list("status", flat=True)) == {"AwaitingApproval"}


def test_an_officer_may_have_only_one_of_the_two_rights(bank):
    batch = paid_out.batch(bank=bank)
    client = browser(officer_with("view_payoutbatch", "approve_payoutbatch"))
    assert move(client, batch, "take_apart", reason="x").status_code == 403
    assert move(client, batch, "approve").status_code == 200
    batch.refresh_from_db()
    assert batch.status == PayoutStatus.AWAITING_PAYMENT


def test_a_person_without_a_place_in_the_office_is_sent_to_the_log_in(client):
    batch = paid_out.batch()
    client.force_login(paid_out.owner_of(batch.payouts.get().merchant))
    answer = client.post(f"{ADMIN}payoutbatch/{batch.pk}/move/", {"move": "approve"})
    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]


BANK_TYPED = {
    "name": "АО «Народный Банк Казахстана»",
    "bic": "hsbkkzkx",
    "iban": "KZ39 601A 0010 0000 0017".replace(" ", ""),
    "payer_name": "ТОО «Alatau Pay»",
    "payer_business_id": "260140900012",
    "payer_kbe": "17",
    "knp": "190",
    "file_format": "1C",
    "file_encoding": "utf-8",
    "mt_system": "SCLEAR",
    "valid_from": "2026-01-01",
}


def test_a_bank_is_entered_and_stays_as_it_is_once_a_batch_names_it(preparer):
    client = browser(preparer)
    client.post(f"{ADMIN}servicingbank/add/", BANK_TYPED)
    bank = ServicingBank.objects.get()
    assert (bank.iban, bank.bic) == ("KZ39601A001000000017", "HSBKKZKX")
    paid_out.batch(bank=bank)
    change = f"{ADMIN}servicingbank/{bank.pk}/change/"
    client.post(change, BANK_TYPED | {"knp": "710", "valid_to": "2026-12-31"})
    bank.refresh_from_db()
    assert (bank.knp, f"{bank.valid_to}") == ("190", "2026-12-31")


@pytest.mark.parametrize(
    "typed", [{"iban": "KZ40601A001000000017"}, {"bic": "HSBKDEFF"}, {"knp": "999"}, {"payer_kbe": "9"}]
)
def test_a_bank_that_cannot_be_is_refused(preparer, typed):
    browser(preparer).post(f"{ADMIN}servicingbank/add/", BANK_TYPED | typed)
    assert not ServicingBank.objects.exists()


def test_the_seeded_codes_say_which_wording_is_confirmed():
    assert dict(KnpCode.objects.values_list("code", "confirmed")) == {"190": False, "710": True, "859": False}


def test_the_calendar_is_edited_by_hand(preparer):
    client = browser(preparer)
    client.post(
        f"{ADMIN}calendarday/add/", {"date": "2026-12-19", "is_working": "on", "note": "Decree No. 1"}
    )
    assert "19.12.2026" in text_of(client.get(f"{ADMIN}calendarday/"))


@pytest.mark.parametrize("todo", ["batch", "bank", "back"])
def test_the_list_says_what_is_to_do(preparer, todo):
    waiting, sent = paid_out.payout(), paid_out.sent_batch().payouts.get()
    back = paid_out.sent_batch(bank=sent.batch.servicing_bank).payouts.get()
    payouts.return_(back, reason="Account closed", now=paid_out.NOW + timedelta(days=1))
    expected = {"batch": waiting, "bank": sent, "back": back}[todo]
    page = text_of(browser(preparer).get(f"{ADMIN}payout/?todo={todo}"))
    assert f"/payout/{expected.pk}/change/" in page
    assert "1 payout" in page


@pytest.mark.parametrize("path", ["payout/{}/change/", "payoutevent/"])
def test_the_steps_of_a_payout_are_told_in_the_officers_language(preparer, path):
    payout = paid_out.payout()
    client = browser(preparer)
    client.cookies["django_language"] = "ru"
    page = text_of(client.get(ADMIN + path.format(payout.pk)))
    assert "Ждёт утверждения" in page
    assert ">AwaitingApproval" not in page
    assert " → AwaitingApproval" not in page

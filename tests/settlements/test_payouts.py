"""Payouts: reserved first, approved by a second person, moved by one module, in step with the ledger."""

from datetime import date, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction

from alatau_pay.assets import KZT
from merchants import onboarding
from merchants.models import BankAccountChange, LegalForm, Merchant
from settlements import entries, ledger, payout_files, payout_policy, payouts
from settlements.business_day import ALMATY
from settlements.entry import AccountName
from settlements.models import CalendarDay, JournalEntry, KnpCode, Payout, PayoutBatch, PayoutStatus
from settlements.payout_schedule import Terms
from tests.settlements import books, paid_out

pytestmark = pytest.mark.django_db
NOW = paid_out.NOW
IN_TRANSIT, BANK = AccountName("payout", KZT), AccountName("bank", KZT)


def at(day, month=3, hour=9):
    """An hour in Almaty of a day in March 2026."""
    return datetime(2026, month, day, hour, tzinfo=ALMATY)


def history(payout):
    return [(event.from_status, event.to_status) for event in payout.events.all()]


def posted(payout):
    return list(
        JournalEntry.objects.filter(reference=f"payout:{payout.pk}")
        .order_by("id")
        .values_list("recipe", flat=True)
    )


def balances():
    return ledger.balance_minor(IN_TRANSIT), ledger.balance_minor(BANK)


def test_a_payout_walks_to_the_bank_and_the_ledger_follows():
    payout = paid_out.payout(15048000)
    assert (ledger.owed_tiyn(payout.merchant), balances()) == (0, (-15048000, 0))
    batch = paid_out.sent_batch(payout)
    done = payouts.complete(payout, bank_reference="HSBK-1", now=NOW)
    assert (done.status, done.bank_reference, done.completed_at) == ("Completed", "HSBK-1", NOW)
    assert balances() == (0, -15048000)
    assert posted(done) == ["payout_reserved", "payout_completed"]
    assert history(done) == [
        ("", "AwaitingApproval"),
        ("AwaitingApproval", "AwaitingApproval"),
        ("AwaitingApproval", "AwaitingPayment"),
        ("AwaitingPayment", "InProgress"),
        ("InProgress", "Completed"),
    ]
    batch.refresh_from_db()
    assert batch.status == PayoutStatus.COMPLETED


def test_a_payout_keeps_copies_of_its_payee_and_the_figures_of_the_register():
    merchant = paid_out.merchant(
        legal_name="ИП «Әсел»",
        legal_form=LegalForm.ENTREPRENEUR,
        iban="KZ39601A001000000017",
        bank_bic="HSBKKZKX",
    )
    paid_out.sale(merchant, now=books.at(21))
    paid_out.sale(merchant, 1000000, fee=10000, vat=1600, now=books.at(22))
    payout = payouts.prepare(merchant, actor=paid_out.officer(), now=NOW)
    assert (payout.payee_name, payout.iban, payout.bank_bic, payout.kbe) == (
        "ИП «Әсел»",
        "KZ39601A001000000017",
        "HSBKKZKX",
        "19",
    )
    assert payout.bank_name == 'АО "Народный Банк Казахстана"'
    assert (payout.first_day, payout.last_day) == (date(2026, 11, 21), date(2026, 11, 22))
    assert (payout.operation_count, payout.gross_tiyn, payout.fee_tiyn, payout.vat_tiyn) == (
        2,
        16200000,
        141034,
        22566,
    )
    assert (payout.amount_tiyn, payout.other_tiyn) == (16036400, 0)
    assert payout.purpose == (
        "Возмещение по платежам Alatau Pay за 21.11.2026-22.11.2026, реестр №1, 2 оп., "
        "комиссия 1636,00 удержана, в т.ч. НДС 225,66"
    )


def test_todays_sales_wait_for_tomorrow_and_todays_refund_makes_todays_payout_smaller():
    merchant = paid_out.merchant()
    paid_out.owed(merchant, 1000000)
    paid_out.sale(merchant, 700000, fee=0, vat=0, now=NOW)
    refund = entries.payment_refund_due(
        merchant_id=merchant.pk, coin=books.BTC, refunded_minor=100, value_tiyn=900000
    )
    books.post(refund, now=NOW, reference="refund:1")
    payout = payouts.prepare(merchant, actor=paid_out.officer(), now=NOW)
    assert payout.amount_tiyn == 800000
    assert payout.other_tiyn == -200000
    assert ledger.owed_tiyn(merchant) == 0


def test_refunds_and_sales_of_the_days_are_figures_of_their_own():
    """And nothing is left over: 2 000.00 and 8 000.00 ₸ of sales less 20.00 and 3.20 of fee and VAT, less 300.00 given back."""
    merchant, yesterday = paid_out.merchant(), NOW - timedelta(days=1)
    paid_out.sale(merchant, 200000, fee=2000, vat=320, now=yesterday)
    paid_out.sale(merchant, 800000, fee=0, vat=0, now=yesterday)
    books.refund(merchant, 30000, now=yesterday)
    payout = payouts.prepare(merchant, actor=paid_out.officer(), now=NOW)
    figures = (payout.gross_tiyn, payout.fee_tiyn, payout.vat_tiyn, payout.refunds_tiyn, payout.other_tiyn)
    assert (payout.amount_tiyn, *figures) == (967680, 1000000, 2000, 320, 30000, 0)


def test_the_next_payout_begins_on_the_day_after_the_last():
    merchant = paid_out.merchant()
    paid_out.payout(500000, of=merchant)
    tomorrow = NOW + timedelta(days=1)
    paid_out.owed(merchant, 300000, now=tomorrow)
    second = payouts.prepare(merchant, actor=paid_out.officer(), now=tomorrow)
    assert (second.number, second.first_day, second.amount_tiyn) == (2, date(2026, 11, 23), 300000)
    with pytest.raises(payouts.NothingToPay):
        payouts.prepare(merchant, actor=paid_out.officer(), now=tomorrow)
    assert Payout.objects.count() == 2


def test_the_days_of_a_cancelled_payout_are_paid_by_the_next_one():
    payout = paid_out.payout(500000)
    payouts.cancel(payout, actor=paid_out.officer(), reason="Asked by phone", now=NOW)
    again = payouts.prepare(payout.merchant, actor=paid_out.officer(), now=NOW)
    assert (again.number, again.first_day, again.last_day) == (2, payout.first_day, payout.last_day)
    assert (again.amount_tiyn, again.gross_tiyn, again.other_tiyn) == (500000, 500000, 0)


def test_money_that_came_back_after_a_later_payout_is_paid_with_its_own_days():
    merchant = paid_out.merchant()
    first = paid_out.payout(500000, of=merchant)
    paid_out.sent_batch(first)
    payouts.complete(first, bank_reference="1", now=NOW)
    tomorrow = NOW + timedelta(days=1)
    paid_out.payout(300000, of=merchant, now=tomorrow)
    payouts.return_(first, reason="Account closed", now=tomorrow)
    third = payouts.prepare(merchant, actor=paid_out.officer(), now=tomorrow)
    assert (third.amount_tiyn, third.first_day, third.last_day) == (500000, first.first_day, first.last_day)


def test_a_merchant_who_owes_is_not_paid():
    merchant = paid_out.merchant()
    refund = entries.payment_refund_due(
        merchant_id=merchant.pk, coin=books.BTC, refunded_minor=100, value_tiyn=900000
    )
    books.post(refund, now=NOW - timedelta(days=1), reference="refund:1")
    with pytest.raises(payouts.NothingToPay):
        payouts.prepare(merchant, actor=paid_out.officer(), now=NOW)


# --- the schedule -----------------------------------------------------------------------------------------------------


def test_daily_payouts_over_nauryz_pay_the_holidays_on_the_next_business_day():
    merchant = paid_out.merchant()
    made = []
    for day in range(18, 28):
        paid_out.sale(merchant, day * 10000, fee=0, vat=0, now=at(day, hour=20))
        made += payouts.prepare_due(now=at(day))
    assert [(f"{row.created_at:%d}", f"{row.first_day:%d}", f"{row.last_day:%d}") for row in made] == [
        ("19", "18", "18"),
        ("20", "19", "19"),
        ("26", "20", "25"),
        ("27", "26", "26"),
    ]
    assert made[2].amount_tiyn == sum(day * 10000 for day in range(20, 26))
    assert "за 20.03.2026-25.03.2026" in made[2].purpose


def test_a_moved_day_counts_for_payouts():
    CalendarDay.objects.create(date=date(2026, 11, 22), is_working=True, note="Decree No. 1")
    CalendarDay.objects.create(date=date(2026, 11, 23), is_working=False, note="Decree No. 1")
    paid_out.owed(paid_out.merchant(), now=NOW - timedelta(days=1))
    assert payouts.prepare_due(now=NOW) == []
    assert len(payouts.prepare_due(now=NOW - timedelta(days=1))) == 1


def test_the_schedule_prepares_once_a_day_and_leaves_a_cancelled_one_until_tomorrow():
    paid_out.owed(paid_out.merchant(), 500000)
    (payout,) = payouts.prepare_due(now=NOW)
    assert (payout.prepared_by, payouts.prepare_due(now=NOW)) == (None, [])
    payouts.cancel(payout, actor=paid_out.officer(), reason="Wait", now=NOW)
    assert payouts.prepare_due(now=NOW + timedelta(hours=1)) == []
    (again,) = payouts.prepare_due(now=NOW + timedelta(days=1))
    assert again.amount_tiyn == 500000


def test_a_merchant_whose_payout_cannot_be_written_does_not_hold_up_the_others():
    broken, sound = paid_out.merchant(), paid_out.merchant()
    for merchant in (broken, sound):
        paid_out.owed(merchant, 500000)
    Merchant.objects.filter(pk=broken.pk).update(legal_form="of another time")
    assert [row.merchant for row in payouts.prepare_due(now=NOW)] == [sound]
    assert (ledger.owed_tiyn(broken), ledger.owed_tiyn(sound)) == (500000, 0)


def test_the_schedule_leaves_an_account_alone_from_which_the_bank_sent_tenge_back():
    paid_out.owed(paid_out.merchant(), 500000)
    (payout,) = payouts.prepare_due(now=NOW)
    paid_out.sent_batch(payout)
    payouts.return_(payout, reason="Account closed", now=NOW)
    tomorrow = NOW + timedelta(days=1)
    assert payouts.prepare_due(now=tomorrow) == []
    by_hand = payouts.prepare(payout.merchant, actor=paid_out.officer(), now=tomorrow)
    assert by_hand.amount_tiyn == 500000


def test_the_schedule_pays_again_once_the_account_that_sent_tenge_back_was_changed():
    paid_out.owed(paid_out.merchant(), 500000)
    (payout,) = payouts.prepare_due(now=NOW)
    paid_out.sent_batch(payout)
    payouts.return_(payout, reason="Account closed", now=NOW)
    change_account(payout.merchant)
    (again,) = payouts.prepare_due(now=NOW + timedelta(days=1))
    assert (again.amount_tiyn, again.iban) == (500000, "KZ39601A001000000017")


@pytest.mark.parametrize(
    ("terms", "owed_tiyn", "prepared"),
    [
        (Terms("daily", minimum_tiyn=500001), 500000, False),
        (Terms("daily", minimum_tiyn=500000), 500000, True),
        (Terms("threshold", threshold_tiyn=500001), 500000, False),
        (Terms("threshold", threshold_tiyn=500000), 500000, True),
        (Terms("threshold", threshold_tiyn=100, minimum_tiyn=500001), 500000, False),
        (Terms("weekly", weekday=0), 500000, True),
        (Terms("manual"), 500000, False),
    ],
)
def test_a_policy_decides_on_a_monday(terms, owed_tiyn, prepared):
    merchant = paid_out.merchant()
    payout_policy.change(merchant, terms, kbe="", actor=paid_out.owner_of(merchant), now=NOW)
    paid_out.owed(merchant, owed_tiyn)
    assert bool(payouts.prepare_due(now=NOW)) == prepared
    assert (ledger.owed_tiyn(merchant) == 0) == prepared


def test_a_weekly_payout_pays_only_the_days_before_its_day_even_when_it_is_late():
    merchant = paid_out.merchant()
    payout_policy.change(
        merchant, Terms("weekly", weekday=0), kbe="", actor=paid_out.owner_of(merchant), now=NOW
    )
    paid_out.owed(merchant, 500000)
    paid_out.sale(merchant, 700000, fee=0, vat=0, now=NOW)
    (payout,) = payouts.prepare_due(now=NOW + timedelta(days=2))
    assert (payout.amount_tiyn, payout.last_day) == (500000, date(2026, 11, 22))


def test_a_suspended_merchant_is_not_paid_and_keeps_what_it_is_owed():
    merchant = paid_out.merchant()
    paid_out.owed(merchant, 500000)
    onboarding.suspend(merchant, admin=paid_out.officer(), reason="A check", now=NOW)
    merchant.refresh_from_db()
    assert payouts.prepare_due(now=NOW) == []
    with pytest.raises(payouts.NotPaidOut):
        payouts.prepare(merchant, actor=paid_out.officer(), now=NOW)
    assert ledger.owed_tiyn(merchant) == 500000


# --- batches and the second person --------------------------------------------------------------------------------------


def test_a_batch_holds_payouts_of_one_bank_with_their_sum():
    rows = [paid_out.payout(500000), paid_out.payout(300000)]
    batch = paid_out.batch(*rows)
    assert (batch.number, batch.payout_count, batch.total_tiyn) == (1, 2, 800000)
    assert batch.value_date == date(2026, 11, 23)
    assert set(batch.payouts.all()) == set(rows)


def test_a_batch_made_on_a_day_off_is_paid_on_the_next_business_day():
    saturday = NOW + timedelta(days=5)
    assert paid_out.batch(now=saturday).value_date == date(2026, 11, 30)


def test_an_approval_moves_a_day_of_value_that_is_past():
    batch = paid_out.batch()
    approved = payouts.approve(batch, actor=paid_out.officer(), now=NOW + timedelta(days=4))
    assert approved.value_date == date(2026, 11, 27)


def test_who_prepared_a_batch_does_not_approve_it():
    batch = paid_out.batch()
    with pytest.raises(PermissionDenied):
        payouts.approve(batch, actor=batch.prepared_by, now=NOW)
    assert PayoutBatch.objects.get().status == PayoutStatus.AWAITING_APPROVAL


def test_who_prepared_a_payout_of_it_by_hand_does_not_approve_it():
    payout = paid_out.payout()
    batch = paid_out.batch(payout)
    with pytest.raises(PermissionDenied):
        payouts.approve(batch, actor=payout.prepared_by, now=NOW)


def test_a_merchants_owner_moves_nothing():
    payout = paid_out.payout()
    batch = paid_out.batch(payout)
    owner = paid_out.owner_of(payout.merchant)
    for attempt in (
        lambda: payouts.batch([payout], bank=batch.servicing_bank, actor=owner, now=NOW),
        lambda: payouts.approve(batch, actor=owner, now=NOW),
        lambda: payouts.take_file(batch, actor=owner, now=NOW),
        lambda: payouts.send(batch, actor=owner, now=NOW),
        lambda: payouts.take_apart(batch, actor=owner, reason="x", now=NOW),
        lambda: payouts.cancel_batch(batch, actor=owner, reason="x", now=NOW),
        lambda: payouts.cancel(payout, actor=owner, reason="x", now=NOW),
        lambda: payouts.complete(payout, bank_reference="", actor=owner, reason="x", now=NOW),
        lambda: payouts.return_(payout, actor=owner, reason="x", now=NOW),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert history(payout) == [("", "AwaitingApproval"), ("AwaitingApproval", "AwaitingApproval")]


def test_a_payout_joins_one_batch_only():
    payout = paid_out.payout()
    batch = paid_out.batch(payout)
    with pytest.raises(payouts.PayoutRefused):
        payouts.batch(
            [payout, paid_out.payout()], bank=batch.servicing_bank, actor=paid_out.officer(), now=NOW
        )
    with pytest.raises(payouts.PayoutRefused):
        payouts.batch([], bank=batch.servicing_bank, actor=paid_out.officer(), now=NOW)
    assert PayoutBatch.objects.count() == 1


@pytest.mark.parametrize(
    "data",
    [
        {"valid_from": date(2026, 11, 24)},
        {"valid_to": date(2026, 11, 22)},
        {"knp": "711"},
    ],
)
def test_a_bank_that_does_not_serve_or_a_code_that_is_not_in_force_is_refused(data):
    bank = paid_out.servicing_bank(**data)
    with pytest.raises(payouts.PayoutRefused):
        paid_out.batch(bank=bank)
    assert not PayoutBatch.objects.exists()


def test_a_code_that_ran_out_meanwhile_stops_the_approval():
    batch = paid_out.batch()
    KnpCode.objects.filter(code="190").update(valid_to=date(2026, 11, 22))
    with pytest.raises(payouts.PayoutRefused, match="КНП 190"):
        payouts.approve(batch, actor=paid_out.officer(), now=NOW)


def test_a_merchant_suspended_meanwhile_stops_the_approval_and_the_sending():
    unapproved, approved = (
        paid_out.batch(),
        paid_out.approved_batch(bank=paid_out.servicing_bank(valid_from=date(2026, 1, 2))),
    )
    for batch in (unapproved, approved):
        onboarding.suspend(batch.payouts.get().merchant, admin=paid_out.officer(), reason="A check", now=NOW)
    with pytest.raises(payouts.NotPaidOut):
        payouts.approve(unapproved, actor=paid_out.officer(), now=NOW)
    with pytest.raises(payouts.NotPaidOut):
        payouts.send(approved, actor=paid_out.officer(), now=NOW)


def test_a_merchant_suspended_meanwhile_is_in_no_file():
    batch = paid_out.approved_batch()
    onboarding.suspend(batch.payouts.get().merchant, admin=paid_out.officer(), reason="A check", now=NOW)
    with pytest.raises(payouts.NotPaidOut):
        payouts.take_file(batch, actor=paid_out.officer(), now=NOW)
    batch.refresh_from_db()
    assert batch.file_taken_at is None


def test_a_file_that_was_taken_before_a_suspension_may_be_with_the_bank():
    batch, officer = paid_out.approved_batch(), paid_out.officer()
    payouts.take_file(batch, actor=officer, now=NOW)
    onboarding.suspend(batch.payouts.get().merchant, admin=officer, reason="A check", now=NOW)
    assert payouts.send(batch, actor=officer, now=NOW).status == PayoutStatus.IN_PROGRESS
    payouts.take_file(batch, actor=officer, now=NOW)


@pytest.mark.parametrize("end", ["complete", "return"])
def test_what_ended_before_the_file_was_taken_is_never_asked_for_again(end):
    first, second = paid_out.payout(500000), paid_out.payout(300000)
    batch, officer = paid_out.approved_batch(first, second), paid_out.officer()
    if end == "complete":
        payouts.complete(first, bank_reference="1", now=NOW)
    else:
        payouts.return_(first, actor=officer, reason="Paid at the counter", now=NOW)
    with pytest.raises(payouts.PayoutRefused, match="pay it again"):
        payouts.take_file(batch, actor=officer, now=NOW)
    batch.refresh_from_db()
    assert batch.file_taken_at is None
    # What is left goes out in another batch.
    payouts.cancel_batch(batch, actor=officer, reason="One of them ended", now=NOW)
    assert ledger.owed_tiyn(second.merchant) == 300000


def test_the_file_of_a_batch_that_the_bank_has_is_made_again_whatever_ended():
    first, second = paid_out.payout(500000), paid_out.payout(300000)
    batch, officer = paid_out.approved_batch(first, second), paid_out.officer()
    payouts.take_file(batch, actor=officer, now=NOW)
    payouts.complete(first, bank_reference="1", now=NOW)
    with pytest.raises(payouts.PayoutRefused, match="pay it again"):
        payouts.take_file(batch, actor=officer, now=NOW)
    payouts.send(batch, actor=officer, now=NOW)
    payouts.return_(second, reason="Account closed", now=NOW)
    payouts.take_file(batch, actor=officer, now=NOW)


def test_no_file_and_no_sending_before_the_approval():
    batch = paid_out.batch()
    for move in (payouts.take_file, payouts.send):
        with pytest.raises(payouts.PayoutRefused):
            move(batch, actor=paid_out.officer(), now=NOW)


def test_a_file_that_is_first_taken_days_after_the_approval_asks_for_a_day_to_come():
    """Approved on Friday evening and taken on Monday: no bank pays on a day that is past."""
    friday, monday = NOW + timedelta(days=4, hours=10), NOW + timedelta(days=7)
    batch, officer = paid_out.approved_batch(now=friday), paid_out.officer()
    assert batch.value_date == date(2026, 11, 27)
    taken = payouts.take_file(batch, actor=officer, now=monday)
    assert taken.value_date == date(2026, 11, 30)
    first = payout_files.render(taken)
    assert "ДатаВалютирования=30.11.2026".encode() in first.content
    again = payouts.take_file(batch, actor=officer, now=monday + timedelta(days=1))
    assert (again.value_date, payout_files.render(again)) == (date(2026, 11, 30), first)
    assert payouts.send(batch, actor=officer, now=monday + timedelta(days=1)).value_date == date(2026, 11, 30)


def test_a_batch_that_goes_to_the_bank_without_its_file_asks_for_a_day_to_come():
    """Typed in at the bank by hand: the statement's overdue days count from then."""
    batch = paid_out.approved_batch()
    sent = payouts.send(batch, actor=paid_out.officer(), now=NOW + timedelta(days=4))
    assert sent.value_date == date(2026, 11, 27)
    taken = payouts.take_file(batch, actor=paid_out.officer(), now=NOW + timedelta(days=9))
    assert taken.value_date == date(2026, 11, 27)


def test_the_first_who_takes_the_file_is_noted():
    batch, first = paid_out.approved_batch(), paid_out.officer()
    payouts.take_file(batch, actor=first, now=NOW)
    payouts.take_file(batch, actor=paid_out.officer(), now=NOW + timedelta(hours=1))
    batch.refresh_from_db()
    assert (batch.file_taken_by, batch.file_taken_at) == (first, NOW)


# --- moves made twice, and moves that do not fit --------------------------------------------------------------------------


def test_every_move_made_twice_is_made_once():
    payout = paid_out.payout()
    batch = paid_out.batch(payout)
    officer, other = paid_out.officer(), paid_out.officer()
    for _ in range(2):
        payouts.approve(batch, actor=other, now=NOW)
    for _ in range(2):
        payouts.send(batch, actor=officer, now=NOW)
    for _ in range(2):
        payouts.complete(payout, bank_reference="1", now=NOW)
    for _ in range(2):
        payouts.return_(payout, reason="Account closed", now=NOW)
    assert posted(payout) == ["payout_reserved", "payout_completed", "payout_returned"]
    assert len(history(payout)) == 6
    assert balances() == (0, 0)
    assert ledger.owed_tiyn(payout.merchant) == payout.amount_tiyn


def test_a_payout_the_bank_never_paid_is_owed_again_without_touching_the_bank():
    payout = paid_out.sent_batch().payouts.get()
    back = payouts.return_(payout, reason="Неверный счёт", now=NOW)
    assert (back.status, back.returned_at, back.reason) == ("Cancelled", NOW, "Неверный счёт")
    assert posted(back) == ["payout_reserved", "payout_cancelled"]
    assert (ledger.owed_tiyn(payout.merchant), balances()) == (payout.amount_tiyn, (0, 0))


def test_a_batch_is_completed_when_its_last_payout_ends_however():
    rows = [paid_out.payout(500000), paid_out.payout(300000)]
    batch = paid_out.sent_batch(*rows)
    payouts.complete(rows[0], bank_reference="1", now=NOW)
    batch.refresh_from_db()
    assert batch.status == PayoutStatus.IN_PROGRESS
    payouts.return_(rows[1], reason="Account closed", now=NOW)
    batch.refresh_from_db()
    assert batch.status == PayoutStatus.COMPLETED


@pytest.mark.parametrize(
    ("stage", "move"),
    [
        ("waiting", "complete"),
        ("waiting", "return"),
        ("batched", "complete"),
        ("batched", "return"),
        ("approved", "cancel"),
        ("sent", "cancel"),
        ("sent", "cancel_batch"),
        ("sent", "take_apart"),
        ("approved", "take_apart"),
        ("completed", "cancel"),
        ("completed", "cancel_batch"),
        ("cancelled", "complete"),
        ("cancelled", "return"),
        ("cancelled", "approve"),
        ("cancelled", "send"),
    ],
)
def test_a_move_that_does_not_fit_is_refused_and_writes_nothing(stage, move):
    payout = paid_out.payout()
    officer, batch = paid_out.officer(), None
    if stage != "waiting":
        batch = paid_out.batch(payout)
    if stage in {"approved", "sent", "completed"}:
        payouts.approve(batch, actor=officer, now=NOW)
    if stage in {"sent", "completed"}:
        payouts.send(batch, actor=officer, now=NOW)
    if stage == "completed":
        payouts.complete(payout, bank_reference="1", now=NOW)
    if stage == "cancelled":
        payouts.cancel_batch(batch, actor=officer, reason="x", now=NOW)
    before = history(payout), posted(payout)
    moves = {
        "complete": lambda: payouts.complete(payout, bank_reference="1", now=NOW),
        "return": lambda: payouts.return_(payout, reason="x", now=NOW),
        "cancel": lambda: payouts.cancel(payout, actor=officer, reason="x", now=NOW),
        "cancel_batch": lambda: payouts.cancel_batch(batch, actor=officer, reason="x", now=NOW),
        "take_apart": lambda: payouts.take_apart(batch, actor=officer, reason="x", now=NOW),
        "approve": lambda: payouts.approve(batch, actor=officer, now=NOW),
        "send": lambda: payouts.send(batch, actor=officer, now=NOW),
    }
    with pytest.raises(payouts.PayoutRefused):
        moves[move]()
    assert (history(payout), posted(payout)) == before


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_a_person_gives_a_reason(reason):
    payout = paid_out.payout()
    officer = paid_out.officer()
    with pytest.raises(payouts.PayoutRefused):
        payouts.cancel(payout, actor=officer, reason=reason, now=NOW)
    sent = paid_out.sent_batch().payouts.get()
    with pytest.raises(payouts.PayoutRefused):
        payouts.complete(sent, bank_reference="1", actor=officer, reason=reason, now=NOW)
    with pytest.raises(payouts.PayoutRefused):
        payouts.return_(sent, actor=officer, reason=reason, now=NOW)


def test_a_payout_that_is_cancelled_takes_its_unapproved_batch_apart():
    rows = [paid_out.payout(500000), paid_out.payout(300000)]
    batch = paid_out.batch(*rows)
    payouts.cancel(rows[0], actor=paid_out.officer(), reason="Asked by phone", now=NOW)
    for row in (*rows, batch):
        row.refresh_from_db()
    assert batch.status == PayoutStatus.CANCELLED
    assert [(row.status, row.batch) for row in rows] == [("Cancelled", None), ("AwaitingApproval", None)]
    again = payouts.batch([rows[1]], bank=batch.servicing_bank, actor=paid_out.officer(), now=NOW)
    assert again.number == 2


# --- a changed account ------------------------------------------------------------------------------------------------------


def change_account(merchant, iban="KZ39601A001000000017", bic="HSBKKZKX"):
    """As ``merchants.bank_account_change`` leaves it once a change has waited and taken effect."""
    BankAccountChange.objects.create(
        merchant=merchant,
        old_iban=merchant.iban,
        old_bank_bic=merchant.bank_bic,
        new_iban=iban,
        new_bank_bic=bic,
        requested_by=paid_out.owner_of(merchant),
        requested_at=NOW - timedelta(days=2),
        effective_at=NOW - timedelta(days=1),
        told_at=NOW - timedelta(days=2),
        applied_at=NOW,
    )
    Merchant.objects.filter(pk=merchant.pk).update(iban=iban, bank_bic=bic)


def test_an_unapproved_payout_follows_the_account_and_its_batch_is_taken_apart():
    rows = [paid_out.payout(500000), paid_out.payout(300000)]
    batch = paid_out.batch(*rows)
    change_account(rows[0].merchant)
    with pytest.raises(payouts.PayoutRefused, match="is paid to"):
        payouts.approve(batch, actor=paid_out.officer(), now=NOW)
    assert payouts.readdress(now=NOW) == [rows[0]]
    for row in (*rows, batch):
        row.refresh_from_db()
    assert (rows[0].iban, rows[0].bank_bic, rows[0].batch) == ("KZ39601A001000000017", "HSBKKZKX", None)
    assert rows[0].bank_name == 'АО "Народный Банк Казахстана"'
    assert (rows[1].iban, rows[1].batch) == ("KZ84722C000012345678", None)
    assert batch.status == PayoutStatus.CANCELLED
    assert "the account changed" in rows[0].events.last().reason
    assert payouts.readdress(now=NOW) == []


def test_an_approved_payout_goes_where_it_was_approved_for():
    batch = paid_out.approved_batch()
    payout = batch.payouts.get()
    change_account(payout.merchant)
    assert payouts.readdress(now=NOW) == []
    payouts.send(batch, actor=paid_out.officer(), now=NOW)
    payout.refresh_from_db()
    assert (payout.iban, payout.status) == ("KZ84722C000012345678", "InProgress")


def test_a_payout_is_prepared_only_once_inside_anothers_database_transaction():
    merchant = paid_out.merchant()
    paid_out.owed(merchant, 500000)
    with transaction.atomic():
        payouts.prepare(merchant, actor=paid_out.officer(), now=NOW)
        with pytest.raises(payouts.NothingToPay):
            payouts.prepare(merchant, actor=paid_out.officer(), now=NOW)
    assert balances() == (-500000, 0)

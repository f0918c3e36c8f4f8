"""The merchant's page of payouts: figures, roles, requests, its schedule and its account."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from merchants import bank_account_change, onboarding
from merchants.models import BankAccountChange, Role
from settlements import ledger, payouts
from settlements.models import Payout, PayoutPolicy
from tests.merchants import people
from tests.settlements import paid_out

pytestmark = pytest.mark.django_db
NEW_IBAN, NEW_BIC = "KZ39601A001000000017", "HSBKKZKX"


@pytest.fixture
def merchant():
    return paid_out.merchant()


@pytest.fixture
def store(merchant):
    return people.store_of(merchant)


@pytest.fixture
def owner(client, merchant):
    """The owner's browser."""
    client.force_login(paid_out.owner_of(merchant))
    return client


def text_of(answer):
    return " ".join(answer.content.decode().replace("\xa0", " ").split())


def paths(store, number=1):
    root = f"/stores/{store.pk}/payouts/"
    return {
        "list": root,
        "detail": f"{root}{number}/",
        "request": f"{root}request/",
        "settings": f"{root}settings/",
        "account": f"{root}account/",
        "cancel": f"{root}account/cancel/",
    }


def test_the_page_says_what_is_owed_what_is_on_its_way_and_what_is_ready(owner, merchant, store):
    now = timezone.now()
    paid_out.owed(merchant, 1000000, now=now - timedelta(days=1))
    paid_out.payout(of=merchant, amount_tiyn=500000, now=now - timedelta(days=1))
    paid_out.owed(merchant, 250000, now=now)
    paid_out.sale(merchant, 30000, fee=0, vat=0, now=now)
    page = text_of(owner.get(paths(store)["list"]))
    assert "Owed to you now</dt><dd>2,800.00 ₸" in page
    assert "On its way to your bank</dt><dd>15,000.00 ₸" in page
    assert "<strong>2,500.00 ₸</strong>" in page
    assert "Awaiting approval" in page
    assert "Every business day" in page


def test_a_merchant_without_payouts_is_told_when_the_first_comes(owner, store):
    page = text_of(owner.get(paths(store)["list"]))
    assert "No payouts yet" in page
    assert "Ask for a payout" not in page


def test_an_owner_asks_for_a_payout_and_it_is_reserved(owner, merchant, store):
    paid_out.owed(merchant, 777700, now=timezone.now())
    answer = owner.post(paths(store)["request"], follow=True)
    assert "Payout №1 is on its way" in text_of(answer)
    payout = Payout.objects.get()
    assert (payout.amount_tiyn, payout.prepared_by) == (777700, paid_out.owner_of(merchant))
    assert ledger.owed_tiyn(merchant) == 0


def test_todays_sales_are_not_ready(owner, merchant, store):
    paid_out.sale(merchant, 30000, fee=0, vat=0, now=timezone.now())
    answer = owner.post(paths(store)["request"], follow=True)
    assert "can be paid out tomorrow" in text_of(answer)
    assert not Payout.objects.exists()


def test_a_suspended_merchant_sees_its_money_and_is_not_paid(owner, merchant, store):
    paid_out.owed(merchant, 777700, now=timezone.now())
    onboarding.suspend(merchant, admin=paid_out.officer(), reason="A check", now=timezone.now())
    page = text_of(owner.get(paths(store)["list"]))
    assert "7,777.00 ₸" in page
    assert "no payouts are made" in page
    assert "Ask for a payout" not in page
    answer = owner.post(paths(store)["request"], follow=True)
    assert "paused" in text_of(answer)
    assert not Payout.objects.exists()


def test_one_payout_shows_figures_that_add_up(owner, merchant, store):
    now = timezone.now()
    paid_out.sale(merchant, now=now - timedelta(days=1))
    payout = payouts.prepare(merchant, actor=paid_out.officer(), now=now)
    page = text_of(owner.get(paths(store)["detail"]))
    for figure in ("152,000.00 ₸", "−1,310.34 ₸", "−209.66 ₸", "150,480.00 ₸"):
        assert figure in page
    assert payout.purpose in page
    assert payout.iban in page


@pytest.mark.parametrize(
    ("file_format", "begin"), [("pdf", b"%PDF"), ("xlsx", b"PK"), ("1c", b"1CClientBank")]
)
def test_the_register_of_the_days_is_one_press_away(owner, merchant, store, file_format, begin):
    paid_out.payout(of=merchant)
    page = owner.get(paths(store)["detail"]).content.decode()
    form = page[page.index(f'action="/stores/{store.pk}/documents/"') :].split("</form>")[0]
    typed = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', form)) | {"format": file_format}
    assert f'name="format" value="{file_format}"' in form
    answer = owner.post(f"/stores/{store.pk}/documents/", typed)
    assert b"".join(answer.streaming_content).removeprefix(b"\xef\xbb\xbf").startswith(begin)


def test_notes_of_officers_about_batches_stay_with_the_city(owner, merchant, store):
    payout = paid_out.payout(of=merchant)
    other = paid_out.payout()
    batch = paid_out.batch(payout, other)
    payouts.take_apart(batch, actor=paid_out.officer(), reason="ТОО «Чужой магазин» waits", now=paid_out.NOW)
    page = text_of(owner.get(paths(store)["detail"]))
    assert "Чужой" not in page
    assert "batch" not in page


def test_a_returned_payout_is_said_loudly(owner, merchant, store):
    now = timezone.now()
    payout = paid_out.payout(of=merchant, now=now)
    paid_out.sent_batch(payout, now=now)
    payouts.return_(payout, reason="Счёт закрыт", now=now)
    page = text_of(owner.get(paths(store)["list"]))
    assert "The bank sent payout №1 back" in page
    assert "Returned by the bank" in page
    assert "Счёт закрыт" in text_of(owner.get(paths(store)["detail"]))


@pytest.mark.parametrize("page", ["list", "detail"])
@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.OWNER, 200), (Role.MANAGER, 200), (Role.ACCOUNTANT, 200), (Role.CASHIER, 403)],
)
def test_who_may_look(client, merchant, store, page, role, status):
    paid_out.payout(of=merchant)
    client.force_login(people.colleague(merchant, role))
    assert client.get(paths(store)[page]).status_code == status


@pytest.mark.parametrize("page", ["request", "settings", "account", "cancel"])
@pytest.mark.parametrize("role", [Role.MANAGER, Role.ACCOUNTANT, Role.CASHIER])
def test_only_owners_manage(client, merchant, store, page, role):
    paid_out.owed(merchant, now=timezone.now())
    client.force_login(people.colleague(merchant, role))
    assert client.post(paths(store)[page], {"schedule": "manual"}).status_code == 403
    assert not Payout.objects.exists()
    assert not PayoutPolicy.objects.exists()


@pytest.mark.parametrize("page", ["list", "detail", "request", "settings", "account", "cancel"])
def test_a_stranger_finds_nothing(client, merchant, store, page):
    paid_out.payout(of=merchant)
    client.force_login(paid_out.owner_of(paid_out.merchant()))
    path = paths(store)[page]
    answer = client.get(path) if page in {"list", "detail"} else client.post(path)
    assert answer.status_code == 404


def test_another_merchants_payout_is_not_reached_through_ones_own_store(owner, store):
    paid_out.payout()
    assert owner.get(paths(store)["detail"]).status_code == 404


def test_nobody_comes_in_without_logging_in(client, store):
    answer = client.get(paths(store)["list"])
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_an_owner_chooses_the_schedule(owner, merchant, store):
    typed = {"schedule": "threshold", "weekday": "2", "threshold": "150 000,50", "minimum": "", "kbe": "19"}
    assert owner.post(paths(store)["settings"], typed).status_code == 302
    policy = PayoutPolicy.objects.get(merchant=merchant)
    assert (policy.schedule, policy.weekday, policy.threshold_tiyn, policy.minimum_tiyn, policy.kbe) == (
        "threshold",
        2,
        15000050,
        0,
        "19",
    )
    assert policy.updated_by == paid_out.owner_of(merchant)
    page = text_of(owner.get(paths(store)["settings"]))
    assert 'value="150000,50"' in page


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"schedule": "threshold", "threshold": ""}, "at which sum"),
        ({"schedule": "hourly"}, "Select a valid choice"),
        ({"minimum": "-1"}, "Enter an amount in tenge"),
        ({"minimum": "0.001"}, "Enter an amount in tenge"),
        ({"minimum": "12,500"}, "Enter an amount in tenge"),
        ({"kbe": "37"}, "Two digits"),
    ],
)
def test_a_mistake_is_explained_and_changes_nothing(owner, store, typed, said):
    form = {"schedule": "daily", "weekday": "0", "threshold": "", "minimum": "", "kbe": ""} | typed
    assert said in text_of(owner.post(paths(store)["settings"], form))
    assert not PayoutPolicy.objects.exists()


def test_a_new_account_waits_and_can_be_cancelled(owner, merchant, store):
    answer = owner.post(paths(store)["account"], {"iban": NEW_IBAN, "bank_bic": ""}, follow=True)
    page = text_of(answer)
    assert NEW_IBAN in page
    assert "Cancel the change" in page
    merchant.refresh_from_db()
    assert merchant.iban == "KZ84722C000012345678"
    owner.post(paths(store)["cancel"])
    assert BankAccountChange.objects.get().cancelled_by == paid_out.owner_of(merchant)
    assert bank_account_change.waiting(merchant) is None
    assert "There is no change to cancel" in text_of(owner.post(paths(store)["cancel"], follow=True))


@pytest.mark.parametrize(
    ("iban", "said"),
    [
        ("KZ84722C000012345678", "already"),
        ("KZ85722C000012345678", "not an account number"),
        ("", "required"),
    ],
)
def test_an_account_that_cannot_be_is_explained(owner, store, iban, said):
    answer = owner.post(paths(store)["account"], {"iban": iban, "bank_bic": ""})
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert not BankAccountChange.objects.exists()


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_the_pages_speak_the_languages(owner, merchant, store, language):
    paid_out.payout(of=merchant)
    owner.cookies["django_language"] = language
    for page in ("list", "detail", "settings"):
        text = text_of(owner.get(paths(store)[page]))
        assert "Where it goes" not in text
        assert "Payouts" not in text


@pytest.mark.parametrize(
    ("page", "leads_to"), [("request", "list"), ("account", "settings"), ("cancel", "list")]
)
def test_where_a_form_goes_is_no_dead_end(owner, store, page, leads_to):
    """A log-in that ran out under the form, or another language chosen on a page with a mistake, asks for it by GET."""
    answer = owner.get(paths(store)[page])
    assert answer.status_code == 302
    assert answer["Location"] == paths(store)[leads_to]
    assert owner.put(paths(store)[page]).status_code == 405


def test_a_mistake_in_the_account_is_where_the_browser_looks(owner, store):
    """The account's form is the second of a page that is two screens long on a phone."""
    page = text_of(owner.get(paths(store)["settings"]))
    assert f'action="{paths(store)["account"]}#bank-account"' in page
    assert 'id="bank-account"' in page
    assert ">Bank account (IBAN)</label>" in page

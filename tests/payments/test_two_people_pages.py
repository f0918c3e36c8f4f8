"""The pages of documents of two people: one officer prepares, another decides, and nobody else may do either."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse

from alatau_pay.assets import KZT, Asset
from chains.models import Wallet
from merchants.models import User
from settlements import entries, ledger
from settlements.entries import payable, reserve
from settlements.entry import AccountName
from settlements.models import Acquisition, Correction, JournalEntry, ReserveSale
from tests.world import NOW, World

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)


def officer(name: str, *permissions: str) -> Client:
    """A person of the city office with these rights alone, logged in."""
    user = User.objects.create_user(f"{name}@city.example", "city-officer-password", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="settlements", codename__in=permissions)
    )
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def preparer(world: World) -> Client:
    return officer(
        "preparer",
        *(
            f"{verb}_{model}"
            for verb in ("view", "add")
            for model in ("acquisition", "reservesale", "correction")
        ),
    )


@pytest.fixture
def approver(world: World) -> Client:
    return officer(
        "approver",
        *(
            f"{verb}_{model}"
            for verb in ("view", "approve")
            for model in ("acquisition", "reservesale", "correction")
        ),
    )


def url(model: str, page: str, *args: Any) -> str:
    return reverse(f"admin:settlements_{model}_{page}", args=args)


def seizure(**changes: str) -> dict[str, str]:
    values = {
        "asset": "BTC",
        "wallet": "",
        "source": "seizure",
        "amount": "1,5",
        "tenge": "51 000 000,50",
        "document_number": "1-445",
        "document_date": "2026-11-20",
        "reason": "Court decision",
    }
    return values | changes


def test_an_acquisition_goes_through_both_pages(world: World, preparer: Client, approver: Client) -> None:
    assert preparer.get(url("acquisition", "add")).status_code == 200
    wallet = Wallet.objects.get(network=world.bitcoin)
    answer = preparer.post(url("acquisition", "add"), seizure(wallet=str(wallet.pk)))
    made = Acquisition.objects.get()
    assert answer.url == url("acquisition", "change", made.pk)
    assert (made.amount_minor, made.value_tiyn, made.wallet) == (150_000_000, 5_100_000_050, f"w{wallet.pk}")
    page = preparer.get(answer.url).content.decode()
    assert "You prepared this: another person approves it." in page
    assert "Approve and post" not in page
    page = approver.get(answer.url).content.decode()
    assert "1.5 BTC" in page and "51,000,000.50" in page and "bitcoin treasury" in page
    approver.post(url("acquisition", "decide", made.pk), {"decision": "approve"})
    made.refresh_from_db()
    assert made.status == "Approved"
    assert ledger.balance_minor(reserve(BTC, f"w{wallet.pk}", "seizure")) == 150_000_000
    assert "Approve and post" not in approver.get(answer.url).content.decode()
    assert "1-445" in approver.get(url("acquisition", "changelist")).content.decode()


@pytest.mark.parametrize("model", ["acquisition", "reservesale"])
def test_more_tenge_than_the_books_can_hold_is_told_on_the_form(
    world: World, client: Client, model: str
) -> None:
    client.force_login(world.admin)
    answer = client.post(url(model, "add"), seizure(tenge="99 999 999 999 999 999 999"))
    assert answer.status_code == 200
    assert "amount out of range" in answer.content.decode()


def test_what_the_preparer_may_not_do_nobody_does_for_them(
    world: World, preparer: Client, approver: Client
) -> None:
    preparer.post(url("acquisition", "add"), seizure())
    made = Acquisition.objects.get()
    decide = url("acquisition", "decide", made.pk)
    assert preparer.post(decide, {"decision": "approve"}).status_code == 403
    assert approver.get(url("acquisition", "add")).status_code == 403
    assert approver.post(url("acquisition", "add"), seizure(document_number="2")).status_code == 403
    assert approver.get(decide).status_code == 405
    assert approver.post(decide, {"decision": "keep"}).status_code == 403
    stranger = officer("stranger")
    for answer in (stranger.get(url("acquisition", "change", made.pk)), stranger.post(decide)):
        assert answer.status_code == 403
    assert Client().post(decide, {"decision": "approve"}).status_code == 302
    made.refresh_from_db()
    assert (made.status, Acquisition.objects.count(), JournalEntry.objects.count()) == ("Prepared", 1, 0)


def test_an_officer_with_every_right_still_needs_another(world: World, client: Client) -> None:
    client.force_login(world.admin)
    client.post(url("acquisition", "add"), seizure())
    made = Acquisition.objects.get()
    answer = client.post(url("acquisition", "decide", made.pk), {"decision": "approve"}, follow=True)
    assert "Whoever prepared a document does not approve it" in answer.content.decode()
    assert not JournalEntry.objects.exists()


def test_the_preparer_takes_a_mistake_back(world: World, preparer: Client) -> None:
    preparer.post(url("acquisition", "add"), seizure())
    made = Acquisition.objects.get()
    preparer.post(url("acquisition", "decide", made.pk), {"decision": "refuse", "reason": "wrong amount"})
    made.refresh_from_db()
    assert (made.status, made.refusal_reason) == ("Refused", "wrong amount")
    assert "wrong amount" in preparer.get(url("acquisition", "change", made.pk)).content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": "1.123456789"}, "at most 8 digits"),
        ({"amount": "a lot"}, "not a decimal number"),
        ({"amount": "0"}, "has an amount"),
        ({"tenge": "1.001"}, "at most 2 digits"),
        ({"asset": "DOGE"}, "valid choice"),
        ({"source": "payments"}, "valid choice"),
        ({"document_date": "2099-01-01"}, "has not come yet"),
        ({"reason": ""}, "required"),
    ],
)
def test_a_form_that_cannot_be_read_is_told_and_keeps_what_was_typed(
    world: World, preparer: Client, changes: dict[str, str], words: str
) -> None:
    answer = preparer.post(url("acquisition", "add"), seizure(**changes))
    page = answer.content.decode()
    assert (answer.status_code, words in page, 'value="1-445"' in page) == (200, True, True)
    assert not Acquisition.objects.exists()


def test_a_wallet_of_another_network_is_refused(world: World, preparer: Client) -> None:
    wallet = Wallet.objects.get(network=world.evm)
    page = preparer.post(url("acquisition", "add"), seizure(wallet=str(wallet.pk))).content.decode()
    assert "another network" in page
    assert not Acquisition.objects.exists()


def test_a_sale_shows_its_difference_once_it_is_approved(
    world: World, preparer: Client, approver: Client
) -> None:
    acquired = entries.reserve_acquired(
        coin=BTC, wallet="", source="purchase", acquired_minor=1_000_000, value_tiyn=30_000_000
    )
    with transaction.atomic():
        ledger.post(acquired, idempotency_key="k", reference="test:1", now=NOW)
    sale = seizure(source="purchase", amount="0.005", tenge="170000")
    page = preparer.post(
        url("reservesale", "add"), seizure(source="seizure", amount="0.005")
    ).content.decode()
    assert "the reserve holds less" in page
    answer = preparer.post(url("reservesale", "add"), sale)
    made = ReserveSale.objects.get()
    approver.post(url("reservesale", "decide", made.pk), {"decision": "approve"})
    page = approver.get(answer.url).content.decode()
    assert "150,000" in page and "+20,000" in page
    assert "+20,000" in approver.get(url("reservesale", "changelist")).content.decode()


def correction(world: World, **changes: str) -> dict[str, str]:
    values = {
        "document_number": "Act 7",
        "document_date": "2026-11-20",
        "reason": "The fee was taken twice",
        "account_1": "fee_income:KZT",
        "side_1": "D",
        "amount_1": "50",
        "account_2": f"payable:KZT:{world.merchant.pk}",
        "side_2": "C",
        "amount_2": "50.00",
        **{f"side_{number}": "D" for number in range(3, 7)},
    }
    return values | changes


def test_a_correction_goes_through_both_pages(world: World, preparer: Client, approver: Client) -> None:
    assert preparer.get(url("correction", "add")).status_code == 200
    answer = preparer.post(url("correction", "add"), correction(world))
    made = Correction.objects.get()
    page = approver.get(answer.url).content.decode()
    assert f"payable:KZT:{world.merchant.pk}" in page and "50 KZT" in page
    approver.post(url("correction", "decide", made.pk), {"decision": "approve"})
    assert ledger.balance_minor(payable(world.merchant.pk)) == -5_000
    assert ledger.balance_minor(AccountName("fee_income", KZT)) == 5_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount_2": "49"}, "does not balance in KZT"),
        ({"amount_2": "-50"}, "An amount is positive"),
        ({"account_2": "payable"}, "No such account"),
        ({"account_2": "payable:DOGE:x"}, "No such account"),
        ({"account_2": "payable:KZT"}, "names the merchant"),
        ({"account_2": "till:KZT"}, "there is no account till:KZT"),
        ({"account_2": "", "amount_2": ""}, "two lines"),
        ({"account_2": "payable:KZT:nobody"}, "no such merchant"),
    ],
)
def test_a_correction_that_cannot_be_posted_is_told(
    world: World, preparer: Client, changes: dict[str, str], words: str
) -> None:
    page = preparer.post(url("correction", "add"), correction(world, **changes)).content.decode()
    assert words in page
    assert not Correction.objects.exists()


@pytest.mark.parametrize("model", ["acquisition", "reservesale"])
def test_wallets_of_one_name_are_told_apart_by_their_network(
    world: World, preparer: Client, model: str
) -> None:
    page = preparer.get(url(model, "add")).content.decode()
    for wallet in Wallet.objects.select_related("network"):
        assert f"{wallet.label} · {wallet.network.name}</option>" in page

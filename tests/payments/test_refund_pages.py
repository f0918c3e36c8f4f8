"""The pages of refunds: the resident's behind its link, the store's list, start and decisions; who may open which."""

import threading
import time

import pytest
from django.contrib.auth.backends import ModelBackend
from django.core.cache import cache
from django.db import connection, connections, transaction
from django.utils import timezone
from django.utils.html import strip_tags

from merchants.models import Role
from payments import refunds
from payments.models import Refund
from tests import world as city
from tests.payments.refunding import BITCOIN_ADDRESS, EVM_ADDRESS, approved, send

pytestmark = pytest.mark.django_db
BACKEND = f"{ModelBackend.__module__}.{ModelBackend.__qualname__}"


@pytest.fixture(autouse=True)
def _no_tries_yet():
    cache.clear()


@pytest.fixture
def shop(db):
    """A city with a settled payment, and a store that is owed enough to bear its refund."""
    now = timezone.now()
    world = city.build(now=now)
    world.invoice = city.make_invoice(world.store, now=now)
    city.pay(world.invoice, at=now)
    city.pay(city.make_invoice(world.store, "100000.00", now=now), at=now)
    world.payment = world.invoice.payments.get()
    return world


@pytest.fixture
def started(shop):
    return refunds.start(
        shop.payment.pk, basis="Then", user=shop.owner, reason="The cup was cold", now=timezone.now()
    )


def link(refund, **query):
    return f"/r/{refund.link_id}" + ("?lang=" + query["lang"] if query else "")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("kk", "Дүкен сізге ақшаны қайтарады"),
        ("ru", "Магазин возвращает вам деньги"),
        ("en", "The store gives money back to you"),
    ],
)
def test_the_resident_sees_what_goes_back_in_each_language(client, started, language, words):
    answer = client.get(link(started, lang=language))
    text = answer.content.decode()
    assert words in text
    assert "0.00036765 BTC" in strip_tags(text)
    assert "12" in text and "₸" in text
    assert "The cup was cold" in text
    # The address is a secret: no other site that is opened from here is told.
    assert answer["Referrer-Policy"] == "same-origin"
    assert "no-store" in answer["Cache-Control"]
    assert "<script" not in text


def test_the_resident_gives_an_address(client, started):
    assert client.post(link(started, lang="en"), {"address": f" {BITCOIN_ADDRESS} "}).status_code == 302
    started.refresh_from_db()
    assert (started.status, started.destination.address) == ("AwaitingApproval", BITCOIN_ADDRESS)
    after = client.get(link(started, lang="en")).content.decode()
    assert BITCOIN_ADDRESS in after
    assert "The store has your address" in after


@pytest.mark.parametrize("address", ["", "nothing", EVM_ADDRESS, BITCOIN_ADDRESS[:-1] + "q"])
def test_a_wrong_address_is_said_and_kept_in_the_field(client, started, address):
    answer = client.post(link(started, lang="en"), {"address": address})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert 'class="errorlist"' in text
    if address:
        assert f'value="{address}"' in text
    started.refresh_from_db()
    assert started.status == "AwaitingAddress"


def test_a_refusal_is_said_in_the_pages_language(client, started):
    answer = client.post(link(started, lang="kk"), {"address": EVM_ADDRESS})
    assert "желі" in answer.content.decode().partition("errorlist")[2]


def test_a_guesser_is_stopped(client, started):
    for _ in range(10):
        client.post(link(started, lang="en"), {"address": "nothing"})
    answer = client.post(link(started, lang="en"), {"address": BITCOIN_ADDRESS})
    assert "Too many tries" in answer.content.decode()
    started.refresh_from_db()
    assert started.status == "AwaitingAddress"


def test_after_the_approval_the_address_stays(client, shop, started):
    refunds.give_address(started.pk, address=BITCOIN_ADDRESS, now=timezone.now())
    refunds.approve(started.pk, user=shop.owner, now=timezone.now())
    answer = client.post(
        link(started, lang="en"), {"address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"}
    )
    assert answer.status_code == 422
    started.refresh_from_db()
    assert started.destination.address == BITCOIN_ADDRESS
    assert "<form" not in client.get(link(started, lang="en")).content.decode()


def test_sent_it_shows_the_txid(client, shop):
    refund = send(approved(shop.payment, user=shop.owner, now=timezone.now()), at=timezone.now())
    text = client.get(link(refund, lang="en")).content.decode()
    assert refund.outgoing.txid_hex in text
    assert "The money was sent" in text


@pytest.mark.parametrize("number", ["pk", "unknown"])
def test_only_the_link_opens_it(client, started, number):
    path = started.pk if number == "pk" else "3xJ9v1QkM8yZpLr5WnTb7c"
    assert client.get(f"/r/{path}").status_code == 404


def pages(shop):
    store = f"/stores/{shop.store.pk}"
    return store + "/refunds/", f"{store}/invoices/{shop.invoice.pk}/refund/"


def test_the_owner_starts_one(client, shop):
    listing, start = pages(shop)
    client.force_login(shop.owner, backend=BACKEND)
    shown = client.get(start).content.decode()
    assert "12,500\u00a0₸" in shown
    data = {"payment": shop.payment.pk, "basis": "Then", "amount": "5 000", "reason": "half"}
    assert client.post(start, data).status_code == 302
    refund = Refund.objects.get()
    assert (refund.value_tiyn, refund.amount_minor, refund.requested_by) == (500_000, 14_706, shop.owner)
    text = client.get(listing).content.decode()
    assert f"/r/{refund.link_id}" in text
    assert "Waits for the resident" in text


def test_a_page_that_is_sent_twice_starts_one_refund(client, shop):
    """A second click, or a reload after no answer: twice a part of the payment would be within what came."""
    start = pages(shop)[1]
    client.force_login(shop.owner, backend=BACKEND)
    once = client.get(start).context["form"]["once"].value()
    data = {"payment": shop.payment.pk, "basis": "Then", "amount": "5 000", "reason": "half", "once": once}
    assert [client.post(start, data).status_code for _ in range(2)] == [302, 302]
    assert Refund.objects.count() == 1
    changed = client.post(start, data | {"amount": "4 000"})
    assert changed.status_code == 422
    assert "has started a refund already" in changed.content.decode()
    anew, shown = (changed.context["form"][name].value() for name in ("once", "amount"))
    assert (anew != once, shown) == (True, "4 000")
    assert client.post(start, data | {"amount": "4 000", "once": anew}).status_code == 302
    assert sorted(Refund.objects.values_list("value_tiyn", flat=True)) == [400_000, 500_000]


def test_a_page_that_gives_all_back_and_is_sent_twice_says_that_it_is_started(client, shop):
    """Whoever clicks twice sees the second answer: that nothing is left to give back would be no word of the refund."""
    start = pages(shop)[1]
    client.force_login(shop.owner, backend=BACKEND)
    once = client.get(start).context["form"]["once"].value()
    data = {"payment": shop.payment.pk, "basis": "Then", "amount": "", "reason": "all", "once": once}
    answers = [client.post(start, data, follow=True) for _ in range(2)]
    assert ["The refund is started" in answer.content.decode() for answer in answers] == [True, True]
    assert Refund.objects.count() == 1


def test_a_page_whose_refund_was_called_off_does_not_say_that_it_is_started(client, shop):
    start = pages(shop)[1]
    client.force_login(shop.owner, backend=BACKEND)
    once = client.get(start).context["form"]["once"].value()
    data = {"payment": shop.payment.pk, "basis": "Then", "amount": "", "reason": "all", "once": once}
    client.post(start, data)
    refunds.cancel(Refund.objects.get().pk, user=shop.owner, reason="mistake", now=timezone.now())
    answer = client.post(start, data)
    assert answer.status_code == 422
    assert "has started a refund already" in answer.content.decode()
    anew = answer.context["form"]["once"].value()
    assert client.post(start, data | {"once": anew}).status_code == 302
    assert sorted(Refund.objects.values_list("status", flat=True)) == ["AwaitingAddress", "Cancelled"]


@pytest.mark.parametrize("once", ["\x00", "x" * 200, "a b"])
def test_a_page_that_is_not_ours_starts_none(client, shop, once):
    client.force_login(shop.owner, backend=BACKEND)
    data = {"payment": shop.payment.pk, "basis": "Then", "reason": "x", "once": once}
    assert client.post(pages(shop)[1], data).status_code == 422
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"basis": "Then", "amount": "12 500,01"}, "Never more goes back than came"),
        ({"basis": "Amount", "amount": "0.00036766"}, "Never more goes back than came"),
        ({"basis": "Amount", "amount": "1e-5"}, "Enter an amount of the coin"),
        ({"basis": "Then", "amount": "12,500"}, "Enter an amount in tenge"),
        ({"basis": "Excess"}, "Nothing of this payment is held"),
        ({"basis": "Whim"}, "valid choice"),
        ({"basis": "Then", "reason": ""}, "required"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(client, shop, data, said):
    client.force_login(shop.owner, backend=BACKEND)
    answer = client.post(pages(shop)[1], {"payment": shop.payment.pk, "reason": "x", **data})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Refund.objects.exists()


def test_a_payment_of_another_invoice_is_not_given_back_here(client, shop):
    client.force_login(shop.owner, backend=BACKEND)
    other = shop.store.invoices.exclude(pk=shop.invoice.pk).get().payments.get()
    data = {"payment": other.pk, "basis": "Then", "reason": "x"}
    assert client.post(pages(shop)[1], data).status_code == 422
    assert not Refund.objects.exists()


def decide(client, shop, refund, **data):
    return client.post(f"/stores/{shop.store.pk}/refunds/{refund.pk}/", data, follow=True)


def test_the_owner_approves_what_was_shown(client, shop, started):
    refunds.give_address(started.pk, address=BITCOIN_ADDRESS, now=timezone.now())
    client.force_login(shop.owner, backend=BACKEND)
    stale = decide(
        client, shop, started, decision="approve", address="bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    )
    assert "has changed meanwhile" in stale.content.decode()
    answer = decide(client, shop, started, decision="approve", address=BITCOIN_ADDRESS)
    assert "Approved" in answer.content.decode()
    started.refresh_from_db()
    assert (started.status, started.approved_by) == ("Approved", shop.owner)


@pytest.mark.django_db(transaction=True)
def test_an_address_that_is_given_while_the_owner_approves_is_not_approved(client, shop, started):
    refunds.give_address(started.pk, address=BITCOIN_ADDRESS, now=timezone.now())
    client.force_login(shop.owner, backend=BACKEND)

    def press():
        try:
            decide(client, shop, started, decision="approve", address=BITCOIN_ADDRESS)
        finally:
            connections.close_all()

    with transaction.atomic():
        other = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
        refunds.give_address(started.pk, address=other, now=timezone.now())
        owner = threading.Thread(target=press)
        owner.start()
        wait_until_somebody_waits_for_a_lock()
    owner.join(timeout=60)
    started.refresh_from_db()
    assert (started.status, started.destination.address) == ("AwaitingApproval", other)


def wait_until_somebody_waits_for_a_lock():
    waiting = "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone():
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits for a lock")


def test_the_owner_calls_off_and_the_resident_reads_why(client, shop, started):
    client.force_login(shop.owner, backend=BACKEND)
    decide(client, shop, started, decision="cancel", reason="Paid back in cash")
    started.refresh_from_db()
    assert (started.status, started.cancelled_by) == ("Cancelled", shop.owner)
    assert "Paid back in cash" in client.get(link(started, lang="en")).content.decode()


@pytest.mark.parametrize(
    ("role", "sees", "decides"),
    [(Role.MANAGER, 200, 302), (Role.ACCOUNTANT, 200, 403), (Role.CASHIER, 200, 403), (None, 404, 404)],
)
def test_who_may_what(client, shop, started, role, sees, decides):
    if role is None:
        other, person = city.build_merchant(shop.admin, business_id=city.BUSINESS_IDS[1])
        city.build_store(other)
    else:
        person = city.add_member(shop.merchant, role)
    client.force_login(person, backend=BACKEND)
    listing, start = pages(shop)
    assert client.get(listing).status_code == sees
    assert client.get(start).status_code == (200 if decides == 302 else decides)
    path = f"/stores/{shop.store.pk}/refunds/{started.pk}/"
    assert client.post(path, {"decision": "cancel", "reason": "x"}).status_code == decides
    started.refresh_from_db()
    assert started.status == ("Cancelled" if decides == 302 else "AwaitingAddress")


@pytest.mark.parametrize(
    ("role", "is_shown"), [(Role.MANAGER, True), (Role.ACCOUNTANT, False), (Role.CASHIER, False)]
)
def test_the_link_is_for_who_decides(client, shop, started, role, is_shown):
    client.force_login(city.add_member(shop.merchant, role), backend=BACKEND)
    text = client.get(pages(shop)[0]).content.decode()
    assert shop.invoice.pk in text
    # Who has the link says where the money goes.
    assert (started.link_id in text) == is_shown


def test_another_stores_refund_is_not_there(client, shop, started):
    other, owner = city.build_merchant(shop.admin, business_id=city.BUSINESS_IDS[1])
    store = city.build_store(other)
    client.force_login(owner, backend=BACKEND)
    assert client.post(f"/stores/{store.pk}/refunds/{started.pk}/", {"decision": "cancel"}).status_code == 404


def test_a_decision_that_a_login_interrupted_leads_back_to_the_list(client, shop, started):
    client.force_login(shop.owner, backend=BACKEND)
    answer = client.get(f"/stores/{shop.store.pk}/refunds/{started.pk}/")
    assert answer.status_code == 302
    assert answer["Location"] == f"/stores/{shop.store.pk}/refunds/"

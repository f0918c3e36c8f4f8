"""Claiming refunds before they are sent by a code or a file of calls: one officer each, no calling off, and giving them back."""

import json
import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, connections, transaction

from chains.models import Wallet
from merchants.models import User
from payments import refund_sending, refund_watching, refunds
from payments.models import Refund, RefundBatch
from tests import world as city
from tests.payments import qr_reading
from tests.payments.refunding import approved, bury, leave, place, send
from tests.world import NOW, make_invoice, pay

BACKEND = f"{ModelBackend.__module__}.{ModelBackend.__qualname__}"
SENDING = "/admin/payments/refund/sending/"
CALLS = "/admin/payments/refund/sending/calls/"


def refunds_of(world, *codes):
    """An approved refund in each of ``codes``, in a city that owes its merchant enough for them."""
    pay(make_invoice(world.store, "100000.00"))
    found = []
    for code in codes:
        invoice = make_invoice(world.store)
        pay(invoice, code)
        found.append(approved(invoice.payments.get(), user=world.owner))
    bury()
    return found


@pytest.fixture
def coin(world, db):
    return refunds_of(world, "BTC")[0]


@pytest.fixture
def pair(world, db):
    return refunds_of(world, "ETH", "USDT")


@pytest.fixture
def officer(world, client):
    client.force_login(world.admin, backend=BACKEND)
    return client


def page_of(batch):
    return f"/admin/payments/refund/batch/{batch.pk}/"


def file_of(batch, ending):
    return f"/admin/payments/refund/batch/{batch.pk}.{ending}"


class TestCode:
    def test_is_shown_only_to_whoever_took_the_refund(self, world, officer, coin):
        text = officer.get(SENDING).content.decode()
        assert refund_sending.uri(coin) not in text
        assert ".png" not in text
        answer = officer.post(f"/admin/payments/refund/{coin.pk}/code/")
        coin.refresh_from_db()
        batch = coin.batch
        assert (coin.status, batch.kind, batch.uri) == ("Sending", "code", refund_sending.uri(coin))
        assert (batch.made_by, batch.wallet) == (world.admin, Wallet.objects.get(network="bitcoin", owner=""))
        assert answer.url == page_of(batch)
        for _ in range(2):
            page = officer.get(answer.url).content.decode()
            assert refund_sending.uri(coin) in page
            assert f"Taken by {world.admin.email}" in page
            assert file_of(batch, "png") in page
            assert qr_reading.read(officer.get(file_of(batch, "png")).content) == batch.uri
        listed = officer.get(SENDING).content.decode()
        assert page_of(batch) in listed
        assert f"Taken by {world.admin.email}" in listed
        assert "No refund waits to be sent." in listed

    def test_a_get_takes_nothing(self, officer, coin):
        assert officer.get(f"/admin/payments/refund/{coin.pk}/code/").status_code == 405
        coin.refresh_from_db()
        assert coin.status == "Approved"

    def test_the_second_officer_is_told(self, officer, coin):
        officer.post(f"/admin/payments/refund/{coin.pk}/code/")
        answer = officer.post(f"/admin/payments/refund/{coin.pk}/code/", follow=True)
        assert "do not wait to be sent any more" in answer.content.decode()
        assert RefundBatch.objects.count() == 1

    def test_is_gone_once_the_chain_shows_it(self, world, officer, coin):
        batch = refund_sending.make_code(coin.pk, user=world.admin, now=NOW)
        send(coin)
        assert coin.status == "Completed"
        assert officer.get(file_of(batch, "png")).status_code == 404
        page = officer.get(page_of(batch)).content.decode()
        assert batch.uri not in page
        assert "nothing is left to send" in page
        assert "discard/" not in page

    def test_is_gone_once_discarded(self, world, officer, coin):
        batch = refund_sending.make_code(coin.pk, user=world.admin, now=NOW)
        answer = officer.post(f"/admin/payments/refund/batch/{batch.pk}/discard/", follow=True)
        assert "Refunds that wait again: 1." in answer.content.decode()
        coin.refresh_from_db()
        assert (coin.status, coin.batch) == ("Approved", None)
        assert officer.get(file_of(batch, "png")).status_code == 404
        page = officer.get(page_of(batch)).content.decode()
        assert batch.uri not in page
        assert f"Discarded by {world.admin.email}" in page
        again = refund_sending.make_code(coin.pk, user=world.admin, now=NOW)
        assert again.pk != batch.pk


class TestCalls:
    def test_the_file_is_the_same_bytes_every_time(self, world, officer, pair):
        answer = officer.post(CALLS, {"refund": [refund.pk for refund in pair]})
        batch = RefundBatch.objects.get()
        assert answer.url == page_of(batch)
        assert (batch.kind, batch.made_by) == ("calls", world.admin)
        first = officer.get(file_of(batch, "json"))
        assert first.content == batch.calls.encode()
        assert first.headers["Content-Disposition"].endswith(f'refunds-evm-batch-{batch.pk}.json"')
        # What is approved meanwhile does not come into it.
        assert refunds_of(world, "USDT")[0].status == "Approved"
        assert officer.get(file_of(batch, "json")).content == first.content
        assert len(json.loads(first.content)["transactions"]) == 2
        assert "Download the unsigned calls" in officer.get(page_of(batch)).content.decode()

    def test_what_was_taken_is_in_no_other_file(self, world, officer, pair):
        refund_sending.make_calls([pair[0].pk], user=world.admin, now=NOW)
        with pytest.raises(refund_sending.SendingRefused, match="any more"):
            refund_sending.make_calls([refund.pk for refund in pair], user=world.admin, now=NOW)
        pair[1].refresh_from_db()
        assert pair[1].status == "Approved"

    def test_bitcoin_takes_no_calls(self, officer, coin):
        answer = officer.post(CALLS, {"refund": coin.pk}, follow=True)
        assert "Only an EVM network takes a file of calls" in answer.content.decode()
        assert not RefundBatch.objects.exists()

    @pytest.mark.parametrize("ticked", [[], ["x"], ["9" * 40], ["0"]])
    def test_nothing_sensible_ticked(self, officer, pair, ticked):
        answer = officer.post(CALLS, {"refund": ticked}, follow=True)
        assert "look at the list again" in answer.content.decode()
        assert not RefundBatch.objects.exists()

    def test_a_file_of_another_kind_is_not_there(self, world, officer, coin):
        batch = refund_sending.make_code(coin.pk, user=world.admin, now=NOW)
        assert officer.get(file_of(batch, "json")).status_code == 404
        assert officer.get(file_of(batch, "psbt")).status_code == 404

    def test_the_rest_of_a_file_that_was_sent_in_part_is_given_back(self, world, officer, pair):
        ether, token = pair
        batch = refund_sending.make_calls([ether.pk, token.pk], user=world.admin, now=NOW)
        row = leave(ether)
        refund_watching.follow(now=NOW)
        assert officer.get(file_of(batch, "json")).status_code == 200
        assert refund_sending.discard_batch(batch.pk, user=world.admin, now=NOW) == 1
        token.refresh_from_db()
        ether.refresh_from_db()
        assert (token.status, token.batch) == ("Approved", None)
        assert (ether.status, ether.batch) == ("Completed", batch)
        # What was seen goes away for good: it waits to be sent, not in a batch that nobody sends.
        place(row, "Gone")
        refund_watching.follow(now=NOW)
        ether.refresh_from_db()
        assert (ether.status, ether.batch) == ("Approved", None)

    def test_a_code_that_the_chain_shows_is_not_discarded(self, world, coin):
        batch = refund_sending.make_code(coin.pk, user=world.admin, now=NOW)
        leave(coin, height=None)
        refund_watching.follow(now=NOW)
        with pytest.raises(refund_sending.SendingRefused, match="the chain shows it"):
            refund_sending.discard_batch(batch.pk, user=world.admin, now=NOW)


class TestClaimed:
    def claims(self, world, refund):
        yield lambda: refund_sending.make_code(refund.pk, user=world.admin, now=NOW)
        yield lambda: refund_sending.make_calls([refund.pk], user=world.admin, now=NOW)

    def test_the_store_cannot_call_it_off(self, world, pair):
        for claim in self.claims(world, pair[0]):
            batch = claim()
            with pytest.raises(refunds.RefundRefused):
                refunds.cancel(pair[0].pk, user=world.owner, reason="paid in cash", now=NOW)
            refund_sending.discard_batch(batch.pk, user=world.admin, now=NOW)
        refunds.cancel(pair[0].pk, user=world.owner, reason="paid in cash", now=NOW)

    def test_the_history_says_who_took_it_and_when(self, world, coin):
        later = NOW + timedelta(minutes=5)
        batch = refund_sending.make_code(coin.pk, user=world.admin, now=later)
        assert (batch.made_by, batch.made_at) == (world.admin, later)
        event = coin.payment.invoice.events.get(kind="RefundBatched")
        assert (event.actor, event.detail["batch"]) == (world.admin, batch.pk)

    def test_money_that_leaves_pays_the_claimed_one_first(self, world, db):
        older, claimed = refunds_of(world, "BTC", "BTC")
        assert (older.amount_minor, older.destination) == (claimed.amount_minor, claimed.destination)
        refund_sending.make_code(claimed.pk, user=world.admin, now=NOW)
        send(claimed)
        older.refresh_from_db()
        assert (claimed.status, older.status) == ("Completed", "Approved")

    def test_a_strangers_transfer_of_the_same_amount_completes_nothing(self, world, coin):
        refund_sending.make_code(coin.pk, user=world.admin, now=NOW)
        leave(coin, from_us=False)
        refund_watching.follow(now=NOW)
        coin.refresh_from_db()
        assert (coin.status, coin.outgoing) == ("Sending", None)

    def test_a_reorganisation_leaves_it_claimed(self, world, coin):
        batch = refund_sending.make_code(coin.pk, user=world.admin, now=NOW)
        row = leave(coin)
        refund_watching.follow(now=NOW)
        place(row, "Gone")
        refund_watching.follow(now=NOW)
        coin.refresh_from_db()
        assert (coin.status, coin.outgoing, coin.batch) == ("Sending", None, batch)


GETS = ["sending/", "batch/{batch}/", "batch/{batch}.psbt", "batch/{batch}.json", "batch/{batch}.png"]
POSTS = ["sending/calls/", "sending/batch/", "{refund}/code/", "batch/{batch}/discard/"]


@pytest.mark.parametrize(("method", "page"), [*[("get", p) for p in GETS], *[("post", p) for p in POSTS]])
def test_only_an_officer_who_may_send_comes_in(world, client, pair, method, page):
    batch = refund_sending.make_code(pair[0].pk, user=world.admin, now=NOW)
    path = f"/admin/payments/refund/{page.format(refund=pair[1].pk, batch=batch.pk)}"
    client.force_login(world.owner, backend=BACKEND)
    assert getattr(client, method)(path, {"refund": pair[1].pk}).status_code == 302
    clerk = User.objects.create_user("clerk@city.example", "a calm tea house", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_refund"))
    client.force_login(clerk, backend=BACKEND)
    assert getattr(client, method)(path, {"refund": pair[1].pk}).status_code == 403
    assert set(Refund.objects.values_list("pk", "status")) == {
        (pair[0].pk, "Sending"),
        (pair[1].pk, "Approved"),
    }


PARTS = {
    "psbt": {"psbt": "cHNidP8=", "spends": "{}", "fee_minor": 1, "sat_per_vbyte": 1},
    "calls": {"calls": "{}"},
    "code": {"uri": "bitcoin:x"},
}
COLUMNS = ("psbt", "txid", "spends", "fee_minor", "sat_per_vbyte", "calls", "uri")


def insert(world, kind, **parts):
    values = [kind, *[parts.get(column) for column in COLUMNS]]
    wallet = Wallet.objects.get(network="bitcoin", owner="")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_refundbatch (wallet_id, made_by_id, made_at, kind, psbt, txid, spends, fee_minor,"
            " sat_per_vbyte, calls, uri) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [wallet.pk, world.admin.pk, NOW, *values],
        )


@pytest.mark.django_db
class TestRules:
    @pytest.mark.parametrize("kind", PARTS)
    def test_each_kind_has_its_parts(self, world, kind):
        insert(world, kind, **PARTS[kind])
        for part in PARTS[kind]:
            with pytest.raises(IntegrityError, match="refund_batch_"):
                insert(world, kind, **{**PARTS[kind], part: None})

    @pytest.mark.parametrize("kind", PARTS)
    def test_and_no_others(self, world, kind):
        others = {name: value for other in PARTS if other != kind for name, value in PARTS[other].items()}
        if kind != "psbt":
            others["txid"] = bytes(32)
        for name, value in others.items():
            with pytest.raises(IntegrityError, match="refund_batch_"):
                insert(world, kind, **PARTS[kind], **{name: value})

    @pytest.mark.parametrize(("kind", "part"), [("calls", "calls"), ("code", "uri")])
    def test_none_is_empty(self, world, kind, part):
        with pytest.raises(IntegrityError, match="refund_batch_"):
            insert(world, kind, **{part: ""})

    def test_no_other_kind(self, world):
        with pytest.raises(IntegrityError, match="refund_batch_kind_known"):
            insert(world, "smoke")


def race(*steps):
    """Each of ``steps`` at once on a connection of its own; what each raised, or None."""
    outcomes = [None] * len(steps)
    barrier = threading.Barrier(len(steps))

    def run(number, step):
        barrier.wait()
        try:
            step()
        except (refund_sending.SendingRefused, refunds.RefundRefused) as error:
            outcomes[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_two_officers_at_once(self):
        world = city.build()
        pair = refunds_of(world, "ETH", "USDT")
        ids = [refund.pk for refund in pair]
        outcomes = race(
            lambda: refund_sending.make_calls(ids, user=world.admin, now=NOW),
            lambda: refund_sending.make_calls(ids[::-1], user=world.admin, now=NOW),
            lambda: refund_sending.make_calls(ids, user=world.admin, now=NOW),
        )
        assert sum(error is None for error in outcomes) == 1
        batch = RefundBatch.objects.get()
        assert {refund.batch for refund in Refund.objects.all()} == {batch}

    def test_the_second_finds_it_changed_at_this_moment(self):
        """Both saw the refund wait; the second waits for the first's lock, and finds it taken."""
        world = city.build()
        (refund,) = refunds_of(world, "BTC")
        took, second = threading.Event(), threading.Event()
        failed = []

        def rival():
            try:
                took.wait(10)
                second.set()
                refund_sending.make_code(refund.pk, user=world.admin, now=NOW)
            except refund_sending.SendingRefused as error:
                failed.append(str(error))
            finally:
                connections.close_all()

        thread = threading.Thread(target=rival)
        thread.start()
        with transaction.atomic():
            refund_sending.make_code(refund.pk, user=world.admin, now=NOW)
            took.set()
            assert second.wait(10)
            waits_for_a_lock()
        thread.join(30)
        assert failed == ["one of these refunds was changed at this moment: try again"]
        assert RefundBatch.objects.count() == 1

    def test_calling_off_and_taking_at_once(self):
        world = city.build()
        (refund,) = refunds_of(world, "BTC")
        outcomes = race(
            lambda: refund_sending.make_code(refund.pk, user=world.admin, now=NOW),
            lambda: refunds.cancel(refund.pk, user=world.owner, reason="paid in cash", now=NOW),
        )
        assert sum(error is None for error in outcomes) == 1
        refund.refresh_from_db()
        assert (refund.status, RefundBatch.objects.count()) in {("Sending", 1), ("Cancelled", 0)}


def waits_for_a_lock():
    """Return once another connection of this database waits for a lock."""
    for _ in range(200):
        with connection.cursor() as cursor:
            # What other connections do is remembered to the end of the database transaction, if not cleared.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    pytest.fail("nobody waits for a lock")

"""Work that one at a time does."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from chains.models import Network
from payments import deadlines, invoices, turn
from payments.models import InvoiceStatus
from tests.world import NOW, World, make_invoice, mine, pay


def while_another_holds(work: str, act: object) -> object:
    """The result of ``act()`` while another connection has the turn at ``work``."""
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with turn.taken(work) as is_theirs:
            assert is_theirs
            holding.set()
            done.wait(10)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holding.wait(10)
        return act()  # type: ignore[operator]
    finally:
        done.set()
        thread.join()


@pytest.mark.django_db
def test_a_turn_is_free_again_after_its_block() -> None:
    for _ in range(2):
        with turn.taken("some work") as is_ours:
            assert is_ours


def test_nobody_has_a_turn_twice_at_once(transactional_db: None) -> None:
    def attempt() -> bool:
        with turn.taken("some work") as is_ours, turn.taken("other work") as is_other_ours:
            assert is_other_ours
            return is_ours

    assert while_another_holds("some work", attempt) is False
    with turn.taken("some work") as is_ours:
        assert is_ours


def test_confirming_leaves_a_network_to_whoever_is_at_it(world: World, transactional_db: None) -> None:
    invoice = make_invoice(world.store)
    mine(pay(invoice, confirmed=False))

    def confirm() -> int:
        return deadlines.confirm("bitcoin", now=NOW)

    assert while_another_holds("confirm bitcoin", confirm) == 0
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.PROCESSING
    assert confirm() == 1
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.SETTLED


def test_a_payment_in_no_block_is_left_to_matching(world: World) -> None:
    invoice = make_invoice(world.store)
    pay(invoice, confirmed=False)
    Network.objects.filter(pk="bitcoin").update(cursor_height=101)
    assert deadlines.confirm("bitcoin", now=NOW) == 0
    assert invoices.apply(invoice.pk, now=NOW).status == InvoiceStatus.PROCESSING

"""Matching and what else touches the same rows do not wait for each other."""

from __future__ import annotations

import threading

from django.db import connection, transaction

from chains.models import Transfer
from payments import matching
from tests.world import NOW, World, arrive, make_invoice


def test_a_transfer_that_a_commit_is_checking_is_matched_all_the_same(
    world: World, transactional_db: None
) -> None:
    """A commit that wrote a payment locks its transfer FOR KEY SHARE; a matcher that wanted more deadlocked with it."""
    transfer = arrive(make_invoice(world.store))
    holding, done = threading.Event(), threading.Event()

    def check_like_a_commit() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM chains_transfer WHERE id = %s FOR KEY SHARE", [transfer.pk])
            holding.set()
            done.wait(10)
        connection.close()

    thread = threading.Thread(target=check_like_a_commit)
    thread.start()
    try:
        assert holding.wait(10)
        assert matching.match_pending(now=NOW) == 1
    finally:
        done.set()
        thread.join()
    assert not Transfer.objects.get(pk=transfer.pk).pending_match

"""An invoice paid on a network with finality is settled when the network calls the payment final, and not before."""

from __future__ import annotations

import pytest

from chains.models import Network
from payments import deadlines
from payments.models import Invoice
from tests.world import NOW, World, make_invoice, pay

pytestmark = pytest.mark.django_db


def status(invoice: Invoice) -> str:
    invoice.refresh_from_db()
    return invoice.status


def test_confirmations_above_the_final_block_settle_nothing(world: World) -> None:
    evm = Network.objects.get(kind="evm")
    Network.objects.filter(pk=evm.pk).update(finality_tag="finalized", cursor_height=130, final_height=99)
    invoice = make_invoice(world.store)
    pay(invoice, "ETH")  # in block 100, with 31 confirmations
    assert status(invoice) == "Processing"
    deadlines.confirm(evm.pk, now=NOW)
    assert status(invoice) == "Processing"
    Network.objects.filter(pk=evm.pk).update(final_height=100)
    deadlines.confirm(evm.pk, now=NOW)
    assert status(invoice) == "Settled"


def test_what_is_final_still_needs_the_store_s_confirmations(world: World) -> None:
    evm = Network.objects.get(kind="evm")
    Network.objects.filter(pk=evm.pk).update(finality_tag="safe", cursor_height=100, final_height=100)
    invoice = make_invoice(world.store, checkout={"speedPolicy": "LowSpeed"})
    pay(invoice, "ETH")
    assert status(invoice) == "Processing"
    Network.objects.filter(pk=evm.pk).update(cursor_height=100 + evm.confirmations_low_speed - 1)
    deadlines.confirm(evm.pk, now=NOW)
    assert status(invoice) == "Settled"

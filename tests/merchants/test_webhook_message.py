"""The body's bytes and their signatures, judged by verifiers that are not ours."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import standardwebhooks

from merchants import webhook_message

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def body(payload=None):
    return webhook_message.first_body(
        payload or {},
        delivery_id="D1",
        webhook_id="W1",
        event_type="InvoiceSettled",
        store_id="S1",
        invoice_id="I1",
        at=AT,
    )


def test_a_first_body_holds_the_frame_and_the_payload():
    sent = json.loads(body({"metadata": {"orderId": "1042"}, "manuallyMarked": False, "overPaid": True}))
    assert sent == {
        "deliveryId": "D1",
        "webhookId": "W1",
        "originalDeliveryId": "D1",
        "isRedelivery": False,
        "type": "InvoiceSettled",
        "timestamp": int(AT.timestamp()),
        "storeId": "S1",
        "invoiceId": "I1",
        "metadata": {"orderId": "1042"},
        "manuallyMarked": False,
        "overPaid": True,
    }


def test_a_payload_cannot_rename_its_store():
    sent = json.loads(body({"storeId": "another", "type": "InvoiceInvalid"}))
    assert (sent["storeId"], sent["type"]) == ("S1", "InvoiceSettled")


def test_a_decimal_keeps_its_digits():
    assert json.loads(body({"metadata": {"weight": Decimal("0.10")}}))["metadata"] == {"weight": "0.10"}


def test_a_repeated_body_is_the_same_event_under_a_new_id():
    first = body({"metadata": {"a": "Достық"}, "overPaid": False})
    later = AT + timedelta(hours=1)
    again = json.loads(webhook_message.repeated_body(first, delivery_id="D2", original_id="D1", at=later))
    assert again == json.loads(first) | {
        "deliveryId": "D2",
        "originalDeliveryId": "D1",
        "isRedelivery": True,
        "timestamp": int(later.timestamp()),
    }


@pytest.mark.parametrize(
    "secret", ["whsec_" + "QUJD" * 8, "a secret that a shop chose", "құпия", "whsec_not base64!"]
)
def test_the_first_signature_is_an_hmac_over_the_raw_bytes(secret):
    raw = body({"metadata": {"name": "Айгүл"}})
    headers = webhook_message.headers(raw, secret=secret, message_id="D1", at=AT)
    expected = hmac.new(secret.encode("utf-8"), raw, hashlib.sha256).hexdigest()
    assert headers["BTCPay-Sig"] == f"sha256={expected}"


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_" + "QUJD" * 8, "whsec_" + "QUJD" * 8),
        ("a secret that a shop chose", b"a secret that a shop chose"),
        ("whsec_not base64!", b"whsec_not base64!"),
    ],
)
def test_the_standard_library_verifies_the_second_signature(secret, key):
    raw, now = body({"metadata": {"name": "Айгүл"}}), datetime.now(UTC)
    headers = webhook_message.headers(raw, secret=secret, message_id="D1", at=now)
    verifier = standardwebhooks.Webhook(key)
    assert verifier.verify(raw, headers) == json.loads(raw)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verifier.verify(raw.replace(b"S1", b"S2"), headers)


def test_the_time_that_is_signed_is_the_time_in_the_header():
    almaty = AT.astimezone(datetime.strptime("+0500", "%z").tzinfo)
    headers = webhook_message.headers(body(), secret="x" * 8, message_id="D1", at=almaty)
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert headers == webhook_message.headers(body(), secret="x" * 8, message_id="D1", at=AT)


def test_the_delays_grow_and_end():
    delays = [webhook_message.retry_delay(attempts) for attempts in range(1, 10)]
    assert delays[0] == timedelta(seconds=10)
    assert delays[:-1] == sorted(delays[:-1])
    assert delays[-2:] == [timedelta(hours=24), None]

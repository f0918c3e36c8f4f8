"""What a shop's server receives: the body's bytes, its signatures, and when a failed delivery is tried again. Pure.

The body is in the Greenfield API's words. Two signatures say the same to two kinds of verifier: ``BTCPay-Sig`` (HMAC-SHA256
keyed with the secret's text over the body) and the three headers of Standard Webhooks, whose signature covers time and id too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from standardwebhooks import Webhook as StandardWebhook

STANDARD_PREFIX = "whsec_"
CONTENT_TYPE = "application/json; charset=utf-8"

# After the first attempt fails: about 42 hours in all, then the delivery has Failed.
RETRY_DELAYS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
)


def retry_delay(attempts: int) -> timedelta | None:
    """How long to wait after ``attempts`` failed ones (1 or more); None when there is no further one."""
    return RETRY_DELAYS[attempts - 1] if attempts <= len(RETRY_DELAYS) else None


def first_body(
    payload: dict[str, Any],
    *,
    delivery_id: str,
    webhook_id: str,
    event_type: str,
    store_id: str,
    invoice_id: str,
    at: datetime,
) -> bytes:
    """The body of an event's first delivery. The frame's keys win over the payload's."""
    frame = {
        "deliveryId": delivery_id,
        "webhookId": webhook_id,
        "originalDeliveryId": delivery_id,
        "isRedelivery": False,
        "type": event_type,
        "timestamp": int(at.timestamp()),
        "storeId": store_id,
        "invoiceId": invoice_id,
    }
    return _encode(frame | {name: value for name, value in payload.items() if name not in frame})


def repeated_body(body: bytes, *, delivery_id: str, original_id: str, at: datetime) -> bytes:
    """The body of a delivery asked for again: the same event under a new delivery id."""
    again = {"deliveryId": delivery_id, "originalDeliveryId": original_id, "isRedelivery": True}
    return _encode(orjson.loads(body) | again | {"timestamp": int(at.timestamp())})


def headers(body: bytes, *, secret: str, message_id: str, at: datetime) -> dict[str, str]:
    """Content type and signatures of exactly these bytes, sent at ``at``. ``message_id`` stays the same on every repeat."""
    text = body.decode()
    # The signer takes the time's digits as UTC, so it is given UTC.
    signature = StandardWebhook(_standard_key(secret)).sign(message_id, at.astimezone(UTC), text)
    return {
        "Content-Type": CONTENT_TYPE,
        "BTCPay-Sig": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def _standard_key(secret: str) -> bytes:
    """``whsec_<base64>`` names its key; the text of any other secret is the key itself."""
    if secret.startswith(STANDARD_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True) or secret.encode()
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def _encode(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body, default=_decimal_text)


def _decimal_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} does not go into a webhook's body")

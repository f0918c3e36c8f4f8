"""The API's answers about the server, the key, the store and its webhooks, in the shape of the Greenfield API."""

from __future__ import annotations

from typing import Any

import orjson
from django.utils import timezone
from rest_framework import serializers
from rest_framework.authentication import get_authorization_header
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alatau_pay.api_errors import ApiError, BodyRefused
from alatau_pay.identifiers import is_public_id
from merchants import api_data, api_keys, installation, outgoing, webhooks
from merchants.models import Webhook, WebhookDelivery, WebhookEventType

# The version of the Greenfield API that clients may count on, not of this program.
GREENFIELD_VERSION = "2.0.0"
DELIVERIES_DEFAULT = 20
DELIVERIES_MAX = 100


class Health(APIView):
    """GET /health: anybody may ask."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    def get(self, request: Request) -> Response:
        """Whether every enabled network is being followed."""
        return Response({"synchronized": installation.current().is_synchronised(timezone.now())})


class ServerInfo(APIView):
    """GET /server/info: any key."""

    def get(self, request: Request) -> Response:
        """The version that plugins test for, and how one can pay."""
        now, offer = timezone.now(), installation.current()
        return Response(
            {
                "version": GREENFIELD_VERSION,
                "onion": None,
                "supportedPaymentMethods": [choice.payment_method_id for choice in offer.asset_choices(now)],
                "fullySynched": offer.is_synchronised(now),
                "syncStatus": [],
            }
        )


class CurrentKey(APIView):
    """GET /api-keys/current: what the key that asks may do."""

    def get(self, request: Request) -> Response:
        """The key as it was sent, its label, and each permission with the one store's id."""
        holder: Any = request.user
        sent = get_authorization_header(request).split()[1].decode("latin-1")
        permissions = [f"{name}:{holder.store.pk}" for name in holder.api_key.permissions]
        return Response({"apiKey": sent, "label": holder.api_key.label, "permissions": permissions})


class Stores(APIView):
    """GET /stores: the key's one store."""

    def get(self, request: Request) -> Response:
        """A list, since a client of several stores asks for one."""
        holder: Any = request.user
        store = api_keys.require(request, api_keys.VIEW_STORE_SETTINGS, holder.store.pk)
        return Response([api_data.store_data(store)])


class OneStore(APIView):
    """GET /stores/{storeId}."""

    def get(self, request: Request, store_id: str) -> Response:
        """The store's settings."""
        return Response(
            api_data.store_data(api_keys.require(request, api_keys.VIEW_STORE_SETTINGS, store_id))
        )


class _EventsSerializer(serializers.Serializer[Any]):
    everything = serializers.BooleanField(default=True, allow_null=True)
    specificEvents = serializers.ListField(  # noqa: N815 — the API's own name
        child=serializers.ChoiceField(choices=WebhookEventType.values), default=list, allow_null=True
    )


class _WebhookSerializer(serializers.Serializer[Any]):
    url = serializers.URLField(max_length=500)
    enabled = serializers.BooleanField(default=True, allow_null=True)
    automaticRedelivery = serializers.BooleanField(default=True, allow_null=True)  # noqa: N815
    authorizedEvents = _EventsSerializer(required=False, allow_null=True)  # noqa: N815
    secret = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=webhooks.SECRET_LENGTH_MAX
    )


class Webhooks(APIView):
    """GET, POST /stores/{storeId}/webhooks."""

    def get(self, request: Request, store_id: str) -> Response:
        """The store's webhooks, without their secrets."""
        store = api_keys.require(request, api_keys.MODIFY_WEBHOOKS, store_id)
        rows = Webhook.objects.filter(store=store, deleted_at__isnull=True)
        return Response([api_data.webhook_data(row) for row in rows])

    def post(self, request: Request, store_id: str) -> Response:
        """A new webhook: the answer is the only one that holds its secret."""
        store = api_keys.require(request, api_keys.MODIFY_WEBHOOKS, store_id)
        values = _webhook_values(request.data)
        try:
            webhook, secret = webhooks.create_webhook(store=store, now=timezone.now(), **values)
        except outgoing.AddressRefused as error:
            raise BodyRefused([("url", str(error))]) from error
        return Response(api_data.webhook_data(webhook) | {"secret": secret})


class OneWebhook(APIView):
    """GET, PUT, DELETE /stores/{storeId}/webhooks/{webhookId}."""

    def get(self, request: Request, store_id: str, webhook_id: str) -> Response:
        """The webhook, without its secret."""
        return Response(api_data.webhook_data(_webhook(request, store_id, webhook_id)))

    def put(self, request: Request, store_id: str, webhook_id: str) -> Response:
        """Other settings; a secret that is null or absent stays as it is."""
        webhook, values = _webhook(request, store_id, webhook_id), _webhook_values(request.data)
        try:
            return Response(api_data.webhook_data(webhooks.update_webhook(webhook, **values)))
        except outgoing.AddressRefused as error:
            raise BodyRefused([("url", str(error))]) from error

    def delete(self, request: Request, store_id: str, webhook_id: str) -> Response:
        """Nothing is sent there any more."""
        webhooks.delete_webhook(_webhook(request, store_id, webhook_id), now=timezone.now())
        return Response()


class Deliveries(APIView):
    """GET …/webhooks/{webhookId}/deliveries?count="""

    def get(self, request: Request, store_id: str, webhook_id: str) -> Response:
        """The last deliveries, the newest first."""
        webhook = _webhook(request, store_id, webhook_id)
        text = request.query_params.get("count") or str(DELIVERIES_DEFAULT)
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= DELIVERIES_MAX:
            raise BodyRefused([("count", f"a number from 1 to {DELIVERIES_MAX}")])
        return Response(
            [api_data.delivery_data(row) for row in webhook.deliveries.defer("body")[: int(text)]]
        )


class OneDelivery(APIView):
    """GET …/deliveries/{deliveryId}."""

    def get(self, request: Request, store_id: str, webhook_id: str, delivery_id: str) -> Response:
        """How the delivery ended."""
        return Response(api_data.delivery_data(_delivery(request, store_id, webhook_id, delivery_id)))


class DeliveryRequest(APIView):
    """GET …/deliveries/{deliveryId}/request."""

    def get(self, request: Request, store_id: str, webhook_id: str, delivery_id: str) -> Response:
        """The body that was sent."""
        return Response(orjson.loads(bytes(_delivery(request, store_id, webhook_id, delivery_id).body)))


class Redeliver(APIView):
    """POST …/deliveries/{deliveryId}/redeliver."""

    def post(self, request: Request, store_id: str, webhook_id: str, delivery_id: str) -> Response:
        """Send the event once more; the answer is the new delivery's id."""
        delivery = _delivery(request, store_id, webhook_id, delivery_id)
        return Response(webhooks.redeliver(delivery, now=timezone.now()).pk)


def _webhook(request: Request, store_id: str, webhook_id: str) -> Webhook:
    store = api_keys.require(request, api_keys.MODIFY_WEBHOOKS, store_id)
    webhooks_of_store = Webhook.objects.filter(store=store, deleted_at__isnull=True)
    webhook = webhooks_of_store.filter(pk=webhook_id).first() if is_public_id(webhook_id) else None
    if webhook is None:
        raise ApiError("webhook-not-found", "The webhook was not found", 404)
    return webhook


def _delivery(request: Request, store_id: str, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    webhook = _webhook(request, store_id, webhook_id)
    deliveries = WebhookDelivery.objects.filter(webhook=webhook)
    delivery = deliveries.filter(pk=delivery_id).first() if is_public_id(delivery_id) else None
    if delivery is None:
        raise ApiError("webhookdelivery-not-found", "The delivery was not found", 404)
    return delivery


def _webhook_values(body: Any) -> dict[str, Any]:
    """The arguments of the webhook verbs. Raises ValidationError (422). ``null`` means the default."""
    serializer = _WebhookSerializer(data=body)
    serializer.is_valid(raise_exception=True)
    data = serializer.validated_data
    events = data.get("authorizedEvents") or {"everything": True}
    specific = [] if events.get("everything", True) is not False else list(events.get("specificEvents") or [])
    if events.get("everything", True) is False and not specific:
        raise BodyRefused(
            [("authorizedEvents.specificEvents", "name at least one event, or ask for everything")]
        )
    return {
        "url": data["url"],
        "enabled": data["enabled"] is not False,
        "automatic_redelivery": data["automaticRedelivery"] is not False,
        "event_types": list(dict.fromkeys(specific)),
        "secret": data.get("secret") or None,
    }

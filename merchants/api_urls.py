"""Addresses of the API that concern the server, the key, the store and its webhooks."""

from django.urls import path

from merchants import api

_WEBHOOK = "stores/<str:store_id>/webhooks/<str:webhook_id>"
_DELIVERY = f"{_WEBHOOK}/deliveries/<str:delivery_id>"

urlpatterns = [
    path("health", api.Health.as_view()),
    path("server/info", api.ServerInfo.as_view()),
    path("api-keys/current", api.CurrentKey.as_view()),
    path("stores", api.Stores.as_view()),
    path("stores/<str:store_id>", api.OneStore.as_view()),
    path("stores/<str:store_id>/webhooks", api.Webhooks.as_view()),
    path(_WEBHOOK, api.OneWebhook.as_view()),
    path(f"{_WEBHOOK}/deliveries", api.Deliveries.as_view()),
    path(_DELIVERY, api.OneDelivery.as_view()),
    path(f"{_DELIVERY}/request", api.DeliveryRequest.as_view()),
    path(f"{_DELIVERY}/redeliver", api.Redeliver.as_view()),
]

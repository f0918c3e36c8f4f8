"""The city's view of stores, their keys, and what their servers were told."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from merchants import api_keys, webhooks
from merchants.models import ApiKey, Store, Webhook, WebhookDelivery


@admin.register(Store)
class StoreAdmin(ReadOnlyAdmin):
    """Stores and their settings, which their merchant sets."""

    list_display = ("name", "merchant", "accepted_assets", "speed_policy", "archived", "created_at")
    list_filter = ("archived", "speed_policy")
    search_fields = ("id", "name", "merchant__legal_name", "merchant__business_id")
    list_select_related = ("merchant",)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys by label; the keys themselves are stored nowhere."""

    list_display = ("label", "prefix", "store", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("label", "prefix", "store__name", "store__merchant__legal_name")
    list_select_related = ("store",)
    fields = (
        "store",
        "label",
        "prefix",
        "permissions",
        "created_by",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Revoking is a change, though nothing else here can be changed."""
        return request.user.has_perm("merchants.change_apikey")

    @admin.action(description=_("Revoke the chosen keys"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """From now on they open nothing."""
        for api_key in queryset:
            api_keys.revoke(api_key, now=timezone.now())
        self.message_user(request, gettext("The chosen keys are revoked."), messages.SUCCESS)


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Where stores' servers are told. Secrets are sealed and not shown."""

    list_display = ("url", "store", "enabled", "automatic_redelivery", "created_at", "deleted_at")
    list_filter = ("enabled", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("id", "url", "store__name", "store__merchant__legal_name")
    list_select_related = ("store",)
    fields = (
        "id",
        "store",
        "url",
        "event_types",
        "enabled",
        "automatic_redelivery",
        "created_at",
        "deleted_at",
    )


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Every message to a store's server: what it said and how it went."""

    list_display = (
        "created_at",
        "event_type",
        "webhook",
        "status",
        "attempts",
        "last_status_code",
        "next_attempt_at",
    )
    list_filter = ("status", "event_type")
    search_fields = ("id", "invoice_id", "webhook__url", "webhook__store__name")
    list_select_related = ("webhook",)
    date_hierarchy = "created_at"
    fields = (
        "id",
        "webhook",
        "event_type",
        "event_key",
        "invoice_id",
        "original",
        "status",
        "attempts",
        "created_at",
        "last_attempt_at",
        "next_attempt_at",
        "last_status_code",
        "last_error",
        "body_text",
    )
    readonly_fields = ("body_text",)
    actions = ("redeliver",)

    @admin.display(description=_("body"))
    def body_text(self, delivery: WebhookDelivery) -> str:
        """The bytes that are signed and sent, readable."""
        return bytes(delivery.body).decode()

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        """Sending again is a change, though nothing else here can be changed."""
        return request.user.has_perm("merchants.change_webhookdelivery")

    @admin.action(description=_("Deliver the chosen messages again"), permissions=["redeliver"])
    def redeliver(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """A new delivery for each; those of deleted webhooks are left out."""
        sent = 0
        for delivery in queryset.select_related("webhook").filter(webhook__deleted_at__isnull=True):
            webhooks.redeliver(delivery, now=timezone.now())
            sent += 1
        self.message_user(
            request,
            ngettext("%(count)d message is sent again.", "%(count)d messages are sent again.", sent)
            % {"count": sent},
            messages.SUCCESS,
        )

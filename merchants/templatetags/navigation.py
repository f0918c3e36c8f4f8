"""The navigation of a store's pages: what the person may open there."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from merchants.roles import Action, can, membership_in, stores_of

register = template.Library()


class Entry(NamedTuple):
    """A page of a store: its key in the context's ``nav``, its URL name, who sees it, how it is called."""

    key: str
    url_name: str
    action: Action
    label: str | Promise


ENTRIES = (
    Entry("invoices", "invoice_list", "view_invoices", _("Invoices")),
    Entry("held", "held_list", "view_invoices", _("Held money")),
    Entry("refunds", "refund_list", "view_invoices", _("Refunds")),
    Entry("payouts", "payouts", "view_finance", _("Payouts")),
    Entry("account", "account", "view_finance", _("Statement")),
    Entry("documents", "documents", "view_finance", _("Documents")),
    Entry("till", "pos", "create_invoice", _("Till")),
    Entry("settings", "store_settings", "manage_store", _("Settings")),
    Entry("keys", "api_keys", "manage_keys", _("API keys")),
    Entry("webhooks", "webhooks", "manage_webhooks", _("Webhooks")),
    Entry("team", "team", "manage_team", _("Team")),
)


@register.simple_tag
def languages() -> list[tuple[str, str]]:
    """Code and name of each language, each name in its own language, whatever the page is in."""
    return list(settings.LANGUAGES)


@register.inclusion_tag("merchants/store_navigation.html", takes_context=True)
def store_navigation(context: dict[str, Any]) -> dict[str, Any]:
    """The entries of ``store``'s navigation that the person's role opens; nothing for a stranger."""
    store, user = context["store"], context["user"]
    membership = membership_in(user, store.merchant)
    if membership is None:
        return {}
    entries = [
        {
            "href": reverse(entry.url_name, args=[store.pk]),
            "label": entry.label,
            "current": entry.key == context.get("nav"),
        }
        for entry in ENTRIES
        if can(membership.role, entry.action)
    ]
    others = stores_of(user).exclude(pk=store.pk).exists()
    return {"store": store, "entries": entries, "others": others}

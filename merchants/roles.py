"""Who may do what at a merchant, and finding a store for a person.

A stranger gets 404 (a merchant never learns that another exists), a colleague without the right gets 403.
"""

from __future__ import annotations

from typing import Literal

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from alatau_pay.identifiers import is_public_id
from merchants.models import Membership, Merchant, Role, Store, User

Action = Literal[
    "view_invoices",
    "create_invoice",
    "mark_invoice",
    "manage_store",
    "manage_keys",
    "manage_webhooks",
    "manage_team",
    "view_finance",
    "manage_payouts",
]

_CASHIER: frozenset[Action] = frozenset({"view_invoices", "create_invoice"})
_ACCOUNTANT: frozenset[Action] = frozenset({"view_invoices", "view_finance"})
_MANAGER: frozenset[Action] = (
    _CASHIER | _ACCOUNTANT | {"mark_invoice", "manage_store", "manage_keys", "manage_webhooks"}
)
_OWNER: frozenset[Action] = _MANAGER | {"manage_team", "manage_payouts"}

ALLOWED: dict[str, frozenset[Action]] = {
    Role.OWNER: _OWNER,
    Role.MANAGER: _MANAGER,
    Role.ACCOUNTANT: _ACCOUNTANT,
    Role.CASHIER: _CASHIER,
}


def can(role: str, action: Action) -> bool:
    """True when a person of this role may do ``action``."""
    return action in ALLOWED.get(role, frozenset())


def membership_in(user: User | AnonymousUser, merchant: Merchant) -> Membership | None:
    """The person's membership at ``merchant``, or None for a stranger."""
    if not user.is_authenticated:
        return None
    return Membership.objects.filter(user=user, merchant=merchant).first()


def store_for(user: User | AnonymousUser, store_id: str, action: Action) -> Store:
    """The store, for a person who may do ``action`` there; its merchant comes along.

    Raises:
        Http404: no such store, or the person is a stranger to it.
        PermissionDenied: a colleague without the right.
    """
    known = Store.objects.select_related("merchant")
    store = known.filter(pk=store_id).first() if is_public_id(store_id) else None
    membership = membership_in(user, store.merchant) if store else None
    if store is None or membership is None:
        raise Http404("no such store")
    if not can(membership.role, action):
        raise PermissionDenied
    return store


def stores_of(user: User) -> QuerySet[Store]:
    """The stores of every merchant where the person is a member, archived ones last."""
    return (
        Store.objects.filter(merchant__memberships__user=user)
        .select_related("merchant")
        .order_by("archived", "name", "id")
    )


def merchants_where(user: User, action: Action) -> list[Merchant]:
    """The merchants at which the person may do ``action``, the oldest first."""
    memberships = (
        Membership.objects.filter(user=user).select_related("merchant").order_by("merchant__created_at")
    )
    return [membership.merchant for membership in memberships if can(membership.role, action)]

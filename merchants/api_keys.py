"""A store's keys to the API: made, shown once, recognised by their SHA-256, revoked."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from alatau_pay.api_errors import ApiError
from merchants.models import ApiKey, Store, User

VIEW_INVOICES = "btcpay.store.canviewinvoices"
CREATE_INVOICE = "btcpay.store.cancreateinvoice"
VIEW_STORE_SETTINGS = "btcpay.store.canviewstoresettings"
MODIFY_INVOICES = "btcpay.store.canmodifyinvoices"
MODIFY_WEBHOOKS = "btcpay.store.webhooks.canmodifywebhooks"

# The first four are exactly what shop plugins ask for; they refuse a key that has another one but the fifth.
PERMISSIONS = (VIEW_INVOICES, CREATE_INVOICE, VIEW_STORE_SETTINGS, MODIFY_INVOICES, MODIFY_WEBHOOKS)

KEY_BYTES = 20
PREFIX_LENGTH = 8
LAST_USED_RESOLUTION = timedelta(minutes=1)


class PermissionUnknown(ValueError):
    """A permission that is not in ``PERMISSIONS``, or none at all."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """``request.user`` of an API request: a store's server, not a person."""

    api_key: ApiKey

    is_authenticated = True
    is_active = True

    @property
    def pk(self) -> int:
        """Whom a throttle counts."""
        return self.api_key.pk

    @property
    def store(self) -> Store:
        """The one store that the key opens; its merchant comes along."""
        return self.api_key.store

    @property
    def permissions(self) -> frozenset[str]:
        """What the key may do, without the store's id."""
        return frozenset(self.api_key.permissions)


def create(
    *,
    store: Store,
    label: str,
    permissions: list[str],
    user: User | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key: its row, and the 40 hexadecimal digits that are shown once and stored nowhere.

    Raises:
        PermissionUnknown: an unknown permission, or none.
    """
    if not permissions or not set(permissions) <= set(PERMISSIONS):
        raise PermissionUnknown(f"permissions are one or more of {', '.join(PERMISSIONS)}")
    key = secrets.token_hex(KEY_BYTES)
    api_key = ApiKey.objects.create(
        store=store,
        label=label,
        prefix=key[:PREFIX_LENGTH],
        key_sha256=_digest(key),
        permissions=[name for name in PERMISSIONS if name in permissions],
        created_by=user,
        created_at=now,
        expires_at=expires_at,
    )
    return api_key, key


def revoke(api_key: ApiKey, *, now: datetime) -> None:
    """From now on the key opens nothing. A key revoked before keeps its time."""
    ApiKey.objects.filter(pk=api_key.pk, revoked_at__isnull=True).update(revoked_at=now)
    api_key.refresh_from_db(fields=["revoked_at"])


def find(key: str, *, now: datetime) -> ApiKey | None:
    """The valid key, or None when it is unknown, revoked or expired. Notes the use, at most once a minute.

    The lookup is by the digest in a unique index, so how long it takes says nothing about the key.
    """
    valid = Q(revoked_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=now))
    api_key = ApiKey.objects.select_related("store__merchant").filter(valid, key_sha256=_digest(key)).first()
    if api_key is not None:
        _note_use(api_key, now)
    return api_key


def require(request: Request, permission: str, store_id: str) -> Store:
    """The store of the request's key, when it is ``store_id`` and the key has ``permission``.

    Raises:
        NotAuthenticated: no valid key (401).
        ApiError: another store's id, as if it did not exist (404); the permission is missing (403).
    """
    holder: Any = request.user
    if not isinstance(holder, KeyHolder):
        raise exceptions.NotAuthenticated
    if store_id != holder.store.pk:
        raise ApiError("store-not-found", "The store was not found", 404)
    if permission not in holder.permissions:
        raise ApiError("missing-permission", f"Insufficient API permissions: {permission} is needed", 403)
    return holder.store


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: token <key>``."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        """The holder and the key's row; None without the header. Raises AuthenticationFailed (401)."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"token":
            return None
        if len(parts) != 2:
            raise exceptions.AuthenticationFailed("Authorization: token <key>")
        api_key = find(parts[1].decode("latin-1"), now=timezone.now())
        if api_key is None:
            raise exceptions.AuthenticationFailed("The API key is unknown, revoked or expired")
        return KeyHolder(api_key), api_key

    def authenticate_header(self, request: Request) -> str:
        """What makes the answer to a request without a key a 401."""
        return "token"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _note_use(api_key: ApiKey, now: datetime) -> None:
    last = api_key.last_used_at
    if last is None or now - last >= LAST_USED_RESOLUTION:
        ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=now)

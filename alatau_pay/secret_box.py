"""Keeping secrets unreadable at rest: webhook secrets are needed in the clear to sign, but never stored so."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class SealBroken(Exception):
    """The sealed bytes were not made with any of this installation's keys, or were changed."""


def _box() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.SECRETS_KEYS])
    except ValueError as error:
        raise ImproperlyConfigured("SECRETS_KEYS: each key is 32 url-safe base64-encoded bytes") from error


def seal(plain: bytes) -> bytes:
    """``plain`` encrypted and authenticated with the newest key."""
    return _box().encrypt(plain)


def unseal(sealed: bytes) -> bytes:
    """What ``seal`` was given.

    Raises:
        SealBroken: no key of this installation opens it.
    """
    try:
        return _box().decrypt(bytes(sealed))
    except InvalidToken as error:
        raise SealBroken("sealed with another key, or changed") from error

"""Posting to an address that a merchant chose: the one place where a stranger decides whom our servers talk to.

Private, loopback, link-local and translated addresses are refused after the name is resolved, and the connection goes to the
very address that was checked. No redirect is followed, no proxy or .netrc of the machine is used, the answer's body is not
read, and the whole exchange ends at a deadline, however slowly the other side speaks.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from django.utils.translation import gettext
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress, get_ip_address
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from alatau_pay.deadline import Deadline

USER_AGENT = "Alatau-Pay-Webhooks/1"


class AddressRefused(ValueError):
    """The address may not be posted to. The message is for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a post ended: an HTTP status, or why there is none. ``error`` is empty exactly when it was delivered."""

    status_code: int | None
    error: str


def check_address(url: str, *, private_allowed: bool) -> None:
    """Refuse, before it is stored, an address that could never be posted to. Resolves no name.

    Raises:
        AddressRefused: not http(s), no https where only public addresses are allowed, a password in it, a private address.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressRefused(gettext("the address begins with https:// and names a server"))
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(gettext("the address must not hold a name or a password"))
    if private_allowed:
        return
    if parts.scheme != "https":
        raise AddressRefused(gettext("the address begins with https://"))
    if _is_refused_literal(parts.hostname):
        raise AddressRefused(gettext("the address must be reachable from the internet"))


def post(
    url: str, body: bytes, headers: dict[str, str], *, private_allowed: bool, timeout_seconds: float
) -> Answer:
    """Post ``body``; 2xx is success. ``timeout_seconds`` bounds the whole exchange. Never raises for what the other side does."""
    try:
        with _session(private_allowed) as session, Deadline(timeout_seconds) as deadline:
            for adapter in session.adapters.values():
                adapter.poolmanager.pool_classes_by_scheme = _watched_pools(deadline)
            response = session.post(url, data=body, headers=headers, stream=True, timeout=timeout_seconds)
            status = response.status_code
            response.close()
    except requests.RequestException as error:
        return Answer(None, _sentence(error))
    except (ValueError, OSError) as error:
        # A name that cannot be encoded, a socket that our deadline shut: requests lets both through as they are.
        return Answer(None, f"no connection ({type(error).__name__})")
    if 200 <= status < 300:
        return Answer(status, "")
    return Answer(status, f"HTTP {status}" + (": redirects are not followed" if 300 <= status < 400 else ""))


def _is_refused_literal(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    try:
        get_ip_address(host, 443, allow_loopback=False)
    except InvalidIPAddress:
        return True
    return False


def _session(private_allowed: bool) -> HTTPSession:
    config = Config(
        ip_filter_enable=not private_allowed,
        ip_filter_allow_loopback_ips=False,
        never_redirect=True,
        default_timeout=None,
        user_agent_override=USER_AGENT,
    )
    session = HTTPSession(config)
    session.trust_env = False
    return session


def _watched_pools(deadline: Deadline) -> dict[str, Any]:
    """Connection pools that give every socket they open to ``deadline``."""

    def noted(connection: socket.socket) -> socket.socket:
        deadline.note(connection)
        return connection

    class WatchedHTTP(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return noted(super()._new_conn())

    class WatchedHTTPS(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return noted(super()._new_conn())

    class HTTPPool(HTTPConnectionPool):
        ConnectionCls = WatchedHTTP

    class HTTPSPool(HTTPSConnectionPool):
        ConnectionCls = WatchedHTTPS

    return {"http": HTTPPool, "https": HTTPSPool}


def _sentence(error: requests.RequestException) -> str:
    if isinstance(error, InvalidIPAddress):
        return "the address is not on the public internet"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate was not accepted"
    return "no connection"

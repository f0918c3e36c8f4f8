"""Reading NODE_URLS and NODE_ZMQ_URLS: which nodes serve which network, and where they announce what they hear."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def parse_node_urls(text: str) -> dict[str, list[str]]:
    """Network slug → node addresses, in order of preference, from "slug=url,slug=url".

    Raises:
        ImproperlyConfigured: a part is not slug=http(s)://…; the message never repeats the address, which may hold a password.
    """
    return _parse("NODE_URLS", text, schemes={"http", "https"}, shape="slug=http://host:port")


def parse_node_zmq_urls(text: str) -> dict[str, list[str]]:
    """Network slug → ZeroMQ addresses, in the order of the network's nodes in NODE_URLS, from "slug=tcp://host:port".

    Raises:
        ImproperlyConfigured: a part is not of that shape.
    """
    nodes = _parse("NODE_ZMQ_URLS", text, schemes={"tcp"}, shape="slug=tcp://host:port")
    if any(urlsplit(url).port is None for urls in nodes.values() for url in urls):
        raise ImproperlyConfigured("NODE_ZMQ_URLS: every address needs a port")
    return nodes


def _parse(name: str, text: str, *, schemes: Collection[str], shape: str) -> dict[str, list[str]]:
    nodes: dict[str, list[str]] = {}
    for number, part in enumerate(filter(None, (piece.strip() for piece in text.split(","))), start=1):
        slug, separator, url = part.partition("=")
        parts = urlsplit(url)
        if not separator or not slug or parts.scheme not in schemes or not parts.hostname:
            raise ImproperlyConfigured(f"{name}: part {number} is not {shape}")
        nodes.setdefault(slug, []).append(url)
    return nodes

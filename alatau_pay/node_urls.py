"""Reading NODE_URLS: which nodes serve which network."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def parse_node_urls(text: str) -> dict[str, list[str]]:
    """Network slug → node addresses, in order of preference, from "slug=url,slug=url".

    Raises:
        ImproperlyConfigured: a part is not slug=http(s)://…; the message never repeats the address, which may hold a password.
    """
    nodes: dict[str, list[str]] = {}
    for number, part in enumerate(filter(None, (piece.strip() for piece in text.split(","))), start=1):
        slug, separator, url = part.partition("=")
        parts = urlsplit(url)
        if not separator or not slug or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ImproperlyConfigured(f"NODE_URLS: part {number} is not slug=http://host:port")
        nodes.setdefault(slug, []).append(url)
    return nodes

"""Asking foreign servers (exchanges, the National Bank) and saying by type whether asking again makes sense."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

ANSWER_BYTES_MAX = 5_000_000


class ForeignServerError(Exception):
    """A foreign server did not give a usable answer. ``host`` is safe to log; the address is not kept."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host = host


class Unreachable(ForeignServerError):
    """No connection, a time-out or a 5xx/429 answer: asking again later may help."""


class BadAnswer(ForeignServerError):
    """An answer that is not what was asked for: asking again will not help."""


def get_bytes(url: str, *, params: dict[str, str] | None = None, timeout_seconds: float = 10.0) -> bytes:
    """The body of ``url``, at most 5 MB; redirects are not followed.

    Raises:
        Unreachable: connection, time-out, 429 or 5xx.
        BadAnswer: any other status than 200, or a body over the limit.
    """
    host = httpx.URL(url).host
    try:
        with httpx.stream(
            "GET", url, params=params, timeout=timeout_seconds, follow_redirects=False
        ) as response:
            if response.status_code == 429 or response.status_code >= 500:
                raise Unreachable(host, f"HTTP {response.status_code}")
            if response.status_code != 200:
                raise BadAnswer(host, f"HTTP {response.status_code}")
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise BadAnswer(host, "the answer is too large")
            return bytes(body)
    except httpx.HTTPError as error:
        raise Unreachable(host, type(error).__name__) from error


def get_json(url: str, *, params: dict[str, str] | None = None, timeout_seconds: float = 10.0) -> Any:
    """The JSON document at ``url``. Raises as ``get_bytes``; BadAnswer also when it is not JSON."""
    body = get_bytes(url, params=params, timeout_seconds=timeout_seconds)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadAnswer(httpx.URL(url).host, "not JSON") from error

"""Asking foreign servers (exchanges, the National Bank) and saying by type whether asking again makes sense."""

from __future__ import annotations

from typing import Any

import httpx

from alatau_pay import exact_json
from alatau_pay.deadline import Deadline

ANSWER_BYTES_MAX = 5_000_000
# 418 is Binance's word for "you were told 429 and went on".
TOO_MANY = frozenset({418, 429})
RETRY_AFTER_SECONDS_MAX = 3600


class ForeignServerError(Exception):
    """A foreign server did not give a usable answer. ``host`` is safe to log; the address is not kept."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host = host


class Unreachable(ForeignServerError):
    """No connection, a time-out or a 5xx/429 answer: asking again later may help.

    ``retry_after_seconds`` is what the server asked to be left alone for, at most an hour; None when it named no number.
    """

    def __init__(self, host: str, reason: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(host, reason)
        self.retry_after_seconds = retry_after_seconds


class BadAnswer(ForeignServerError):
    """An answer that is not what was asked for: asking again will not help."""


def get_bytes(
    url: str,
    *,
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    timeout_seconds: float = 10.0,
) -> bytes:
    """The body of ``url``, at most 5 MB; redirects are not followed.

    ``timeout_seconds`` bounds the whole exchange; how long a name is looked up is the resolver's to bound.

    Raises:
        Unreachable: connection, time-out, 418, 429 or 5xx.
        BadAnswer: any other status than 200, or a body over the limit.
    """
    host = httpx.URL(url).host
    deadline = Deadline(timeout_seconds)
    too_late = f"the answer took longer than {timeout_seconds:g} seconds"

    def watch(event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            deadline.note(info["return_value"].get_extra_info("socket"))

    try:
        with (
            deadline,
            httpx.Client(timeout=timeout_seconds, follow_redirects=False) as client,
            client.stream(
                "GET", url, params=params, headers=headers, extensions={"trace": watch}
            ) as response,
        ):
            _check_status(host, response)
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise BadAnswer(host, "the answer is too large")
            if deadline.has_passed:
                # A body without a stated length ends where its connection does, which may have been our doing.
                raise Unreachable(host, too_late)
            return bytes(body)
    except httpx.HTTPError as error:
        is_late = deadline.has_passed or isinstance(error, httpx.TimeoutException)
        raise Unreachable(host, too_late if is_late else type(error).__name__) from error


def get_json(
    url: str,
    *,
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    timeout_seconds: float = 10.0,
) -> Any:
    """The JSON document at ``url``, its numbers exact. Raises as ``get_bytes``; BadAnswer also when it is not JSON."""
    body = get_bytes(url, params=params, headers=headers, timeout_seconds=timeout_seconds)
    try:
        return exact_json.loads(body)
    except ValueError as error:
        raise BadAnswer(httpx.URL(url).host, "not JSON") from error


def _check_status(host: str, response: httpx.Response) -> None:
    status = response.status_code
    if status in TOO_MANY or status >= 500:
        raise Unreachable(host, f"HTTP {status}", retry_after_seconds=_retry_after(response))
    if status != 200:
        raise BadAnswer(host, f"HTTP {status}")


def _retry_after(response: httpx.Response) -> int | None:
    text = response.headers.get("Retry-After", "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    return min(int(text), RETRY_AFTER_SECONDS_MAX)

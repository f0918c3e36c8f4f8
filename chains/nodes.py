"""The wire to a node: JSON-RPC batches over one kept connection, and the four ways in which it can fail.

A node's address may hold a password, so no error and no log line repeats it: a node is named by its host and port.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from chains.collector import collector_at_rest

Call = tuple[str, list[Any]]

# Bitcoin Core answers this while it starts; it is as good as not being there.
_WARMING_UP = -28


class NodeUnavailable(Exception):
    """The node gave no usable answer; asking it later, or another node now, may help."""


class NodeUnreachable(NodeUnavailable):
    """No connection, no answer in time, an overloaded or starting node, or an answer that is not JSON-RPC."""


class TooMuchAtOnce(NodeUnreachable):
    """The question or its answer is too large for the node or what stands before it (HTTP 413): ask for less."""


class NodeRefused(NodeUnavailable):
    """The node does not let us in: wrong password, forbidden, no such path."""


class NodeWrongChain(Exception):
    """The node follows another chain than the network's row says. Nothing of it may be read."""


class NodeError(Exception):
    """The node understood and answered with an error: ``code`` and ``message`` are its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


def node_names(urls: Sequence[str]) -> list[str]:
    """What the nodes at ``urls`` are called in logs and on pages: host and port, numbered where two share them.

    Of the path nothing is shown: at a provider it is the password.
    """
    names: list[str] = []
    for name in map(_host_and_port, urls):
        same = sum(earlier == name or earlier.startswith(f"{name} (") for earlier in names)
        names.append(f"{name} ({same + 1})" if same else name)
    return names


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


class JsonRpcNode:
    """One node, asked by batches over one connection that is kept open and opened again by itself.

    ``name`` tells it from another node at the same host and port (``node_names``).
    """

    def __init__(self, url: str, *, timeout_seconds: float, name: str = "") -> None:
        self.name = name or _host_and_port(url)
        # The node is on our own network or named in full: no proxy from the environment in between.
        self._client = httpx.Client(
            timeout=timeout_seconds,
            trust_env=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=25),
            headers={"Content-Type": "application/json"},
        )
        self._url = url

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def call(self, method: str, params: list[Any]) -> Any:
        """The result of one call.

        Raises:
            NodeUnavailable: no usable answer. NodeError: the node's own error.
        """
        result = self.batch([(method, params)])[0]
        if isinstance(result, NodeError):
            raise result
        return result

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The results of ``calls`` in their order; one that failed is a NodeError in its place, not raised.

        Raises:
            NodeUnavailable: the batch as a whole got no usable answer.
        """
        if not calls:
            return []
        body = orjson.dumps(
            [
                {"jsonrpc": "2.0", "id": n, "method": method, "params": params}
                for n, (method, params) in enumerate(calls)
            ]
        )
        return _results(self._post(body), len(calls), self.name)

    def _post(self, body: bytes) -> bytes:
        try:
            response = self._client.post(self._url, content=body)
        except httpx.HTTPError as error:
            # Not chained: the original error's request holds the address with its password.
            raise NodeUnreachable(f"{self.name}: {type(error).__name__}") from None
        if response.status_code == 413:
            raise TooMuchAtOnce(f"{self.name}: HTTP 413")
        if 400 <= response.status_code < 500 and response.status_code != 429:
            raise NodeRefused(f"{self.name}: HTTP {response.status_code}")
        if response.status_code != 200 and not response.content.startswith((b"{", b"[")):
            raise NodeUnreachable(f"{self.name}: HTTP {response.status_code}")
        return response.content


def _results(content: bytes, expected: int, name: str) -> list[Any]:
    try:
        with collector_at_rest():
            answers = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise NodeUnreachable(f"{name}: the answer is not JSON") from None
    if isinstance(answers, dict) and answers.get("error"):
        _raise_whole(answers["error"], name)
    if not isinstance(answers, list) or len(answers) != expected:
        raise NodeUnreachable(f"{name}: the answer is not a batch of {expected}")
    results: list[Any] = [None] * expected
    for answer in answers:
        number = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(number, int) or not 0 <= number < expected:
            raise NodeUnreachable(f"{name}: an answer to a question that was not asked")
        results[number] = _node_error(answer["error"], name) if answer.get("error") else answer.get("result")
    return results


def _raise_whole(error: Any, name: str) -> None:
    """One error for the whole batch: a node that cannot take it now."""
    node_error = _node_error(error, name)
    raise NodeUnreachable(f"{name}: {node_error}")


def _node_error(error: Any, name: str) -> NodeError:
    code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    if code == _WARMING_UP:
        raise NodeUnreachable(f"{name}: the node is starting")
    return NodeError(code if isinstance(code, int) else 0, str(message)[:300])


def raise_first_error(results: Sequence[Any]) -> None:
    """Raise the first NodeError among ``results``, if there is one."""
    for result in results:
        if isinstance(result, NodeError):
            raise result

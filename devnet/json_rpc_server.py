"""JSON-RPC over HTTP as Bitcoin Core speaks it: versions 1.0 and 2.0, batches, named arguments, basic auth."""

from __future__ import annotations

import base64
import hmac
import inspect
import socket
import threading
import types
import typing
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

MISC_ERROR = -1
TYPE_ERROR = -3
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
PARSE_ERROR = -32700
INVALID_PARAMETER = -8

#: HTTP statuses of a failed request that is not of version 2.0; every other error is 500.
STATUS_OF_ERROR = {INVALID_REQUEST: 400, METHOD_NOT_FOUND: 404}
MAX_BODY = 32 * 1024 * 1024
JSON_TYPE_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}

Method = Callable[..., Any]


class RpcError(Exception):
    """An error answer, with one of Core's codes."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def json_type_name(value: object) -> str:
    """The name that Core gives a JSON value's type in messages."""
    return "null" if value is None else JSON_TYPE_NAMES[type(value)]


def _accepts(annotation: Any, value: object) -> bool:
    """Whether a JSON value fits a parameter's annotation; a boolean is not a number here."""
    if annotation is Any or annotation is inspect.Parameter.empty:
        return True
    if isinstance(annotation, types.UnionType):
        return any(_accepts(member, value) for member in typing.get_args(annotation))
    plain = typing.get_origin(annotation) or annotation
    return type(value) is plain or (plain is float and type(value) is int)


class Dispatcher:
    """Finds a request's method, fits its arguments and makes the answer; one request at a time."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods
        self._signatures = {
            name: inspect.signature(method, eval_str=True) for name, method in methods.items()
        }
        self.lock = threading.RLock()

    def answer(self, request: object) -> tuple[int, object | None]:
        """The HTTP status and the answer to a request or a batch; None where no answer is due."""
        if isinstance(request, list):
            answers = [answer for _, answer in map(self._answer_one, request) if answer is not None]
            return (200, answers) if answers or not request else (204, None)
        if not isinstance(request, dict):
            return 500, _failure(None, RpcError(PARSE_ERROR, "Top-level object parse error"), False)
        return self._answer_one(request)

    def _answer_one(self, request: object) -> tuple[int, object | None]:
        if not isinstance(request, dict):
            return 400, _failure(None, RpcError(INVALID_REQUEST, "Invalid Request object"), False)
        is_version_2 = request.get("jsonrpc") == "2.0"
        request_id = request.get("id")
        try:
            result = self._call(request)
        except RpcError as error:
            if is_version_2:
                status = 400 if error.code == INVALID_REQUEST else 200
                return (204, None) if "id" not in request else (status, _failure(request_id, error, True))
            return STATUS_OF_ERROR.get(error.code, 500), _failure(request_id, error, False)
        if is_version_2:
            answer = {"jsonrpc": "2.0", "result": result, "id": request_id}
            return (204, None) if "id" not in request else (200, answer)
        return 200, {"result": result, "error": None, "id": request_id}

    def _call(self, request: Mapping[str, Any]) -> Any:
        name = request.get("method")
        if name is None:
            raise RpcError(INVALID_REQUEST, "Missing method")
        if not isinstance(name, str):
            raise RpcError(INVALID_REQUEST, "Method must be a string")
        params = request.get("params")
        if params is None:
            params = []
        if not isinstance(params, list | dict):
            raise RpcError(INVALID_REQUEST, "Params must be an array or object")
        if name not in self._methods:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        arguments = self._fit(name, params)
        with self.lock:
            return self._methods[name](**arguments)

    def _fit(self, name: str, params: list[Any] | dict[str, Any]) -> dict[str, Any]:
        """The arguments by name; null stands for one left out."""
        parameters = self._signatures[name].parameters
        if isinstance(params, list):
            if len(params) > len(parameters):
                raise RpcError(MISC_ERROR, f"{name} {' '.join(parameters)}: too many arguments")
            params = dict(zip(parameters, params, strict=False))
        for key, value in params.items():
            if key not in parameters:
                raise RpcError(INVALID_PARAMETER, f"Unknown named parameter {key}")
            if value is not None or _is_required(parameters[key]):
                _check_type(key, list(parameters).index(key) + 1, parameters[key].annotation, value)
        if any(_is_required(parameter) and key not in params for key, parameter in parameters.items()):
            raise RpcError(MISC_ERROR, f"{name} {' '.join(parameters)}: an argument is missing")
        return {key: value for key, value in params.items() if value is not None}


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _check_type(name: str, position: int, annotation: Any, value: object) -> None:
    if _accepts(annotation, value):
        return
    expected = JSON_TYPE_NAMES.get(typing.get_origin(annotation) or annotation, str(annotation))
    detail = f"JSON value of type {json_type_name(value)} is not of expected type {expected}"
    raise RpcError(TYPE_ERROR, f'Wrong type passed:\n{{\n    "Position {position} ({name})": "{detail}"\n}}')


def _failure(request_id: object, error: RpcError, is_version_2: bool) -> dict[str, object]:
    described = {"code": error.code, "message": error.message}
    if is_version_2:
        return {"jsonrpc": "2.0", "error": described, "id": request_id}
    return {"result": None, "error": described, "id": request_id}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: JsonRpcServer

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            self._send(413, b"")
            return
        body = self.rfile.read(length)
        if not hmac.compare_digest(self.headers.get("Authorization", ""), self.server.authorization):
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="jsonrpc"'})
            return
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            self._send(500, orjson.dumps(_failure(None, RpcError(PARSE_ERROR, "Parse error"), False)))
            return
        status, answer = self.server.dispatcher.answer(request)
        self._send(status, b"" if answer is None else orjson.dumps(answer) + b"\n")

    def do_GET(self) -> None:
        self._send(405, b"JSONRPC server handles only POST requests")

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Head and body in one write: two would wait for the peer's delayed acknowledgement."""
        lines = [f"HTTP/1.1 {status} {self.responses[status][0]}", f"Content-Length: {len(body)}"]
        lines += [
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        lines += ["Connection: close"] if self.close_connection else []
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


class JsonRpcServer(ThreadingHTTPServer):
    """Serves a dispatcher on 127.0.0.1 until ``shutdown`` is called from another thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *, port: int, user: str, password: str, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, without Nagle's delay."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

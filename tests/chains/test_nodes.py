"""The wire to a node: each way in which it can fail has its name, and none repeats the node's password."""

from __future__ import annotations

import logging

import orjson
import pytest

from chains.nodes import JsonRpcNode, NodeError, NodeRefused, NodeUnavailable, NodeUnreachable
from devnet.process import free_port
from tests.foreign_server import Answer, ForeignServer


def node_at(server: ForeignServer) -> JsonRpcNode:
    return JsonRpcNode(server.url.replace("//", "//watcher:secret-word@"), timeout_seconds=0.5)


def batch_answer(*results: object) -> bytes:
    return orjson.dumps([{"jsonrpc": "2.0", "id": n, "result": result} for n, result in enumerate(results)])


def test_answers_come_back_in_the_order_of_the_questions(foreign_server: ForeignServer) -> None:
    shuffled = [{"id": 1, "result": "second"}, {"id": 0, "result": "first"}]
    foreign_server.answers["/"] = Answer(orjson.dumps(shuffled))
    assert node_at(foreign_server).batch([("a", []), ("b", [1])]) == ["first", "second"]
    asked = orjson.loads(foreign_server.asked[0].body)
    assert [(call["method"], call["params"]) for call in asked] == [("a", []), ("b", [1])]
    assert foreign_server.asked[0].headers["Authorization"].startswith("Basic ")


def test_one_failed_call_does_not_spoil_the_others(foreign_server: ForeignServer) -> None:
    body = [{"id": 0, "result": 7}, {"id": 1, "error": {"code": -5, "message": "no such thing"}}]
    foreign_server.answers["/"] = Answer(orjson.dumps(body))
    seven, error = node_at(foreign_server).batch([("a", []), ("b", [])])
    assert seven == 7
    assert isinstance(error, NodeError)
    assert (error.code, error.message) == (-5, "no such thing")


def test_a_single_call_raises_the_nodes_error(foreign_server: ForeignServer) -> None:
    foreign_server.answers["/"] = Answer(orjson.dumps([{"id": 0, "error": {"code": -8, "message": "no"}}]))
    with pytest.raises(NodeError):
        node_at(foreign_server).call("a", [])


def test_no_question_needs_no_node() -> None:
    assert JsonRpcNode(f"http://127.0.0.1:{free_port()}", timeout_seconds=0.5).batch([]) == []


UNREACHABLE = {
    "an error page": Answer(b"<html>", status=502),
    "overloaded": Answer(b"Work queue depth exceeded", status=503),
    "rate limited": Answer(b"slow down", status=429),
    "no JSON": Answer(b"hello"),
    "no batch": Answer(b'{"id": 0, "result": 1}'),
    "too few answers": Answer(b"[]"),
    "an answer to another question": Answer(b'[{"id": 5, "result": 1}]'),
    "answers without a number": Answer(b"[1]"),
    "one error for all": Answer(b'{"error": {"code": -32600, "message": "batch too large"}}'),
    "starting": Answer(b'[{"id": 0, "error": {"code": -28, "message": "Loading block index"}}]', status=500),
    "slow": Answer(batch_answer(1), delay_seconds=2.0),
}


@pytest.mark.parametrize("answer", UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_an_answer_that_is_none_is_unreachable(
    foreign_server: ForeignServer, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    foreign_server.answers["/"] = answer
    with caplog.at_level(logging.DEBUG, logger="chains"), pytest.raises(NodeUnreachable) as failure:
        node_at(foreign_server).batch([("a", [])])
    assert "secret-word" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert "secret-word" not in caplog.text


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_node_that_does_not_let_us_in_refuses(foreign_server: ForeignServer, status: int) -> None:
    foreign_server.answers["/"] = Answer(b"", status=status)
    with pytest.raises(NodeRefused, match=str(status)) as failure:
        node_at(foreign_server).batch([("a", [])])
    assert "secret-word" not in str(failure.value)


def test_nobody_there_is_unreachable() -> None:
    node = JsonRpcNode(f"http://watcher:secret-word@127.0.0.1:{free_port()}", timeout_seconds=0.5)
    with pytest.raises(NodeUnavailable) as failure:
        node.batch([("a", [])])
    assert "secret-word" not in str(failure.value)

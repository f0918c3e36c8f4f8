"""JSON-RPC as it goes over the wire: the same requests to both nodes, the same statuses and bodies back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from devnet.process import NodeProcess


def post(node: NodeProcess, body: Any, **options: Any) -> httpx.Response:
    """Send a body as it is; the node's own user and password are in its URL."""
    arguments = {"content": body} if isinstance(body, str | bytes) else {"json": body}
    return httpx.post(node.url, **arguments, **options)


def test_version_1_has_a_result_and_an_empty_error(node: NodeProcess) -> None:
    response = post(node, {"method": "getblockhash", "params": [0], "id": "x"})
    assert response.status_code == 200
    genesis = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
    assert response.json() == {"result": genesis, "error": None, "id": "x"}


def test_version_2_has_a_result_or_an_error_and_status_200(node: NodeProcess) -> None:
    good = post(node, {"jsonrpc": "2.0", "method": "getblockcount", "id": 7})
    assert (good.status_code, good.json()) == (200, {"jsonrpc": "2.0", "result": 0, "id": 7})
    bad = post(node, {"jsonrpc": "2.0", "method": "nosuch", "id": 7})
    error = {"code": -32601, "message": "Method not found"}
    assert (bad.status_code, bad.json()) == (200, {"jsonrpc": "2.0", "error": error, "id": 7})


def test_version_2_without_an_id_is_not_answered(node: NodeProcess) -> None:
    response = post(node, {"jsonrpc": "2.0", "method": "getblockcount"})
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        ({"method": "nosuch", "id": 1}, 404, -32601),
        ({"method": "getblockhash", "params": [99], "id": 1}, 500, -8),
        ({"method": "getblockhash", "params": ["a"], "id": 1}, 500, -3),
        ({"method": "getblockhash", "params": [True], "id": 1}, 500, -3),
        ({"method": "getblockhash", "params": [], "id": 1}, 500, -1),
        ({"method": "getblockhash", "params": [None], "id": 1}, 500, -3),
        ({"method": "getblockhash", "params": [1, 2, 3], "id": 1}, 500, -1),
        ({"method": "getblockheader", "params": {"wrong": 1}, "id": 1}, 500, -8),
        ({"method": "getblockhash", "params": "a", "id": 1}, 400, -32600),
        ({"method": 5, "id": 1}, 400, -32600),
        ({"id": 1}, 400, -32600),
        ("{", 500, -32700),
        ("5", 500, -32700),
    ],
)
def test_a_failed_request_of_version_1_has_its_status_and_code(
    node: NodeProcess, request_body: Any, status: int, code: int
) -> None:
    response = post(node, request_body)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.json()["result"] is None


def test_arguments_may_have_names(node: NodeProcess) -> None:
    genesis = node.rpc("getblockhash", 0)
    response = post(node, {"method": "getblock", "params": {"verbosity": 0, "blockhash": genesis}, "id": 1})
    assert response.json()["result"] == node.rpc("getblock", genesis, 0)


def test_a_batch_answers_each_in_order_also_when_one_fails(node: NodeProcess) -> None:
    response = post(
        node,
        [
            {"jsonrpc": "2.0", "method": "getblockcount", "id": 1},
            {"method": "nosuch", "id": 2},
            {"jsonrpc": "2.0", "method": "getblockcount"},
            {"jsonrpc": "2.0", "method": "getblockhash", "params": [0], "id": 3},
        ],
    )
    assert response.status_code == 200
    answers = response.json()
    assert [answer["id"] for answer in answers] == [1, 2, 3]
    assert answers[0]["result"] == 0
    assert answers[1]["error"]["code"] == -32601
    assert answers[2]["result"] == node.rpc("getblockhash", 0)


def test_an_empty_batch_and_one_of_notifications(node: NodeProcess) -> None:
    empty = post(node, [])
    assert (empty.status_code, empty.json()) == (200, [])
    silent = post(node, [{"jsonrpc": "2.0", "method": "getblockcount"}])
    assert (silent.status_code, silent.content) == (204, b"")


@pytest.mark.parametrize("auth", [("devnet", "wrong"), ("wrong", "devnet")])
def test_a_wrong_password_is_401(node: NodeProcess, auth: tuple[str, str]) -> None:
    response = httpx.post(f"http://127.0.0.1:{node.port}", json={"method": "getblockcount"}, auth=auth)
    assert (response.status_code, response.content) == (401, b"")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="jsonrpc"'


def test_no_password_is_401(node: NodeProcess) -> None:
    response = httpx.post(f"http://127.0.0.1:{node.port}", json={"method": "getblockcount"})
    assert response.status_code == 401


def test_only_post_is_served(node: NodeProcess) -> None:
    response = httpx.get(node.url)
    assert (response.status_code, response.text) == (405, "JSONRPC server handles only POST requests")


def test_one_connection_carries_many_requests(node: NodeProcess) -> None:
    with httpx.Client() as client:
        for number in range(20):
            response = client.post(node.url, json={"method": "getblockcount", "id": number})
            assert response.json()["id"] == number
            assert response.headers.get("Connection") != "close"


def test_amounts_have_eight_decimals(node: NodeProcess) -> None:
    response = post(node, {"method": "getmempoolinfo", "id": 1})
    assert b'"total_fee":0.00000000' in response.content
    assert b'"minrelaytxfee":0.00000100' in response.content

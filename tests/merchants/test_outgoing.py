"""Posting to an address that a stranger chose: what is refused, what is not followed, when it ends."""

import socket
import time

import pytest

from merchants import outgoing
from tests.foreign_server import Answer, ForeignServer, dripping

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def shop():
    with ForeignServer().running() as server:
        yield server


def post(url, *, private_allowed=True, timeout_seconds=5.0):
    return outgoing.post(
        url, b"{}", HEADERS, private_allowed=private_allowed, timeout_seconds=timeout_seconds
    )


def test_a_post_arrives_as_it_was_made(shop):
    shop.answers["/hook"] = Answer(b"thanks")
    assert post(shop.url + "/hook") == outgoing.Answer(200, "")
    asked = shop.asked[0]
    assert (asked.method, asked.body, asked.headers["Content-Type"]) == ("POST", b"{}", "application/json")
    assert asked.headers["User-Agent"] == outgoing.USER_AGENT


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_any_other_answer_is_a_failure_with_its_number(shop, status):
    shop.answers["/hook"] = Answer(status=status)
    assert post(shop.url + "/hook") == outgoing.Answer(status, f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(shop, status):
    shop.answers["/hook"] = Answer(status=status, headers={"Location": f"{shop.url}/elsewhere"})
    answer = post(shop.url + "/hook")
    assert (answer.status_code, answer.error) == (status, f"HTTP {status}: redirects are not followed")
    assert [asked.path for asked in shop.asked] == ["/hook"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fc00::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2001::1]",
    ],
)
def test_an_address_that_is_not_public_is_refused_without_a_connection(shop, host):
    port = shop.url.rpartition(":")[2]
    answer = post(f"http://{host}:{port}/hook", private_allowed=False)
    assert answer == outgoing.Answer(None, "the address is not on the public internet")
    assert shop.asked == []


def test_a_proxy_of_the_machine_is_not_used(shop, monkeypatch):
    # The environment is the machine's, not our code's. Through a proxy, it would be the proxy that resolves the name.
    shop.answers["http"] = shop.answers["/"] = Answer()
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", shop.url)
    assert post("http://shop.invalid/hook").error == "no connection"
    assert shop.asked == []


def test_a_name_that_does_not_resolve_and_a_closed_port_are_no_connection():
    assert post("http://shop.invalid/hook").error == "no connection"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert post(f"http://127.0.0.1:{free.getsockname()[1]}/hook").error == "no connection"


def test_a_server_that_says_nothing_is_given_up(shop):
    shop.answers["/hook"] = Answer(delay_seconds=30)
    started = time.monotonic()
    assert post(shop.url + "/hook", timeout_seconds=0.5).status_code is None
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("first", "status"), [(b"", None), (b"HTTP/1.1 ", None), (b"HTTP/1.1 200 OK\r\nX-Slow: ", 200)]
)
def test_a_server_that_drips_is_cut_off_at_the_deadline(first, status):
    with dripping(first) as url:
        started = time.monotonic()
        answer = post(url, timeout_seconds=0.7)
        assert 0.5 < time.monotonic() - started < 3
    assert answer.status_code == status


def test_a_body_without_end_is_not_read():
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    with dripping(endless) as url:
        started = time.monotonic()
        assert post(url, timeout_seconds=5) == outgoing.Answer(200, "")
    assert time.monotonic() - started < 3


def test_a_large_answer_does_not_matter(shop):
    shop.answers["/hook"] = Answer(b"x" * 5_000_000)
    assert post(shop.url + "/hook").status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "ftp://shop.example/hook",
        "javascript:alert(1)",
        "https:///hook",
        "http://shop.example/hook",
        "https://user@shop.example/hook",
        "https://user:word@shop.example/hook",
        "https://localhost/hook",
        "https://till.localhost/hook",
        "https://127.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://[::1]/hook",
        "https://[64:ff9b::7f00:1]/hook",
    ],
)
def test_an_address_that_could_never_be_posted_to_is_not_stored(url):
    with pytest.raises(outgoing.AddressRefused):
        outgoing.check_address(url, private_allowed=False)


@pytest.mark.parametrize(
    "url", ["https://shop.example/hook?x=1", "https://shop.example:8443/", "https://8.8.8.8/hook"]
)
def test_a_public_address_is_stored(url):
    outgoing.check_address(url, private_allowed=False)


def test_a_developers_own_machine_is_allowed_where_the_installation_says_so():
    outgoing.check_address("http://127.0.0.1:3000/hook", private_allowed=True)
    with pytest.raises(outgoing.AddressRefused):
        outgoing.check_address("http://user:word@127.0.0.1:3000/hook", private_allowed=True)

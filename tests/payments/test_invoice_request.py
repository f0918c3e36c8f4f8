"""What a shop may ask for, and each thing it may not, with the path that is wrong."""

from decimal import Decimal

import pytest

from payments.invoice_request import RequestRefused, parse_request


def refused(data):
    with pytest.raises(RequestRefused) as caught:
        parse_request(data)
    return caught.value.errors


def test_a_full_request_as_the_woocommerce_plugin_sends_it():
    request = parse_request(
        {
            "amount": "12500.00",
            "currency": "KZT",
            "metadata": {
                "orderId": "1042",
                "itemDesc": "Coffee",
                "taxIncluded": Decimal("0.16"),
                "posData": {},
            },
            "checkout": {
                "speedPolicy": "LowSpeed",
                "paymentMethods": ["BTC-CHAIN", "BTC-CHAIN", "USDT"],
                "defaultPaymentMethod": None,
                "lazyPaymentMethods": None,
                "expirationMinutes": 30,
                "monitoringMinutes": None,
                "paymentTolerance": Decimal("0.5"),
                "redirectURL": "https://shop.kz/thanks",
                "redirectAutomatically": True,
                "defaultLanguage": "kk-KZ",
            },
            "receipt": {"enabled": None},
            "additionalSearchTerms": ["1042"],
        }
    )
    assert request.amount_tiyn == 1_250_000
    assert request.payment_methods == ("BTC-CHAIN", "USDT")
    assert (request.expiration_minutes, request.monitoring_minutes) == (30, None)
    assert request.tolerance_basis_points == 50
    assert (request.language, request.order_id, request.description) == ("kk", "1042", "Coffee")
    assert request.metadata["taxIncluded"] == "0.16"
    assert request.redirect_automatically


def test_the_shortest_request():
    request = parse_request({"amount": 12500})
    assert request.amount_tiyn == 1_250_000
    assert request.payment_methods is None


def test_the_digest_tells_requests_apart():
    assert parse_request({"amount": "1"}).sha256 == parse_request({"amount": "1.00"}).sha256
    assert parse_request({"amount": "1"}).sha256 != parse_request({"amount": "2"}).sha256
    assert (
        parse_request({"amount": "1"}).sha256
        != parse_request({"amount": "1", "metadata": {"orderId": "1"}}).sha256
    )


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "0.00",
        "-1",
        "NaN",
        "Infinity",
        "1e5",
        "12.345",
        "",
        "abc",
        None,
        True,
        [],
        {},
        12.5,
        "10000000000.01",
        "9" * 90,
    ],
)
def test_an_amount_that_cannot_be_asked_for(amount):
    assert [path for path, _ in refused({"amount": amount})] == ["amount"]


def test_every_broken_rule_is_named_at_once():
    errors = refused(
        {
            "amount": "-5",
            "currency": "USD",
            "checkout": {
                "speedPolicy": "Warp",
                "paymentMethods": "BTC",
                "expirationMinutes": 0,
                "monitoringMinutes": -1,
                "paymentTolerance": "11",
                "redirectURL": "javascript:alert(1)",
            },
            "metadata": {"orderId": ["x"], "itemDesc": "x" * 301},
            "additionalSearchTerms": "x",
        }
    )
    assert {path for path, _ in errors} == {
        "amount",
        "currency",
        "checkout.speedPolicy",
        "checkout.paymentMethods",
        "checkout.expirationMinutes",
        "checkout.monitoringMinutes",
        "checkout.paymentTolerance",
        "checkout.redirectURL",
        "metadata.orderId",
        "metadata.itemDesc",
        "additionalSearchTerms",
    }


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.kz",
        "//x.kz",
        "http://",
        "https://x.kz/a b",
        "https://x.kz/\x01",
        "data:text/html,x",
        "http://[",
        5,
    ],
)
def test_only_web_addresses_are_returned_to(url):
    assert [path for path, _ in refused({"amount": "1", "checkout": {"redirectURL": url}})] == [
        "checkout.redirectURL"
    ]


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_a_body_is_an_object(body):
    assert refused(body) == [("", "the body must be a JSON object")]


@pytest.mark.parametrize("metadata", ["x", [1], {"a": "b" * 10_001}, {"a": "\x00"}, {"a": "\ud800"}])
def test_metadata_that_cannot_be_kept(metadata):
    assert [path for path, _ in refused({"amount": "1", "metadata": metadata})] == ["metadata"]


def test_an_unknown_language_falls_back_to_the_stores():
    assert parse_request({"amount": "1", "checkout": {"defaultLanguage": "fr-FR"}}).language is None

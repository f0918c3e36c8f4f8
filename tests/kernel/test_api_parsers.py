"""Bodies of nothing but brackets must not end the process, whatever a library did to the recursion limit."""

import io
import sys

import pytest
from rest_framework.exceptions import ParseError

from alatau_pay.api_parsers import ExactJSONParser
from alatau_pay.exact_json import DEPTH_MAX


def parse(body):
    return ExactJSONParser().parse(io.BytesIO(body))


@pytest.fixture
def raised_recursion_limit():
    """As py_ecc, which comes with eth-account, leaves it behind: deeper than the stack is."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_a_body_of_brackets_is_refused(raised_recursion_limit, body):
    with pytest.raises(ParseError):
        parse(body)


def test_the_limit_itself_is_allowed():
    assert parse(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    with pytest.raises(ParseError):
        parse(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))


def test_a_number_that_no_decimal_holds_is_refused():
    with pytest.raises(ParseError):
        parse(b'{"amount": 1e99999999999999999999}')


@pytest.mark.parametrize("text", ["[" * 500, '\\"[[[' * 200, "{" * 500])
def test_brackets_in_texts_are_no_depth(text):
    assert parse(f'{{"a": "{text}"}}'.encode())

"""JSON without binary floats: a number with a point is a ``Decimal`` of exactly the digits that were sent."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

DEPTH_MAX = 100
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def loads(body: bytes) -> Any:
    """The document in ``body``; NaN and Infinity are refused, as RFC 8259 has them not.

    Raises:
        ValueError: it is not JSON, is nested deeper than ``DEPTH_MAX``, or holds a number that no Decimal does.
    """
    _check_depth(body)
    try:
        return json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except InvalidOperation as error:
        raise ValueError("a number with an exponent beyond all reason") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check_depth(body: bytes) -> None:
    # Python's reader leans on the recursion limit, which a library may raise (py_ecc does, to 100 000): then a body of
    # brackets alone would overflow the stack and end the whole process.
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(body):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token.group(), 0)
        if depth > DEPTH_MAX:
            raise ValueError(f"nested deeper than {DEPTH_MAX}")

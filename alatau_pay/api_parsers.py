"""Reading JSON bodies without letting a number become a binary float."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

DEPTH_MAX = 100
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class ExactJSONParser(BaseParser):
    """JSON whose decimal numbers are ``Decimal``; NaN and Infinity are refused, as RFC 8259 has them not."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The document in ``stream``. Raises ParseError (400) when it is not JSON."""
        body = stream.read()
        try:
            _check_depth(body)
            return json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ParseError("the body is not JSON") from error


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

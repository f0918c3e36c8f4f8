"""Reading JSON bodies without letting a number become a binary float."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from alatau_pay import exact_json


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
        try:
            return exact_json.loads(stream.read())
        except ValueError as error:
            raise ParseError("the body is not JSON") from error

"""The API's error answers, in the shape that Greenfield clients read.

A refused body is 422 with ``[{"path", "message"}]``; everything else is ``{"code", "message"}``.
"""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions, status
from rest_framework.response import Response


class ApiError(exceptions.APIException):
    """An error with a machine-readable code: ``raise ApiError("store-not-found", "…", 404)``."""

    def __init__(self, code: str, message: str, status_code: int) -> None:
        super().__init__(detail=message, code=code)
        self.status_code = status_code


class BodyRefused(exceptions.APIException):
    """The request's body breaks rules: one (path, message) pair for each."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__(detail="The request is not valid")
        self.errors = errors


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: None leaves an unknown error to Django's 500."""
    if isinstance(error, BodyRefused):
        body = [{"path": path, "message": message} for path, message in error.errors]
        return Response(body, status=error.status_code)
    # Here and not above: DRF's views load our key authentication, which raises this module's errors.

    # Imported late: DRF's views load the authentication class, which itself raises the errors of this module.
    from rest_framework.views import exception_handler

    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        response.data = _validation_rows(error.detail)
        response.status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
        return response
    code = getattr(getattr(error, "detail", None), "code", None) or "error"
    names = {"not_authenticated": "unauthenticated", "authentication_failed": "unauthenticated"}
    message = str(getattr(error, "detail", error))
    response.data = {"code": names.get(code, str(code).replace("_", "-")), "message": message}
    return response


def _validation_rows(detail: Any, path: str = "") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        nested = [
            _validation_rows(value, f"{path}.{key}" if path else str(key)) for key, value in detail.items()
        ]
        return [row for rows in nested for row in rows]
    if isinstance(detail, list):
        return [row for value in detail for row in _validation_rows(value, path)]
    return [{"path": path, "message": str(detail)}]

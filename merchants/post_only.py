"""Addresses that only take what a form sends."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect


def post_from(page: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """For a store's view that takes a POST of the store's page named ``page``: whoever asks for it (GET) is led to that page.

    A browser asks for it by itself: after a log-in that had run out under a form, after a change of language, when a page with
    a mistake is opened again. A bare "method not allowed" would be a dead end then. Belongs below ``login_required``.
    """

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def taking(request: HttpRequest, store_id: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method == "POST":
                return view(request, store_id, *args, **kwargs)
            if request.method in ("GET", "HEAD"):
                return redirect(page, store_id)
            return HttpResponseNotAllowed(["POST"])

        return taking

    return decorate

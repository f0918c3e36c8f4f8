"""The live-status server's entry: server-sent events only. Pages, API and admin are served by ``wsgi``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alatau_pay.settings")
django.setup()

from payments.live import application  # noqa: E402  # models can be imported only after django.setup()

__all__ = ["application"]

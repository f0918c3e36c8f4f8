"""The project's settings, with what would only make tests slow taken out."""

from alatau_pay.settings import *  # noqa: F403
from alatau_pay.settings import STORAGES

# Argon2 is slow on purpose; what is tested is who may come in, not how long a guess takes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Pages link to static files by their plain names: nothing has been collected.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True

"""Settings. Everything that differs between installations is an environment variable, read here and nowhere else.

A missing or malformed value stops the start and names its variable. ``.env.example`` describes them all.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import environ
import structlog
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from alatau_pay.node_urls import parse_node_urls, parse_node_zmq_urls
from alatau_pay.rates_text import parse_fixed_rates, parse_percent

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY")
# Encrypts webhook secrets at rest; several keys, newest first, allow rotation. Each is 32 url-safe base64 bytes (Fernet).
SECRETS_KEYS = env.list("SECRETS_KEYS")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
# Where people and shops' servers reach us, without a slash at the end: https://pay.example.kz
SITE_URL = env("SITE_URL").rstrip("/")
# Where the live-status server is reached; the same origin where a proxy joins them.
LIVE_URL = env("LIVE_URL", default=SITE_URL).rstrip("/")
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "axes",
    "csp",
    "merchants",
    "chains",
    "compliance",
    "settlements",
    "payments",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "alatau_pay.urls"
WSGI_APPLICATION = "alatau_pay.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]

DATABASES = {
    "default": {**env.db("DATABASE_URL"), "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE", default=60)}
}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL: PostgreSQL is the only database this program runs on")
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env("REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# Sessions live in the database: a flushed Redis must not log the tills out.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
AUTH_USER_MODEL = "merchants.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Both log-in forms call the e-mail address so; by default axes would look for the user model's field and count nobody.
AXES_USERNAME_FORM_FIELD = "username"
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"

LANGUAGE_CODE = "en"
LANGUAGES = [("kk", "Қазақша"), ("ru", "Русский"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "alatau_pay.formats"
TIME_ZONE = "Asia/Almaty"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

_secure = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _secure
SECURE_SSL_REDIRECT = _secure
# A container's own health check and a monitor beside it speak plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^api/v1/health$", r"^healthz$", r"^metrics$"]
# Whether browsers preload the whole domain is for the domain's owner to say.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
)
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF, LIVE_URL],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["merchants.api_keys.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["alatau_pay.api_parsers.ExactJSONParser"],
    "EXCEPTION_HANDLER": "alatau_pay.api_errors.answer",
    "UNAUTHENTICATED_USER": None,
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
# A node that hangs keeps a thread of the watchers waiting, not the workers that credit payments.
CELERY_TASK_ROUTES = {
    "chains.tasks.watch": {"queue": "watcher"},
    "chains.tasks.check_nodes": {"queue": "watcher"},
    "payments.tasks.reconcile": {"queue": "watcher"},
    # It asks nodes for fees: a node that is slow must not hold up payments.
    "payments.tasks.follow_refunds": {"queue": "watcher"},
    "payments.tasks.*": {"queue": "payments"},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A message is only a wake-up: redeliver soon, since the database knows what is done.
# "priority": a worker takes from its queues in the order of its -Q, so a payment never waits behind a row of webhooks.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    "unacked_restore_interval": 10,
    "queue_order_strategy": "priority",
}
CELERY_TIMEZONE = TIME_ZONE

# slug=url pairs, several for one network in order of preference: "bitcoin=http://user:pass@10.0.0.5:8332,evm=http://…"
NODE_URLS = parse_node_urls(env("NODE_URLS", default=""))
# slug=tcp://host:port pairs, where Bitcoin nodes announce "rawtx" and "sequence", in the order of the network's NODE_URLS.
NODE_ZMQ_URLS = parse_node_zmq_urls(env("NODE_ZMQ_URLS", default=""))
# With them, a mempool of more transactions than this is listed that often only, instead of in each step.
MEMPOOL_SMALL_COUNT = env.int("MEMPOOL_SMALL_COUNT", default=1000)
MEMPOOL_LISTED_EVERY_SECONDS = env.float("MEMPOOL_LISTED_EVERY_SECONDS", default=10.0)
NODE_TIMEOUT_SECONDS = 10
# A node is stuck when its newest block stays the same for ten blocks' usual time, and never before so many seconds.
NODE_STUCK_AFTER_SECONDS = env.float("NODE_STUCK_AFTER_SECONDS", default=900.0)
# How often a watcher asks its node whether anything is new.
WATCH_INTERVAL_SECONDS = env.float("WATCH_INTERVAL_SECONDS", default=0.25)
# A watch task ends after this long and is started again by beat, so that code and settings are picked up.
WATCH_RUN_SECONDS = env.float("WATCH_RUN_SECONDS", default=50.0)
# Coin that contracts send shows in the traces of blocks, where the node gives them, and in the balances of deposit addresses.
EVM_TRACES = env.bool("EVM_TRACES", default=True)
# Balances of deposit addresses younger than so many days are checked that often; older ones a few at a time.
COIN_CHECK_DAYS = env.int("COIN_CHECK_DAYS", default=7)
COIN_CHECK_SECONDS = env.float("COIN_CHECK_SECONDS", default=10.0)

RATE_SOURCES = env.list(
    "RATE_SOURCES",
    default=[
        "payments.rates.binance.Binance",
        "payments.rates.kraken.Kraken",
        "payments.rates.coinbase.Coinbase",
        "payments.rates.coingecko.CoinGecko",
        "payments.rates.national_bank.NationalBank",
    ],
)
BINANCE_URL = env("BINANCE_URL", default="https://data-api.binance.vision")
KRAKEN_URL = env("KRAKEN_URL", default="https://api.kraken.com")
COINBASE_URL = env("COINBASE_URL", default="https://api.exchange.coinbase.com")
COINGECKO_URL = env("COINGECKO_URL", default="https://api.coingecko.com")
COINGECKO_KEY = env("COINGECKO_KEY", default="")
NATIONAL_BANK_URL = env("NATIONAL_BANK_URL", default="https://nationalbank.kz")
# For the demo and the tests only: "BTC=34000000,ETH=1700000,USDT=495" in tenge.
FIXED_RATES = parse_fixed_rates(env("FIXED_RATES", default=""))
RATE_AGE_MAX = timedelta(seconds=env.int("RATE_AGE_SECONDS_MAX", default=120))
# How many independent paths to tenge a price needs; 1 only where prices are set by hand.
RATE_PATHS_MIN = env.int("RATE_PATHS_MIN", default=2)
# A path further than this from the median is left out; where the rest is further apart than the second, nothing is quoted.
RATE_OUTLIER_MAX = parse_percent("RATE_OUTLIER_PERCENT_MAX", env("RATE_OUTLIER_PERCENT_MAX", default="2"))
RATE_SPREAD_MAX = parse_percent("RATE_SPREAD_PERCENT_MAX", env("RATE_SPREAD_PERCENT_MAX", default="3"))
# Quoting stops when USDT/KZT strays further than this from the National Bank's dollar rate.
RATE_OFFICIAL_DEVIATION_MAX = parse_percent(
    "RATE_OFFICIAL_DEVIATION_PERCENT_MAX", env("RATE_OFFICIAL_DEVIATION_PERCENT_MAX", default="5")
)
# The official rate of a weekend or a holiday is that of the last day before; one older than so many days is none.
RATE_OFFICIAL_DAYS_MAX = env.int("RATE_OFFICIAL_DAYS_MAX", default=7)
# Prices older than so many days are thinned to one an hour a source and pair; the official rate is kept whole.
RATE_OBSERVATIONS_DAYS = env.int("RATE_OBSERVATIONS_DAYS", default=30)

# Who runs this installation, as registers, fee invoices and acts name it. The bank account stands with the servicing banks.
OPERATOR_NAME = env("OPERATOR_NAME", default="Alatau Pay")
OPERATOR_BUSINESS_ID = env("OPERATOR_BUSINESS_ID", default="")
OPERATOR_ADDRESS = env("OPERATOR_ADDRESS", default="")
OPERATOR_KBE = env("OPERATOR_KBE", default="17")

# A shop's server on a private address is refused, except where a developer's own machine is the shop.
WEBHOOKS_TO_PRIVATE_ADDRESSES = env.bool("WEBHOOKS_TO_PRIVATE_ADDRESSES", default=False)
WEBHOOK_TIMEOUT_SECONDS = 10

# Who is told by e-mail when a network halts or is not up to date any more, or a coin is not quoted, and when it is again; and
# each night whether the ledger is what was posted, with the seal to keep, and what the reconciliation found.
ALERT_EMAILS = env.list("ALERT_EMAILS", default=[])
# smtp+tls://user:password@host:587; without it, mail is printed into the log.
_email = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _email.get("EMAIL_HOST") or "localhost", _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = (
    _email.get("EMAIL_HOST_USER") or "",
    _email.get("EMAIL_HOST_PASSWORD") or "",
)
EMAIL_USE_TLS, EMAIL_USE_SSL = _email.get("EMAIL_USE_TLS", False), _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env("FROM_EMAIL", default="alatau-pay@localhost")
# Who may read /metrics: "Authorization: Bearer <token>". Empty: nobody.
METRICS_TOKEN = env("METRICS_TOKEN", default="")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer(ensure_ascii=False),
            "foreign_pre_chain": [
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.stdlib.ExtraAdder(),
                structlog.processors.format_exc_info,
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        # It tells of every table of every font that it makes smaller for a PDF.
        "fontTools": {"level": "WARNING"},
    },
}

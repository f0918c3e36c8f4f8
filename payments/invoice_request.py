"""What a shop may ask for when it makes an invoice: the request's shape and its limits, without a database.

The field names are those of the Greenfield API; point of sale and dashboard fill the same fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from alatau_pay.money import AmountError, parse_minor

TIYN_DECIMALS = 2
# Ten billion tenge: far above any sale in the pilot, far below what the columns hold.
AMOUNT_TIYN_MAX = 1_000_000_000_000
SPEED_POLICIES = ("HighSpeed", "MediumSpeed", "LowMediumSpeed", "LowSpeed")
LANGUAGES = ("kk", "ru", "en")
EXPIRATION_MINUTES_MAX = 1440
MONITORING_MINUTES_MAX = 43_200
TOLERANCE_BASIS_POINTS_MAX = 1000
JSON_BYTES_MAX = 10_000


class RequestRefused(Exception):
    """The request breaks rules: ``errors`` holds one (path, message) pair for each."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class InvoiceRequest:
    """A request that keeps all rules. None means: as the store is set."""

    amount_tiyn: int
    payment_methods: tuple[str, ...] | None = None
    speed_policy: str | None = None
    expiration_minutes: int | None = None
    monitoring_minutes: int | None = None
    tolerance_basis_points: int | None = None
    language: str | None = None
    redirect_url: str = ""
    redirect_automatically: bool = False
    order_id: str = ""
    description: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    checkout: dict[str, Any] = field(default_factory=dict)
    receipt: dict[str, Any] = field(default_factory=dict)
    search_terms: tuple[str, ...] = ()

    @property
    def sha256(self) -> bytes:
        """A digest of everything that was asked for: the same key with another body is told apart by it."""
        return hashlib.sha256(repr(self).encode()).digest()


def parse_amount(value: object) -> int:
    """Tiyn of a price in tenge: decimal text (or a JSON integer or decimal), over zero, at most two decimals.

    Raises:
        AmountError: a sentence that says what is wrong.
    """
    amount_tiyn = parse_minor(value, TIYN_DECIMALS)
    if amount_tiyn <= 0:
        raise AmountError("the amount must be more than zero")
    if amount_tiyn > AMOUNT_TIYN_MAX:
        raise AmountError("the amount is too large")
    return amount_tiyn


def parse_request(data: object) -> InvoiceRequest:
    """The request in ``data``, a decoded JSON object.

    Raises:
        RequestRefused: with every rule that it breaks, not only the first.
    """
    if not isinstance(data, Mapping):
        raise RequestRefused([("", "the body must be a JSON object")])
    return _Reader(data).read()


class _Reader:
    """Reads one request and collects what is wrong with it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.errors: list[tuple[str, str]] = []
        self.checkout = self._object("checkout")
        self.metadata = self._object("metadata")

    def read(self) -> InvoiceRequest:
        amount_tiyn = self._amount()
        currency = self.data.get("currency")
        if currency not in (None, "KZT"):
            self._refuse("currency", "prices are in KZT")
        request = InvoiceRequest(
            amount_tiyn=amount_tiyn,
            payment_methods=self._payment_methods(),
            speed_policy=self._choice("speedPolicy", SPEED_POLICIES),
            expiration_minutes=self._minutes("expirationMinutes", 1, EXPIRATION_MINUTES_MAX),
            monitoring_minutes=self._minutes("monitoringMinutes", 0, MONITORING_MINUTES_MAX),
            tolerance_basis_points=self._tolerance(),
            language=self._language(),
            redirect_url=self._url("redirectURL"),
            redirect_automatically=self.checkout.get("redirectAutomatically") is True,
            order_id=self._text("metadata.orderId", self.metadata.get("orderId"), 120),
            description=self._text("metadata.itemDesc", self.metadata.get("itemDesc"), 300),
            metadata=self.metadata,
            checkout=self.checkout,
            receipt=self._object("receipt"),
            search_terms=self._search_terms(),
        )
        if self.errors:
            raise RequestRefused(self.errors)
        return request

    def _refuse(self, path: str, message: str) -> None:
        self.errors.append((path, message))

    def _amount(self) -> int:
        value = self.data.get("amount")
        if value is None:
            self._refuse("amount", "an amount in tenge is required; top-up invoices are not offered")
            return 0
        try:
            return parse_amount(value)
        except AmountError as error:
            self._refuse("amount", str(error))
            return 0

    def _object(self, name: str) -> dict[str, Any]:
        value = self.data.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._refuse(name, "must be an object")
            return {}
        plain = _without_decimals(dict(value))
        if len(json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogatepass")) > JSON_BYTES_MAX:
            self._refuse(name, f"is larger than {JSON_BYTES_MAX} bytes")
            return {}
        if not _storable(plain):
            self._refuse(name, "holds a character that cannot be stored")
            return {}
        return plain

    def _payment_methods(self) -> tuple[str, ...] | None:
        value = self.checkout.get("paymentMethods")
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            self._refuse("checkout.paymentMethods", "must be a list of payment method ids, or null")
            return None
        return tuple(dict.fromkeys(value))

    def _choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.checkout.get(name)
        if value is not None and value not in choices:
            self._refuse(f"checkout.{name}", f"must be one of {', '.join(choices)}")
            return None
        return value

    def _minutes(self, name: str, least: int, most: int) -> int | None:
        value = self.checkout.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._refuse(f"checkout.{name}", f"must be a whole number of minutes from {least} to {most}")
            return None
        return value

    def _tolerance(self) -> int | None:
        value = self.checkout.get("paymentTolerance")
        if value is None:
            return None
        try:
            basis_points = parse_minor(value, TIYN_DECIMALS)
        except AmountError as error:
            self._refuse("checkout.paymentTolerance", str(error))
            return None
        if not 0 <= basis_points <= TOLERANCE_BASIS_POINTS_MAX:
            self._refuse("checkout.paymentTolerance", "must be from 0 to 10 per cent")
            return None
        return basis_points

    def _language(self) -> str | None:
        value = self.checkout.get("defaultLanguage")
        if not isinstance(value, str):
            return None
        # Plugins send the shop's own locale; one that we have no page in falls back to the store's.
        language = value.split("-")[0].lower()
        return language if language in LANGUAGES else None

    def _url(self, name: str) -> str:
        value = self.checkout.get(name)
        if value in (None, ""):
            return ""
        if not isinstance(value, str) or len(value) > 500 or not _is_web_address(value):
            self._refuse(f"checkout.{name}", "must be an http or https address of at most 500 characters")
            return ""
        return value

    def _text(self, path: str, value: object, length_max: int) -> str:
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            self._refuse(path, "must be text")
            return ""
        if len(str(value)) > length_max:
            self._refuse(path, f"is longer than {length_max} characters")
            return ""
        return str(value)

    def _search_terms(self) -> tuple[str, ...]:
        value = self.data.get("additionalSearchTerms")
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > 20:
            self._refuse("additionalSearchTerms", "must be a list of at most 20 texts")
            return ()
        terms = tuple(self._text("additionalSearchTerms", item, 120) for item in value)
        if not _storable(terms):
            self._refuse("additionalSearchTerms", "holds a character that cannot be stored")
        return terms


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isprintable() and " " not in text
    )


def _without_decimals(value: Any) -> Any:
    """Decimals of free-form objects as text: JSON columns hold no Decimal, and a float would change the figure."""
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 60 else str(value)
    if isinstance(value, Mapping):
        return {str(key): _without_decimals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_decimals(item) for item in value]
    return value


def _storable(value: Any) -> bool:
    """Whether PostgreSQL takes every text in ``value``: no NUL, no lone surrogate."""
    text = json.dumps(value, ensure_ascii=False)
    return "\\u0000" not in text and not any("\ud800" <= character <= "\udfff" for character in text)

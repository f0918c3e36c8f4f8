"""The database column for amounts: NUMERIC(78,0) holding Python integers of an asset's smallest unit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from alatau_pay.money import AMOUNT_DIGITS_MAX, AmountError


class MinorAmountField(models.DecimalField):
    """An integer of smallest units; wide enough for a uint256. Reads back as ``int``; a float raises on the way in."""

    description = "integer of smallest units, up to 78 digits"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = AMOUNT_DIGITS_MAX
        kwargs["decimal_places"] = 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def from_db_value(self, value: Decimal | None, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, str | Decimal):
            number = super().to_python(value)
            if number is not None and number == number.to_integral_value():
                return int(number)
        raise ValidationError("an amount is an integer of smallest units", code="invalid")

    def get_prep_value(self, value: Any) -> Decimal | None:
        if isinstance(value, float):
            raise AmountError("a float is never an amount")
        if value is None or hasattr(value, "resolve_expression"):
            return value
        number = self.to_python(value)
        return None if number is None else Decimal(number)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if prepared else self.get_prep_value(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return self.get_prep_value(value)

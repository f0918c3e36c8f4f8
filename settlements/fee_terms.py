"""What the platform keeps of a payment, as a pure function of the terms agreed."""

from __future__ import annotations

from dataclasses import dataclass

from alatau_pay.money import divide_half_up

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Fee:
    """What the platform keeps of a payment, in tiyn: its fee, and the VAT on it."""

    fee_tiyn: int
    vat_tiyn: int

    @property
    def total_tiyn(self) -> int:
        """Fee and VAT together: what the merchant does not get of the gross."""
        return self.fee_tiyn + self.vat_tiyn


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """A share of the gross in hundredths of a per cent, plus a fixed sum, kept between a least and a most (tiyn)."""

    basis_points: int
    fixed_tiyn: int = 0
    minimum_tiyn: int = 0
    # None: no most.
    maximum_tiyn: int | None = None


NO_FEE = Fee(fee_tiyn=0, vat_tiyn=0)


def fee_of(gross_tiyn: int, *, terms: FeeTerms, vat_basis_points: int) -> Fee:
    """The fee of a payment and the VAT on the fee, each rounded half up to a tiyn.

    The merchant is left with a tiyn at least, so that every sale stands on its account: where a fixed or least fee and VAT
    would leave nothing of ``gross_tiyn``, the fee is the greatest that leaves one.
    """
    fee_tiyn = divide_half_up(gross_tiyn * terms.basis_points, BASIS_POINTS) + terms.fixed_tiyn
    fee_tiyn = max(fee_tiyn, terms.minimum_tiyn)
    if terms.maximum_tiyn is not None:
        fee_tiyn = min(fee_tiyn, terms.maximum_tiyn)
    fee = _with_vat(fee_tiyn, vat_basis_points)
    room_tiyn = gross_tiyn - 1
    if fee.total_tiyn <= room_tiyn:
        return fee
    fitting = room_tiyn * BASIS_POINTS // (BASIS_POINTS + vat_basis_points)
    # Half up may push the VAT one tiyn over, or leave room for one tiyn of fee more.
    return next(
        fee
        for candidate in (fitting + 1, fitting, max(fitting - 1, 0))
        if (fee := _with_vat(candidate, vat_basis_points)).total_tiyn <= room_tiyn
    )


def _with_vat(fee_tiyn: int, vat_basis_points: int) -> Fee:
    return Fee(fee_tiyn=fee_tiyn, vat_tiyn=divide_half_up(fee_tiyn * vat_basis_points, BASIS_POINTS))

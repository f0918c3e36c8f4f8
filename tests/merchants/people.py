"""Businesses and people for the tests of this folder, made by the program's own verbs."""

from __future__ import annotations

from datetime import UTC, datetime

from merchants import onboarding, stores
from merchants.models import LegalForm, Membership, Merchant, Role, Store, User

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PASSWORD = "a calm tea house"
BUSINESS_IDS = ["260140900012", "260140900305", "260140900317", "260341900015", "971240001315"]

APPLICATION = onboarding.Application(
    legal_name="ТОО «Достық кофе»",
    legal_form=LegalForm.COMPANY,
    business_id=BUSINESS_IDS[0],
    address="Алатау, Достық 1",
    activity="Coffee",
    contact_name="Айгүл",
    contact_phone="+77010000000",
    iban="KZ84722C000012345678",
    bank_bic="CASPKZKA",
)

# The same as a person types it into the form.
TYPED = {
    "legal_name": "ТОО «Достық кофе»",
    "legal_form": "Company",
    "business_id": BUSINESS_IDS[0],
    "address": "Алатау, Достық 1",
    "activity": "Coffee",
    "contact_name": "Айгүл",
    "contact_phone": "+7 701 000 00 00",
    "iban": "KZ84 722C 0000 1234 5678",
    "bank_bic": "",
}
SIGN_UP = {"email": "Aigul@Shop.Example", "password": PASSWORD}


def city_admin() -> User:
    """A person of the city office with every right."""
    return User.objects.create_superuser("admin@city.example", PASSWORD)


def applied(number: int = 0) -> Merchant:
    """A business that has applied and waits; its owner is owner<number>@shop.example."""
    owner = User.objects.create_user(f"owner{number}@shop.example", PASSWORD)
    values = {name: getattr(APPLICATION, name) for name in APPLICATION.__slots__} | {
        "business_id": BUSINESS_IDS[number]
    }
    return onboarding.apply(onboarding.Application(**values), applicant=owner, now=NOW)


def approved(number: int = 0) -> Merchant:
    """A business that may trade."""
    admin = User.objects.filter(is_superuser=True).first() or city_admin()
    return onboarding.approve(applied(number), admin=admin, now=NOW)


def store_of(merchant: Merchant, **settings: object) -> Store:
    """A store that accepts two assets."""
    values = {"name": "Достық кофе", "accepted_assets": ["BTC", "USDT"], **settings}
    return stores.create_store(stores.StoreSettings(**values), merchant=merchant, now=NOW)  # type: ignore[arg-type]


def owner_of(merchant: Merchant) -> User:
    """The merchant's first owner."""
    return merchant.memberships.get(role=Role.OWNER).user


def colleague(merchant: Merchant, role: Role) -> User:
    """A person with ``role`` at the merchant."""
    user = User.objects.create_user(f"{role.lower()}@{merchant.business_id}.example", PASSWORD)
    Membership.objects.create(user=user, merchant=merchant, role=role, created_at=NOW)
    return user

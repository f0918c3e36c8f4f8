"""The first rows of a demo: networks, wallets, admitted assets, two city officers, a bank, two merchants with their people."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from chains import networks as chain_networks
from chains.evm.token_contract import Token
from chains.networks import Anchor
from chains.presets import PRESETS
from chains.wallets import import_wallet
from compliance.models import AdmittedAsset
from merchants import api_keys, onboarding, stores, team, webhooks
from merchants.models import LegalForm, Merchant, Role, Store, User, Webhook
from settlements.business_day import business_date
from settlements.models import ServicingBank

#: Public keys of the phrase that every wallet's documentation uses ("abandon … about"): whatever is received on the
#: development chains can be found again by anybody, and is worth nothing.
PUBLIC_KEYS = {
    "bitcoin": "wpkh([73c5da0a/84h/1h/0h]tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxys"
    "QAm397zwQSQoQgewGiYZqrA9DsP4zbQ1M/0/*)",
    "evm": "xpub6DCoCpSuQZB2jawqnGMEPS63ePKWkwWPH4TU45Q7LPXWuNd8TMtVxRrgjtEshuqpK3mdhaWHPFsBngh5GFZaM6si3yZdUsT8ddYM3PwnATt",
}
ADMIN_EMAIL = "city@alatau.example"
#: Payouts and documents of the reserve take two people.
SECOND_ADMIN_EMAIL = "second@alatau.example"
#: Smallest and largest payment, in tiyn: 50 ₸ and 5 000 000 ₸.
PAYMENT_TIYN = (50_00, 5_000_000_00)


@dataclass(frozen=True)
class Business:
    """A merchant of the demo: its application, its people by role, its stores."""

    application: onboarding.Application
    domain: str
    roles: tuple[Role, ...]
    store_names: tuple[str, ...]


BUSINESSES = (
    Business(
        onboarding.Application(
            legal_name="ТОО «Алатау Кофе»",
            legal_form=LegalForm.COMPANY,
            business_id="260140900012",
            address="Алатау қаласы, Gate District, Жібек жолы көшесі, 12",
            activity="Кофе және тәттілер",
            contact_name="Айгерім Сәрсенова",
            contact_phone="+7 701 000 00 01",
            iban="KZ84722C000012345678",
            bank_bic="CASPKZKA",
        ),
        domain="kofe.example",
        roles=(Role.OWNER, Role.MANAGER, Role.ACCOUNTANT, Role.CASHIER),
        store_names=("Алатау Кофе · Gate District", "Алатау Кофе · онлайн"),
    ),
    Business(
        onboarding.Application(
            legal_name="ИП «Қапшағай кітап»",
            legal_form=LegalForm.ENTREPRENEUR,
            business_id="851123490011",
            address="Алатау қаласы, Golden District, Қонаев көшесі, 3",
            activity="Кітаптар",
            contact_name="Данияр Ахметов",
            contact_phone="+7 701 000 00 02",
            iban="KZ39601A001000000017",
            bank_bic="HSBKKZKX",
        ),
        domain="kitap.example",
        roles=(Role.OWNER, Role.CASHIER),
        store_names=("Қапшағай кітап",),
    ),
)


class Command(BaseCommand):
    """Migrates, then seeds what is not there yet. For development installations only."""

    # The database that the checks could ask about is only made here.
    requires_system_checks = []
    help = "Migrate and seed a development installation; write what was made to a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--networks", type=Path, required=True, help="JSON: what is to be known of each chain"
        )
        parser.add_argument("--facts", type=Path, required=True, help="JSON to write: log-ins, stores, keys")
        parser.add_argument("--shop-url", required=True, help="where the first store's webhooks go")
        parser.add_argument("--without-merchants", action="store_true", help="only the city admin")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run. Raises CommandError on an installation that the world reaches."""
        if settings.SITE_URL.startswith("https://"):
            raise CommandError("this is no development installation: SITE_URL begins with https://")
        call_command("migrate", interactive=False, verbosity=0)
        facts_path: Path = options["facts"]
        webhook_url = f"{options['shop_url']}/webhook"
        if facts_path.exists():
            redirect_webhook(json.loads(facts_path.read_text()), webhook_url)
            return
        with transaction.atomic():
            facts = seed(
                json.loads(options["networks"].read_text()),
                businesses=() if options["without_merchants"] else BUSINESSES,
                webhook_url=webhook_url,
                now=timezone.now(),
            )
            # Inside the database transaction: the keys are readable here alone, so the rows stand only if the file does.
            write_private(facts_path, json.dumps(facts, indent=2, ensure_ascii=False))


def seed(
    networks: dict[str, dict[str, Any]], *, businesses: tuple[Business, ...], webhook_url: str, now: datetime
) -> dict[str, Any]:
    """Make everything; returns the facts that people and programs need: log-ins, store ids, API keys, secrets."""
    password = secrets.token_urlsafe(9)
    admin = User.objects.create_superuser(ADMIN_EMAIL, password, first_name="Alatau City Authority")
    second = User.objects.create_superuser(SECOND_ADMIN_EMAIL, password, first_name="Second officer")
    seed_networks(networks, now=now)
    seed_servicing_bank(now=now)
    admit_assets(admin, now=now)
    made = [seed_business(business, admin=admin, password=password, now=now) for business in businesses]
    facts: dict[str, Any] = {
        "password": password,
        "admin": {"email": ADMIN_EMAIL, "password": password},
        "second_admin": {"email": second.email, "password": password},
        "token_address": networks["evm"]["token"],
        "merchants": made,
    }
    if made:
        first_store = made[0]["stores"][0]
        webhook, secret = webhooks.create_webhook(
            store=Store.objects.get(pk=first_store["id"]), url=webhook_url, event_types=[], now=now
        )
        owner = made[0]["people"][0]
        facts |= {
            "merchant": {
                "email": owner["email"],
                "password": password,
                "id": made[0]["id"],
                "name": made[0]["name"],
            },
            "store_id": first_store["id"],
            "api_key": first_store["api_key"],
            "webhook_id": webhook.pk,
            "webhook_secret": secret,
        }
    return facts


def redirect_webhook(facts: dict[str, Any], url: str) -> None:
    """Send the first store's webhooks to where the shop listens this time, unless somebody has deleted the webhook."""
    webhook = Webhook.objects.filter(pk=facts.get("webhook_id"), deleted_at=None).exclude(url=url).first()
    if webhook is not None:
        webhooks.update_webhook(
            webhook,
            url=url,
            event_types=webhook.event_types,
            enabled=webhook.enabled,
            automatic_redelivery=webhook.automatic_redelivery,
        )


def seed_networks(networks: dict[str, dict[str, Any]], *, now: datetime) -> None:
    """The two development chains, their assets, and the operator's wallet on each."""
    bitcoin = chain_networks.add_network(
        PRESETS["bitcoin-regtest"], slug="bitcoin", coin_code="BTC", anchor=_anchor(networks["bitcoin"])
    )
    evm = chain_networks.add_network(
        PRESETS["local-evm"], slug="evm", coin_code="ETH", anchor=_anchor(networks["evm"])
    )
    # What the demo has just deployed says this of itself; nobody needs to ask it.
    token = Token(bytes.fromhex(networks["evm"]["token"].removeprefix("0x")), 6, "tUSDT", "Test Tether USD")
    chain_networks.add_token(evm, token, code="USDT", symbol="USDT", name="Tether USD", quote_decimals=3)
    for network in (bitcoin, evm):
        import_wallet(
            network=network, label="Development", owner="", public_key=PUBLIC_KEYS[network.slug], now=now
        )


def _anchor(network: dict[str, Any]) -> Anchor:
    """What the started chain said of its first block."""
    return Anchor(network["anchor_height"], network["anchor_hash_hex"].removeprefix("0x"))


def seed_servicing_bank(*, now: datetime) -> None:
    """The account that payouts are paid from; its numbers are made up."""
    ServicingBank.objects.create(
        name="АО «ForteBank»",
        bic="IRTYKZKA",
        iban="KZ1496511F0008300017",
        payer_name="ТОО «Alatau Pay»",
        payer_business_id="260140900305",
        chief_name="Сәрсенов Е.Қ.",
        accountant_name="Ким О.П.",
        mt_terminal="K059140000000000000000",
        valid_from=business_date(now),
    )


def admit_assets(admin: User, *, now: datetime) -> None:
    """The city's admission of the three assets, as an admin would enter it."""
    payment_min_tiyn, payment_max_tiyn = PAYMENT_TIYN
    for code in ("BTC", "ETH", "USDT"):
        admission = AdmittedAsset(
            asset_code=code,
            admitted_from=now,
            payment_min_tiyn=payment_min_tiyn,
            payment_max_tiyn=payment_max_tiyn,
            note="Development",
            created_by=admin,
            created_at=now,
        )
        admission.full_clean()
        admission.save()


def seed_business(business: Business, *, admin: User, password: str, now: datetime) -> dict[str, Any]:
    """One approved merchant with its people, stores and API keys."""
    emails = {role: f"{role.lower()}@{business.domain}" for role in business.roles}
    owner = User.objects.create_user(emails[Role.OWNER], password)
    merchant = onboarding.apply(business.application, applicant=owner, now=now)
    merchant = onboarding.approve(merchant, admin=admin, now=now)
    for role in business.roles[1:]:
        person = team.invite(merchant=merchant, email=emails[role], role=role, now=now).user
        person.set_password(password)
        person.save(update_fields=["password"])
    return {
        "id": merchant.pk,
        "name": merchant.legal_name,
        "people": [
            {"role": str(role), "email": email, "password": password} for role, email in emails.items()
        ],
        "stores": [
            seed_store(name, merchant=merchant, owner=owner, now=now) for name in business.store_names
        ],
    }


def seed_store(name: str, *, merchant: Merchant, owner: User, now: datetime) -> dict[str, str]:
    """One store that takes all three assets, and a key with every permission."""
    wishes = stores.StoreSettings(name=name, accepted_assets=["BTC", "USDT", "ETH"])
    store = stores.create_store(wishes, merchant=merchant, now=now)
    _, key = api_keys.create(
        store=store, label="Demo", permissions=list(api_keys.PERMISSIONS), user=owner, now=now
    )
    return {"id": store.pk, "name": store.name, "api_key": key}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    scratch = path.with_name(f"{path.name}.part")
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600)
    scratch.write_text(text)
    scratch.replace(path)

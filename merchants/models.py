"""Who is paid: users, merchants, their stores, and what a store's server is given (API keys, webhooks)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from alatau_pay.identifiers import new_public_id


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def _create(self, email: str, password: str | None, **fields: Any) -> User:
        if not email:
            raise ValueError("a user has an e-mail address")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A person who may log in with ``email``, kept in lower case."""
        return self._create(email, password, **{"is_staff": False, "is_superuser": False, **fields})

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A city admin with every permission."""
        return self._create(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class User(AbstractUser):
    """A person. Shop people log in to the dashboard, city admins (``is_staff``) to Django admin, by e-mail address."""

    username = None  # type: ignore[assignment]  # AbstractUser declares it; here the e-mail address is the log-in
    email = models.EmailField(_("e-mail address"), unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()  # type: ignore[assignment, misc]

    def __str__(self) -> str:
        return self.email


class MerchantStatus(models.TextChoices):
    APPLIED = "Applied", _("Applied")
    APPROVED = "Approved", _("Approved")
    REJECTED = "Rejected", _("Rejected")
    SUSPENDED = "Suspended", _("Suspended")


class LegalForm(models.TextChoices):
    COMPANY = "Company", _("Company (ТОО, АО)")
    ENTREPRENEUR = "Entrepreneur", _("Individual entrepreneur (ИП)")
    NON_PROFIT = "NonProfit", _("Non-profit organisation")
    STATE = "State", _("State enterprise")


class Merchant(models.Model):
    """A business that may be paid. ``status`` is written by ``merchants.onboarding`` alone."""

    id = models.CharField(primary_key=True, max_length=32, default=new_public_id, editable=False)
    legal_name = models.CharField(_("legal name"), max_length=200)
    legal_form = models.CharField(
        _("legal form"), max_length=16, choices=LegalForm, default=LegalForm.COMPANY
    )
    business_id = models.CharField(_("БИН or ИИН"), max_length=12, unique=True)
    address = models.CharField(_("address in Alatau"), max_length=300)
    activity = models.CharField(_("what the business sells"), max_length=200)
    contact_name = models.CharField(_("contact person"), max_length=120)
    contact_phone = models.CharField(_("phone"), max_length=20)
    iban = models.CharField(_("bank account (IBAN)"), max_length=20)
    bank_bic = models.CharField(_("bank's BIC"), max_length=11)
    status = models.CharField(
        max_length=16, choices=MerchantStatus, default=MerchantStatus.APPLIED, editable=False
    )
    decision_reason = models.CharField(max_length=300, blank=True, editable=False)
    decided_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    decided_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField()
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="merchants"
    )

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(business_id__regex=r"^\d{12}$"), name="merchant_business_id_12_digits"
            ),
            models.CheckConstraint(
                condition=models.Q(iban__regex=r"^KZ\d{5}[A-Z0-9]{13}$"), name="merchant_iban_of_kazakhstan"
            ),
            models.CheckConstraint(
                condition=models.Q(status="Applied")
                | models.Q(decided_at__isnull=False, decided_by__isnull=False),
                name="merchant_decision_has_author",
            ),
        ]

    def __str__(self) -> str:
        return self.legal_name


class MerchantEvent(models.Model):
    """The history of a merchant's status: who decided what, when and why. Only ever added to."""

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    from_status = models.CharField(max_length=16, blank=True)
    to_status = models.CharField(max_length=16)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"


# How long a changed bank account waits before tenge goes there; the owners are told at once.
BANK_ACCOUNT_CHANGE_WAIT = timedelta(hours=24)


class BankAccountChange(models.Model):
    """An approved merchant's wish to be paid elsewhere. Written by ``merchants.bank_account_change`` alone.

    It waits, an owner can stop it while it waits, and the database lets the account of a merchant that may trade change in
    no other way (migration 0002).
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="bank_account_changes")
    old_iban = models.CharField(max_length=20)
    old_bank_bic = models.CharField(max_length=11)
    new_iban = models.CharField(max_length=20)
    new_bank_bic = models.CharField(max_length=11)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-requested_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(new_iban__regex=r"^KZ\d{5}[A-Z0-9]{13}$"),
                name="account_change_iban_of_kazakhstan",
            ),
            models.CheckConstraint(
                condition=models.Q(effective_at__gte=models.F("requested_at") + BANK_ACCOUNT_CHANGE_WAIT),
                name="account_change_waits_a_day",
            ),
            models.CheckConstraint(
                condition=models.Q(applied_at__isnull=True)
                | models.Q(applied_at__gte=models.F("effective_at"), cancelled_at__isnull=True),
                name="account_change_applied_after_its_wait",
            ),
            models.CheckConstraint(
                condition=models.Q(applied_at__isnull=True)
                | models.Q(
                    told_at__isnull=False, applied_at__gte=models.F("told_at") + BANK_ACCOUNT_CHANGE_WAIT
                ),
                name="account_change_applied_a_day_after_it_was_told",
            ),
            models.CheckConstraint(
                condition=models.Q(cancelled_at__isnull=True, cancelled_by__isnull=True)
                | models.Q(cancelled_at__isnull=False, cancelled_by__isnull=False),
                name="account_change_cancelled_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["merchant"],
                name="one_waiting_account_change",
                condition=models.Q(applied_at__isnull=True, cancelled_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old_iban} → {self.new_iban}"

    @property
    def is_waiting(self) -> bool:
        """True while it can still be stopped."""
        return self.applied_at is None and self.cancelled_at is None


class Role(models.TextChoices):
    OWNER = "Owner", _("Owner")
    MANAGER = "Manager", _("Manager")
    ACCOUNTANT = "Accountant", _("Accountant")
    CASHIER = "Cashier", _("Cashier")


class Membership(models.Model):
    """A person's role at one merchant. What a role may do stands in ``merchants.roles``."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "merchant"], name="one_role_per_person_and_merchant")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.role}"


# How long somebody who was an owner is still told of a changed bank account, and can stop it.
FORMER_OWNER_REMEMBERED = timedelta(days=7)


class FormerOwner(models.Model):
    """Somebody who stopped being an owner: taken out of the team, or given another role. Written by ``merchants.team`` alone.

    Whoever steals an owner's log-in could put the real owner out first and ask for another bank account afterwards; so the
    person is told of both.
    """

    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="former_owners", verbose_name=_("merchant")
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("person"))
    removed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("by whom")
    )
    left_at = models.DateTimeField(_("no longer an owner since"))
    told_at = models.DateTimeField(_("told at"), null=True)

    class Meta:
        ordering: ClassVar = ["-left_at", "-id"]
        verbose_name = _("former owner")
        verbose_name_plural = _("former owners")

    def __str__(self) -> str:
        return f"{self.user} · {self.merchant}"


class SpeedPolicy(models.TextChoices):
    """How sure a payment has to be before it counts; the numbers of confirmations stand on each network."""

    HIGH = "HighSpeed", _("High speed")
    MEDIUM = "MediumSpeed", _("Medium speed")
    LOW_MEDIUM = "LowMediumSpeed", _("Low-medium speed")
    LOW = "LowSpeed", _("Low speed")


class ExcessPolicy(models.TextChoices):
    """What becomes of the part of a payment that goes beyond the price."""

    HOLD = "Hold", _("Held for the customer")
    MERCHANT = "Merchant", _("Yours, like the price itself")


class Store(models.Model):
    """A till, a shop or a website of a merchant, with the settings its invoices are made by."""

    id = models.CharField(primary_key=True, max_length=32, default=new_public_id, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="stores")
    name = models.CharField(_("name"), max_length=100)
    website = models.URLField(_("website"), blank=True)
    accepted_assets = ArrayField(
        models.CharField(max_length=32),
        verbose_name=_("accepted assets"),
        help_text=_("Codes of admitted assets, in the order the checkout page shows them."),
    )
    speed_policy = models.CharField(
        _("speed policy"), max_length=16, choices=SpeedPolicy, default=SpeedPolicy.MEDIUM
    )
    invoice_minutes = models.PositiveSmallIntegerField(_("invoice expires after, minutes"), default=15)
    monitoring_minutes = models.PositiveIntegerField(_("late payments watched for, minutes"), default=1440)
    tolerance_basis_points = models.PositiveSmallIntegerField(
        _("underpayment accepted, hundredths of a per cent"), default=0
    )
    excess_policy = models.CharField(
        _("excess payments"), max_length=8, choices=ExcessPolicy, default=ExcessPolicy.HOLD
    )
    language = models.CharField(
        _("language of the checkout page"),
        max_length=2,
        choices=[("kk", "Қазақша"), ("ru", "Русский"), ("en", "English")],
        default="kk",
    )
    archived = models.BooleanField(_("archived"), default=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(invoice_minutes__gte=1, invoice_minutes__lte=1440),
                name="store_invoice_minutes_range",
            ),
            models.CheckConstraint(
                condition=models.Q(monitoring_minutes__lte=43200), name="store_monitoring_minutes_range"
            ),
            models.CheckConstraint(
                condition=models.Q(tolerance_basis_points__lte=1000),
                name="store_tolerance_at_most_ten_per_cent",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A store's key to the API. Only the SHA-256 of the random key is stored; the key itself is shown once."""

    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(_("label"), max_length=100)
    prefix = models.CharField(max_length=8, editable=False)
    key_sha256 = models.BinaryField(max_length=32, unique=True, editable=False)
    permissions = ArrayField(models.CharField(max_length=64))
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…)"


class WebhookEventType(models.TextChoices):
    """Event names as merchants' plugins already know them."""

    CREATED = "InvoiceCreated"
    RECEIVED_PAYMENT = "InvoiceReceivedPayment"
    PROCESSING = "InvoiceProcessing"
    PAYMENT_SETTLED = "InvoicePaymentSettled"
    # Not one of Greenfield's: a payment that was told of left the chain (replaced, double-spent, reorganised away).
    PAYMENT_INVALID = "InvoicePaymentInvalid"
    EXPIRED = "InvoiceExpired"
    EXPIRED_PAID_PARTIAL = "InvoiceExpiredPaidPartial"
    PAID_AFTER_EXPIRATION = "InvoicePaidAfterExpiration"
    SETTLED = "InvoiceSettled"
    INVALID = "InvoiceInvalid"
    REFUND = "InvoiceRefund"


class Webhook(models.Model):
    """Where a store's server wants to be told. ``secret_encrypted`` is readable only with the installation's key."""

    id = models.CharField(primary_key=True, max_length=32, default=new_public_id, editable=False)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="webhooks")
    url = models.URLField(_("address"), max_length=500)
    secret_encrypted = models.BinaryField(editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)
    automatic_redelivery = models.BooleanField(_("repeat failed deliveries"), default=True)
    # An empty list means every event.
    event_types = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["created_at"]

    def __str__(self) -> str:
        return self.url


class DeliveryStatus(models.TextChoices):
    PENDING = "Pending", _("Pending")
    DELIVERED = "Delivered", _("Delivered")
    FAILED = "Failed", _("Failed")


class WebhookDelivery(models.Model):
    """One event for one webhook: both the outbox's queue entry and its audit trail.

    ``body`` holds the exact bytes that are signed and sent. ``status`` is written by ``merchants.webhooks`` alone.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_public_id, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="deliveries")
    event_type = models.CharField(max_length=40)
    # The thing that happened, once per webhook: the same event recorded twice is one delivery.
    event_key = models.CharField(max_length=120)
    invoice_id = models.CharField(max_length=32, blank=True, db_index=True)
    body = models.BinaryField()
    original = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="redeliveries"
    )
    status = models.CharField(max_length=16, choices=DeliveryStatus, default=DeliveryStatus.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["webhook", "event_key"], name="one_delivery_per_event_and_webhook"
            ),
            models.CheckConstraint(
                condition=models.Q(status="Pending", next_attempt_at__isnull=False)
                | (~models.Q(status="Pending") & models.Q(next_attempt_at__isnull=True)),
                name="delivery_is_queued_while_pending",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"], name="delivery_queue", condition=models.Q(status="Pending")
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_type} → {self.webhook_id}"

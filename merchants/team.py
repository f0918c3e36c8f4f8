"""A merchant's people: invited by its owner, given a role, taken out again."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.tokens import default_token_generator
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from merchants.models import FormerOwner, Membership, Merchant, Role, User


class AddressTaken(Exception):
    """The e-mail address belongs to a log-in already. What the owner is told must not say whose."""


class LastOwner(Exception):
    """A merchant keeps at least one owner."""


class AlreadyJoined(Exception):
    """The person has chosen a password: nobody else may set it."""


def invite(*, merchant: Merchant, email: str, role: str, now: datetime) -> Membership:
    """A new person with a log-in but no password yet, at ``merchant``. ``set_password_path`` lets them in.

    An address that has a log-in is refused: a link that sets its password would hand the log-in over.

    Raises:
        AddressTaken: the address has a log-in; nothing is written.
    """
    try:
        with transaction.atomic():
            user = User.objects.create_user(email)
            return Membership.objects.create(user=user, merchant=merchant, role=Role(role), created_at=now)
    except IntegrityError as error:
        raise AddressTaken from error


def set_password_path(membership: Membership) -> str:
    """The path of the page where the invited person chooses a password; it works once, for three days.

    Raises:
        AlreadyJoined: the person has a password.
    """
    user = membership.user
    if user.has_usable_password():
        raise AlreadyJoined
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("set_password", args=[uid, default_token_generator.make_token(user)])


def change_role(membership: Membership, role: str, *, actor: User, now: datetime) -> None:
    """Give the person another role; who was an owner is told (``former_owners``). Raises LastOwner."""
    with transaction.atomic():
        if Role(role) != Role.OWNER:
            _end_ownership(membership, actor=actor, now=now)
        membership.role = Role(role)
        membership.save(update_fields=["role"])


def remove(membership: Membership, *, actor: User, now: datetime) -> None:
    """Take the person out of the merchant; the log-in remains and opens nothing here. Raises LastOwner.

    Who was an owner is told (``former_owners``).
    """
    with transaction.atomic():
        _end_ownership(membership, actor=actor, now=now)
        membership.delete()


def _end_ownership(membership: Membership, *, actor: User, now: datetime) -> None:
    """Remember the person as a former owner, if it is an owner."""
    # Locked, so that two owners cannot take each other out at the same moment.
    owners = Membership.objects.select_for_update().filter(merchant=membership.merchant_id, role=Role.OWNER)
    owner_ids = [owner.pk for owner in owners]
    if membership.pk not in owner_ids:
        return
    if owner_ids == [membership.pk]:
        raise LastOwner
    FormerOwner.objects.create(
        merchant_id=membership.merchant_id, user_id=membership.user_id, removed_by=actor, left_at=now
    )

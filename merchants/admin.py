"""The city's view of people and merchants: who applied, who may trade. Stores are in ``merchants.store_admin``."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from merchants import bank_account_change, business_id, onboarding, store_admin, wording
from merchants.models import BankAccountChange, FormerOwner, Membership, Merchant, MerchantEvent, User

__all__ = ["store_admin"]  # Django looks for this module alone

admin.site.site_header = "Alatau Pay"
admin.site.site_title = "Alatau Pay"
admin.site.index_title = _("City administration")

MOVE_LABELS = {
    "approve": _("Approve"),
    "reject": _("Reject"),
    "suspend": _("Suspend"),
    "reinstate": _("Reinstate"),
}


class _UserCreationForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email",)

    def clean_email(self) -> str:
        """Addresses are kept in lower case."""
        email: str = self.cleaned_data["email"].lower()
        return email


class _UserChangeForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"

    def clean_email(self) -> str:
        """Addresses are kept in lower case."""
        email: str = self.cleaned_data["email"].lower()
        return email


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People who log in. A lost password is given anew here."""

    form = _UserChangeForm
    add_form = _UserCreationForm
    ordering = ("email",)
    list_display = ("email", "is_staff", "is_active", "last_login")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name")}),
        (
            _("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),
    )
    readonly_fields = ("last_login", "date_joined")


class MembershipInline(ReadOnlyInline):
    """The merchant's people."""

    model = Membership
    fields = ("user", "role", "created_at")
    readonly_fields = fields


class EventInline(ReadOnlyInline):
    """The history of the merchant's status."""

    model = MerchantEvent
    fields = ("at", "actor", "from_status", "to_status", "reason")
    readonly_fields = fields


@admin.register(Merchant)
class MerchantAdmin(admin.ModelAdmin):
    """Applications and merchants; the buttons at the top of a merchant's page decide."""

    change_form_template = "admin/merchants/merchant/change_form.html"
    list_display = ("legal_name", "business_id", "legal_form", "status", "created_at")
    list_filter = ("status", "legal_form")
    search_fields = ("legal_name", "business_id", "contact_name", "iban")
    readonly_fields = (
        "id",
        "business_id",
        "business_id_meaning",
        "status",
        "decision_reason",
        "decided_by",
        "decided_at",
        "created_at",
        # It changes by a BankAccountChange that waits, asked for by an owner.
        "iban",
        "bank_bic",
    )
    fieldsets = (
        (None, {"fields": ("status", "decision_reason", "decided_by", "decided_at")}),
        (
            _("Business"),
            {
                "fields": (
                    "legal_name",
                    "legal_form",
                    "business_id",
                    "business_id_meaning",
                    "activity",
                    "address",
                    "contact_name",
                    "contact_phone",
                )
            },
        ),
        (_("Bank"), {"fields": ("iban", "bank_bic")}),
        (None, {"fields": ("id", "created_at")}),
    )
    inlines: ClassVar = [MembershipInline, EventInline]

    @admin.display(description=_("what the number says"))
    def business_id_meaning(self, merchant: Merchant) -> str:
        """The number decoded, for the clerk to compare with the documents."""
        try:
            decoded = business_id.parse(merchant.business_id, today=timezone.localdate())
        except business_id.BusinessIdRefused as error:
            return wording.business_id_fault(error.fault)
        return wording.business_id_meaning(decoded)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Businesses apply by themselves."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A merchant is suspended, never deleted."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """The decision's address before the general ones."""
        decide = path(
            "<str:merchant_id>/decide/",
            self.admin_site.admin_view(self.decide),
            name="merchants_merchant_decide",
        )
        return [decide, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the decisions that fit the merchant's status."""
        merchant = context.get("original")
        if isinstance(merchant, Merchant) and self.has_change_permission(request, merchant):
            context["moves"] = [
                {
                    "name": name,
                    "label": MOVE_LABELS[name],
                    "needs_reason": onboarding.MOVES[name].needs_reason,
                }
                for name in onboarding.possible_moves(merchant)
            ]
            context["reason_length_max"] = onboarding.REASON_LENGTH_MAX
        return super().render_change_form(request, context, *args, **kwargs)

    def decide(self, request: HttpRequest, merchant_id: str) -> HttpResponse:
        """Make the decision whose button was pressed (POST), then show the merchant again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        merchant = get_object_or_404(Merchant, pk=merchant_id)
        move = request.POST.get("move", "")
        if move not in onboarding.MOVES or not isinstance(request.user, User):
            raise PermissionDenied
        try:
            decided = onboarding.decide(
                merchant, move, admin=request.user, reason=request.POST.get("reason", ""), now=timezone.now()
            )
        except onboarding.MoveRefused as error:
            messages.error(request, str(error))
        else:
            self.log_change(request, decided, [{"changed": {"fields": ["status"]}}])
            messages.success(request, f"{decided}: {decided.get_status_display()}")
        return HttpResponseRedirect(reverse("admin:merchants_merchant_change", args=[merchant.pk]))


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs to which merchant; the merchant's owner changes it on the team page."""

    list_display = ("user", "merchant", "role", "created_at")
    list_filter = ("role",)
    search_fields = ("user__email", "merchant__legal_name")
    list_select_related = ("user", "merchant")


@admin.register(MerchantEvent)
class MerchantEventAdmin(ReadOnlyAdmin):
    """The decisions about merchants, newest first."""

    list_display = ("at", "merchant", "from_status", "to_status", "actor", "reason")
    list_filter = ("to_status", "at")
    search_fields = ("merchant__legal_name", "reason")
    list_select_related = ("merchant", "actor")
    ordering = ("-at",)


@admin.register(BankAccountChange)
class BankAccountChangeAdmin(ReadOnlyAdmin):
    """Bank accounts that merchants asked to be paid to, newest first: waiting, in force or cancelled.

    The city changes no account, but stops a change: for an owner who calls at night that it is a thief's.
    """

    change_form_template = "admin/merchants/bankaccountchange/change_form.html"
    list_display = (
        "requested_at",
        "merchant",
        "old_iban",
        "new_iban",
        "effective_at",
        "applied_at",
        "cancelled_at",
    )
    list_filter = (("applied_at", admin.EmptyFieldListFilter), "requested_at")
    search_fields = ("merchant__legal_name", "old_iban", "new_iban")
    list_select_related = ("merchant",)

    def get_urls(self) -> list[URLPattern]:
        """The button's address before the general ones."""
        stop = path(
            "<int:change_id>/stop/",
            self.admin_site.admin_view(self.stop),
            name="merchants_bankaccountchange_stop",
        )
        return [stop, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the button, for who may also suspend the merchant, while the change waits."""
        change = context.get("original")
        is_waiting = isinstance(change, BankAccountChange) and change.is_waiting
        context["may_stop"] = is_waiting and request.user.has_perm("merchants.change_merchant")
        return super().render_change_form(request, context, *args, **kwargs)

    def stop(self, request: HttpRequest, change_id: int) -> HttpResponse:
        """Stop the change (POST), then show it again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not isinstance(request.user, User) or not request.user.has_perm("merchants.change_merchant"):
            raise PermissionDenied
        change = get_object_or_404(BankAccountChange, pk=change_id)
        if bank_account_change.cancel(change, actor=request.user, now=timezone.now()):
            messages.success(request, _("The change is cancelled: payouts go to the old account."))
        else:
            messages.error(request, _("There is no change to cancel: it has taken effect or was cancelled."))
        return HttpResponseRedirect(reverse("admin:merchants_bankaccountchange_change", args=[change_id]))


@admin.register(FormerOwner)
class FormerOwnerAdmin(ReadOnlyAdmin):
    """Who stopped being an owner, by whose decision, and when they were told."""

    list_display = ("left_at", "merchant", "user", "removed_by", "told_at")
    list_filter = ("left_at",)
    search_fields = ("merchant__legal_name", "user__email")
    list_select_related = ("merchant", "user", "removed_by")

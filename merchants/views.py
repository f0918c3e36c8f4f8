"""The way in: home page, log-in, application, and where a person lands after it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, PasswordResetConfirmView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from merchants import bank_account, business_id, onboarding, wording
from merchants.application_form import ApplicationForm, SignUpForm
from merchants.forms import LogInForm
from merchants.models import Membership, Merchant, MerchantStatus, Role, Store, User
from merchants.roles import merchants_where, stores_of

PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"  # noqa: S105 — a dotted path


class LogIn(LoginView):
    """E-mail address and password."""

    authentication_form = LogInForm
    redirect_authenticated_user = True


class SetPassword(PasswordResetConfirmView):
    """Where an invited person chooses a password; the link works once."""

    template_name = "registration/set_password.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: object) -> HttpResponse:
        """Say what to do next."""
        messages.success(self.request, _("Your password is set. Log in with it."))
        return super().form_valid(form)


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What this is, for a stranger; the dashboard for a person who is logged in."""
    if request.user.is_authenticated:
        return redirect("dashboard")
    return render(request, "merchants/home.html")


@login_required
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """Where a person goes on: the store's invoices, the choice of stores, the first store, or the application."""
    stores = list(stores_of(_person(request))[:2])
    if len(stores) == 1:
        return redirect("invoice_list", stores[0].pk)
    if stores:
        return redirect("store_list")
    able = merchants_where(_person(request), "manage_store")
    if any(merchant.status == MerchantStatus.APPROVED for merchant in able):
        return redirect("store_create")
    if _person(request).is_staff and not Membership.objects.filter(user=_person(request)).exists():
        return redirect("admin:index")
    return redirect("application")


@login_required
@require_GET
def store_list(request: HttpRequest) -> HttpResponse:
    """Every store that the person may open."""
    able = merchants_where(_person(request), "manage_store")
    context = {
        "stores": stores_of(_person(request)),
        "can_create": any(merchant.status == MerchantStatus.APPROVED for merchant in able),
    }
    return render(request, "merchants/store_list.html", context)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def apply(request: HttpRequest) -> HttpResponse:
    """Sign up and apply for a business, on one page; a person who is logged in only applies."""
    if request.user.is_authenticated and Membership.objects.filter(user=request.user).exists():
        return redirect("application")
    data = request.POST if request.method == "POST" else None
    sign_up = None if request.user.is_authenticated else SignUpForm(data)
    form = ApplicationForm(data)
    # Both are judged, so that every mistake is shown at once.
    valid = [part.is_valid() for part in (sign_up, form) if part is not None] if data is not None else [False]
    if all(valid) and _applied(request, sign_up, form):
        return redirect("application")
    return render(
        request, "merchants/apply.html", {"form": form, "sign_up": sign_up, "meaning": _meaning(form)}
    )


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def application(request: HttpRequest) -> HttpResponse:
    """How one's application stands; a rejected one may be corrected and sent again by its owner."""
    membership = (
        Membership.objects.filter(user=_person(request))
        .select_related("merchant")
        .order_by("merchant__created_at")
        .first()
    )
    if membership is None:
        return redirect("apply")
    merchant = membership.merchant
    form = None
    if merchant.status == MerchantStatus.REJECTED and membership.role == Role.OWNER:
        form = ApplicationForm(request.POST if request.method == "POST" else None, instance=merchant)
        if form.is_bound and form.is_valid() and _applied_again(request, merchant, form):
            messages.success(request, _("Your application was sent again."))
            return redirect("application")
    # Read again: validating a form writes what was typed into its instance.
    merchant = Merchant.objects.get(pk=merchant.pk)
    decoded = business_id.parse(merchant.business_id, today=timezone.localdate())
    context = {
        "merchant": merchant,
        "membership": membership,
        "meaning": wording.business_id_meaning(decoded),
        "has_store": Store.objects.filter(merchant=merchant).exists(),
        "form": form,
    }
    return render(request, "merchants/application.html", context)


@require_GET
def decode(request: HttpRequest) -> JsonResponse:
    """What a business number and an account number say, while they are being typed. Looks nothing up."""
    number, iban = request.GET.get("business_id", ""), request.GET.get("iban", "")
    answer = {"business_id": "", "bic": ""}
    try:
        answer["business_id"] = wording.business_id_meaning(
            business_id.parse(number, today=timezone.localdate())
        )
    except business_id.BusinessIdRefused as error:
        if len(number.strip()) >= 12:
            answer["business_id"] = wording.business_id_fault(error.fault)
    try:
        answer["bic"] = bank_account.hint_bic(bank_account.parse_iban(iban)) or ""
    except bank_account.BankAccountRefused:
        pass  # nothing to say before the number is whole; the form says what is wrong with it
    return JsonResponse(answer)


def _person(request: HttpRequest) -> User:
    """The person who is logged in; only behind ``login_required``."""
    assert isinstance(request.user, User)
    return request.user


def _meaning(form: ApplicationForm) -> str:
    return wording.business_id_meaning(form.decoded) if form.decoded else ""


def _applied(request: HttpRequest, sign_up: SignUpForm | None, form: ApplicationForm) -> bool:
    try:
        with transaction.atomic():
            person = _signed_up(sign_up) if sign_up else _person(request)
            onboarding.apply(form.application(), applicant=person, now=timezone.now())
    except onboarding.BusinessIdTaken:
        # Another application with the same number was faster than our look.
        form.add_error("business_id", str(wording.BUSINESS_ID_UNUSABLE))
        return False
    if sign_up:
        login(request, person, backend=PASSWORD_BACKEND)
    return True


def _signed_up(sign_up: SignUpForm) -> User:
    return User.objects.create_user(sign_up.cleaned_data["email"], sign_up.cleaned_data["password"])


def _applied_again(request: HttpRequest, merchant: Merchant, form: ApplicationForm) -> bool:
    try:
        onboarding.apply_again(merchant, form.application(), applicant=_person(request), now=timezone.now())
    except onboarding.BusinessIdTaken:
        form.add_error("business_id", str(wording.BUSINESS_ID_UNUSABLE))
        return False
    except onboarding.MoveRefused:
        # A city admin decided meanwhile: the page now shows that.
        return True
    return True

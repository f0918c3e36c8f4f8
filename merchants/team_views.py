"""The page of a merchant's team."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from merchants import team, wording
from merchants.forms import InviteForm, RoleForm
from merchants.models import Membership, Store, User
from merchants.roles import store_for


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, store_id: str) -> HttpResponse:
    """Who works here. A new member's link is shown in the answer to the invitation, and handed over by the owner."""
    store = store_for(request.user, store_id, "manage_team")
    form, invited = InviteForm(request.POST or None), None
    if form.is_bound and form.is_valid():
        invited = _invited(store, form)
        form = form if invited is None else InviteForm()
    return _page(request, store, form=form, invited=invited)


@login_required
@never_cache
@require_POST
def member_link(request: HttpRequest, store_id: str, membership_id: int) -> HttpResponse:
    """Show a fresh link for a member who has not chosen a password yet."""
    store, membership = _found(request, store_id, membership_id)
    return _page(request, store, form=InviteForm(), invited=membership)


@login_required
@require_POST
def member_role(request: HttpRequest, store_id: str, membership_id: int) -> HttpResponse:
    """Give a member another role."""
    store, membership = _found(request, store_id, membership_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        try:
            team.change_role(
                membership, form.cleaned_data["role"], actor=_person(request), now=timezone.now()
            )
            messages.success(request, _("Saved."))
        except team.LastOwner:
            messages.error(request, _("There must be at least one owner."))
    return redirect("team", store.pk)


@login_required
@require_POST
def member_remove(request: HttpRequest, store_id: str, membership_id: int) -> HttpResponse:
    """Take a member out of the team."""
    store, membership = _found(request, store_id, membership_id)
    try:
        team.remove(membership, actor=_person(request), now=timezone.now())
        messages.success(request, _("The person no longer has access."))
    except team.LastOwner:
        messages.error(request, _("There must be at least one owner."))
    # Who left by themselves may not see the team any more.
    return redirect("dashboard") if membership.user_id == request.user.pk else redirect("team", store.pk)


def _person(request: HttpRequest) -> User:
    """The person who is logged in; only behind ``login_required``."""
    assert isinstance(request.user, User)
    return request.user


def _found(request: HttpRequest, store_id: str, membership_id: int) -> tuple[Store, Membership]:
    store = store_for(request.user, store_id, "manage_team")
    found = Membership.objects.select_related("user", "merchant")
    return store, get_object_or_404(found, merchant=store.merchant_id, pk=membership_id)


def _invited(store: Store, form: InviteForm) -> Membership | None:
    data = form.cleaned_data
    try:
        return team.invite(
            merchant=store.merchant, email=data["email"], role=data["role"], now=timezone.now()
        )
    except team.AddressTaken:
        form.add_error("email", str(wording.EMAIL_UNUSABLE))
        return None


def _page(
    request: HttpRequest, store: Store, *, form: InviteForm, invited: Membership | None
) -> HttpResponse:
    link = ""
    if invited is not None:
        try:
            link = settings.SITE_URL + team.set_password_path(invited)
        except team.AlreadyJoined:
            messages.error(request, _("This person has chosen a password already."))
    memberships = (
        Membership.objects.filter(merchant=store.merchant).select_related("user").order_by("created_at")
    )
    rows = [
        {"membership": row, "form": RoleForm(initial={"role": row.role}, auto_id=f"member_{row.pk}_%s")}
        for row in memberships
    ]
    context = {"store": store, "nav": "team", "form": form, "rows": rows, "invited": invited, "link": link}
    return render(request, "merchants/team.html", context)

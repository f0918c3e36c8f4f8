"""The city admin's page of the networks and their nodes, and the button that lets a halted network be read again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alatau_pay.admin_readonly import ReadOnlyAdmin
from chains import halting
from chains.health_report import NetworkReport, NodeReport, report
from chains.models import Network, NetworkAlert, NodeHealth
from chains.node_state import NodeState

ALERTS_SHOWN = 10

_TROUBLES: dict[str, str | Promise] = {
    "": _("up to date"),
    "halted": _("halted"),
    "not read yet": _("not read yet"),
    "not observed": _("not up to date"),
}
_STATES: dict[NodeState, str | Promise] = {
    NodeState.FOLLOWING: _("follows"),
    NodeState.BEHIND: _("behind the others"),
    NodeState.STUCK: _("stuck: no new block"),
    NodeState.DOWN: _("down"),
}


class HealthPages(admin.ModelAdmin):
    """What NetworkAdmin shows of health: ``…/network/health/`` and the resume button's address."""

    change_list_template = "admin/chains/network/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """The health page before the general ones."""
        view = self.admin_site.admin_view
        pages = [
            path("health/", view(self.health), name="chains_network_health"),
            path("<slug:slug>/resume/", view(self.resume), name="chains_network_resume"),
        ]
        return [*pages, *super().get_urls()]

    def health(self, request: HttpRequest) -> HttpResponse:
        """Every enabled network: how far it is read, how its nodes do, what waits."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Health of the networks"),
            "opts": self.opts,
            "now": now,
            "networks": [_network(each) for each in report(now=now)],
            "alerts": NetworkAlert.objects.select_related("network")[:ALERTS_SHOWN],
            "may_resume": self.has_change_permission(request),
        }
        return TemplateResponse(request, "admin/chains/network/health.html", context)

    def resume(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Read a halted network again from where it stopped."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        network = get_object_or_404(Network, pk=slug)
        if halting.resume(network.slug):
            self.log_change(request, network, f"Resumed; it was halted: {network.halted_reason}")
            messages.success(request, gettext("%(network)s is read again.") % {"network": network})
        else:
            messages.info(request, gettext("%(network)s was not halted.") % {"network": network})
        return redirect("admin:chains_network_health")


@admin.register(NodeHealth)
class NodeHealthAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "network",
        "priority",
        "head_height",
        "head_since",
        "answered_at",
        "asked_at",
        "fault",
    )
    list_filter = ("network",)
    search_fields = ("name",)
    exclude = ("head_hash",)


@admin.register(NetworkAlert)
class NetworkAlertAdmin(ReadOnlyAdmin):
    list_display = ("network", "kind", "raised_at", "cleared_at", "detail")
    list_filter = ("network", "kind")
    search_fields = ("detail",)
    date_hierarchy = "raised_at"
    list_select_related: ClassVar = ["network"]


def _network(each: NetworkReport) -> dict[str, Any]:
    """The network as the page words it."""
    return {
        "report": each,
        "network": each.network,
        "state": _TROUBLES[each.trouble],
        "observed": _ago(each.observed_age),
        "head": _span(each.head_age),
        "unmatched": _span(each.unmatched_age),
        "unmined": _span(each.unmined_age),
        "nodes": [_node(node) for node in each.nodes],
    }


def _node(node: NodeReport) -> dict[str, Any]:
    return {
        "name": node.name,
        "is_well": node.state is NodeState.FOLLOWING,
        "state": _STATES[node.state],
        "height": node.height,
        "head": _span(node.head_age),
        "asked": _ago(node.asked_age),
        "fault": node.fault.removeprefix(f"{node.name}: "),
    }


def _span(age: timedelta | None) -> str:
    """ "4 s", "12 min", "3 h 5 min", "2 d 4 h"; a dash for nothing."""
    if age is None:
        return "–"
    seconds = int(age.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes == 0:
        return gettext("%(seconds)s s") % {"seconds": seconds}
    if hours == 0:
        return gettext("%(minutes)s min") % {"minutes": minutes}
    if days == 0:
        return gettext("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes % 60}
    return gettext("%(days)s d %(hours)s h") % {"days": days, "hours": hours % 24}


def _ago(age: timedelta | None) -> str:
    return "–" if age is None else gettext("%(span)s ago") % {"span": _span(age)}

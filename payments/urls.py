"""Addresses of the checkout page, the till and the invoices of a store's dashboard."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from payments import dashboard, held_views, late_views, operations, pos, refund_views, views


class IdentifierConverter(StringConverter):
    """A public identifier: letters and digits only, so that nothing else ever reaches a query."""

    regex = "[A-Za-z0-9]{1,32}"


register_converter(IdentifierConverter, "identifier")

urlpatterns = [
    path("healthz", operations.healthz, name="healthz"),
    path("metrics", operations.prometheus, name="metrics"),
    path("i/<identifier:invoice_id>", views.checkout, name="checkout"),
    path("i/<identifier:invoice_id>/", views.checkout),
    path("i/<identifier:invoice_id>/status", views.checkout_status, name="checkout_status"),
    path("i/<identifier:invoice_id>/qr/<int:quote_id>.png", views.checkout_qr, name="checkout_qr"),
    path("pos/<identifier:store_id>/", pos.till, name="pos"),
    path("pos/<identifier:store_id>/i/<identifier:invoice_id>/", pos.invoice, name="pos_invoice"),
    path("stores/<identifier:store_id>/invoices/", dashboard.invoice_list, name="invoice_list"),
    path("stores/<identifier:store_id>/invoices/new/", dashboard.invoice_create, name="invoice_create"),
    path(
        "stores/<identifier:store_id>/invoices/<identifier:invoice_id>/",
        dashboard.invoice_detail,
        name="invoice_detail",
    ),
    path("i/<identifier:invoice_id>/late", late_views.late, name="late"),
    path("r/<identifier:link_id>", refund_views.resident, name="refund"),
    path("stores/<identifier:store_id>/refunds/", refund_views.refund_list, name="refund_list"),
    path(
        "stores/<identifier:store_id>/refunds/<int:refund_id>/",
        refund_views.refund_decide,
        name="refund_decide",
    ),
    path(
        "stores/<identifier:store_id>/invoices/<identifier:invoice_id>/refund/",
        refund_views.refund_start,
        name="refund_start",
    ),
    path("stores/<identifier:store_id>/held/", held_views.held_list, name="held_list"),
    path("stores/<identifier:store_id>/held/<int:payment_id>/", held_views.held_decide, name="held_decide"),
]

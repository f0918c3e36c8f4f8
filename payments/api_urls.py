"""Addresses of the API that concern invoices."""

from django.urls import path

from payments import api, refund_api

urlpatterns = [
    path("stores/<str:store_id>/payment-methods", api.StorePaymentMethods.as_view()),
    path("stores/<str:store_id>/invoices", api.Invoices.as_view()),
    path("stores/<str:store_id>/invoices/<str:invoice_id>", api.OneInvoice.as_view()),
    path(
        "stores/<str:store_id>/invoices/<str:invoice_id>/payment-methods", api.InvoicePaymentMethods.as_view()
    ),
    path("stores/<str:store_id>/invoices/<str:invoice_id>/refund", refund_api.InvoiceRefunds.as_view()),
    path("stores/<str:store_id>/invoices/<str:invoice_id>/status", api.InvoiceStatusChange.as_view()),
]

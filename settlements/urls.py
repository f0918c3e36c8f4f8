"""Addresses of a merchant's finance pages."""

from django.urls import path

from settlements import account_views, document_views, views

urlpatterns = [
    path("stores/<str:store_id>/payouts/", views.payout_list, name="payouts"),
    path("stores/<str:store_id>/payouts/request/", views.payout_request, name="payout_request"),
    path("stores/<str:store_id>/payouts/settings/", views.payout_settings, name="payout_settings"),
    path("stores/<str:store_id>/payouts/account/", views.account_change, name="account_change"),
    path(
        "stores/<str:store_id>/payouts/account/cancel/",
        views.account_change_cancel,
        name="account_change_cancel",
    ),
    path("stores/<str:store_id>/payouts/<int:number>/", views.payout_detail, name="payout"),
    path("stores/<str:store_id>/account/", account_views.account, name="account"),
    path("stores/<str:store_id>/account/<int:entry_id>/proof/", account_views.proof, name="entry_proof"),
    path("stores/<str:store_id>/documents/", document_views.documents, name="documents"),
    path(
        "stores/<str:store_id>/documents/<str:export_id>/status",
        document_views.export_status,
        name="document_status",
    ),
    path(
        "stores/<str:store_id>/documents/<str:export_id>/file",
        document_views.export_file,
        name="document_file",
    ),
]

"""Addresses of the way in and of a store's pages (its invoices are in ``payments.urls``)."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from merchants import account_change_views, store_views, team_views, views, webhook_views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.LogIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("set-password/<uidb64>/<token>/", views.SetPassword.as_view(), name="set_password"),
    path("account-change/<str:token>/", account_change_views.stop, name="account_change_stop"),
    path("apply/", views.apply, name="apply"),
    path("apply/decode/", views.decode, name="apply_decode"),
    path("application/", views.application, name="application"),
    path("dashboard/", views.dashboard, name="dashboard"),
    path("stores/", views.store_list, name="store_list"),
    path("stores/new/", store_views.store_create, name="store_create"),
    path("stores/<str:store_id>/settings/", store_views.store_settings, name="store_settings"),
    path("stores/<str:store_id>/keys/", store_views.keys, name="api_keys"),
    path("stores/<str:store_id>/keys/<int:key_id>/revoke/", store_views.key_revoke, name="api_key_revoke"),
    path("stores/<str:store_id>/webhooks/", webhook_views.webhook_list, name="webhooks"),
    path(
        "stores/<str:store_id>/webhooks/<str:webhook_id>/",
        webhook_views.webhook_detail,
        name="webhook_detail",
    ),
    path(
        "stores/<str:store_id>/webhooks/<str:webhook_id>/delete/",
        webhook_views.webhook_delete,
        name="webhook_delete",
    ),
    path(
        "stores/<str:store_id>/webhooks/<str:webhook_id>/deliveries/<str:delivery_id>/",
        webhook_views.delivery_detail,
        name="webhook_delivery",
    ),
    path(
        "stores/<str:store_id>/webhooks/<str:webhook_id>/deliveries/<str:delivery_id>/redeliver/",
        webhook_views.delivery_redeliver,
        name="webhook_redeliver",
    ),
    path("stores/<str:store_id>/team/", team_views.members, name="team"),
    path("stores/<str:store_id>/team/<int:membership_id>/link/", team_views.member_link, name="team_link"),
    path("stores/<str:store_id>/team/<int:membership_id>/role/", team_views.member_role, name="team_role"),
    path(
        "stores/<str:store_id>/team/<int:membership_id>/remove/", team_views.member_remove, name="team_remove"
    ),
]

"""Every address of the program."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include("merchants.api_urls")),
    path("api/v1/", include("payments.api_urls")),
    path("", include("merchants.urls")),
    path("", include("settlements.urls")),
    path("", include("payments.urls")),
]

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the rooms below what only this one knows."""
        from merchants import installation
        from payments import checks  # noqa: F401 — registers itself
        from payments.offering import Offering
        from payments.operation_details import Details
        from settlements import operation_details

        installation.provide(Offering())
        operation_details.provide(Details())

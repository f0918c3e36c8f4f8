from django.apps import AppConfig


class ChainsConfig(AppConfig):
    name = "chains"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chains.derivation import require_fast_library

        require_fast_library()

"""The dated rows that every installation starts with: VAT 12 % until 2025, 16 % from 2026 (Tax Code No. 214-VIII of
18.07.2025), and a platform fee of 1 %, which the city's officer replaces by a row of a later date."""

from datetime import date

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def enter(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    vat = apps.get_model("settlements", "VatRate")
    fees = apps.get_model("settlements", "FeeSchedule")
    vat.objects.create(valid_from=date(2009, 1, 1), rate_basis_points=1200)
    vat.objects.create(valid_from=date(2026, 1, 1), rate_basis_points=1600)
    fees.objects.create(merchant=None, valid_from=date(2026, 1, 1), fee_basis_points=100)


def withdraw(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("settlements", "VatRate").objects.all().delete()
    apps.get_model("settlements", "FeeSchedule").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("settlements", "0002_ledger_rules")]
    operations = [migrations.RunPython(enter, withdraw)]

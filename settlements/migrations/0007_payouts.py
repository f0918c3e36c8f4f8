"""Payouts, batches, calendar."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("settlements", "0006_ledger_days")]
    operations = []

"""Rates from several sources."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_unclaimed_transfers")]
    operations = []

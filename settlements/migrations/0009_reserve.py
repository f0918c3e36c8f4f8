"""Acquisitions, sales, corrections."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("settlements", "0008_bank_statements")]
    operations = []

"""Exports made in the background."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("settlements", "0009_reserve")]
    operations = []

"""Bank statements and their lines."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("settlements", "0007_payouts")]
    operations = []

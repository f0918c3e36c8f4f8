"""Days that are closed and sealed, and closing balances."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("settlements", "0005_recipes")]
    operations = []

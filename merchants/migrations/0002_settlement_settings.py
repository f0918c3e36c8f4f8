"""How a merchant is paid out; what a store does with an excess."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_initial")]
    operations = []

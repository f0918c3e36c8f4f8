"""What becomes of an excess is agreed when the invoice is made, like its tolerance."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0008_reconciliation")]
    operations = [
        migrations.AddField("invoice", "keeps_excess", models.BooleanField(default=False)),
    ]

"""A refund that is asked for twice under one key is started once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_rules_of_our_tables")]
    operations = [
        migrations.AddField("refund", "idempotency_key", models.CharField(max_length=120, null=True)),
        migrations.AddField("refund", "request_sha256", models.BinaryField(max_length=32, null=True)),
        migrations.AddConstraint(
            "refund",
            models.UniqueConstraint(
                fields=("payment", "idempotency_key"), name="one_refund_per_payment_and_idempotency_key"
            ),
        ),
    ]

"""Payments of the operator's own to other people's addresses are watched."""

import alatau_pay.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chains", "0004_alerts")]

    operations = [
        migrations.CreateModel(
            name="Destination",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.BinaryField(max_length=64)),
                ("address", models.CharField(max_length=100)),
                ("created_at", models.DateTimeField()),
                (
                    "network",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="destinations",
                        to="chains.network",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OutgoingTransfer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("txid", models.BinaryField(max_length=32)),
                ("index", models.IntegerField()),
                ("amount_minor", alatau_pay.fields.MinorAmountField()),
                ("sender", models.CharField(blank=True, max_length=100)),
                ("fee_minor", alatau_pay.fields.MinorAmountField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("Seen", "Seen, not in a block"), ("Mined", "In a block"), ("Gone", "Gone")],
                        max_length=8,
                    ),
                ),
                ("block_height", models.BigIntegerField(null=True)),
                ("block_hash", models.BinaryField(max_length=32, null=True)),
                ("seen_at", models.DateTimeField()),
                ("pending", models.BooleanField(default=True)),
                (
                    "asset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="chains.onchainasset",
                    ),
                ),
                (
                    "destination",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers",
                        to="chains.destination",
                    ),
                ),
                (
                    "network",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="outgoing_transfers",
                        to="chains.network",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="chains.wallet",
                    ),
                ),
            ],
            options={
                "ordering": ["-seen_at", "-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="destination",
            constraint=models.UniqueConstraint(fields=("network", "key"), name="destination_watched_once"),
        ),
        migrations.AddIndex(
            model_name="outgoingtransfer",
            index=models.Index(condition=models.Q(("pending", True)), fields=["id"], name="outgoing_queue"),
        ),
        migrations.AddIndex(
            model_name="outgoingtransfer",
            index=models.Index(
                condition=models.Q(("state", "Seen")), fields=["network"], name="outgoing_unmined"
            ),
        ),
        migrations.AddConstraint(
            model_name="outgoingtransfer",
            constraint=models.UniqueConstraint(
                fields=("network", "txid", "index"), name="one_row_per_outgoing_transfer"
            ),
        ),
        migrations.AddConstraint(
            model_name="outgoingtransfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="outgoing_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="outgoingtransfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("block_hash__isnull", False), ("block_height__isnull", False), ("state", "Mined")
                    ),
                    models.Q(
                        models.Q(("state", "Mined"), _negated=True),
                        ("block_hash__isnull", True),
                        ("block_height__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="outgoing_has_block_while_mined",
            ),
        ),
    ]

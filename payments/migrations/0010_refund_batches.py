"""Every way of sending refunds claims them first: a batch is a PSBT, a file of calls, or a code. Those there are PSBTs."""

import alatau_pay.fields
import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_excess_policy"),
    ]

    operations = [
        migrations.AddField(
            model_name="refundbatch",
            name="calls",
            field=models.TextField(null=True),
        ),
        migrations.AddField(
            model_name="refundbatch",
            name="kind",
            field=models.CharField(
                choices=[("psbt", "PSBT"), ("calls", "File of calls"), ("code", "Code to be scanned")],
                default="psbt",
                max_length=8,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="refundbatch",
            name="uri",
            field=models.CharField(max_length=300, null=True),
        ),
        migrations.AlterField(
            model_name="refundbatch",
            name="fee_minor",
            field=alatau_pay.fields.MinorAmountField(null=True),
        ),
        migrations.AlterField(
            model_name="refundbatch",
            name="psbt",
            field=models.TextField(null=True),
        ),
        migrations.AlterField(
            model_name="refundbatch",
            name="sat_per_vbyte",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="refundbatch",
            name="spends",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=80), null=True, size=None
            ),
        ),
        migrations.AddConstraint(
            model_name="refundbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["psbt", "calls", "code"])), name="refund_batch_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="refundbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("fee_minor__isnull", False),
                        ("kind", "psbt"),
                        ("psbt__isnull", False),
                        ("sat_per_vbyte__isnull", False),
                        ("spends__isnull", False),
                    ),
                    models.Q(
                        models.Q(("kind", "psbt"), _negated=True),
                        ("fee_minor__isnull", True),
                        ("psbt__isnull", True),
                        ("sat_per_vbyte__isnull", True),
                        ("spends__isnull", True),
                        ("txid__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="refund_batch_psbt_has_its_parts",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("calls__isnull", False), ("kind", "calls"), models.Q(("calls", ""), _negated=True)
                    ),
                    models.Q(models.Q(("kind", "calls"), _negated=True), ("calls__isnull", True)),
                    _connector="OR",
                ),
                name="refund_batch_calls_has_its_file",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "code"), ("uri__isnull", False), models.Q(("uri", ""), _negated=True)),
                    models.Q(models.Q(("kind", "code"), _negated=True), ("uri__isnull", True)),
                    _connector="OR",
                ),
                name="refund_batch_code_has_its_uri",
            ),
        ),
    ]

"""Who was an owner is remembered, so that somebody who puts the real owner out cannot change the bank account unseen; and the
database, too, lets a bank account change only a day after the owners were told."""

import datetime

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("merchants", "0003_rules_of_our_tables")]
    operations = [
        migrations.CreateModel(
            name="FormerOwner",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("left_at", models.DateTimeField(verbose_name="no longer an owner since")),
                ("told_at", models.DateTimeField(null=True, verbose_name="told at")),
                ("merchant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="former_owners", to="merchants.merchant", verbose_name="merchant")),
                ("removed_by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL, verbose_name="by whom")),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL, verbose_name="person")),
            ],
            options={"verbose_name": "former owner", "verbose_name_plural": "former owners", "ordering": ["-left_at", "-id"]},
        ),
        migrations.AddConstraint(
            model_name="bankaccountchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("applied_at__isnull", True),
                    models.Q(
                        (
                            "applied_at__gte",
                            django.db.models.expressions.CombinedExpression(
                                models.F("told_at"), "+", models.Value(datetime.timedelta(days=1))
                            ),
                        ),
                        ("told_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="account_change_applied_a_day_after_it_was_told",
            ),
        ),
    ]

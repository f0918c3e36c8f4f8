"""A nightly run remembers that the city was told of it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0013_payout_differences'),
    ]

    operations = [
        migrations.AddField(
            model_name='reconciliationrun',
            name='told_at',
            field=models.DateTimeField(null=True, verbose_name='mailed at'),
        ),
    ]

"""What the proof of the ledger of each night came to."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('settlements', '0013_approved_batches'),
    ]

    operations = [
        migrations.CreateModel(
            name='LedgerVerification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('night', models.DateField(unique=True, verbose_name='night of')),
                ('outcome', models.CharField(choices=[('Running', 'being proved'), ('Proved', 'proved'), ('Differs', 'not what was posted'), ('Failed', 'could not be proved')], max_length=8, verbose_name='outcome')),
                ('started_at', models.DateTimeField(verbose_name='begun at')),
                ('sentence', models.TextField(blank=True, verbose_name='what was proved')),
                ('finding_count', models.PositiveIntegerField(default=0, verbose_name='findings')),
                ('findings', models.TextField(blank=True, verbose_name='what is wrong')),
                ('last_day', models.DateField(null=True, verbose_name='last sealed day')),
                ('last_seal', models.BinaryField(max_length=32, null=True)),
                ('told_at', models.DateTimeField(null=True, verbose_name='mailed at')),
            ],
            options={
                'verbose_name': 'verification of the ledger',
                'verbose_name_plural': 'verifications of the ledger',
                'ordering': ['-night'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('finding_count__gt', 0), ('outcome', 'Differs')), models.Q(models.Q(('outcome', 'Differs'), _negated=True), ('finding_count', 0), ('findings', '')), _connector='OR'), name='verification_differs_by_findings'), models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'Running'), ('sentence', ''), ('told_at__isnull', True)), models.Q(models.Q(('outcome', 'Running'), _negated=True), models.Q(('sentence', ''), _negated=True)), _connector='OR'), name='verification_says_what_it_came_to'), models.CheckConstraint(condition=models.Q(models.Q(('last_day__isnull', True), ('last_seal__isnull', True)), models.Q(('last_day__isnull', False), ('last_seal__isnull', False)), _connector='OR'), name='verification_seal_of_a_day')],
            },
        ),
    ]

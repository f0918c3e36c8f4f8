"""Exports made in the background, and their files in parts."""

import alatau_pay.identifiers
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0002_settlement_settings"),
        ("settlements", "0009_reserve"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DocumentExport',
            fields=[
                ('id', models.CharField(default=alatau_pay.identifiers.new_public_id, editable=False, max_length=32, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('register', 'Register of operations'), ('fee_invoice', 'Fee invoice for a month'), ('act', 'Act of services for a month')], max_length=12)),
                ('format', models.CharField(choices=[('pdf', 'PDF'), ('xlsx', 'Excel (XLSX)'), ('csv', 'CSV'), ('1c', 'Statement for 1C')], max_length=4)),
                ('language', models.CharField(max_length=2)),
                ('first_day', models.DateField()),
                ('last_day', models.DateField()),
                ('status', models.CharField(choices=[('Queued', 'Waiting'), ('Running', 'Being made'), ('Done', 'Ready'), ('Failed', 'Failed')], default='Queued', max_length=8)),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(default=0)),
                ('size_bytes', models.PositiveBigIntegerField(default=0)),
                ('fault', models.CharField(blank=True, choices=[('refused', 'This document cannot be made for that period.'), ('too_long', 'More operations than Excel holds: take CSV, or a shorter period.'), ('gave_up', 'It failed several times. Try a shorter period, or tell the operator.')], max_length=12)),
                ('requested_at', models.DateTimeField()),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('heartbeat_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='document_exports', to='merchants.merchant')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-requested_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='DocumentPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('content', models.BinaryField()),
                ('export', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='settlements.documentexport')),
            ],
            options={
                'ordering': ['position'],
            },
        ),
        migrations.AddIndex(
            model_name='documentexport',
            index=models.Index(condition=models.Q(('status', 'Queued')), fields=['requested_at'], name='export_queue'),
        ),
        migrations.AddIndex(
            model_name='documentexport',
            index=models.Index(fields=['merchant', '-requested_at'], name='export_by_merchant'),
        ),
        migrations.AddConstraint(
            model_name='documentexport',
            constraint=models.CheckConstraint(condition=models.Q(('last_day__gte', models.F('first_day'))), name='export_days_in_order'),
        ),
        migrations.AddConstraint(
            model_name='documentexport',
            constraint=models.CheckConstraint(condition=models.Q(('language__in', ['kk', 'ru', 'en'])), name='export_language'),
        ),
        migrations.AddConstraint(
            model_name='documentexport',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['Queued', 'Running'])), models.Q(('finished_at__isnull', False), ('status__in', ['Done', 'Failed'])), _connector='OR'), name='export_finished_iff_over'),
        ),
        migrations.AddConstraint(
            model_name='documentexport',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'Failed'), models.Q(('fault', ''), _negated=True)), models.Q(models.Q(('status', 'Failed'), _negated=True), ('fault', '')), _connector='OR'), name='export_failed_iff_there_is_a_fault'),
        ),
        migrations.AddConstraint(
            model_name='documentexport',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'Running')), fields=('status',), name='one_export_made_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='documentpart',
            constraint=models.UniqueConstraint(fields=('export', 'position'), name='one_part_per_position'),
        ),
    ]

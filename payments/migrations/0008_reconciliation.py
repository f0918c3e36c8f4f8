"""Reconciliation runs, what they compared, and the differences they found."""

import alatau_pay.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chains", "0005_outgoing"),
        ("payments", "0007_refunds"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(choices=[('Requested', 'Waits for a worker'), ('Running', 'Running'), ('Finished', 'Finished'), ('Failed', 'Failed')], default='Requested', max_length=10, verbose_name='status')),
                ('requested_at', models.DateTimeField(verbose_name='asked for at')),
                ('nightly_for', models.DateField(null=True, unique=True, verbose_name='night of')),
                ('started_at', models.DateTimeField(null=True, verbose_name='begun at')),
                ('failure', models.CharField(blank=True, max_length=300, verbose_name='failure')),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked for by')),
            ],
            options={
                'verbose_name': 'reconciliation run',
                'verbose_name_plural': 'reconciliation runs',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='PlaceBalance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('height', models.BigIntegerField(verbose_name='height')),
                ('deposits_minor', alatau_pay.fields.MinorAmountField()),
                ('elsewhere_minor', alatau_pay.fields.MinorAmountField()),
                ('ledger_minor', alatau_pay.fields.MinorAmountField()),
                ('not_booked_minor', alatau_pay.fields.MinorAmountField()),
                ('not_buried_minor', alatau_pay.fields.MinorAmountField()),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='chains.onchainasset', verbose_name='asset')),
                ('wallet', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='chains.wallet', verbose_name='wallet')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='balances', to='payments.reconciliationrun')),
            ],
            options={
                'verbose_name': 'balance of a wallet',
                'verbose_name_plural': 'balances of wallets',
                'ordering': ['-run', 'wallet', 'asset'],
            },
        ),
        migrations.CreateModel(
            name='Difference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(max_length=60, verbose_name='what is compared')),
                ('kind', models.CharField(choices=[('payment_reserve', "A payment's coins in the reserve"), ('payment_position', "A payment's coins credited"), ('payment_cost', "A payment's tenge credited"), ('payment_held', "A payment's coins held"), ('payment_merchant', 'Tenge of a payment at another merchant'), ('payment_transfer', 'A payment and its transfer'), ('entry_without_payment', 'An entry of a payment that is not there'), ('received_sum', 'Everything received'), ('held_sum', 'Everything held for residents'), ('refund_sum', 'Everything due to residents'), ('address_balance', 'More on an address than arrived'), ('place_balance', 'The reserve in a wallet'), ('payout_without_line', 'A completed payout that no statement shows'), ('line_without_payout', "A statement's line that matches nothing"), ('payout_amount', 'A payout and its statement line'), ('payout_overdue', 'A payout at the bank for too long')], max_length=24, verbose_name='what differs')),
                ('subject', models.CharField(max_length=100)),
                ('asset_code', models.CharField(max_length=32, verbose_name='asset')),
                ('asset_decimals', models.PositiveSmallIntegerField()),
                ('left_minor', alatau_pay.fields.MinorAmountField(null=True)),
                ('right_minor', alatau_pay.fields.MinorAmountField(null=True)),
                ('detail', models.CharField(blank=True, max_length=300, verbose_name='more')),
                ('first_seen_at', models.DateTimeField(verbose_name='first seen')),
                ('last_seen_at', models.DateTimeField(verbose_name='last seen')),
                ('resolved_at', models.DateTimeField(null=True, verbose_name='gone since')),
                ('first_run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.reconciliationrun', verbose_name='first run that saw it')),
                ('last_run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='differences', to='payments.reconciliationrun', verbose_name='last run that saw it')),
            ],
            options={
                'verbose_name': 'difference',
                'verbose_name_plural': 'differences',
                'ordering': ['first_seen_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Comparison',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(max_length=60, verbose_name='what is compared')),
                ('checked_count', models.PositiveIntegerField(default=0, verbose_name='figures compared')),
                ('difference_count', models.PositiveIntegerField(default=0, verbose_name='of them differ')),
                ('not_compared_reason', models.CharField(blank=True, max_length=300, verbose_name='why it was not compared')),
                ('height', models.BigIntegerField(null=True, verbose_name='height')),
                ('block_hash', models.BinaryField(max_length=32, null=True)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='comparisons', to='payments.reconciliationrun')),
            ],
            options={
                'verbose_name': 'part of a run',
                'verbose_name_plural': 'parts of runs',
                'ordering': ['-run', 'scope'],
            },
        ),
        migrations.AddConstraint(
            model_name='reconciliationrun',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'Running')), fields=('status',), name='one_reconciliation_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationrun',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('started_at__isnull', True), ('status', 'Requested')), models.Q(models.Q(('status', 'Requested'), _negated=True), ('started_at__isnull', False)), _connector='OR'), name='reconciliation_started_when'),
        ),
        migrations.AddConstraint(
            model_name='placebalance',
            constraint=models.UniqueConstraint(fields=('run', 'wallet', 'asset'), name='one_balance_of_a_place_per_run'),
        ),
        migrations.AddIndex(
            model_name='difference',
            index=models.Index(condition=models.Q(('resolved_at__isnull', True)), fields=['scope'], name='difference_standing'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.UniqueConstraint(condition=models.Q(('resolved_at__isnull', True)), fields=('kind', 'subject', 'asset_code'), name='one_standing_difference'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('left_minor__isnull', True), ('right_minor__isnull', False)), models.Q(('left_minor__isnull', False), ('right_minor__isnull', True)), models.Q(('left_minor__isnull', False), ('right_minor__isnull', False), models.Q(('left_minor', models.F('right_minor')), _negated=True)), _connector='OR'), name='difference_differs'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=models.Q(('last_seen_at__gte', models.F('first_seen_at')), models.Q(('resolved_at__isnull', True), ('resolved_at__gte', models.F('last_seen_at')), _connector='OR')), name='difference_times_in_order'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.UniqueConstraint(fields=('run', 'scope'), name='one_comparison_of_a_scope_per_run'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(('not_compared_reason', ''), models.Q(('checked_count', 0), ('difference_count', 0)), _connector='OR'), name='not_compared_has_no_figures'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('block_hash__isnull', True), ('height__isnull', True)), models.Q(('block_hash__isnull', False), ('height__isnull', False)), _connector='OR'), name='comparison_height_and_block'),
        ),
    ]

"""Rates from several sources: the official rate's days, how the sources do, alarms, and which old prices may be deleted."""

from django.db import migrations, models

# The rows of before were official for the day in Almaty on which they began to hold.
DAYS_OF_OLD_ROWS = """
UPDATE payments_rateobservation
   SET rate_date = (observed_at AT TIME ZONE 'Asia/Almaty')::date,
       requested_date = (observed_at AT TIME ZONE 'Asia/Almaty')::date
 WHERE source = 'national-bank';
"""

WHOLLY_APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payments_rateobservation
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

# Old prices are thinned to one an hour; whoever deletes, the first of each hour stays, and so do the official rates.
THINNED_ONLY = """
CREATE FUNCTION refuse_rate_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.rate_date IS NULL AND OLD.fetched_at < now() - interval '7 days' AND EXISTS (
        SELECT 1 FROM payments_rateobservation earlier
         WHERE earlier.base = OLD.base AND earlier.quote = OLD.quote AND earlier.source = OLD.source
           AND earlier.observed_at >= date_trunc('hour', OLD.observed_at)
           AND earlier.observed_at < date_trunc('hour', OLD.observed_at) + interval '1 hour'
           AND earlier.id < OLD.id
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a price that is official, recent or the first of its hour is not deleted'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE ON payments_rateobservation
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER thinned_only BEFORE DELETE ON payments_rateobservation
    FOR EACH ROW EXECUTE FUNCTION refuse_rate_deletion();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_unclaimed_transfers")]
    operations = [
        migrations.CreateModel(
            name='RateAlarm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('symbol', models.CharField(max_length=16)),
                ('kind', models.CharField(choices=[('too-few-paths', 'too few fresh paths to tenge'), ('paths-differ', 'the paths to tenge differ too much'), ('dollar-strays', 'USDT/KZT strays too far from the official dollar'), ('official-missing', 'no official dollar rate')], max_length=20)),
                ('detail', models.CharField(blank=True, max_length=300)),
                ('raised_at', models.DateTimeField()),
                ('cleared_at', models.DateTimeField(null=True)),
                ('raised_told_at', models.DateTimeField(null=True)),
                ('cleared_told_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-raised_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='RateSourceState',
            fields=[
                ('source', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('asked_at', models.DateTimeField()),
                ('answered_at', models.DateTimeField(null=True)),
                ('fault', models.CharField(blank=True, max_length=300)),
                ('fault_since', models.DateTimeField(null=True)),
                ('ask_again_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['source'],
            },
        ),
        migrations.AddField(
            model_name='rateobservation',
            name='rate_date',
            field=models.DateField(null=True, verbose_name='official for'),
        ),
        migrations.AddField(
            model_name='rateobservation',
            name='requested_date',
            field=models.DateField(null=True, verbose_name='asked for'),
        ),
        migrations.RunSQL("DROP TRIGGER append_only ON payments_rateobservation;", WHOLLY_APPEND_ONLY),
        migrations.RunSQL(DAYS_OF_OLD_ROWS, migrations.RunSQL.noop),
        migrations.RunSQL(
            THINNED_ONLY,
            "DROP TRIGGER thinned_only ON payments_rateobservation; DROP TRIGGER append_only ON payments_rateobservation;"
            " DROP FUNCTION refuse_rate_deletion();",
        ),
        migrations.AddIndex(
            model_name='rateobservation',
            index=models.Index(condition=models.Q(('rate_date__isnull', False)), fields=['base', '-requested_date'], name='official_rate_by_day'),
        ),
        migrations.AddConstraint(
            model_name='rateobservation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('rate_date__isnull', True), ('requested_date__isnull', True)), models.Q(('rate_date__isnull', False), ('requested_date__gte', models.F('rate_date')), ('requested_date__isnull', False)), _connector='OR'), name='official_rate_has_both_days'),
        ),
        migrations.AddConstraint(
            model_name='ratealarm',
            constraint=models.UniqueConstraint(condition=models.Q(('cleared_at__isnull', True)), fields=('symbol',), name='one_standing_alarm_per_symbol'),
        ),
        migrations.AddConstraint(
            model_name='ratealarm',
            constraint=models.CheckConstraint(condition=models.Q(('cleared_at__isnull', True), ('cleared_at__gte', models.F('raised_at')), _connector='OR'), name='rate_alarm_times_in_order'),
        ),
    ]

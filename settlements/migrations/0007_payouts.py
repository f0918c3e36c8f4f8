"""Payouts, batches, servicing banks, the calendar; and the rules of payouts that the database itself holds.

What a payout or a batch is made of never changes; statuses move forwards only; nobody approves a batch that they prepared,
nor one with a payout that they prepared; what is approved adds up; and no payout commits without its entry in the ledger:
reserved, and later completed, cancelled or returned.
"""

from datetime import date

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Official wording seen for 710 alone; the two others are known from statements and by use.
KNP_CODES = [
    (
        "190",
        "Возмещение выручки торговцу: под этим кодом приходят «Продажи с Kaspi.kz»; официальная формулировка не подтверждена",
        False,
    ),
    (
        "710",
        "Платежи за товары, за исключением недвижимости и товаров с кодами назначения платежей 711, 712 и 713",
        True,
    ),
    ("859", "Прочие услуги (официальная формулировка не подтверждена)", False),
]
KNP_FROM = date(2016, 8, 31)

FORWARD = """
CREATE TRIGGER payout_event_append_only BEFORE UPDATE OR DELETE ON settlements_payoutevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_event_no_truncate BEFORE TRUNCATE ON settlements_payoutevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_no_truncate BEFORE TRUNCATE ON settlements_payout
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_batch_no_truncate BEFORE TRUNCATE ON settlements_payoutbatch
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION payout_moves(from_status text, to_status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT from_status = to_status OR (from_status, to_status) IN (
        ('AwaitingApproval', 'AwaitingPayment'), ('AwaitingApproval', 'Cancelled'),
        ('AwaitingPayment', 'InProgress'), ('AwaitingPayment', 'Completed'), ('AwaitingPayment', 'Cancelled'),
        ('InProgress', 'Completed'), ('InProgress', 'Cancelled'),
        ('Completed', 'Cancelled'));
$$;

CREATE FUNCTION check_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payout is cancelled, never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status IN ('AwaitingPayment', 'InProgress', 'Completed') AND NOT EXISTS (
        SELECT 1 FROM settlements_payoutbatch WHERE id = NEW.batch_id AND approved_by_id IS NOT NULL) THEN
        RAISE EXCEPTION 'payout % is not in an approved batch', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        RETURN NEW;
    END IF;
    IF (NEW.merchant_id, NEW.number, NEW.amount_tiyn, NEW.first_day, NEW.last_day, NEW.operation_count, NEW.gross_tiyn,
        NEW.fee_tiyn, NEW.vat_tiyn, NEW.refunds_tiyn, NEW.other_tiyn, NEW.purpose, NEW.prepared_by_id, NEW.created_at)
       IS DISTINCT FROM
       (OLD.merchant_id, OLD.number, OLD.amount_tiyn, OLD.first_day, OLD.last_day, OLD.operation_count, OLD.gross_tiyn,
        OLD.fee_tiyn, OLD.vat_tiyn, OLD.refunds_tiyn, OLD.other_tiyn, OLD.purpose, OLD.prepared_by_id, OLD.created_at) THEN
        RAISE EXCEPTION 'what payout % is made of never changes', NEW.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.batch_id IS NOT NULL OR OLD.status <> 'AwaitingApproval')
       AND (NEW.iban, NEW.bank_bic, NEW.bank_name, NEW.payee_name, NEW.payee_business_id, NEW.kbe)
       IS DISTINCT FROM (OLD.iban, OLD.bank_bic, OLD.bank_name, OLD.payee_name, OLD.payee_business_id, OLD.kbe) THEN
        RAISE EXCEPTION 'the payee of payout % stands once it is in a batch', NEW.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.status <> 'AwaitingApproval' AND NEW.batch_id IS DISTINCT FROM OLD.batch_id THEN
        RAISE EXCEPTION 'payout % stays in its batch', NEW.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT payout_moves(OLD.status, NEW.status)
       OR (OLD.status = 'Completed' AND NEW.status = 'Cancelled' AND NEW.returned_at IS NULL) THEN
        RAISE EXCEPTION 'payout % does not move from % to %', NEW.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payout_rules BEFORE INSERT OR UPDATE OR DELETE ON settlements_payout
    FOR EACH ROW EXECUTE FUNCTION check_payout();

CREATE FUNCTION check_payout_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM settlements_journalentry entry
          JOIN settlements_posting posting ON posting.entry_id = entry.id
          JOIN settlements_account account ON account.id = posting.account_id
         WHERE entry.idempotency_key = 'payout:' || NEW.id || ':reserved' AND posting.side = 'D'
           AND account.code = 'payable:KZT:' || NEW.merchant_id AND posting.amount_minor = NEW.amount_tiyn) THEN
        RAISE EXCEPTION 'payout % has no reservation in the ledger', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status = 'Completed' AND NOT EXISTS (
        SELECT 1 FROM settlements_journalentry WHERE idempotency_key = 'payout:' || NEW.id || ':completed') THEN
        RAISE EXCEPTION 'payout % is completed without an entry', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status = 'Cancelled' AND NOT EXISTS (
        SELECT 1 FROM settlements_journalentry
         WHERE idempotency_key IN ('payout:' || NEW.id || ':cancelled', 'payout:' || NEW.id || ':returned')) THEN
        RAISE EXCEPTION 'payout % is cancelled without an entry', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payout_is_posted AFTER INSERT OR UPDATE OF status ON settlements_payout
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_payout_is_posted();

CREATE FUNCTION check_payout_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a batch is cancelled, never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.approved_by_id IS NOT NULL THEN
            RAISE EXCEPTION 'a batch is prepared before it is approved' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.number, NEW.servicing_bank_id, NEW.payout_count, NEW.total_tiyn, NEW.prepared_by_id, NEW.prepared_at)
       IS DISTINCT FROM
       (OLD.number, OLD.servicing_bank_id, OLD.payout_count, OLD.total_tiyn, OLD.prepared_by_id, OLD.prepared_at)
       OR (OLD.approved_by_id IS NOT NULL AND NEW.value_date <> OLD.value_date)
       OR (OLD.approved_by_id IS NOT NULL AND NEW.approved_by_id IS DISTINCT FROM OLD.approved_by_id) THEN
        RAISE EXCEPTION 'what batch % is made of never changes', NEW.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT payout_moves(OLD.status, NEW.status) THEN
        RAISE EXCEPTION 'batch % does not move from % to %', NEW.number, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approved_by_id IS NULL AND NEW.approved_by_id IS NOT NULL THEN
        SELECT count(*) AS payouts, sum(amount_tiyn) AS total,
               bool_or(prepared_by_id IS NOT DISTINCT FROM NEW.approved_by_id) AS own
          INTO held FROM settlements_payout WHERE batch_id = NEW.id;
        IF held.own THEN
            RAISE EXCEPTION 'batch % holds a payout that its approver prepared', NEW.number
                USING ERRCODE = 'check_violation';
        END IF;
        IF (held.payouts, held.total) IS DISTINCT FROM (NEW.payout_count::bigint, NEW.total_tiyn::numeric) THEN
            RAISE EXCEPTION 'batch % does not add up to its payouts', NEW.number USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payout_batch_rules BEFORE INSERT OR UPDATE OR DELETE ON settlements_payoutbatch
    FOR EACH ROW EXECUTE FUNCTION check_payout_batch();
"""

BACKWARD = """
DROP TRIGGER payout_batch_rules ON settlements_payoutbatch;
DROP FUNCTION check_payout_batch();
DROP TRIGGER payout_is_posted ON settlements_payout;
DROP FUNCTION check_payout_is_posted();
DROP TRIGGER payout_rules ON settlements_payout;
DROP FUNCTION check_payout();
DROP FUNCTION payout_moves(text, text);
DROP TRIGGER payout_batch_no_truncate ON settlements_payoutbatch;
DROP TRIGGER payout_no_truncate ON settlements_payout;
DROP TRIGGER payout_event_no_truncate ON settlements_payoutevent;
DROP TRIGGER payout_event_append_only ON settlements_payoutevent;
"""


def write_codes(apps, schema_editor):
    apps.get_model("settlements", "KnpCode").objects.bulk_create(
        apps.get_model("settlements", "KnpCode")(
            code=code, meaning=meaning, confirmed=confirmed, valid_from=KNP_FROM
        )
        for code, meaning, confirmed in KNP_CODES
    )


class Migration(migrations.Migration):
    dependencies = [
        ("settlements", "0006_ledger_days"),
        ("merchants", "0002_settlement_settings"),
    ]
    operations = [
        migrations.CreateModel(
            name='CalendarDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('date', models.DateField(unique=True, verbose_name='day')),
                ('is_working', models.BooleanField(verbose_name='business day')),
                ('note', models.CharField(max_length=200, verbose_name='by what decision')),
            ],
            options={
                'verbose_name': 'moved day',
                'verbose_name_plural': 'moved days',
                'ordering': ['-date'],
            },
        ),
        migrations.CreateModel(
            name='KnpCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=3, verbose_name='КНП')),
                ('meaning', models.CharField(max_length=300, verbose_name='meaning')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('valid_to', models.DateField(blank=True, null=True, verbose_name='valid to')),
                ('confirmed', models.BooleanField(default=False, verbose_name='wording confirmed by an official text')),
            ],
            options={
                'verbose_name': 'purpose code (КНП)',
                'verbose_name_plural': 'purpose codes (КНП)',
                'ordering': ['code', '-valid_from'],
                'constraints': [models.CheckConstraint(condition=models.Q(('code__regex', '^\\d{3}$')), name='knp_is_three_digits'), models.UniqueConstraint(fields=('code', 'valid_from'), name='one_knp_meaning_per_date'), models.CheckConstraint(condition=models.Q(('valid_to__isnull', True), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='knp_days_in_order')],
            },
        ),
        migrations.CreateModel(
            name='Payout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name='number')),
                ('status', models.CharField(choices=[('AwaitingApproval', 'Awaiting approval'), ('AwaitingPayment', 'Awaiting payment'), ('InProgress', 'In progress'), ('Completed', 'Completed'), ('Cancelled', 'Cancelled')], default='AwaitingApproval', max_length=16, verbose_name='status')),
                ('amount_tiyn', models.BigIntegerField()),
                ('first_day', models.DateField()),
                ('last_day', models.DateField()),
                ('operation_count', models.PositiveIntegerField()),
                ('gross_tiyn', models.BigIntegerField()),
                ('fee_tiyn', models.BigIntegerField()),
                ('vat_tiyn', models.BigIntegerField()),
                ('refunds_tiyn', models.BigIntegerField()),
                ('other_tiyn', models.BigIntegerField()),
                ('iban', models.CharField(max_length=20, verbose_name='account (IBAN)')),
                ('bank_bic', models.CharField(max_length=11, verbose_name='BIC')),
                ('bank_name', models.CharField(max_length=120, verbose_name='bank')),
                ('payee_name', models.CharField(max_length=200, verbose_name='payee')),
                ('payee_business_id', models.CharField(max_length=12, verbose_name="payee's БИН or ИИН")),
                ('kbe', models.CharField(max_length=2, verbose_name='КБе')),
                ('purpose', models.CharField(max_length=210, verbose_name='purpose')),
                ('created_at', models.DateTimeField(verbose_name='prepared at')),
                ('completed_at', models.DateTimeField(null=True, verbose_name='paid at')),
                ('returned_at', models.DateTimeField(null=True, verbose_name='returned at')),
                ('bank_reference', models.CharField(blank=True, max_length=80, verbose_name="bank's reference")),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='merchants.merchant', verbose_name='merchant')),
                ('prepared_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='prepared by')),
            ],
            options={
                'verbose_name': 'payout',
                'verbose_name_plural': 'payouts',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='PayoutBatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(unique=True, verbose_name='number')),
                ('value_date', models.DateField(verbose_name='value date')),
                ('status', models.CharField(choices=[('AwaitingApproval', 'Awaiting approval'), ('AwaitingPayment', 'Awaiting payment'), ('InProgress', 'In progress'), ('Completed', 'Completed'), ('Cancelled', 'Cancelled')], default='AwaitingApproval', max_length=16, verbose_name='status')),
                ('payout_count', models.PositiveIntegerField(verbose_name='payouts')),
                ('total_tiyn', models.BigIntegerField(verbose_name='total, tiyn')),
                ('prepared_at', models.DateTimeField(verbose_name='prepared at')),
                ('approved_at', models.DateTimeField(null=True, verbose_name='approved at')),
                ('file_taken_at', models.DateTimeField(null=True, verbose_name='file first taken at')),
                ('sent_at', models.DateTimeField(null=True, verbose_name='sent at')),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('approved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('file_taken_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='file first taken by')),
                ('prepared_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='prepared by')),
                ('sent_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='sent by')),
            ],
            options={
                'verbose_name': 'payout batch',
                'verbose_name_plural': 'payout batches',
                'ordering': ['-number'],
                'permissions': [('prepare_payoutbatch', 'Can prepare payouts and batches'), ('approve_payoutbatch', 'Can approve a batch that another person prepared')],
            },
        ),
        migrations.AddField(
            model_name='payout',
            name='batch',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='settlements.payoutbatch', verbose_name='batch'),
        ),
        migrations.CreateModel(
            name='PayoutEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='time')),
                ('from_status', models.CharField(blank=True, max_length=16, verbose_name='from')),
                ('to_status', models.CharField(max_length=16, verbose_name='to')),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='who')),
                ('payout', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='settlements.payout', verbose_name='payout')),
            ],
            options={
                'verbose_name': "payout's step",
                'verbose_name_plural': "payouts' steps",
                'ordering': ['at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='PayoutPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('schedule', models.CharField(choices=[('daily', 'Every business day'), ('weekly', 'Once a week'), ('threshold', 'When a sum is reached'), ('manual', 'Only when I ask for it')], default='daily', max_length=12, verbose_name='payouts')),
                ('weekday', models.PositiveSmallIntegerField(choices=[(0, 'Monday'), (1, 'Tuesday'), (2, 'Wednesday'), (3, 'Thursday'), (4, 'Friday')], default=0, verbose_name='day of the week')),
                ('threshold_tiyn', models.PositiveBigIntegerField(default=0, verbose_name='sum that starts a payout, tiyn')),
                ('minimum_tiyn', models.PositiveBigIntegerField(default=0, verbose_name='least payout, tiyn')),
                ('kbe', models.CharField(blank=True, help_text='Empty: by the legal form.', max_length=2, verbose_name='КБе')),
                ('updated_at', models.DateTimeField(verbose_name='changed at')),
                ('merchant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='payout_policy', to='merchants.merchant', verbose_name='merchant')),
                ('updated_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='changed by')),
            ],
            options={
                'verbose_name': 'payout policy',
                'verbose_name_plural': 'payout policies',
            },
        ),
        migrations.CreateModel(
            name='ServicingBank',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, verbose_name='bank')),
                ('bic', models.CharField(max_length=11, verbose_name='BIC')),
                ('iban', models.CharField(max_length=20, verbose_name="the operator's account (IBAN)")),
                ('payer_name', models.CharField(max_length=200, verbose_name='payer')),
                ('payer_business_id', models.CharField(max_length=12, verbose_name="payer's БИН")),
                ('payer_kbe', models.CharField(default='17', max_length=2, verbose_name="payer's КОд")),
                ('chief_name', models.CharField(blank=True, max_length=120, verbose_name='head of the organisation')),
                ('accountant_name', models.CharField(blank=True, max_length=120, verbose_name='chief accountant')),
                ('knp', models.CharField(default='190', help_text='The bank has to confirm it; 190 is what daily settlements of card acquirers arrive under.', max_length=3, verbose_name='КНП of payouts')),
                ('file_format', models.CharField(choices=[('1C', '1CClientBankExchange 2.00'), ('MT100', 'MT100, one message each'), ('MT102', 'MT102, one message for a bank'), ('pain.001', 'ISO 20022 pain.001.001.09'), ('CSV', 'CSV')], default='1C', max_length=16, verbose_name='file')),
                ('file_encoding', models.CharField(choices=[('utf-8', 'UTF-8'), ('windows-1251', 'windows-1251, Kazakh letters written with Russian ones')], default='utf-8', max_length=16, verbose_name='encoding')),
                ('mt_terminal', models.CharField(blank=True, max_length=30, verbose_name='MT terminal')),
                ('mt_system', models.CharField(default='SCLEAR', help_text='SCLEAR for clearing, SGROSS for single payments.', max_length=12, verbose_name='MT system')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('valid_to', models.DateField(blank=True, null=True, verbose_name='valid to')),
            ],
            options={
                'verbose_name': 'servicing bank',
                'verbose_name_plural': 'servicing banks',
                'ordering': ['name', 'id'],
                'constraints': [models.UniqueConstraint(fields=('iban', 'valid_from'), name='one_servicing_bank_per_date'), models.CheckConstraint(condition=models.Q(('iban__regex', '^KZ\\d{5}[A-Z0-9]{13}$')), name='servicing_bank_iban_of_kazakhstan'), models.CheckConstraint(condition=models.Q(('knp__regex', '^\\d{3}$')), name='servicing_bank_knp'), models.CheckConstraint(condition=models.Q(('payer_kbe__regex', '^[12]\\d$')), name='servicing_bank_kbe'), models.CheckConstraint(condition=models.Q(('payer_business_id__regex', '^\\d{12}$')), name='servicing_bank_payer_id'), models.CheckConstraint(condition=models.Q(('valid_to__isnull', True), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='servicing_bank_days_in_order')],
            },
        ),
        migrations.AddField(
            model_name='payoutbatch',
            name='servicing_bank',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='batches', to='settlements.servicingbank', verbose_name='from the account'),
        ),
        migrations.AddIndex(
            model_name='payout',
            index=models.Index(condition=models.Q(('status__in', ['AwaitingApproval', 'AwaitingPayment', 'InProgress'])), fields=['created_at'], name='payout_open'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.UniqueConstraint(fields=('merchant', 'number'), name='one_payout_per_number'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['AwaitingApproval', 'AwaitingPayment', 'InProgress', 'Completed', 'Cancelled'])), name='payout_status'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('amount_tiyn__gt', 0)), name='payout_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('last_day__gte', models.F('first_day'))), name='payout_days_in_order'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('amount_tiyn', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('gross_tiyn'), '-', models.F('fee_tiyn')), '-', models.F('vat_tiyn')), '-', models.F('refunds_tiyn')), '+', models.F('other_tiyn')))), name='payout_figures_add_up'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('iban__regex', '^KZ\\d{5}[A-Z0-9]{13}$')), name='payout_iban_of_kazakhstan'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('kbe__regex', '^[12]\\d$')), name='payout_kbe'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['AwaitingApproval', 'Cancelled']), ('batch__isnull', False), _connector='OR'), name='payout_travels_in_a_batch'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'Completed'), _negated=True), ('completed_at__isnull', False), _connector='OR'), name='payout_completed_when'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('returned_at__isnull', True), ('status', 'Cancelled'), _connector='OR'), name='payout_returned_is_cancelled'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'Cancelled'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='payout_cancelled_has_reason'),
        ),
        migrations.AddConstraint(
            model_name='payoutpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('schedule__in', ['daily', 'weekly', 'threshold', 'manual'])), name='payout_policy_schedule'),
        ),
        migrations.AddConstraint(
            model_name='payoutpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('weekday__lte', 4)), name='payout_policy_weekday'),
        ),
        migrations.AddConstraint(
            model_name='payoutpolicy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('schedule', 'threshold'), _negated=True), ('threshold_tiyn__gt', 0), _connector='OR'), name='payout_policy_has_threshold'),
        ),
        migrations.AddConstraint(
            model_name='payoutpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('kbe', ''), ('kbe__regex', '^[12]\\d$'), _connector='OR'), name='payout_policy_kbe'),
        ),
        migrations.AddConstraint(
            model_name='payoutbatch',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['AwaitingApproval', 'AwaitingPayment', 'InProgress', 'Completed', 'Cancelled'])), name='payout_batch_status'),
        ),
        migrations.AddConstraint(
            model_name='payoutbatch',
            constraint=models.CheckConstraint(condition=models.Q(('approved_by__isnull', True), models.Q(('approved_by', models.F('prepared_by')), _negated=True), _connector='OR'), name='payout_batch_takes_two_people'),
        ),
        migrations.AddConstraint(
            model_name='payoutbatch',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', True), ('approved_by__isnull', True)), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False)), _connector='OR'), name='payout_batch_approval_is_whole'),
        ),
        migrations.AddConstraint(
            model_name='payoutbatch',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['AwaitingApproval', 'Cancelled']), ('approved_by__isnull', False), _connector='OR'), name='payout_batch_is_approved'),
        ),
        migrations.AddConstraint(
            model_name='payoutbatch',
            constraint=models.CheckConstraint(condition=models.Q(('payout_count__gt', 0), ('total_tiyn__gt', 0)), name='payout_batch_holds_something'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunPython(write_codes, migrations.RunPython.noop),
    ]

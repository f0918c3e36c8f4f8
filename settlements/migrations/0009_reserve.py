"""Acquisitions, sales and corrections: what two people decide, held by the database."""

import alatau_pay.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# A document is what its preparer saw and its approver read: only the decision is written later, once, and nothing is deleted.
FORWARD = """
CREATE FUNCTION guard_two_person_document() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision CONSTANT text[] := ARRAY['status', 'approved_by_id', 'approved_at', 'refused_by_id', 'refused_at',
                                      'refusal_reason', 'ledger_entry_id', 'cost_tiyn'];
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% keeps what was prepared: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.status <> 'Prepared' THEN
        RAISE EXCEPTION '% % was decided already', TG_TABLE_NAME, OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - decision IS DISTINCT FROM to_jsonb(OLD) - decision THEN
        RAISE EXCEPTION '% % stays as it was prepared', TG_TABLE_NAME, OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER acquisition_guard BEFORE UPDATE OR DELETE ON settlements_acquisition
    FOR EACH ROW EXECUTE FUNCTION guard_two_person_document();
CREATE TRIGGER reserve_sale_guard BEFORE UPDATE OR DELETE ON settlements_reservesale
    FOR EACH ROW EXECUTE FUNCTION guard_two_person_document();
CREATE TRIGGER correction_guard BEFORE UPDATE OR DELETE ON settlements_correction
    FOR EACH ROW EXECUTE FUNCTION guard_two_person_document();
CREATE TRIGGER acquisition_no_truncate BEFORE TRUNCATE ON settlements_acquisition
    FOR EACH STATEMENT EXECUTE FUNCTION guard_two_person_document();
CREATE TRIGGER reserve_sale_no_truncate BEFORE TRUNCATE ON settlements_reservesale
    FOR EACH STATEMENT EXECUTE FUNCTION guard_two_person_document();
CREATE TRIGGER correction_no_truncate BEFORE TRUNCATE ON settlements_correction
    FOR EACH STATEMENT EXECUTE FUNCTION guard_two_person_document();

CREATE FUNCTION guard_correction_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'a correction keeps its lines: % refused', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    IF (SELECT line_count FROM settlements_correction WHERE id = NEW.correction_id)
       <= (SELECT count(*) FROM settlements_correctionline WHERE correction_id = NEW.correction_id) THEN
        RAISE EXCEPTION 'correction % has all its lines', NEW.correction_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER correction_line_guard BEFORE INSERT OR UPDATE OR DELETE ON settlements_correctionline
    FOR EACH ROW EXECUTE FUNCTION guard_correction_lines();
CREATE TRIGGER correction_line_no_truncate BEFORE TRUNCATE ON settlements_correctionline
    FOR EACH STATEMENT EXECUTE FUNCTION guard_correction_lines();

CREATE FUNCTION check_correction_has_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.line_count <> (SELECT count(*) FROM settlements_correctionline WHERE correction_id = NEW.id) THEN
        RAISE EXCEPTION 'correction % has another number of lines than it states', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER correction_has_lines AFTER INSERT ON settlements_correction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_correction_has_lines();
"""

BACKWARD = """
DROP TRIGGER correction_has_lines ON settlements_correction;
DROP TRIGGER correction_line_no_truncate ON settlements_correctionline;
DROP TRIGGER correction_line_guard ON settlements_correctionline;
DROP TRIGGER correction_no_truncate ON settlements_correction;
DROP TRIGGER reserve_sale_no_truncate ON settlements_reservesale;
DROP TRIGGER acquisition_no_truncate ON settlements_acquisition;
DROP TRIGGER correction_guard ON settlements_correction;
DROP TRIGGER reserve_sale_guard ON settlements_reservesale;
DROP TRIGGER acquisition_guard ON settlements_acquisition;
DROP FUNCTION check_correction_has_lines();
DROP FUNCTION guard_correction_lines();
DROP FUNCTION guard_two_person_document();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0002_settlement_settings"),
        ("settlements", "0008_bank_statements"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Correction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('document_number', models.CharField(max_length=80, verbose_name='document number')),
                ('document_date', models.DateField(verbose_name='document date')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('status', models.CharField(choices=[('Prepared', 'Waits for a second person'), ('Approved', 'Approved and posted'), ('Refused', 'Refused')], default='Prepared', editable=False, max_length=8, verbose_name='status')),
                ('prepared_at', models.DateTimeField(editable=False, verbose_name='prepared at')),
                ('approved_at', models.DateTimeField(editable=False, null=True, verbose_name='approved at')),
                ('refused_at', models.DateTimeField(editable=False, null=True, verbose_name='refused at')),
                ('refusal_reason', models.CharField(blank=True, editable=False, max_length=200, verbose_name='reason of the refusal')),
                ('line_count', models.PositiveSmallIntegerField(editable=False)),
                ('approved_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('ledger_entry', models.OneToOneField(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='settlements.journalentry', verbose_name='ledger entry')),
                ('prepared_by', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='prepared by')),
                ('refused_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='refused by')),
            ],
            options={
                'verbose_name': 'correction of the books',
                'verbose_name_plural': 'corrections of the books',
                'ordering': ['-id'],
                'permissions': [('approve_correction', 'Can approve a correction that another prepared')],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='CorrectionLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('reserve', 'Reserve'), ('position', 'Exchange position'), ('payable', 'Merchant payable'), ('held', 'Held for residents'), ('refund', 'Refunds due to residents'), ('fee_income', 'Fee income'), ('vat_payable', 'VAT payable'), ('screened', 'Stopped by screening'), ('payout', 'Payouts in transit'), ('bank', 'Bank account'), ('network_cost', "Miners' fees and gas"), ('exchange_diff', 'Realised exchange difference'), ('fee_receivable', 'Fees that merchants owe'), ('capital', 'Given over to the reserve')], max_length=16)),
                ('asset_code', models.CharField(max_length=32)),
                ('asset_decimals', models.PositiveSmallIntegerField()),
                ('part', models.CharField(blank=True, max_length=40)),
                ('side', models.CharField(choices=[('D', 'Debit'), ('C', 'Credit')], max_length=1, verbose_name='side')),
                ('amount_minor', alatau_pay.fields.MinorAmountField()),
                ('correction', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='settlements.correction')),
                ('merchant', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
            ],
            options={
                'verbose_name': 'line of a correction',
                'verbose_name_plural': 'lines of corrections',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='ReserveSale',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('document_number', models.CharField(max_length=80, verbose_name='document number')),
                ('document_date', models.DateField(verbose_name='document date')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('status', models.CharField(choices=[('Prepared', 'Waits for a second person'), ('Approved', 'Approved and posted'), ('Refused', 'Refused')], default='Prepared', editable=False, max_length=8, verbose_name='status')),
                ('prepared_at', models.DateTimeField(editable=False, verbose_name='prepared at')),
                ('approved_at', models.DateTimeField(editable=False, null=True, verbose_name='approved at')),
                ('refused_at', models.DateTimeField(editable=False, null=True, verbose_name='refused at')),
                ('refusal_reason', models.CharField(blank=True, editable=False, max_length=200, verbose_name='reason of the refusal')),
                ('asset_code', models.CharField(max_length=32, verbose_name='asset')),
                ('asset_decimals', models.PositiveSmallIntegerField(editable=False)),
                ('wallet', models.CharField(blank=True, max_length=20, verbose_name='wallet')),
                ('amount_minor', alatau_pay.fields.MinorAmountField()),
                ('source', models.CharField(choices=[('payments', 'Settled payments'), ('purchase', 'Bought'), ('seizure', 'Seized'), ('other', 'Otherwise')], max_length=10, verbose_name='source')),
                ('proceeds_tiyn', models.BigIntegerField()),
                ('cost_tiyn', models.BigIntegerField(editable=False, null=True)),
                ('approved_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('ledger_entry', models.OneToOneField(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='settlements.journalentry', verbose_name='ledger entry')),
                ('prepared_by', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='prepared by')),
                ('refused_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='refused by')),
            ],
            options={
                'verbose_name': 'sale of reserve coins',
                'verbose_name_plural': 'sales of reserve coins',
                'ordering': ['-id'],
                'permissions': [('approve_reservesale', 'Can approve a sale that another prepared')],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Acquisition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('document_number', models.CharField(max_length=80, verbose_name='document number')),
                ('document_date', models.DateField(verbose_name='document date')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('status', models.CharField(choices=[('Prepared', 'Waits for a second person'), ('Approved', 'Approved and posted'), ('Refused', 'Refused')], default='Prepared', editable=False, max_length=8, verbose_name='status')),
                ('prepared_at', models.DateTimeField(editable=False, verbose_name='prepared at')),
                ('approved_at', models.DateTimeField(editable=False, null=True, verbose_name='approved at')),
                ('refused_at', models.DateTimeField(editable=False, null=True, verbose_name='refused at')),
                ('refusal_reason', models.CharField(blank=True, editable=False, max_length=200, verbose_name='reason of the refusal')),
                ('asset_code', models.CharField(max_length=32, verbose_name='asset')),
                ('asset_decimals', models.PositiveSmallIntegerField(editable=False)),
                ('wallet', models.CharField(blank=True, max_length=20, verbose_name='wallet')),
                ('amount_minor', alatau_pay.fields.MinorAmountField()),
                ('source', models.CharField(choices=[('purchase', 'Bought'), ('seizure', 'Seized'), ('other', 'Otherwise')], max_length=10, verbose_name='source')),
                ('value_tiyn', models.BigIntegerField()),
                ('approved_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('ledger_entry', models.OneToOneField(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='settlements.journalentry', verbose_name='ledger entry')),
                ('prepared_by', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='prepared by')),
                ('refused_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='refused by')),
            ],
            options={
                'verbose_name': 'acquisition of coins',
                'verbose_name_plural': 'acquisitions of coins',
                'ordering': ['-id'],
                'permissions': [('approve_acquisition', 'Can approve an acquisition that another prepared')],
                'abstract': False,
                'constraints': [models.CheckConstraint(condition=models.Q(('approved_by__isnull', True), models.Q(('approved_by', models.F('prepared_by')), _negated=True), _connector='OR'), name='acquisition_takes_two_people'), models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('ledger_entry__isnull', False), ('refused_at__isnull', True), ('refused_by__isnull', True), ('status', 'Approved')), models.Q(('approved_at__isnull', True), ('approved_by__isnull', True), ('ledger_entry__isnull', True), ('refused_at__isnull', False), ('refused_by__isnull', False), ('status', 'Refused'), models.Q(('refusal_reason', ''), _negated=True)), models.Q(('approved_at__isnull', True), ('approved_by__isnull', True), ('ledger_entry__isnull', True), ('refused_at__isnull', True), ('refused_by__isnull', True), ('status', 'Prepared')), _connector='OR'), name='acquisition_is_decided_whole'), models.CheckConstraint(condition=models.Q(models.Q(('document_number', ''), _negated=True), models.Q(('reason', ''), _negated=True)), name='acquisition_names_its_document'), models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='acquisition_amount_positive'), models.CheckConstraint(condition=models.Q(('value_tiyn__gt', 0), models.Q(('value_tiyn', 0), models.Q(('source', 'purchase'), _negated=True)), _connector='OR'), name='acquisition_value'), models.CheckConstraint(condition=models.Q(('source__in', ['purchase', 'seizure', 'other'])), name='acquisition_source_known'), models.UniqueConstraint(condition=models.Q(('status', 'Refused'), _negated=True), fields=('source', 'document_number', 'document_date', 'asset_code', 'wallet'), name='acquisition_entered_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='correction',
            constraint=models.CheckConstraint(condition=models.Q(('approved_by__isnull', True), models.Q(('approved_by', models.F('prepared_by')), _negated=True), _connector='OR'), name='correction_takes_two_people'),
        ),
        migrations.AddConstraint(
            model_name='correction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('ledger_entry__isnull', False), ('refused_at__isnull', True), ('refused_by__isnull', True), ('status', 'Approved')), models.Q(('approved_at__isnull', True), ('approved_by__isnull', True), ('ledger_entry__isnull', True), ('refused_at__isnull', False), ('refused_by__isnull', False), ('status', 'Refused'), models.Q(('refusal_reason', ''), _negated=True)), models.Q(('approved_at__isnull', True), ('approved_by__isnull', True), ('ledger_entry__isnull', True), ('refused_at__isnull', True), ('refused_by__isnull', True), ('status', 'Prepared')), _connector='OR'), name='correction_is_decided_whole'),
        ),
        migrations.AddConstraint(
            model_name='correction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('document_number', ''), _negated=True), models.Q(('reason', ''), _negated=True)), name='correction_names_its_document'),
        ),
        migrations.AddConstraint(
            model_name='correction',
            constraint=models.CheckConstraint(condition=models.Q(('line_count__gte', 2)), name='correction_has_two_lines'),
        ),
        migrations.AddConstraint(
            model_name='correctionline',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='correction_line_positive'),
        ),
        migrations.AddConstraint(
            model_name='correctionline',
            constraint=models.CheckConstraint(condition=models.Q(('side__in', ['D', 'C'])), name='correction_line_side'),
        ),
        migrations.AddConstraint(
            model_name='reservesale',
            constraint=models.CheckConstraint(condition=models.Q(('approved_by__isnull', True), models.Q(('approved_by', models.F('prepared_by')), _negated=True), _connector='OR'), name='reservesale_takes_two_people'),
        ),
        migrations.AddConstraint(
            model_name='reservesale',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('ledger_entry__isnull', False), ('refused_at__isnull', True), ('refused_by__isnull', True), ('status', 'Approved')), models.Q(('approved_at__isnull', True), ('approved_by__isnull', True), ('ledger_entry__isnull', True), ('refused_at__isnull', False), ('refused_by__isnull', False), ('status', 'Refused'), models.Q(('refusal_reason', ''), _negated=True)), models.Q(('approved_at__isnull', True), ('approved_by__isnull', True), ('ledger_entry__isnull', True), ('refused_at__isnull', True), ('refused_by__isnull', True), ('status', 'Prepared')), _connector='OR'), name='reservesale_is_decided_whole'),
        ),
        migrations.AddConstraint(
            model_name='reservesale',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('document_number', ''), _negated=True), models.Q(('reason', ''), _negated=True)), name='reservesale_names_its_document'),
        ),
        migrations.AddConstraint(
            model_name='reservesale',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0), ('proceeds_tiyn__gt', 0)), name='reserve_sale_positive'),
        ),
        migrations.AddConstraint(
            model_name='reservesale',
            constraint=models.CheckConstraint(condition=models.Q(('source__in', ['payments', 'purchase', 'seizure', 'other'])), name='reserve_sale_source_known'),
        ),
        migrations.AddConstraint(
            model_name='reservesale',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cost_tiyn__isnull', False), ('status', 'Approved')), models.Q(models.Q(('status', 'Approved'), _negated=True), ('cost_tiyn__isnull', True)), _connector='OR'), name='reserve_sale_has_cost_when_approved'),
        ),
        migrations.AddConstraint(
            model_name='reservesale',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'Refused'), _negated=True), fields=('document_number', 'document_date', 'asset_code', 'wallet', 'source'), name='reserve_sale_entered_once'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
